/*-------------------------------------------------------------------------
 *
 * drop_column.c
 *		The plan of DROP COLUMN.
 *
 * First the column becomes one that an INSERT may omit, so that applications
 * which no longer know it can run beside those that do; and there it rests.
 * Only contract drops it, which cannot be undone.
 *
 * The way back to NOT NULL is as long as the way there: the steps that prove
 * it do nothing on the way out, and all their work when they are undone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/alter.h"
#include "plan/plain.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

/* What would stand in the way of contract is said now. */
static void
check_dependents(const MigrationPlan *plan, AttrNumber attnum, const char *name)
{
	QuerySession session;
	char	   *dependents;

	query_begin(&session);
	QUERY("SELECT string_agg(DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid), ', ') FROM pg_depend d "
		  "WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2 AND d.deptype = 'n' "
		  "AND NOT EXISTS (SELECT 1 FROM pg_depend own WHERE own.classid = d.classid AND own.objid = d.objid "
		  "AND own.deptype IN ('a', 'i') AND own.refclassid = d.refclassid AND own.refobjid = d.refobjid) "
		  "AND NOT (d.classid = 'pg_class'::regclass AND d.objid = $1)",
		  arg_oid(plan->relid), arg_int2(attnum));
	dependents = query_text(0, 1);
	query_end(&session);
	if (dependents != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop column %s of table %s because other objects depend on it",
						name, get_rel_name(plan->relid)),
				 errdetail("They are: %s.", dependents),
				 errhint("Drop or change them first.")));
}

/* May an INSERT leave the column out today? */
static bool
is_omittable(Form_pg_attribute att)
{
	return !att->attnotnull || att->atthasdef || att->attidentity != '\0';
}

static bool
is_key_column(Oid relid, AttrNumber attnum)
{
	QuerySession session;
	bool		found;

	query_begin(&session);
	found = QUERY("SELECT 1 FROM pg_index WHERE indrelid = $1 AND indisprimary AND $2 = ANY (indkey::int2[])",
				  arg_oid(relid), arg_int2(attnum)) > 0;
	query_end(&session);
	return found;
}

/* NOT NULL goes; when that is undone, it comes back proved. */
static void
plan_drop_not_null(MigrationPlan *plan, char *column)
{
	char	   *table = names_template_relation(plan->relid);
	char	   *proof = ddl_quoted(ddl_own_name(plan, "not_null"));

	plan_add(plan, &(Step) {
		.phase = "expand", .action = ACTION_SQL,
		.statement = "",
		.undo = psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n"
						 "ALTER TABLE %s DROP CONSTRAINT %s", table, column, table, proof),
		.relations = list_make1_oid(plan->relid), .undo_lock = AccessExclusiveLock,
		.work = CATALOG_ONLY, .note = "on the way back only: SET NOT NULL, which is proved by then",
	});
	plan_add(plan, &(Step) {
		.phase = "expand", .action = ACTION_SQL,
		.statement = "",
		.undo = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, proof),
		.relations = list_make1_oid(plan->relid), .undo_lock = ShareUpdateExclusiveLock,
		.work = READS_TABLE, .note = "on the way back only: VALIDATE what proves NOT NULL",
	});
	plain_catalog_step(plan, "expand",
					   psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table, column),
					   psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID",
								table, proof, column));
}

static void
plan_default(MigrationPlan *plan, const Change *change, Form_pg_attribute att, char *column)
{
	char	   *table = names_template_relation(plan->relid);

	plain_catalog_step(plan, "expand",
					   psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, column,
								ddl_expression_text(plan->relid, change->down_source,
													att->atttypid, att->atttypmod, NULL)),
					   psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, column));
}

static void
plan_omittable(MigrationPlan *plan, const Change *change, Form_pg_attribute att, const char *name)
{
	char	   *column = names_template_attribute(plan->relid, att->attnum);

	if (is_omittable(att))
	{
		if (change->down_source != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("down is not needed: column \"%s\" has a default or is not NOT NULL", name)));
		return;
	}
	if (change->down_source != NULL)
		plan_default(plan, change, att, column);
	else if (is_key_column(plan->relid, att->attnum))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is of the primary key and must not be NULL", name),
				 errdetail("An application that no longer knows the column could insert nothing."),
				 errhint("Give the value for its rows as down: zdm.migrate(..., down => 'gen_random_uuid()').")));
	else
		plan_drop_not_null(plan, column);
}

void
drop_column_plan(MigrationPlan *plan, const Change *change, const AlterTableCmd *cmd)
{
	AttrNumber	attnum;
	HeapTuple	tuple;

	if (cmd->missing_ok && get_attnum(plan->relid, cmd->name) == InvalidAttrNumber)
	{
		plan_note(plan, "column \"%s\" does not exist: nothing is done", cmd->name);
		return;
	}
	attnum = ddl_attribute(plan->relid, cmd->name);
	if (cmd->behavior == DROP_CASCADE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does not do DROP COLUMN CASCADE"),
				 errdetail("What else would be dropped is known only when it runs."),
				 errhint("Drop what depends on the column first.")));
	check_dependents(plan, attnum, cmd->name);

	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(plan->relid), Int16GetDatum(attnum));
	plan_omittable(plan, change, (Form_pg_attribute) GETSTRUCT(tuple), cmd->name);
	ReleaseSysCache(tuple);
	plan_add(plan, &(Step) {
		.phase = "contract", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s DROP COLUMN %s", names_template_relation(plan->relid),
							  names_template_attribute(plan->relid, attnum)),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY, .note = "cannot be undone",
	});
}
