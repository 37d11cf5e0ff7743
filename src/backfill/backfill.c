/*-------------------------------------------------------------------------
 *
 * backfill.c
 *		One batch of a backfill.
 *
 * A batch is a transaction: a range of blocks and the cursor beyond it, so that
 * after a crash at any instant the next worker goes on exactly there.  Ranges
 * with rows that others had locked are kept in the cursor and come last, again
 * and again until the rows are free.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "backfill/assign.h"
#include "backfill/backfill.h"
#include "backfill/batch.h"
#include "backfill/cursor.h"
#include "backfill/pace.h"
#include "backfill/pages.h"
#include "backfill/rows.h"
#include "backfill/share.h"
#include "backfill/stops.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/step_progress.h"
#include "core/debug_point.h"
#include "core/guc.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verbs/verbs.h"
#include "compat.h"

/* How many batches a phase has at most, where snapshots are often in the way. */
#define MOST_PHASE_BATCHES 16

/* So many windows without such a wait, and a phase has half the batches. */
#define QUIET_WINDOWS 64

/* Batches without phases, after a window in which they did not serve: twice as many each time. */
#define BATCHES_WITHOUT_PHASES 8
#define MOST_WITHOUT_PHASES 512

/* How long a phase waits for those who may still see what the last one replaced, at first and at most. */
#define SNAPSHOT_PAUSE_MS 1
#define LONGEST_SNAPSHOT_PAUSE_MS 10
#define SNAPSHOT_PATIENCE_MS 500

void
batch_state_init(BatchState *state)
{
	memset(state, 0, sizeof(BatchState));
	state->fill_blocks = state->copy_blocks = state->verify_blocks = PACE_FIRST_BLOCKS;
	state->rows = PACE_FIRST_ROWS;
	state->phases.next_without = BATCHES_WITHOUT_PHASES;
	state->phases.batches = 1;
}

/*
 * Is no partition being attached at this moment?  ATTACH PARTITION by a
 * transaction that is still open has found the backfill unfinished, so it will
 * not open it again; with the lock that it takes in hand, we have either seen
 * its partition or will be seen by it as done.
 */
static bool
shut_out_attach(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_TABLE &&
			!ConditionalLockRelationOid(lfirst_oid(lc), ShareUpdateExclusiveLock))
			return false;
	}
	return true;
}

/* End the transaction, and the batch with nothing done. */
static bool
come_back(const Step *step, int *pause_ms)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	step_set_waiting(step, "a partition that is being attached");
	PopActiveSnapshot();
	CommitTransactionCommand();
	*pause_ms = BATCH_LOCKED_PAUSE_MS;
	return false;
}

/*
 * Nothing is left of this pass.  Without a trigger to lean on there may be rows
 * that were written behind it: only a pass that finds none is the last.
 */
static bool
finish_pass(const Step *step, Cursor *cursor)
{
	bool		last = fill_args(step) == NULL || cursor->pass_rows == 0;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (!last)
		cursor_next_pass(cursor);
	cursor_save(step, cursor, 0, NULL);
	if (last)
		step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
	PopActiveSnapshot();
	CommitTransactionCommand();
	return last;
}

/* Must the backfill hold?  Then the reason is noted and the transaction over. */
static bool
is_held(BatchState *state, const Migration *migration, const Step *step)
{
	const char *reason = stops_look(&state->stops, migration, step, true);

	if (reason == NULL)
		return false;
	cursor_break(&state->clock);
	step_set_waiting(step, reason);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return true;
}

/* A window has ended without a wait for snapshots, or the next one is to. */
static void
count_quiet_window(Phases *phases)
{
	if (phases->batches > 1 && ++phases->quiet_windows >= QUIET_WINDOWS)
	{
		phases->batches /= 2;
		phases->quiet_windows = 0;
	}
}

/*
 * Choose the blocks of the next batches, of the leaf that the cursor stands on.
 * The user's own assignments may change indexed columns, and are not done in
 * phases; nor are rows for which the backfill comes back.
 */
static void
choose_window(BatchState *state, Cursor *cursor, const Step *step, Relation leaf)
{
	Phases	   *phases = &state->phases;
	bool		in_phases = fill_args(step) == NULL && leaf->rd_rel->relam == HEAP_TABLE_AM_OID &&
		(!cursor->revisiting || cursor->fresh) && phases->batches_without == 0;

	if (cursor->block < cursor->window_end)
		return;
	if (in_phases)
	{
		state->fill_blocks = Min(state->fill_blocks, PACE_LARGEST_WINDOW);
		count_quiet_window(phases);
	}
	cursor_open_window(cursor, in_phases ? Min(state->fill_blocks * phases->batches, PACE_LARGEST_WINDOW) : state->fill_blocks,
					   in_phases);
	if (phases->batches_without > 0)
		phases->batches_without--;
}

