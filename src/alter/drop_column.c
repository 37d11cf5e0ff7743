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
#include "access/sysattr.h"
#include "access/table.h"
#include "alter/alter.h"
#include "alter/drop.h"
#include "alter/plain.h"
#include "catalog/folded.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/expression.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

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
plan_drop_not_null(MigrationPlan *plan, AttrNumber attnum)
{
	List	   *column = expression_column(attnum);
	char	   *proof = ddl_own_name(plan, "not_null");

	plan_step(plan, &verb_set_not_null, &(SetNotNullArgs) {
		.relation = plan->relid, .column = column, .proof = proof,
	}, &(Step) {
		.phase = "expand", .only_back = true,
		.relations = list_make1_oid(plan->relid), .undo_lock = AccessExclusiveLock,
		.work = CATALOG_ONLY, .note = "on the way back only: SET NOT NULL, which is proved by then",
	});
	plan_step(plan, &verb_validate_constraint, &(ValidateArgs) {
		.relation = plan->relid, .name = proof,
	}, &(Step) {
		.phase = "expand", .only_back = true,
		.relations = list_make1_oid(plan->relid), .undo_lock = ShareUpdateExclusiveLock,
		.work = READS_TABLE, .note = "on the way back only: VALIDATE what proves NOT NULL",
	});
	plain_catalog_step(plan, "expand", &verb_drop_not_null, &(DropNotNullArgs) {
		.relation = plan->relid, .column = column, .proof = proof,
	});
}

static void
plan_omittable(MigrationPlan *plan, const Change *change, Form_pg_attribute att, const char *name)
{
	if (is_omittable(att))
	{
		if (change->down_source != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("down is not needed: column \"%s\" has a default or is not NOT NULL", name)));
		return;
	}
	if (change->down_source != NULL)
		plain_catalog_step(plan, "expand", &verb_set_default, &(SetDefaultArgs) {
			.relation = plan->relid, .column = expression_column(att->attnum),
			.value = ddl_expression_text(plan->relid, change->down_source, "down", att->atttypid, att->atttypmod, NULL),
		});
	else if (is_key_column(plan->relid, att->attnum))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is of the primary key and must not be NULL", name),
				 errdetail("An application that no longer knows the column could insert nothing."),
				 errhint("Give the value for its rows as down: zdm.migrate(..., down => 'gen_random_uuid()').")));
	else
		plan_drop_not_null(plan, att->attnum);
}

/* What PostgreSQL would refuse on the day of contract. */
static void
check_droppable(Oid relid, AttrNumber attnum, const char *name)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	bool		in_expression;

	if (att->attinhcount > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("cannot drop inherited column \"%s\"", name)));
	if (folded_partition_key_has(rel, attnum, &in_expression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("cannot drop column \"%s\" because it is part of the partition key of relation \"%s\"",
						name, RelationGetRelationName(rel))));
	table_close(rel, NoLock);
}

void
drop_column_plan(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd)
{
	AttrNumber	attnum;
	ObjectAddress address;
	HeapTuple	tuple;

	if (cmd->missing_ok && get_attnum(plan->relid, cmd->name) == InvalidAttrNumber)
	{
		plan_note(plan, "column \"%s\" does not exist: nothing is done", cmd->name);
		return;
	}
	attnum = ddl_attribute(plan->relid, cmd->name);
	check_droppable(plan->relid, attnum, cmd->name);
	address = (ObjectAddress) {RelationRelationId, plan->relid, attnum};
	drop_check_dependents(list_make1(&address), cmd->behavior,
						  psprintf("column %s of table %s", cmd->name, get_rel_name(plan->relid)));

	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(plan->relid), Int16GetDatum(attnum));
	plan_omittable(plan, change, (Form_pg_attribute) GETSTRUCT(tuple), cmd->name);
	ReleaseSysCache(tuple);
	plan_step(plan, &verb_drop_column, &(ColumnArgs) {.relation = plan->relid, .column = attnum}, &(Step) {
		.phase = "contract", .lock = AccessExclusiveLock, .work = CATALOG_ONLY, .note = "cannot be undone",
	});
	plan_note(plan, "contract drops column \"%s\" with the values of all rows; until then zdm.revert() leaves it as it was",
			  cmd->name);
}
