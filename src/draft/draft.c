/*-------------------------------------------------------------------------
 *
 * draft.c
 *		A plan in the making.
 *
 * A plan is data from the first moment: it is made in memory, shown or stored,
 * and carried out by a worker that knows nothing of kinds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/step_progress.h"
#include "draft/draft.h"
#include "lib/stringinfo.h"
#include "verbs/verbs.h"

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

void
plan_validation(MigrationPlan *plan, const char *phase, Oid relation, const char *name)
{
	plan_step(plan, &verb_validate_constraint, &(ValidateArgs) {.relation = relation, .name = pstrdup(name)}, &(Step) {
		.phase = pstrdup(phase), .relations = list_make1_oid(relation),
		.lock = ShareUpdateExclusiveLock, .work = READS_TABLE,
	});
}

void
plan_index_completion(MigrationPlan *plan, Oid root, char *name)
{
	plan_step(plan, &verb_complete_index, &(NamedArgs) {.relation = root, .name = name}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(root), .work = "looks at the catalog",
		.note = "if false, partitions have come or gone since: those without their part get it, and the last is attached once more",
	});
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
		step_progress_insert(step);
	}
}