/* Do without phases for a while, with batches that take as long. */
static void
give_up_phases(BatchState *state)
{
	Phases	   *phases = &state->phases;

	phases->batches_without = phases->next_without;
	if (guc_backfill_workers > 1)
		phases->next_without = Min(phases->next_without * 2, MOST_WITHOUT_PHASES);
	state->fill_blocks = Max(state->fill_blocks / PACE_PHASES, 1);
}

/* Most are gone in no time. */
static int
snapshot_pause(const Phases *phases)
{
	return Min(Max(phases->waited_ms, SNAPSHOT_PAUSE_MS), LONGEST_SNAPSHOT_PAUSE_MS);
}

/*
 * Can what the last phase replaced not be pruned yet, for somebody's snapshot?
 * The next one would find no room on the pages.  Snapshots of short transactions
 * are soon gone; a long one is not waited for.
 */
static bool
awaits_snapshots(BatchState *state, Cursor *cursor, const Step *step, Relation leaf)
{
	Phases	   *phases = &state->phases;

	/* in the midst of a phase, nothing has been replaced since the last look */
	if (cursor->phase <= 0 || cursor->phase_block > cursor->block ||
		!TransactionIdIsValid(phases->xid) ||
		TransactionIdPrecedes(phases->xid, GetOldestNonRemovableTransactionId(leaf)))
		phases->waited_ms = 0;
	else if (phases->waited_ms < SNAPSHOT_PATIENCE_MS)
	{
		if (phases->waited_ms == 0 && guc_backfill_workers > 1)
		{
			phases->batches = Min(phases->batches * 2, MOST_PHASE_BATCHES);
			phases->quiet_windows = 0;
		}
		phases->waited_ms += snapshot_pause(phases);
		return true;
	}
	else
	{
		phases->waited_ms = 0;
		give_up_phases(state);
		cursor_close_window(cursor);
		choose_window(state, cursor, step, leaf);
	}
	return false;
}

/* How large the next batches are, after one of "range". */
static void
adapt_size(BatchState *state, const RowRange *range, int phase, const FillResult *result, double work_ms)
{
	bool		cut = result->reached < range->end;

	/* a short window, or the rest of one, says nothing about the size, nor do the last phases, with few rows */
	if (cut)
		state->fill_blocks = result->reached - range->begin;
	else if (range->end - range->begin == state->fill_blocks)
	{
		int64		next = pace_next_blocks(state->fill_blocks, work_ms, guc_batch_time);

		state->fill_blocks = phase > 1 ? Min(state->fill_blocks, next) : next;
	}

	if (result->rows > 0 && (cut || work_ms > guc_batch_time))
		state->rows = pace_next_rows(result->rows, work_ms, guc_batch_time);
}

/* Draw conclusions from a batch, and go on to the next. */
static void
adapt(BatchState *state, Cursor *cursor, const RowRange *range, const FillResult *result, double work_ms)
{
	Phases	   *phases = &state->phases;
	bool		serve = pace_phases_serve(cursor->phase, result->rows, result->kept);
	bool		served = serve && cursor->phase > 0 && result->kept > 0;

	adapt_size(state, range, cursor->phase, result, work_ms);
	if (range->begin == cursor->block || phases->batches == 1)
		phases->xid = GetTopTransactionIdIfAny();
	cursor_advance(cursor, result->reached,
				   cursor->phase != PACE_ALL_PHASES && result->reached == cursor->window_end && pages_done(&state->window),
				   result->deferred);
	if (served)
		phases->next_without = BATCHES_WITHOUT_PHASES;
	if (!serve)
	{
		give_up_phases(state);
		cursor_close_window(cursor);
	}
}

/*
 * Fill in the rows of a batch where the cursor stands, and move it on.  False, with
 * nothing done, if the next phase has to wait for snapshots.
 */
