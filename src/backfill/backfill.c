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
#include "backfill/cursor.h"
#include "backfill/lockers.h"
#include "backfill/pace.h"
#include "backfill/rows.h"
#include "backfill/stops.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "core/debug_point.h"
#include "core/guc.h"
#include "core/names.h"
#include "executor/instrument.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* Rest before rows that others have locked are looked at again. */
#define LOCKED_ROWS_PAUSE_MS 250

/* Rest while something holds the backfill. */
#define HELD_PAUSE_MS 1000

/* Batches without phases, after a window in which they did not serve. */
#define BATCHES_WITHOUT_PHASES 8

/* How long a phase waits for those who may still see what the last one replaced. */
#define SNAPSHOT_PAUSE_MS 10
#define SNAPSHOT_PATIENCE_MS 500

/* Blocks of the next batch; a worker carries one migration only. */
static int64 batch_blocks = PACE_FIRST_BLOCKS;

/* Rows of the next batch by the user's own assignments, at most. */
static int64 batch_rows = PACE_FIRST_ROWS;

/* What a row takes when nobody is in the way. */
static double best_row_ms = 0;

/* How many more batches are to be done without phases. */
static int	batches_without_phases = 0;

/* The transaction of the last batch in phases, and how long the next waits for it. */
static TransactionId last_phase_xid = InvalidTransactionId;
static int	snapshot_wait_ms = 0;

static double
milliseconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
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
	*pause_ms = LOCKED_ROWS_PAUSE_MS;
	return false;
}

/*
 * Nothing is left of this pass.  Without a trigger to lean on there may be rows
 * that were written behind it: only a pass that finds none is the last.
 */
static bool
finish_pass(const Step *step, Cursor *cursor)
{
	bool		last = step->assignments == NULL || cursor->pass_rows == 0;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (!last)
		cursor_next_pass(cursor);
	cursor_save(step, cursor, 0, NULL);
	if (last)
		step_mark_done(step, names_render(step->statement, false));
	PopActiveSnapshot();
	CommitTransactionCommand();
	return last;
}

/* Must the backfill hold?  Then the reason is noted and the transaction over. */
static bool
is_held(const Migration *migration, const Step *step)
{
	const Hold *hold = stops_look(migration, step);

	if (hold == NULL)
		return false;
	cursor_break();
	step_set_waiting(step, hold->reason);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return true;
}

/*
 * Choose the blocks of this batch, of the leaf that the cursor stands on.  The
 * user's own assignments may change indexed columns, and are not done in phases;
 * nor are rows for which the backfill comes back.
 */
static void
choose_window(Cursor *cursor, const Step *step)
{
	bool		in_phases = step->assignments == NULL && !cursor->revisiting &&
		batches_without_phases == 0;

	if (cursor->block < cursor->window_end)
		return;
	if (in_phases)
		batch_blocks = Min(batch_blocks, PACE_LARGEST_WINDOW);
	cursor_open_window(cursor, batch_blocks, in_phases);
	if (batches_without_phases > 0)
		batches_without_phases--;
}

/* Do without phases for a while, with batches that take as long. */
static void
give_up_phases(void)
{
	batches_without_phases = BATCHES_WITHOUT_PHASES;
	batch_blocks = Max(batch_blocks / PACE_PHASES, 1);
}

/*
 * Can what the last phase replaced not be pruned yet, for somebody's snapshot?
 * The next one would find no room on the pages.  Snapshots of short transactions
 * are soon gone; a long one is not waited for.
 */
static bool
awaits_snapshots(Cursor *cursor, const Step *step, Relation leaf)
{
	/* in the midst of a phase, nothing has been replaced since the last look */
	if (cursor->phase <= 0 || cursor->phase_block > cursor->block ||
		!TransactionIdIsValid(last_phase_xid) ||
		TransactionIdPrecedes(last_phase_xid, GetOldestNonRemovableTransactionId(leaf)))
		snapshot_wait_ms = 0;
	else if (snapshot_wait_ms < SNAPSHOT_PATIENCE_MS)
	{
		snapshot_wait_ms += SNAPSHOT_PAUSE_MS;
		return true;
	}
	else
	{
		snapshot_wait_ms = 0;
		give_up_phases();
		cursor_close_window(cursor);
		choose_window(cursor, step);
	}
	return false;
}

