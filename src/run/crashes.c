/*-------------------------------------------------------------------------
 *
 * crashes.c
 *		The end of a step that crashes the server again and again.
 *
 * A step runs functions of users, and one in C can crash its process, which has the server
 * end all its sessions and begin anew; the launcher would start the worker again, and all
 * would go round for ever.  So after a few crashes that a step has met in a row the
 * migration fails, as after any error.  Up to then there is a rest before each try, in
 * which applications get on with their work.
 *
 * A crash is met by all who are at work, and who did it cannot be told: after the first
 * one they are tried one at a time, so that the others meet no more of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/crash.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "run/batch_step.h"
#include "run/crashes.h"
#include "run/try.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So many crashes in a row, and the migration fails. */
#define CRASH_LIMIT 3

/* The rest after the first, and how much longer the next is. */
#define CRASH_PAUSE_MS ZDM_DEBUG_MS(5000, 50)
#define CRASH_PAUSE_GROWTH 4

/* While another one is tried. */
#define TURN_PAUSE_MS ZDM_DEBUG_MS(500, 50)

/* The claim on the right to try what has met a crash. */
#define TRIAL 0

static void
refuse(const Migration *migration, const Step *step, const StepCrashes *crashes)
{
	ereport(ERROR,
			(errcode(ERRCODE_CRASH_SHUTDOWN),
			 errmsg("the worker has ended %d times without a word at step %d: the server crashed", crashes->count, step->number),
			 errdetail("That was found at %s.  No batch and no error of the step was noted in between.", crashes->times),
			 errhint("Look in the server's log for the process that crashed.  When the cause is gone, try again with SELECT zdm.resume("
					 INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").", migration->id, migration->id)));
}

/* In a transaction of its own, that is on disk whatever synchronous_commit says. */
static StepCrashes
note_begin(const Step *step, bool again)
{
	StepCrashes crashes;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	crashes = crash_begin(step, again);
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (crashes.begun)
		XLogFlush(XactLastCommitEnd);
	return crashes;
}

static int
crash_pause(int count)
{
	int			pause_ms = CRASH_PAUSE_MS;

	for (int i = 1; i < count; i++)
		pause_ms *= CRASH_PAUSE_GROWTH;
	return pause_ms;
}

/* Is it this one's turn to be tried?  For the time of one call. */
static bool
take_turn(const Step *step, StepRun *run)
{
	if (claim_keep(CLAIM_TRIAL, TRIAL))
		return true;
	run->pause_ms = TURN_PAUSE_MS;
	if (try_must_describe(run))
		try_note_wait(step, "another migration that was at work when the server crashed");
	return false;
}

/* The step has met crashes. */
static bool
try_again(const Migration *migration, const Step *step, const StepCrashes *crashes, StepRun *run)
{
	int64		early_ms = crash_pause(crashes->count) - crashes->ago_ms;

	run->alone = true;
	if (crashes->count >= CRASH_LIMIT)
		refuse(migration, step, crashes);
	if (early_ms > 0)
	{
		run->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), early_ms);
		run->pause_ms = (int) early_ms;
		try_note_wait(step, "another try: the server crashed while a worker was at this step");
		return false;
	}
	if (!take_turn(step, run))
		return false;
	run->tried = note_begin(step, true).begun;
	return run->tried;
}

bool
crashes_begin(const Migration *migration, const Step *step, StepRun *run)
{
	StepCrashes crashes;

	if (run->at_step == step->number && run->at_state == migration->state)
		return !run->tried || take_turn(step, run);
	run->tried = false;
	crashes = note_begin(step, false);
	if (!crashes.begun && !try_again(migration, step, &crashes, run))
		return false;
	run->at_step = step->number;
	run->at_state = migration->state;
	return true;
}

void
crashes_survived(const Step *step, StepOutcome outcome, StepRun *run)
{
	if (run->tried)
		claim_release(CLAIM_TRIAL, TRIAL);
	/* a lock that was refused is no word: what crashes comes behind it */
	if (outcome != OUTCOME_AGAIN || batch_step_is(step))
		run->tried = false;
	/* it may be opened again */
	if (outcome != OUTCOME_AGAIN)
		run->at_step = 0;
}
