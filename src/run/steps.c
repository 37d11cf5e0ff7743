/*-------------------------------------------------------------------------
 *
 * steps.c
 *		Doing and undoing one step of a migration.
 *
 * A step is data: statements, the relations they lock and how strongly, and
 * what becomes of zdm.pair and the sync trigger.  So this file knows no kind of
 * migration, and a new kind needs nothing here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "backfill/copy.h"
#include "catalog/step_progress.h"
#include "run/batch_step.h"
#include "run/concurrent_step.h"
#include "run/first_step.h"
#include "run/second_step.h"
#include "run/statement_step.h"
#include "run/steps.h"
#include "run/try.h"
#include "utils/snapmgr.h"

/* A step of which only the undo does something: it is there for the way back. */
static StepOutcome
do_nothing(const Migration *migration, const Step *step)
{
	StepOutcome outcome = OUTCOME_STALE;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (try_still_in_state(migration, step))
	{
		step_mark_done(step, "");
		outcome = OUTCOME_DONE;
	}
	try_commit();
	return outcome;
}

StepOutcome
steps_do(const Migration *migration, const Step *step, StepRun *run)
{
	if (step->only_back)
		return do_nothing(migration, step);
	if (second_step_is_left_out(step))
		return second_step_leave_out(migration, step, run);
	switch (step->action)
	{
		case ACTION_SQL:
		case ACTION_LOOK:
			return statement_step_do(migration, step, run);
		case ACTION_TOPLEVEL:
			return concurrent_step_do(migration, step, false, run);
		case ACTION_BACKFILL:
		case ACTION_VERIFY:
			return batch_step_do(migration, step, run);
		case ACTION_SECOND:
		case ACTION_COPY:
		case ACTION_COMPARE:
		case ACTION_INDEX:
		case ACTION_EXCHANGE:
		case ACTION_ANALYZE:
		case ACTION_LEAVE:
			return second_step_do(migration, step, run);
		case ACTION_FIRST:
			return first_step_do(migration, step, run);
	}
	return OUTCOME_STALE;
}

bool
steps_are_shared(const Step *step)
{
	switch (step->action)
	{
		case ACTION_BACKFILL:
		case ACTION_VERIFY:
			return true;
		case ACTION_COPY:
		case ACTION_COMPARE:
			return copy_is_shared(step);
		default:
			return false;
	}
}

StepOutcome
steps_help(const Migration *migration, const Step *step, int helper, StepRun *run)
{
	switch (step->action)
	{
		case ACTION_BACKFILL:
		case ACTION_VERIFY:
			return batch_step_help(migration, step, helper, run);
		default:
			return second_step_help(migration, step, helper, run);
	}
}

StepOutcome
steps_undo(const Migration *migration, const Step *step, StepRun *run)
{
	/* nothing to undo, or nothing left to undo it on */
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!step->undoable || !try_relation_is_there(migration))
	{
		statement_step_forget(migration, step);
		return OUTCOME_DONE;
	}
	try_commit();

	switch (step->action)
	{
		case ACTION_SECOND:
		case ACTION_COPY:
		case ACTION_COMPARE:
		case ACTION_EXCHANGE:
			return second_step_undo(migration, step, run);
		case ACTION_FIRST:
			return first_step_undo(migration, step, run);
		case ACTION_TOPLEVEL:
			return step->only_back ?
				concurrent_step_do(migration, step, true, run) :
				concurrent_step_undo(migration, step, run);
		default:
			return statement_step_undo(migration, step, run);
	}
}
