/*-------------------------------------------------------------------------
 *
 * copy.c
 *		Copying a table to the hidden one beside it, and comparing the two.
 *
 * A batch is a transaction, as of any backfill: a range of the table's blocks, up to
 * the size that it had when the trigger was in place, and the cursor beyond it.
 *
 * The row of the table is the mutex.  Before a row is copied it is locked, as an
 * UPDATE would lock it, and only if that can be acquired at once; what others have is
 * revisited.  With that lock in hand, nobody else writes the row or its like:
 *
 *	- who has updated or deleted it and not committed has the lock: we come back;
 *	- who does so after our look waits for us, and its trigger then finds what we
 *	  have copied;
 *	- who did so before is seen by table_tuple_lock(), and its trigger, or that of who
 *	  wrote the row's last version, has carried the row over;
 *	- one that is there already, since its trigger came first, is left.
 *
 * Comparing needs no lock: what is written to the two is committed at once, so any
 * snapshot sees the same in both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "backfill/copy.h"
#include "backfill/cursor.h"
#include "backfill/lockers.h"
#include "backfill/pace.h"
#include "backfill/rows.h"
#include "backfill/stops.h"
#include "catalog/step_progress.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "storage/bufmgr.h"
#include "sync/apply.h"
#include "sync/outcome.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verbs/verbs.h"
#include "compat.h"

/* Rest while something holds the copy, and before rows that others have locked. */
#define HELD_PAUSE_MS 1000
#define LOCKED_ROWS_PAUSE_MS 250

/* Rows named in the error. */
#define EXAMPLES 5

static double
milliseconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* Nothing is left. */
static bool
finish(const Step *step, Cursor *cursor)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor_save(step, cursor, 0, NULL);
	step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
	PopActiveSnapshot();
	CommitTransactionCommand();
	return true;
}

static void
save(const Step *step, Cursor *cursor, double work_ms, const char *waiting)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor_save(step, cursor, work_ms, waiting);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Lock the row and copy it.  TM_WouldBlock: somebody else has it. */
static TM_Result
copy_row(Apply *apply, Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *locked, FillResult *result)
{
	TM_FailureData failure;
	TM_Result	had = table_tuple_lock(rel, tid, snapshot, locked, GetCurrentCommandId(true),
									   LockTupleNoKeyExclusive, LockWaitSkip, 0, &failure);

	if (had == TM_Ok && apply_add(apply, locked))
		result->rows++;
	ExecClearTuple(locked);
	return had;
}

static void
copy_rows(const RowRange *range, const Second *second, double time_ms, instr_time start, Naps *naps,
		  FillResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext row_memory = AllocSetContextCreate(caller, "zdm row", ALLOCSET_DEFAULT_SIZES);
	Apply		apply;
	Identity	identity;
	Snapshot	snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;
	TupleTableSlot *locked;
	int64		block = range->begin;

	result->reached = range->end;
	/* functions of expression and partial indexes are the owner's, not ours */
	identity_enter(range->rel->rd_rel->relowner, NIL, &identity);
	guc_bound_lock_waits();
	if (!apply_begin(&apply, range->rel, second->hidden, second->key))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the hidden table of %s is void", names_relation(second->relid))));
	apply_open(&apply, range->rel);

	/* taken after the lock on the table, with the trigger in place: what it does not see was carried over */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	ZDM_DEBUG_POINT("copy-with-snapshot");
	slot = table_slot_create(range->rel, NULL);
	locked = table_slot_create(range->rel, NULL);
	scan = rows_begin_scan(range, snapshot);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (ItemPointerGetBlockNumber(&slot->tts_tid) != block)
		{
			block = ItemPointerGetBlockNumber(&slot->tts_tid);
			if (block > range->begin && rows_is_over(start, time_ms))
			{
				result->reached = block;
				break;
			}
			naps_take(naps);
		}
		MemoryContextSwitchTo(row_memory);
		if (copy_row(&apply, range->rel, &slot->tts_tid, snapshot, locked, result) == TM_WouldBlock)
			rows_defer_block(result, range->rel, block, caller);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_memory);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	ExecDropSingleTupleTableSlot(locked);
	apply_close(&apply);
	apply_end(&apply);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	identity_leave(&identity);
	MemoryContextDelete(row_memory);
}

/* Must the copy hold?  Then the reason is noted and the transaction over. */
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

/* What the batch has left out for others' sake; NULL: nothing. */
static char *
describe_locked(Relation rel, const FillResult *result)
{
	char	   *who;

	if (result->locked == 0)
		return NULL;
	PushActiveSnapshot(GetTransactionSnapshot());
	who = lockers_describe(rel, result->deferred);
	PopActiveSnapshot();
	return psprintf(INT64_FORMAT " rows locked by other transactions%s%s", result->locked,
					who != NULL ? ": " : "", who != NULL ? who : "");
}

/* How large the next batch is, after one of "range" that came as far as "reached". */
static void
adapt_size(BatchState *state, const RowRange *range, int64 reached, double work_ms)
{
	if (reached < range->end)
		state->copy_blocks = Max(reached - range->begin, 1);
	else if (range->end - range->begin == state->copy_blocks)
		state->copy_blocks = pace_next_blocks(state->copy_blocks, work_ms, guc_batch_time);
}

