/*-------------------------------------------------------------------------
 *
 * sync.c
 *		Expressions and pairs of columns, callable from SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pair.h"
#include "core/names.h"
#include "fmgr.h"
#include "plan/trigger_sql.h"
#include "sync/expr.h"
#include "sync/pairs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_test_expr_cast);
PG_FUNCTION_INFO_V1(zdm_test_expr_readable);
PG_FUNCTION_INFO_V1(zdm_test_expr_resolve);
PG_FUNCTION_INFO_V1(zdm_test_pair_invalidate);
PG_FUNCTION_INFO_V1(zdm_test_pairs_disagree);
PG_FUNCTION_INFO_V1(zdm_test_trigger_sql);

static ExprColumn
column_of_type(const char *name, Oid type, int32 typmod)
{
	ExprColumn	column = {
		.name = name,
		.type = type,
		.typmod = typmod,
		.collation = get_typcollation(type)
	};

	return column;
}

/* (table, source, target type, target typmod, new column's name and type) */
Datum
zdm_test_expr_resolve(PG_FUNCTION_ARGS)
{
	ExprColumn	target = column_of_type("target", PG_GETARG_OID(2), PG_GETARG_INT32(3));
	ExprColumn	new_column;

	if (!PG_ARGISNULL(4))
		new_column = column_of_type(text_to_cstring(PG_GETARG_TEXT_PP(4)), PG_GETARG_OID(5), -1);
	return CStringGetTextDatum(expr_resolve(PG_GETARG_OID(0),
											text_to_cstring(PG_GETARG_TEXT_PP(1)),
											PG_ARGISNULL(4) ? "up" : "down",
											PG_ARGISNULL(4) ? NULL : &new_column,
											&target));
}

/* (table, stored, new column's number) */
Datum
zdm_test_expr_readable(PG_FUNCTION_ARGS)
{
	return CStringGetTextDatum(expr_readable(PG_GETARG_OID(0),
											 text_to_cstring(PG_GETARG_TEXT_PP(1)),
											 PG_GETARG_INT16(2)));
}

/* (from type, its typmod, to type, its typmod, explicit allowed) */
Datum
zdm_test_expr_cast(PG_FUNCTION_ARGS)
{
	ExprColumn	from = column_of_type("c", PG_GETARG_OID(0), PG_GETARG_INT32(1));
	ExprColumn	to = column_of_type("c", PG_GETARG_OID(2), PG_GETARG_INT32(3));
	char	   *stored = expr_cast(1, &from, &to, PG_GETARG_BOOL(4));

	if (stored == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(stored));
}

Datum
zdm_test_pair_invalidate(PG_FUNCTION_ARGS)
{
	pair_invalidate(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/* (table, row of it): in how many of the table's pairs do the sides disagree? */
Datum
zdm_test_pairs_disagree(PG_FUNCTION_ARGS)
{
	static bool ready = false;
	Relation	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(1);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	PairSet    *set;
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(header),
		.t_data = header
	};
	int32		disagree = 0;

	if (!ready)
		pairs_init();			/* of this library's copy */
	ready = true;
	set = pairs_get(rel);
	ExecStoreHeapTuple(&tuple, slot, false);
	for (int i = 0; i < set->npairs; i++)
		disagree += !pair_in_step(&set->pairs[i], slot, pair_is_past(&set->pairs[i], slot));
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	PG_RETURN_INT32(disagree);
}

/* (table, drop instead of create) */
Datum
zdm_test_trigger_sql(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *template = PG_GETARG_BOOL(1) ?
		trigger_sql_drop(relid) : trigger_sql_create(relid);

	return CStringGetTextDatum(names_render(template, false));
}
