/*-------------------------------------------------------------------------
 *
 * not_null.c
 *		The plan of SET NOT NULL.
 *
 * SET NOT NULL reads the whole table while nobody can use it, unless a valid
 * constraint proves that there is no NULL.  So there is one first: on 18 the
 * NOT NULL constraint itself, NOT VALID and then validated; before, a CHECK,
 * which goes again.
 *
 * Rows are filled in before the constraint comes: once it is there, an update
 * of a row that still holds NULL fails, whichever column it changes.  What is
 * written between the two is filled in by a second pass, which is short.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "alter/alter.h"
#include "alter/plain.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "commands/defrem.h"
#include "core/expression.h"
#include "core/names.h"
#include "core/target.h"
#include "facts/facts_expr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

/* The name for good on 18; before, one until the column itself is NOT NULL. */
static char *
proof_name(const MigrationPlan *plan, const char *column)
{
	if (target_has_named_not_null())
		return constraint_name(plan->relid, NULL, column, "not_null");
	return ddl_own_name(plan, psprintf("%s_not_null", column));
}

/*
 * Partitions and children that are NOT NULL already.  Before 18 that is nobody's own: they
 * would lose it with the table's.
 */
static List *
own_not_null(Oid relid, const char *column)
{
	List	   *own = NIL;
	ListCell   *lc;

	if (target_has_named_not_null())
		return NIL;
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		HeapTuple	tuple = SearchSysCacheAttName(lfirst_oid(lc), column);

		if (!HeapTupleIsValid(tuple))
			continue;
		if (lfirst_oid(lc) != relid && ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull)
			own = lappend_oid(own, lfirst_oid(lc));
		ReleaseSysCache(tuple);
	}
	return own;
}

void
not_null_add(MigrationPlan *plan, const char *column)
{
	plain_catalog_step(plan, "migrate", &verb_add_constraint, &(ConstraintArgs) {
		.relation = plan->relid, .name = proof_name(plan, column), .kind = 'n',
		.expression = ddl_column(plan->relid, column),
	});
}

void
not_null_validate(MigrationPlan *plan, const char *column)
{
	char	   *name = proof_name(plan, column);

	plan_validation(plan, "migrate", plan->relid, name);
	if (target_has_named_not_null())
		return;
	plan_step(plan, &verb_set_not_null, &(SetNotNullArgs) {
		.relation = plan->relid, .column = ddl_column(plan->relid, column), .proof = name,
		.own = own_not_null(plan->relid, column),
	}, &(Step) {
		.phase = "migrate", .undoable = true, .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "the validated constraint proves it: no scan",
	});
}

/*
 * What to read for all rows: the table; or, where a partition of it is foreign, the
 * others.  NOT NULL of a foreign one is what its owner says, and not checked.
 */
static List *
relations_to_read(Oid relid)
{
	List	   *partitions = NIL;
	bool		foreign = false;
	ListCell   *lc;

	foreach(lc, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? find_all_inheritors(relid, NoLock, NULL) : NIL)
	{
		char		relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind == RELKIND_RELATION)
			partitions = lappend_oid(partitions, lfirst_oid(lc));
		foreign |= relkind == RELKIND_FOREIGN_TABLE;
	}
	return foreign ? partitions : list_make1_oid(relid);
}

/*
 * Once the constraint is there, a row that holds NULL cannot be updated, and the
 * application that writes NULL fails: so rows are looked for before it comes.
 */
static void
plan_look_in(MigrationPlan *plan, Oid relid, const char *column)
{
	plan_step(plan, &verb_assert, &(AssertArgs) {
		.relation = relid, .sqlstate = "23502",
		.message = psprintf("column \"%s\" of %s contains null values", column, names_relation(relid)),
		.row = fit_row_name(relid),
		.hint = psprintf("SELECT zdm.set_not_null(%s, %s, fill => '...')",
						 quote_literal_cstr(names_relation(plan->relid)), quote_literal_cstr(column)),
		.violation = expression_format("%e IS NULL", ddl_column(relid, column)),
	}, &(Step) {
		.phase = "migrate", .lock = AccessShareLock, .work = READS_TABLE,
		.note = "gives no row if there is no NULL; nothing has been changed by then",
	});
}

static void
plan_look(MigrationPlan *plan, const char *column)
{
	ListCell   *lc;

	foreach(lc, relations_to_read(plan->relid))
		plan_look_in(plan, lfirst_oid(lc), column);
}

/* The column's NOT NULL that is there and NOT VALID (18), or NULL. */
static char *
not_validated(Oid relid, AttrNumber attnum)
{
	QuerySession session;
	char	   *name = NULL;

	query_begin(&session);
	if (QUERY("SELECT conname FROM pg_constraint WHERE conrelid = $1 AND contype = 'n' AND conkey = ARRAY[$2] AND NOT convalidated",
			  arg_oid(relid), arg_int2(attnum)) > 0)
		name = query_text(0, 1);
	query_end(&session);
	return name;
}

/* All that is needed is to validate it: a second one would be refused. */
static void
plan_pending(MigrationPlan *plan, const char *column, char *constraint, List *fill)
{
	if (fill != NIL)
		update_fill_step(plan, ddl_column(plan->relid, column), fill);
	else
		plan_look(plan, column);
	plan_step(plan, &verb_validate_constraint, &(ValidateArgs) {
		.relation = plan->relid, .name = constraint,
	}, &(Step) {
		.phase = "migrate", .lock = ShareUpdateExclusiveLock, .work = READS_TABLE,
		.note = "it is there and NOT VALID",
	});
}

void
not_null_plan(MigrationPlan *plan, const char *column, List *fill)
{
	Facts	   *facts = facts_create(true);
	FactRelation *rel = facts_by_oid(facts, plan->relid);
	AttrNumber	attnum = ddl_attribute(plan->relid, column);
	List	   *kept = expression_column(attnum);
	char	   *pending = not_validated(plan->relid, attnum);
	FactColumn *col;

	if (pending != NULL)
	{
		plan_pending(plan, column, pending, fill);
		return;
	}
	facts_detail(facts, rel);
	col = facts_attribute(rel, attnum);
	if (col->notnull)
	{
		plan_note(plan, "column \"%s\" is NOT NULL already", column);
		return;
	}
	if (facts_proves_not_null(rel, col))
	{
		plain_catalog_step(plan, "migrate", &verb_set_not_null, &(SetNotNullArgs) {
			.relation = plan->relid, .column = kept, .own = own_not_null(plan->relid, column),
		});
		return;
	}
	if (fill != NIL)
		update_fill_step(plan, kept, fill);
	else
		plan_look(plan, column);
	not_null_add(plan, column);
	if (fill != NIL)
		update_fill_step(plan, kept, fill);
	not_null_validate(plan, column);
}