bool
copy_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms)
{
	uint64		wal_before = pgWalUsage.wal_bytes;
	FillResult	result = {0};
	RowRange	range;
	Cursor	   *cursor;
	instr_time	start;
	double		work_ms;
	char	   *waiting;
	Naps		naps;

	INSTR_TIME_SET_CURRENT(start);
	naps_begin(&naps);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_held(state, migration, step))
	{
		*pause_ms = HELD_PAUSE_MS;
		return false;
	}
	cursor = cursor_load(step, false, &state->clock);
	PopActiveSnapshot();
	if (!cursor_settle(cursor, second->relid))
		return finish(step, cursor);
	range.rel = table_open(second->relid, NoLock);
	cursor_check_storage(cursor, range.rel);
	cursor_open_window(cursor, state->copy_blocks, false);
	range.begin = cursor->block;
	range.end = cursor->window_end;
	if (range.begin < range.end)
		copy_rows(&range, second, pace_limit_ms(guc_batch_time), start, &naps, &result);
	else
		result.reached = range.end;
	ZDM_DEBUG_POINT("copy-before-commit");
	work_ms = milliseconds_since(start);
	adapt_size(state, &range, result.reached, work_ms);
	cursor->rows_done += result.rows;
	cursor_advance(cursor, result.reached, true, result.deferred);
	waiting = describe_locked(range.rel, &result);
	table_close(range.rel, NoLock);
	save(step, cursor, work_ms, waiting);
	ZDM_DEBUG_POINT("copy-after-batch");
	*pause_ms = pace_rest(milliseconds_since(start), naps.rested_ms, guc_batch_rest,
						  (int64) (pgWalUsage.wal_bytes - wal_before), guc_max_wal_rate);
	if (result.locked > 0 && result.rows == 0)
		*pause_ms = Max(*pause_ms, LOCKED_ROWS_PAUSE_MS);
	return false;
}

/* Rows of the range that are not in the other table as they are here. */
static int64
compare_rows(const RowRange *range, const Second *second, Relation source, Naps *naps,
			 StringInfo examples, int64 *rows)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext row_memory = AllocSetContextCreate(caller, "zdm row", ALLOCSET_DEFAULT_SIZES);
	bool		forth = RelationGetRelid(range->rel) == second->relid;
	Apply		apply;
	Identity	identity;
	Snapshot	snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;
	TupleTableSlot *other;
	int64		differ = 0;

	identity_enter(source->rd_rel->relowner, NIL, &identity);
	guc_bound_lock_waits();
	if (!apply_begin(&apply, source, second->hidden, second->key))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the hidden table of %s is void", names_relation(second->relid))));
	apply_open(&apply, source);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	slot = table_slot_create(range->rel, NULL);
	scan = rows_begin_scan(range, snapshot);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		bool		same;

		CHECK_FOR_INTERRUPTS();
		naps_take(naps);
		(*rows)++;
		MemoryContextSwitchTo(row_memory);
		/* back, it is enough that there is such a row: forth, all of it is compared */
		same = forth ?
			apply_find_hidden(&apply, slot, snapshot, &other) && apply_same_row(&apply, slot, other) :
			apply_find_source(&apply, slot, snapshot, &other);
		if (!same && differ++ < EXAMPLES)
		{
			char	   *key = row_key(source, slot);

			MemoryContextSwitchTo(caller);
			appendStringInfo(examples, "%s%s", examples->len > 0 ? ", " : "", key);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_memory);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	apply_close(&apply);
	apply_end(&apply);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	identity_leave(&identity);
	MemoryContextDelete(row_memory);
	return differ;
}

/* Where the cursor stands, first in the table, then in the hidden one. */
static Oid
settle_either(Cursor *cursor, const Second *second)
{
	Oid			before = cursor->leaf;

	if (cursor_settle(cursor, second->relid))
		return second->relid;
	if (!cursor_settle(cursor, second->hidden))
		return InvalidOid;
	if (before != second->hidden)
	{
		Relation	hidden = table_open(second->hidden, AccessShareLock);

		cursor->blocks_total += RelationGetNumberOfBlocks(hidden);
		table_close(hidden, NoLock);
	}
	return second->hidden;
}

bool
copy_compare_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms)
{
	Cursor	   *cursor;
	Oid			relid;
	RowRange	range;
	Relation	source;
	StringInfoData examples;
	int64		differ = 0;
	instr_time	start;
	double		work_ms;
	Naps		naps;

	INSTR_TIME_SET_CURRENT(start);
	naps_begin(&naps);
	initStringInfo(&examples);
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor = cursor_load(step, false, &state->clock);
	PopActiveSnapshot();
	relid = settle_either(cursor, second);
	if (!OidIsValid(relid))
		return finish(step, cursor);
	source = table_open(second->relid, NoLock);
	range.rel = relid == second->relid ? table_open(relid, NoLock) : table_open(relid, AccessShareLock);
	cursor_check_storage(cursor, range.rel);
	cursor_open_window(cursor, state->copy_blocks, false);
	range.begin = cursor->block;
	range.end = cursor->window_end;
	if (range.begin < range.end)
		differ = compare_rows(&range, second, source, &naps, &examples, &cursor->rows_done);
	if (differ > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
				 errmsg("the table and its copy disagree in " INT64_FORMAT " rows of %s, in blocks "
						INT64_FORMAT " to " INT64_FORMAT,
						differ, names_relation(relid), range.begin, range.end - 1),
				 errdetail("Among them: %s.", examples.data),
				 errhint("Begin anew: SELECT zdm.revert(" INT64_FORMAT "), and state it again.", migration->id)));
	table_close(range.rel, NoLock);
	table_close(source, NoLock);
	work_ms = milliseconds_since(start);
	adapt_size(state, &range, range.end, work_ms);
	cursor_advance(cursor, range.end, true, NIL);
	save(step, cursor, work_ms, NULL);
	*pause_ms = pace_rest(work_ms, naps.rested_ms, guc_batch_rest, 0, 0);
	return false;
}
