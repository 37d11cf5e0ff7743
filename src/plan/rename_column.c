/*-------------------------------------------------------------------------
 *
 * rename_column.c
 *		The plan of rename_column: a second column under the new name.
 *
 * Renaming in the catalog takes an instant, but running applications know one
 * name only, and cannot all change in that instant.  So both names exist, each
 * a column of its own, from expand to contract.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/carry.h"
#include "column/column_steps.h"
#include "column/load.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "draft/by_path.h"
#include "plan/plan.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

/* Both names would have to be one value while the row has no partition yet. */
static void
refuse_partition_key(const Change *change)
{
	bool		in_expression;

	if (!column_in_partition_key(change->relid, change->column, &in_expression))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of %s is in the partition key, and cannot have two names", change->column, names_relation(change->relid)),
			 errdetail("PostgreSQL chooses a row's partition before any trigger fires: what is written by the new name would have none."),
			 errhint("It gets its new name in an instant, for all applications at once: BEGIN; SET LOCAL zdm.guard = off; ALTER TABLE %s RENAME COLUMN %s TO %s; COMMIT; as a superuser, or one granted SET on zdm.guard.",
					 names_relation(change->relid), quote_identifier(change->column), quote_identifier(change->new_name))));
}

static List *
claims(const Change *change)
{
	/* as PostgreSQL says it of this statement alone */
	if (change->ddl != NULL && get_attnum(change->relid, change->column) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" does not exist", change->column)));
	refuse_partition_key(change);
	return list_concat(list_make2(change->column, change->new_name),
					   column_claims(change->relid, change->column));
}

static void
check(Change *change)
{
	Column	   *column;

	if (strcmp(change->column, change->new_name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("the new name of column \"%s\" is the old one", change->column)));
	column = column_load(change->relid, change->column);
	column_check_new_type(column, column->type_oid);
	column_check_new_name(change->relid, change->new_name);
	by_path_check_table(change->relid, column->attnum);
	dependent_check_both_names(column);
	dependent_check_bodies(column);
}

static void
make(MigrationPlan *plan, Change *change)
{
	Column	   *column = column_load(change->relid, change->column);
	NewColumn	new = {
		.name = change->new_name,
		.final_name = change->new_name,
		.type = column->type,
		.collation = column->collation,
		.storage = column->storage,
		.compression = column->compression,
		.null_first = get_typdefault(column->type_oid) != NULL,
	};
	Pair		pair = {
		.migration = plan->migration,
		.relid = change->relid,
		.old_attnum = column->attnum,
		.new_name = change->new_name,
		.on_conflict = (char *) GetConfigOption("zdm.on_conflict", false, false),
		.reversible = guc_reversible,
	};

	column_plan_expand(plan, column, &new, &pair);
	column_plan_migrate(plan, column, &new);
	column_plan_cutover(plan, column, &new);
	column_plan_contract(plan, column, &new);
}

static char *
definition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'rename_column', 'relation', $1, 'column', $2, 'new_name', $3)",
		  arg_oid(change->relid), arg_text(change->column), arg_text(change->new_name));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_rename_column = {
	.name = "rename_column",
	.claims = claims,
	.check = check,
	.make = make,
	.definition = definition,
};
