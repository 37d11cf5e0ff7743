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

#include "catalog/namespace.h"
#include "catalog/query.h"
#include "commands/defrem.h"
#include "core/names.h"
#include "ddl/facts_expr.h"
#include "plan/alter.h"
#include "plan/carry.h"
#include "plan/plain.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* The name for good on 18; before, one until the column itself is NOT NULL. */
static char *
proof_name(const MigrationPlan *plan, const char *column)
{
	if (ZDM_HAS_NOT_NULL_NOT_VALID)
		return constraint_name(plan->relid, NULL, column, "not_null");
	return ddl_own_name(plan, psprintf("%s_not_null", column));
}

void
not_null_add(MigrationPlan *plan, const char *column)
{
	char	   *table = names_template_relation(plan->relid);
	char	   *name = ddl_quoted(proof_name(plan, column));

	plain_catalog_step(plan, "migrate",
					   psprintf(ZDM_HAS_NOT_NULL_NOT_VALID ?
								"ALTER TABLE %s ADD CONSTRAINT %s NOT NULL %s NOT VALID" :
								"ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID",
								table, name, ddl_quoted(column)),
					   psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, name));
}

void
not_null_validate(MigrationPlan *plan, const char *column)
{
	char	   *table = names_template_relation(plan->relid);
	char	   *name = ddl_quoted(proof_name(plan, column));
	char	   *quoted = ddl_quoted(column);

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, name),
		.lock = ShareUpdateExclusiveLock, .work = READS_TABLE,
	});
	if (ZDM_HAS_NOT_NULL_NOT_VALID)
		return;

	/* two statements: in one, the drop would come first and with it the proof */
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n"
							  "ALTER TABLE %s DROP CONSTRAINT %s", table, quoted, table, name),
		.undo = psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table, quoted),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "the validated constraint proves it: no scan",
	});
}

/*
 * Once the constraint is there, a row that holds NULL cannot be updated, and the
 * application that writes NULL fails: so rows are looked for before it comes.
 */
static void
plan_look(MigrationPlan *plan, const char *column, const char *name)
{
	char	   *table = names_relation(plan->relid);

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_LOOK,
		.statement = psprintf("SELECT '23502', %s, %s, %s FROM %s WHERE %s IS NULL LIMIT 10",
							  carry_literal(psprintf("column \"%s\" of %s contains null values", column, table)),
							  fit_row_name(plan->relid),
							  carry_literal(psprintf("SELECT zdm.set_not_null(%s, %s, fill => '...')",
													 quote_literal_cstr(table), quote_literal_cstr(column))),
							  names_template_relation(plan->relid), name),
		.lock = AccessShareLock, .work = READS_TABLE,
		.note = "gives no row if there is no NULL; nothing has been changed by then",
	});
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
plan_pending(MigrationPlan *plan, const char *column, const char *name, const char *constraint, const char *fill)
{
	if (fill != NULL)
		update_fill_step(plan, name, fill);
	else
		plan_look(plan, column, name);
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", names_template_relation(plan->relid),
							  ddl_quoted(constraint)),
		.lock = ShareUpdateExclusiveLock, .work = READS_TABLE,
		.note = "it is there and NOT VALID",
	});
}

void
not_null_plan(MigrationPlan *plan, const char *column, const char *fill)
{
	Facts	   *facts = facts_create(true);
	FactRelation *rel = facts_by_oid(facts, plan->relid);
	AttrNumber	attnum = ddl_attribute(plan->relid, column);
	char	   *name = names_template_attribute(plan->relid, attnum);
	char	   *pending = not_validated(plan->relid, attnum);
	FactColumn *col;

	if (pending != NULL)
	{
		plan_pending(plan, column, name, pending, fill);
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
		plain_catalog_step(plan, "migrate",
						   psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL",
									names_template_relation(plan->relid), name),
						   psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL",
									names_template_relation(plan->relid), name));
		return;
	}
	if (fill != NULL)
		update_fill_step(plan, name, fill);
	else
		plan_look(plan, column, name);
	not_null_add(plan, column);
	if (fill != NULL)
		update_fill_step(plan, name, fill);
	not_null_validate(plan, column);
}
