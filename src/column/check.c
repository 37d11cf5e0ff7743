/*-------------------------------------------------------------------------
 *
 * check.c
 *		CHECK constraints over a column that is replaced.
 *
 * A second one is added, NOT VALID, and validated, before the cutover, under a name of
 * its own until contract.  One of values that up may give would fail the other
 * application's writes until then: it comes into force in the transaction in which the
 * new column decides, or, on the way back, the old one, and is validated after it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/part.h"
#include "core/expression.h"
#include "draft/deparse.h"

/* All are looked up together. */
static bool
load(Column *column, const Dependent *dependent)
{
	return dependent->contype == CONSTRAINT_CHECK;
}

static void
look(Column *column)
{
	QuerySession session;
	List	   *trees = NIL;
	ListCell   *lc;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT conname, conbin::text, convalidated, connoinherit, "
			  "coalesce(to_jsonb(o) ->> 'conenforced', 'true') = 'false', "
			  "obj_description(oid, 'pg_constraint') FROM pg_constraint o "
			  "WHERE conrelid = $1 AND contype = 'c' AND $2 = ANY (conkey) ORDER BY conname",
			  arg_oid(column->relid), arg_int2(column->attnum));
	for (uint64 row = 0; row < n; row++)
	{
		ColumnCheck *check = palloc0(sizeof(ColumnCheck));
		char	   *tree = query_text(row, 2);

		check->name = query_text(row, 1);
		trees = lappend(trees, tree);
		check->validated = query_bool(row, 3);
		check->no_inherit = query_bool(row, 4);
		check->not_enforced = query_bool(row, 5);
		check->comment = query_text(row, 6);
		column->checks = lappend(column->checks, check);
	}
	query_end(&session);
	/* printing runs a user's functions: not as the extension's owner */
	foreach(lc, column->checks)
		((ColumnCheck *) lfirst(lc))->expression =
			deparse_kept(stringToNode(list_nth(trees, foreach_current_index(lc))), column->relid, InvalidAttrNumber, NIL);
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->checks)
		claims = lappend(claims, psprintf("constraint %s", ((ColumnCheck *) lfirst(lc))->name));
	return claims;
}

/* What is NOT VALID stays so. */
static bool
is_validated(const ColumnCheck *check)
{
	return check->validated && !check->not_enforced;
}

static void
plan_check(MigrationPlan *plan, const Column *old, const NewColumn *new, const ColumnCheck *check)
{
	char	   *name = sql_own_name(plan->migration, check->name);

	plan_step(plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = old->relid, .name = name, .kind = CONSTRAINT_CHECK,
		.expression = expression_replace(check->expression, old->attnum, carry_column(new->name)),
		.no_inherit = check->no_inherit, .not_enforced = check->not_enforced,
	}, &(Step) {
		.phase = "migrate", .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	if (is_validated(check))
		plan_validation(plan, "migrate", old->relid, name);
}

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, new->may_misfit ? NIL : old->checks)
		plan_check(plan, old, new, lfirst(lc));
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const Column *old = exchange->twin->old;
	char	   *table = sql_table(making, old->relid);
	ListCell   *lc;

	foreach(lc, exchange->twin->new->may_misfit ? old->checks : NIL)
	{
		ColumnCheck *check = lfirst(lc);
		char	   *name = sql_name(check->name);
		List	   *expression = expression_replace(check->expression, old->attnum, expression_text(exchange->comes));

		sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s", table, name);
		sql_statement(sql, "ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)%s%s", table, name,
					  sql_expression(making, expression, old->relid), check->no_inherit ? " NO INHERIT" : "",
					  check->not_enforced ? " NOT ENFORCED" : " NOT VALID");
		if (check->comment != NULL)
			sql_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", name, table, sql_literal(check->comment));
	}
}

static void
afterwards(MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward)
{
	ListCell   *lc;

	foreach(lc, new->may_misfit ? old->checks : NIL)
	{
		ColumnCheck *check = lfirst(lc);

		if (is_validated(check) && forward)
			plan_validation(plan, "cutover", old->relid, check->name);
		else if (is_validated(check))
			carry_back_validation(plan, old, check->name);
	}
}

static void
rename_all(StringInfo sql, const Making *making, const TwinArgs *twin)
{
	ListCell   *lc;

	foreach(lc, twin->new->may_misfit ? NIL : twin->old->checks)
	{
		ColumnCheck *check = lfirst(lc);

		carry_append_rename(sql, sql_table(making, twin->old->relid), sql_own_name(making->migration, check->name),
							check->name, check->comment);
	}
}

const ColumnPart column_check = {
	.load = load,
	.look = look,
	.claims = claims,
	.migrate = migrate,
	.enter = enter,
	.afterwards = afterwards,
	.rename = rename_all,
};
