/*-------------------------------------------------------------------------
 *
 * try.h
 *		A try of a step: that it begins with its locks, or is put off.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TRY_H
#define ZDM_TRY_H

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
	int			usable_step;	/* whose hidden table was found not to be void ... */
	uint64		usable_since;	/* ... at this kept_generation() */
	TimestampTz described;		/* when the holders were last written down */
	bool		waits;			/* OUTCOME_AGAIN: for others, rather than for its own pace */
	bool		worked;			/* this process has taken a place */
	int			pause_ms;		/* OUTCOME_AGAIN: how long to rest */
	TimestampTz rest_until;		/* no batch before that: rests come in pieces */
	bool		looked;			/* the round has found out what is to be done */
	MigrationState state;		/* in which the step at hand was begun */
	TimestampTz retry_at;		/* nothing before that, after a failure */
	int			failures;		/* in a row, outside of any step */
	int			at_step;		/* which this process has said that it is at ... */
	MigrationState at_state;	/* ... in this state */
	bool		tried;			/* it has met a crash, and has said nothing since */
	bool		alone;			/* a step has met a crash: no helpers, so that it is known who does */
} StepRun;

/*
 * The next step in the migration's state, or, on the way back, the one to be
 * undone; NULL if none is left.  Needs a transaction.
 */
extern Step *try_next_step(const Migration *migration);

/* On the way back: is the step to be undone?  If not, it is to be done first. */
extern bool try_is_undo(const Migration *migration, const Step *step);

/* Does one column take the place of the other in the step? */
extern bool try_is_exchange(const Step *step);

/*
 * Is the migration still in the state in which the step was chosen?  A step that only
 * changes the catalog locks the migration's row for that, if that can be had at once
 * (ERRCODE_LOCK_NOT_AVAILABLE).  Needs a transaction.
 */
extern bool try_still_in_state(const Migration *migration, const Step *step);

/*
 * Begin a step's transaction with its locks.  OUTCOME_DONE: they are held, with a
 * snapshot; else the transaction has been ended.  To be called outside any.
 */
extern StepOutcome try_begin(const Migration *migration, const Step *step, StepRun *run);

/*
 * End the transaction and be called again: for "reason", or, if that is NULL, for the
 * lock that was refused, whose holders are written down.
 */
extern StepOutcome try_come_again(const Step *step, const char *reason, StepRun *run);

/* End the step's transaction and its snapshot, and wait until that is on disk, with no lock held. */
extern void try_commit(void);

/*
 * Is the migration's table there, or, of a change that is about none, who stated it?
 * ERRCODE_INSUFFICIENT_PRIVILEGE if the table has another owner.  The second function
 * wants it, and its rows where they are looked for (ERRCODE_UNDEFINED_TABLE,
 * ERRCODE_UNDEFINED_OBJECT, ERRCODE_FEATURE_NOT_SUPPORTED).  Need a transaction.
 */
extern bool try_relation_is_there(const Migration *migration);
extern void try_require_relation(const Migration *migration, const Step *step);

/* Is it time to write down again what the step waits for?  Notes that it is done. */
extern bool try_must_describe(StepRun *run);

/* Write down what the step waits for.  To be called outside any transaction. */
extern void try_note_wait(const Step *step, const char *reason);

/* What is noted of a step whose object is gone, or there already. */
extern char *try_nothing_to_do(const Step *step);

#endif							/* ZDM_TRY_H */
