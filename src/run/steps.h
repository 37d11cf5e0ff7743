/*-------------------------------------------------------------------------
 *
 * steps.h
 *		Doing and undoing one step of a migration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STEPS_H
#define ZDM_STEPS_H

#include "backfill/batch_state.h"
#include "catalog/migration.h"
#include "catalog/step.h"
#include "run/locks.h"
#include "run/second_table.h"
#include "run/sessions.h"
#include "run/snapshots.h"
#include "run/wait_log.h"

typedef enum StepOutcome
{
	OUTCOME_DONE,				/* the step is done and marked */
	OUTCOME_AGAIN,				/* come back after the pause: more to do, or a lock is taken */
	OUTCOME_STALE				/* the migration's state has changed: look again */
} StepOutcome;

/* What one migration's worker remembers between two calls. */
typedef struct StepRun
{
	LockPatience patience;		/* with the locks of the present step */
	OldSnapshots snapshots;		/* that the present step waits for */
	CopyEnd		copied;			/* of the rows that the present step exchanges */
	SessionFunctions functions; /* read before the present step's locks */
	WaitLog		log;
	BatchState	batches;		/* of steps that are done in batches */
	TimestampTz described;		/* when the holders were last written down */
	bool		waits;			/* OUTCOME_AGAIN: for others, rather than for its own pace */
	bool		worked;			/* this process has taken a place */
	int			pause_ms;		/* OUTCOME_AGAIN: how long to rest */
	TimestampTz rest_until;		/* no batch before that: rests come in pieces */
	bool		looked;			/* the round has found out what is to be done */
	MigrationState state;		/* in which the step at hand was begun */
	TimestampTz retry_at;		/* nothing before that, after a failure */
	int			failures;		/* in a row, outside of any step */
} StepRun;

/*
 * The next step in the migration's state, or, on the way back, the one to be
 * undone; NULL if none is left.  Needs a transaction.
 */
extern Step *steps_next(const Migration *migration);

/*
 * Do a step, or a part of it.  To be called outside any transaction; returns
 * outside any.  Its effect and its mark are in one transaction, but for a
 * top-level step, whose leftovers are cleaned before it is tried again.
 * Errors of the step are raised with the transaction still open.
 */
extern StepOutcome steps_do(const Migration *migration, const Step *step, StepRun *run);

/*
 * Do a batch of the backfill as the helper of that number, in the same manner.
 * OUTCOME_DONE: there was something to do, and perhaps is more; OUTCOME_AGAIN:
 * nothing for now.
 */
extern StepOutcome steps_help(const Migration *migration, const Step *step, int helper, StepRun *run);

/*
 * Drop what a broken try of a step has left, which costs writers something, as
 * the next try may be far away.  As steps_do() otherwise; does not mark the step.
 * False if another worker is at the table: to be called again.
 */
extern bool steps_tidy(const Migration *migration, const Step *step);

/* Is the step done in batches, each of which looks whether it is still to be done? */
extern bool steps_is_batch(const Step *step);

/* Is it time to write down again what the step waits for?  Notes that it is done. */
extern bool steps_must_describe(StepRun *run);

/* On the way back: is the step to be undone?  If not, it is to be done first. */
extern bool steps_is_undo(const Migration *migration, const Step *step);

/* Write down what the step waits for.  To be called outside any transaction. */
extern void steps_note_wait(const Step *step, const char *reason);

/* Undo a done step, in the same manner. */
extern StepOutcome steps_undo(const Migration *migration, const Step *step, StepRun *run);

#endif							/* ZDM_STEPS_H */