static bool
do_blocks(BatchState *state, const Migration *migration, const Step *step, Cursor *cursor, Relation leaf,
		  Batch *batch)
{
	RowRange	range = {.rel = leaf};

	choose_window(state, cursor, step, leaf);
	if (awaits_snapshots(state, cursor, step, leaf))
		return false;
	naps_take(&batch->naps);
	range.begin = cursor->phase_block;
	range.end = cursor->phase == PACE_ALL_PHASES ? cursor->window_end :
		Min(cursor->phase_block + state->fill_blocks, cursor->window_end);
	if (fill_args(step) != NULL)
		assign_rows(&range, migration, step, Max(state->rows, ASSIGN_FEWEST), &batch->result);
	else
	{
		bool		in_phases = cursor->phase != PACE_ALL_PHASES;

		if (in_phases)
			pages_open(&state->window, leaf, cursor->block, cursor->window_end, cursor->phase, cursor->phase_block);
		rows_fill(&range, in_phases ? &state->window : NULL, migration->id, migration->state == STATE_REVERTING,
				  pace_limit_ms(guc_batch_time), &batch->naps, &batch->result);
	}
	naps_take(&batch->naps);
	ZDM_DEBUG_POINT("backfill-before-commit");

	batch->work_ms = batch_elapsed(batch);
	cursor->rows_done += batch->result.rows;
	cursor->pass_rows += batch->result.rows;
	adapt(state, cursor, &range, &batch->result, batch->work_ms);
	return true;
}

/* How long to rest after the batch, which has been committed. */
static int
rest_after(BatchState *state, const Batch *batch, int workers)
{
	double		stretch = pace_stretch(&state->best_row_ms, batch_elapsed(batch) - batch->naps.rested_ms, batch->result.rows);

	return batch_rest(batch, guc_batch_rest > 0 ? guc_batch_rest + stretch : 0, workers);
}

bool
backfill_batch(const Migration *migration, const Step *step, BatchState *state, int *pause_ms)
{
	bool		only_new = strcmp(step->phase, "migrate") != 0;
	List	   *roots = list_make1_oid(migration->relid);
	Cursor	   *cursor;
	Relation	leaf;
	Batch		batch;
	bool		worked;
	char	   *waiting;

	if (!share_take_turn(migration, pause_ms))
		return false;
	batch = batch_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_held(state, migration, step))
	{
		*pause_ms = BATCH_HELD_PAUSE_MS;
		return false;
	}
	cursor = cursor_load(step, only_new, &state->clock);
	share_gather(step, cursor);
	PopActiveSnapshot();
	if (!cursor_settle(cursor, roots))
	{
		if (cursor->stretches > 0)
		{
			share_await(step, cursor, pause_ms);
			return false;
		}
		/* one can have been attached between the look and the lock */
		if (!shut_out_attach(migration->relid) || cursor_settle(cursor, roots))
			return come_back(step, pause_ms);
		*pause_ms = 0;
		return finish_pass(step, cursor);
	}
	/* a leaf that was attached since the locks were acquired is not among them */
	if (!ConditionalLockRelationOid(cursor->leaf, RowExclusiveLock))
		return come_back(step, pause_ms);

	leaf = table_open(cursor->leaf, NoLock);
	cursor_check_storage(cursor, leaf);
	worked = do_blocks(state, migration, step, cursor, leaf, &batch);
	waiting = batch_describe_locked(&batch, leaf);
	table_close(leaf, NoLock);
	if (!worked)
	{
		CommitTransactionCommand();
		*pause_ms = snapshot_pause(&state->phases);
		return false;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	share_hand_out(migration, step, cursor, roots, CURSOR_FAR_END);
	cursor_save(step, cursor, batch.work_ms, waiting);
	PopActiveSnapshot();
	CommitTransactionCommand();
	pages_committed(&state->window);
	*pause_ms = rest_after(state, &batch, share_workers(cursor));
	ZDM_DEBUG_POINT("backfill-after-batch");
	return false;
}

bool
backfill_help(const Migration *migration, const Step *step, int helper, BatchState *state, int *pause_ms)
{
	Batch		batch;
	Share		share;
	ShareOutcome outcome;

	if (!share_take_turn(migration, pause_ms))
		return true;
	batch = batch_begin();
	outcome = share_begin(migration, step, helper, list_make1_oid(migration->relid), RowExclusiveLock, &state->stops,
						  &share, pause_ms);
	if (outcome != SHARE_BATCH)
		return outcome == SHARE_LATER;
	if (!do_blocks(state, migration, step, share.cursor, share.leaf, &batch))
	{
		table_close(share.leaf, NoLock);
		CommitTransactionCommand();
		*pause_ms = snapshot_pause(&state->phases);
		return true;
	}
	share_end(&share);
	pages_committed(&state->window);
	*pause_ms = rest_after(state, &batch, guc_backfill_workers);
	return true;
}
