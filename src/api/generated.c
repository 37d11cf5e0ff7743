/*-------------------------------------------------------------------------
 *
 * generated.c
 *		Making a stored generated column depend on the other column of a pair.
 *
 * SQL can give a generated column another expression only by writing every row
 * anew.  The two columns of a rename have the same type and in every row the
 * same value, so nothing of what is stored would change: the column's number in
 * the stored expression is exchanged instead, and the dependency with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attmap.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "api/access.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_move_generated);

/* One generated column of one table, and the columns that are exchanged in it. */
typedef struct Generated
{
	Oid			relid;
	AttrNumber	attnum;
	AttrNumber	from;
	AttrNumber	to;
	Oid			expression;		/* its row of pg_attrdef */
} Generated;

/* Only of such columns is it known that they have the same values, and only then. */
static void
check_pair(Oid relid, const char *from, const char *to)
{
	QuerySession session;
	bool		is_pair;

	query_begin(&session);
	is_pair = QUERY("SELECT 1 FROM zdm.pair p JOIN zdm.migration m ON m.id = p.migration "
					"WHERE p.relid = $1 AND up IS NULL AND down IS NULL "
					"AND m.state IN ('cutting_over', 'reverting') "
					"AND (old_attnum = $2 AND new_attnum = $3 OR old_attnum = $3 AND new_attnum = $2)",
					arg_oid(relid), arg_int2(ddl_attribute(relid, from)),
					arg_int2(ddl_attribute(relid, to))) > 0;
	query_end(&session);
	if (!is_pair)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns \"%s\" and \"%s\" of %s are not those of a rename that is being switched",
						from, to, names_relation(relid))));
}

/* The expression over the other column. */
static Node *
exchanged(Relation rel, Node *expression, const Generated *generated)
{
	AttrMap    *map = make_attrmap(RelationGetNumberOfAttributes(rel));
	bool		whole_row;

	for (int i = 0; i < map->maplen; i++)
		map->attnums[i] = i + 1 == generated->from ? generated->to : i + 1;
	return map_variable_attnos(expression, 1, 0, map, InvalidOid, &whole_row);
}

/* Change the stored expression, and note which row of pg_attrdef it is. */
static void
move_expression(Relation rel, Generated *generated)
{
	Relation	pg_attrdef = table_open(AttrDefaultRelationId, RowExclusiveLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_attrdef_adrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(generated->relid));
	ScanKeyInit(&key[1], Anum_pg_attrdef_adnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(generated->attnum));
	scan = systable_beginscan(pg_attrdef, AttrDefaultIndexId, true, NULL, 2, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		tree = heap_getattr(tuple, Anum_pg_attrdef_adbin, RelationGetDescr(pg_attrdef), &isnull);
		Node	   *expression = exchanged(rel, stringToNode(TextDatumGetCString(tree)), generated);
		Datum		values[Natts_pg_attrdef] = {0};
		bool		nulls[Natts_pg_attrdef] = {0};
		bool		replace[Natts_pg_attrdef] = {0};

		generated->expression = ((Form_pg_attrdef) GETSTRUCT(tuple))->oid;
		values[Anum_pg_attrdef_adbin - 1] = CStringGetTextDatum(nodeToString(expression));
		replace[Anum_pg_attrdef_adbin - 1] = true;
		tuple = heap_modify_tuple(tuple, RelationGetDescr(pg_attrdef), values, nulls, replace);
		CatalogTupleUpdate(pg_attrdef, &tuple->t_self, tuple);
	}
	systable_endscan(scan);
	table_close(pg_attrdef, RowExclusiveLock);
}

/* Is it the generated column, or from PostgreSQL 15 on its expression, that depends? */
static bool
depends(const FormData_pg_depend *depend, const Generated *generated)
{
	if (depend->classid == AttrDefaultRelationId)
		return depend->objid == generated->expression;
	return depend->classid == RelationRelationId && depend->objid == generated->relid &&
		depend->objsubid == generated->attnum;
}

static void
move_dependency(const Generated *generated)
{
	Relation	pg_depend = table_open(DependRelationId, RowExclusiveLock);
	ScanKeyData key[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(generated->relid));
	ScanKeyInit(&key[2], Anum_pg_depend_refobjsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(generated->from));
	scan = systable_beginscan(pg_depend, DependReferenceIndexId, true, NULL, 3, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (!depends((Form_pg_depend) GETSTRUCT(tuple), generated))
			continue;
		tuple = heap_copytuple(tuple);
		((Form_pg_depend) GETSTRUCT(tuple))->refobjsubid = generated->to;
		CatalogTupleUpdate(pg_depend, &tuple->t_self, tuple);
	}
	systable_endscan(scan);
	table_close(pg_depend, RowExclusiveLock);
}

static void
move_in(Oid relid, const char *column, const char *from, const char *to)
{
	Relation	rel = table_open(relid, NoLock);
	Generated	generated = {
		.relid = relid,
		.attnum = ddl_attribute(relid, column),
		.from = ddl_attribute(relid, from),
		.to = ddl_attribute(relid, to),
	};

	/* before 16, a partition need not have it generated as its table has */
	if (TupleDescAttr(RelationGetDescr(rel), generated.attnum - 1)->attgenerated == ATTRIBUTE_GENERATED_STORED)
	{
		move_expression(rel, &generated);
		move_dependency(&generated);
		CacheInvalidateRelcacheByRelid(relid);
	}
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

Datum
zdm_move_generated(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *column = NameStr(*PG_GETARG_NAME(1));
	char	   *from = NameStr(*PG_GETARG_NAME(2));
	char	   *to = NameStr(*PG_GETARG_NAME(3));
	ListCell   *lc;

	access_check_table(relid, false);

	/* nobody may compute the column by the other expression any more */
	LockRelationOid(relid, AccessExclusiveLock);
	check_pair(relid, from, to);
	foreach(lc, find_all_inheritors(relid, AccessExclusiveLock, NULL))
		move_in(lfirst_oid(lc), column, from, to);
	PG_RETURN_VOID();
}
