/*-------------------------------------------------------------------------
 *
 * plan.c
 *		From a change to the steps that make it.
 *
 * A plan is data from the first moment: it is made in memory, shown or stored,
 * and carried out by a worker that knows nothing of kinds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "lib/stringinfo.h"
#include "plan/definition.h"
#include "verbs/verbs.h"
#include "plan/meaning.h"
#include "plan/other_end.h"
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
	&plan_plain,
	&plan_refresh,
	&plan_reindex,
	&plan_change_column_type,
	&plan_rename_column,
	&plan_rename_enum_value,
	&plan_rename_table,
	&plan_rewrite,
	&plan_set_not_null,
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
plan_validate(const PlanKind *kind, const Change *change)
{
	MigrationPlan scratch = {.relid = change->relid};

	if (kind->check != NULL)
		kind->check(change);
	else
		kind->make(&scratch, change);
}

void
plan_add(MigrationPlan *plan, const Step *step)
{
	Step	   *copy = palloc(sizeof(Step));

	*copy = *step;
	copy->migration = plan->migration;
	copy->number = plan->stored + list_length(plan->steps) + 1;
	if (copy->lock != NoLock && copy->relations == NIL)
		copy->relations = list_make1_oid(plan->relid);
	/* what stands as it is names what it needs itself */
	if (copy->needs == NIL && strcmp(copy->verb, verb_statement.name) != 0)
		copy->needs = list_concat_unique_oid(list_copy(copy->relations), copy->beside);
	copy->queries |= copy->action == ACTION_LOOK || fill_args(copy) != NULL;
	if (copy->undoable && copy->undo_lock == NoLock)
		copy->undo_lock = copy->lock;
	plan->steps = lappend(plan->steps, copy);
}

void
plan_step(MigrationPlan *plan, const Verb *verb, const void *args, const Step *step)
{
	Step		filled = *step;

	verb_set(&filled, verb, args);
	filled.undoable |= filled.only_back;
	plan_add(plan, &filled);
}

bool
plan_has_backfill(const MigrationPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		if (((Step *) lfirst(lc))->action == ACTION_BACKFILL)
			return true;
	}
	return false;
}

void
plan_note(MigrationPlan *plan, const char *fmt,...)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&buf, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	plan->notes = lappend(plan->notes, buf.data);
}

void
plan_store_steps(const MigrationPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		Step	   *step = lfirst(lc);

		step->args = verb_args_json(step);
		step_insert(step);
	}
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
