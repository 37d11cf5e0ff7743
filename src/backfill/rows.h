/*-------------------------------------------------------------------------
 *
 * rows.h
 *		Filling and checking the rows of a range of blocks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ROWS_H
#define ZDM_ROWS_H

#include "access/tableam.h"
#include "backfill/naps.h"
#include "backfill/pages.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "portability/instr_time.h"
#include "sync/pairs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Blocks of one table, [begin, end). */
typedef struct RowRange
{
	Relation	rel;
	int64		begin;
	int64		end;
} RowRange;

typedef struct FillResult
{
	int64		reached;		/* the first block that is not done: "end", or before it */
	int64		rows;			/* that were not right and are now */
	int64		kept;			/* of these, the ones that no index had to hear of */
	int64		locked;			/* that another transaction has locked */
	List	   *deferred;		/* BlockRange *: where those are */
} FillResult;

/*
 * Set the side of the migration's pairs that is due, mostly the new one, in all
 * rows of the range that are not right yet and, unless "window" is NULL, have their
 * turn in its phase.  With "back", the old side alone: the new column goes.
 * Fires no trigger, waits for no row lock.  Needs ROW EXCLUSIVE on the table and
 * no active snapshot; takes its own.
 * If "time_ms" is not 0, stops after that time at the end of a block, the first
 * one or a later one.  Naps between blocks.
 * Errors: those of the up expressions, with the row's key in the context.
 */
extern void rows_fill(const RowRange *range, PageWindow *window, int64 migration, bool back, double time_ms,
					  Naps *naps, FillResult *result);

/* Read the rows of the range; of heaps alone. */
extern TableScanDesc rows_begin_scan(const RowRange *range, Snapshot snapshot);

/* Note the block for another visit, in "context"; a block's rows come one after the other. */
extern void rows_defer_block(FillResult *result, Relation rel, BlockNumber block, MemoryContext context);

/* Has the time for the batch run out (0: never does), or does somebody wait for its end? */
extern bool rows_is_over(instr_time start, double time_ms);

/* Told of a row whose two sides do not agree. */
typedef void (*RowsDisagree) (SyncPair *pair, TupleTableSlot *slot, void *context);

/*
 * Look at all rows of the range that "snapshot" sees, and call back for every
 * pair of the migration that does not agree.  Needs ACCESS SHARE.  Naps between
 * blocks, unless "naps" is NULL.  Returns the number of rows looked at.
 */
extern int64 rows_check(const RowRange *range, int64 migration, Snapshot snapshot,
						RowsDisagree disagree, void *context, Naps *naps);

#endif							/* ZDM_ROWS_H */