/* How large the next batches are, after one of "range". */
static void
adapt_size(const RowRange *range, const FillResult *result, double work_ms)
{
	bool		cut = result->reached < range->end;

	/* a short window, or the rest of one, says nothing about the size */
	if (cut)
		batch_blocks = result->reached - range->begin;
	else if (range->end - range->begin == batch_blocks)
		batch_blocks = pace_next_blocks(batch_blocks, work_ms, guc_batch_time);

	if (result->rows > 0 && (cut || work_ms > guc_batch_time))
		batch_rows = pace_next_rows(result->rows, work_ms, guc_batch_time);
}

/* Draw conclusions from a batch, and go on to the next. */
static void
adapt(Cursor *cursor, const RowRange *range, const FillResult *result, double work_ms)
{
	bool		serve = pace_phases_serve(cursor->phase, result->rows, result->kept);

	adapt_size(range, result, work_ms);
	last_phase_xid = GetTopTransactionIdIfAny();
	cursor_advance(cursor, result->reached, result->deferred);
	if (!serve)
	{
		give_up_phases();
		cursor_close_window(cursor);
	}
}

/* What the batch has left out for others' sake; NULL: nothing. */
static char *
describe_locked(Relation leaf, const FillResult *result)
{
	char	   *who;

	if (result->locked == 0)
		return NULL;
	PushActiveSnapshot(GetTransactionSnapshot());
	who = lockers_describe(leaf, result->deferred);
	PopActiveSnapshot();
	return psprintf(INT64_FORMAT " rows locked by other transactions%s%s", result->locked,
					who != NULL ? ": " : "", who != NULL ? who : "");
}

bool
backfill_batch(const Migration *migration, const Step *step, int *pause_ms)
{
	bool		only_new = strcmp(step->phase, "migrate") != 0;
	Cursor	   *cursor;
	Relation	leaf;
	RowRange	range;
	FillResult	result = {0};
	instr_time	start;
	double		work_ms;
	double		stretch;
	char	   *waiting;
	uint64		wal_before = pgWalUsage.wal_bytes;

	INSTR_TIME_SET_CURRENT(start);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_held(migration, step))
	{
		*pause_ms = HELD_PAUSE_MS;
		return false;
	}
	cursor = cursor_load(step, only_new);
	PopActiveSnapshot();
	if (!cursor_settle(cursor, migration->relid))
	{
		/* one can have been attached between the look and the lock */
		if (!shut_out_attach(migration->relid) || cursor_settle(cursor, migration->relid))
			return come_back(step, pause_ms);
		*pause_ms = 0;
		return finish_pass(step, cursor);
	}
	/* a leaf that was attached since the locks were had is not among them */
	if (!ConditionalLockRelationOid(cursor->leaf, RowExclusiveLock))
		return come_back(step, pause_ms);

	leaf = table_open(cursor->leaf, NoLock);
	cursor_check_storage(cursor, leaf);
	choose_window(cursor, step);
	if (awaits_snapshots(cursor, step, leaf))
	{
		table_close(leaf, NoLock);
		CommitTransactionCommand();
		*pause_ms = SNAPSHOT_PAUSE_MS;
		return false;
	}
	range.rel = leaf;
	range.begin = cursor->phase_block;
	range.end = cursor->window_end;
	if (step->assignments != NULL)
		assign_rows(&range, step, migration->result_settings, Max(batch_rows, ASSIGN_FEWEST), &result);
	else
		rows_fill(&range, cursor->phase, migration->id, migration->state == STATE_REVERTING,
				  pace_limit_ms(guc_batch_time), &result);
	waiting = describe_locked(leaf, &result);
	table_close(leaf, NoLock);
	ZDM_DEBUG_POINT("backfill-before-commit");

	work_ms = milliseconds_since(start);
	cursor->rows_done += result.rows;
	cursor->pass_rows += result.rows;
	adapt(cursor, &range, &result, work_ms);
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor_save(step, cursor, work_ms, waiting);
	PopActiveSnapshot();
	CommitTransactionCommand();
	ZDM_DEBUG_POINT("backfill-after-batch");

	work_ms = milliseconds_since(start);
	stretch = pace_stretch(&best_row_ms, work_ms, result.rows);
	*pause_ms = pace_rest(work_ms, guc_batch_rest > 0 ? guc_batch_rest + stretch : 0,
						  (int64) (pgWalUsage.wal_bytes - wal_before), guc_max_wal_rate);
	if (result.locked > 0 && result.rows == 0)
		*pause_ms = Max(*pause_ms, LOCKED_ROWS_PAUSE_MS);
	return false;
}
