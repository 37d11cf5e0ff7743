/*-------------------------------------------------------------------------
 *
 * share.h
 *		The part that helpers have in a step's rows (zdm.backfill_workers).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SHARE_H
#define ZDM_SHARE_H

#include "backfill/batch_state.h"
#include "backfill/cursor.h"
#include "catalog/migration.h"
#include "catalog/step.h"
#include "catalog/stretch.h"
#include "storage/lockdefs.h"

/*
 * May this process begin a batch?  If not, the transaction is over, and *pause_ms is when
 * to ask again.
 */
extern bool share_take_turn(const Migration *migration, int *pause_ms);

/*
 * The worker: what helpers have done comes back into the cursor, and what one of them has
 * failed with is raised, in a transaction of its own.  Needs an active snapshot.
 */
extern void share_gather(const Step *step, Cursor *cursor);

/*
 * The worker: hand out of the cursor's leaf, or other leaves of these tables, so that no
 * helper is without work.  The cursor is to be saved after it; needs an active snapshot.
 */
extern void share_hand_out(const Migration *migration, const Step *step, Cursor *cursor, List *roots, CursorEnd from);

/*
 * The worker: nothing is left but what is out.  Commits the transaction, which has no
 * active snapshot, and sets *pause_ms.
 */
extern void share_await(const Step *step, Cursor *cursor, int *pause_ms);

/* Among how many workers what the cursor goes over is divided. */
extern int	share_workers(const Cursor *cursor);

/* What a helper has for a batch. */
typedef struct Share
{
	Stretch    *stretch;
	Cursor	   *cursor;			/* of the stretch */
	Relation	leaf;			/* on which that stands, locked */
	Oid			root;			/* whose it is, of those that were asked for */
} Share;

typedef enum ShareOutcome
{
	SHARE_BATCH,				/* do one */
	SHARE_LATER,				/* the transaction is over: come again after *pause_ms */
	SHARE_NOTHING				/* the same, as there is nothing that can be done for now */
} ShareOutcome;

/*
 * The helper: what it is to work on, of a stretch of one of these tables (Oid).  "stops" is
 * NULL where nothing holds the step.  To be called as backfill_batch() is.
 */
extern ShareOutcome share_begin(const Migration *migration, const Step *step, int helper, List *roots, LOCKMODE lock,
								StopsState *stops, Share *share, int *pause_ms);

/*
 * The helper: a batch is done.  Closes the leaf, stores how far the cursor has come, and commits.
 * ERRCODE_T_R_SERIALIZATION_FAILURE if the worker has taken the stretch back, for a
 * helper that has ended: then what has been done here is done by it.
 */
extern void share_end(Share *share);

/* The helper's work has failed: the migration's worker is to raise that. */
extern void share_failed(const Step *step, int helper, const MigrationError *error);

#endif							/* ZDM_SHARE_H */
