/*-------------------------------------------------------------------------
 *
 * batch_state.h
 *		What a worker remembers from one batch to the next.
 *
 * None of it is needed: whoever takes a migration over begins with nothing, and the
 * worst that comes of it is a batch of another size, or a page looked at again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_BATCH_STATE_H
#define ZDM_BATCH_STATE_H

#include "backfill/copy_order.h"
#include "backfill/cursor.h"
#include "backfill/pages.h"
#include "backfill/stops.h"
#include "backfill/writeback.h"

/* Whether a table is gone through in phases (pace.c), and how far they serve. */
typedef struct Phases
{
	int			batches_without;	/* so many more are to be done without them */
	int			next_without;	/* and so many the next time */
	TransactionId xid;			/* of the first batch of the last phase */
	int			waited_ms;		/* for it by the next one; in pauses, which a busy machine stretches */

	/*
	 * Where others' snapshots are always there, as our own helpers' are, a phase
	 * has several batches: when it comes to its end, what was replaced at its
	 * beginning has been for a while.  Without helpers each window has one, and the
	 * table grows the least.
	 */
	int			batches;
	int			quiet_windows;	/* without such a wait */
} Phases;

typedef struct BatchState
{
	int64		fill_blocks;	/* of the next batch, of each sort */
	int64		copy_blocks;
	int64		verify_blocks;
	CopyOrder  *order;			/* in which rows are copied, once it is found; or NULL */
	int64		rows;			/* of the next batch by the user's own assignments, at most */
	double		best_row_ms;	/* what a row takes when nobody is in the way */
	Phases		phases;
	PageWindow	window;
	WorkClock	clock;
	StopsState	stops;
	Writeback	writeback;		/* of a copy */
} BatchState;

/* Before the first batch. */
extern void batch_state_init(BatchState *state);

#endif							/* ZDM_BATCH_STATE_H */
