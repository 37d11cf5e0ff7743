/*-------------------------------------------------------------------------
 *
 * first_step.c
 *		The steps by which a table becomes the first partition of another.
 *
 * What hangs on the table, and on the one that takes its name, is locked with them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/step_progress.h"
#include "core/debug_point.h"
#include "core/guc.h"
#include "run/first_partition.h"
#include "run/first_step.h"
#include "run/sessions.h"
#include "run/try.h"
#include "utils/snapmgr.h"
#include "verbs/verb.h"

/* The step's transaction, with all that hangs on the table and on the one that takes its name. */
static StepOutcome
begin_with_first(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	Step		locking = *step;
	List	   *relations;
	StepOutcome outcome;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	relations = first_partition_relations(first_args(step));
	MemoryContextSwitchTo(caller);
	locking.lock = AccessExclusiveLock;
	locking.relations = list_copy(relations);
	try_commit();
	outcome = try_begin(migration, &locking, run);
	/* closes the race with a view, say, that has come since: its lock would be waited for */
	if (outcome == OUTCOME_DONE && list_difference_oid(first_partition_relations(first_args(step)), locking.relations) != NIL)
		return try_come_again(step, NULL, run);
	return outcome;
}

/* The table becomes a partition, or the partitions are completed. */
StepOutcome
first_step_do(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_first(migration, step, run);
	char	   *sql;

	if (outcome != OUTCOME_DONE)
		return outcome;
	try_require_relation(migration, step);
	guc_bound_lock_waits();
	if (verb_is(step, &verb_become_partition))
		sql = first_partition_exchange(migration, first_args(step), false);
	else
		sql = first_partition_settle(migration, first_args(step));
	if (verb_is(step, &verb_become_partition))
		sessions_compile_all(get_partition_parent(first_args(step)->relation, false), &run->functions);
	step_mark_done(step, sql);
	ZDM_DEBUG_POINT("first-before-commit");
	try_commit();
	return OUTCOME_DONE;
}

/* On the way back: the partition is the table again. */
StepOutcome
first_step_undo(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_first(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	guc_bound_lock_waits();
	(void) first_partition_exchange(migration, first_args(step), true);
	sessions_compile_all(first_args(step)->relation, &run->functions);
	step_mark_undone(step);
	ZDM_DEBUG_POINT("undo-before-commit");
	try_commit();
	return OUTCOME_DONE;
}
