/*-------------------------------------------------------------------------
 *
 * plan.c
 *		From a change to the steps that make it.
 *
 * Every door comes here with a Change, and the kind of that makes the plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/alter.h"
#include "catalog/migration.h"
#include "core/errors.h"
#include "plan/meaning.h"
#include "plan/plan.h"

static const PlanKind *const kinds[] = {
	&plan_add_column,
	&plan_add_constraint,
	&plan_alter_table,
	&plan_attach_partition,
	&plan_backfill,
	&plan_create_index,
	&plan_detach_partition,
	&plan_drop,
	&plan_drop_column,
	&plan_drop_index,
	&plan_generate_column,
	&plan_keep_place,
	&plan_partition_table,
	&plan_plain,
	&plan_refresh,
	&plan_reindex,
	&plan_change_column_type,
	&plan_rename_column,
	&plan_rename_enum_value,
	&plan_rename_table,
	&plan_reorder_columns,
	&plan_rewrite,
	&plan_set_not_null,
	&plan_split_partition,
	&plan_unpartition_table,
};

const PlanKind *
plan_kind(const char *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a migration of kind \"%s\" is not supported", name)));
}

List *
plan_claims(const PlanKind *kind, const Change *change)
{
	return kind->claims != NULL ? kind->claims(change) : NIL;
}

void
plan_validate(const PlanKind *kind, Change *change)
{
	MigrationPlan scratch = {.relid = change->relid};

	if (kind->check != NULL)
		kind->check(change);
	else
		kind->make(&scratch, change);
}

void
plan_store(const MigrationPlan *plan)
{
	ListCell   *lc;

	plan_store_steps(plan);
	foreach(lc, plan->pairs)
		pair_insert(lfirst(lc));
	migration_set_notes(plan->migration, plan->notes);
	meaning_note(plan->migration);
}
