/*-------------------------------------------------------------------------
 *
 * batch_step.c
 *		A step that goes through rows in batches.
 *
 * Each batch is a transaction, and between two the worker rests; here is what is around a
 * batch, for rows that are filled in, read, copied or compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "backfill/backfill.h"
#include "backfill/verify.h"
#include "catalog/step_progress.h"
#include "run/batch_step.h"
#include "run/try.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A batch that is to rest for longer may wait for others. */
#define LONG_PAUSE_MS 250

/* Has the batch found something to wait for? */
static bool
is_waiting(const Step *step)
{
	bool		waiting;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	waiting = step_progress_load(step)->waiting_for != NULL;
	try_commit();
	return waiting;
}

/* Is the rest after the last batch not over yet? */
bool
batch_step_must_rest(StepRun *run)
{
	if (GetCurrentTimestamp() >= run->rest_until)
		return false;
	run->pause_ms = (int) TimestampDifferenceMilliseconds(GetCurrentTimestamp(), run->rest_until);
	run->waits = false;
	return true;
}

/* Begin a batch's transaction with its locks, and no snapshot.  Otherwise as try_begin(). */
StepOutcome
batch_step_begin(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = try_begin(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	memset(&run->patience, 0, sizeof(run->patience));
	try_require_relation(migration, step);
	PopActiveSnapshot();
	return OUTCOME_DONE;
}

/*
 * A commit of somebody else flushes all the WAL before it, so what a batch has written
 * would be waited for by the next application that commits.  The worker waits for it
 * instead, now that it holds no lock and has nothing else to do.
 */
static void
flush_while_resting(const StepRun *run)
{
	if (run->pause_ms > 0)
		XLogFlush(XactLastCommitEnd);
}

StepOutcome
batch_step_end(const Step *step, bool done, StepRun *run)
{
	run->waits = !done && run->pause_ms >= LONG_PAUSE_MS && is_waiting(step);
	run->rest_until = done ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), run->pause_ms);
	flush_while_resting(run);
	return done ? OUTCOME_DONE : OUTCOME_AGAIN;
}

/* A batch of rows, filled in or read. */
StepOutcome
batch_step_do(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome;
	bool		done;

	if (batch_step_must_rest(run))
		return OUTCOME_AGAIN;
	outcome = batch_step_begin(migration, step, run);
	if (outcome != OUTCOME_DONE)
		return outcome;

	/* both commit the transaction that they are called in */
	if (step->action == ACTION_BACKFILL)
		done = backfill_batch(migration, step, &run->batches, &run->pause_ms);
	else
		done = verify_batch(migration, step, &run->batches, &run->pause_ms);
	return batch_step_end(step, done, run);
}

/* A batch of a helper, which has committed: was there something to do? */
StepOutcome
batch_step_helped(bool helped, StepRun *run)
{
	run->rest_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), run->pause_ms);
	flush_while_resting(run);
	return helped ? OUTCOME_DONE : OUTCOME_AGAIN;
}

StepOutcome
batch_step_help(const Migration *migration, const Step *step, int helper, StepRun *run)
{
	StepOutcome outcome;
	bool		helped;

	if (batch_step_must_rest(run))
		return OUTCOME_DONE;
	outcome = batch_step_begin(migration, step, run);
	if (outcome != OUTCOME_DONE)
		return outcome;
	if (step->action == ACTION_BACKFILL)
		helped = backfill_help(migration, step, helper, &run->batches, &run->pause_ms);
	else
		helped = verify_help(migration, step, helper, &run->batches, &run->pause_ms);
	return batch_step_helped(helped, run);
}

bool
batch_step_is(const Step *step)
{
	return step->action == ACTION_BACKFILL || step->action == ACTION_VERIFY ||
		step->action == ACTION_COPY || step->action == ACTION_COMPARE;
}
