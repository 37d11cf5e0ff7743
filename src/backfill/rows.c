/*-------------------------------------------------------------------------
 *
 * rows.c
 *		Filling and checking the rows of a range of blocks.
 *
 * Rows are updated through the table's access method rather than by an UPDATE
 * statement, for three things that SQL cannot do: never to wait for a row lock
 * (an application may hold it for minutes, and would then wait for the rest of
 * our batch), to fire no trigger at all, ENABLE ALWAYS ones and our own
 * included, and to leave row-level security out of it.  What is skipped with
 * the triggers is safe to skip: of the first pass, since whatever hangs on the
 * new column is built after it has been filled; later, for partitions attached
 * since, as what the one side holds the other one may: NOT NULL and CHECK are
 * looked at, and unique indexes are PostgreSQL's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "backfill/cursor.h"
#include "backfill/pages.h"
#include "backfill/rows.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/executor.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "sync/outcome.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* What an update of one row needs. */
typedef struct FillState
{
	Relation	rel;
	int64		migration;
	bool		back;			/* the old side alone */
	PageWindow *window;			/* or NULL */
	Snapshot	snapshot;
	EState	   *estate;
	ResultRelInfo *result_rel;
	Bitmapset  *checked;		/* columns that are NOT NULL or in a CHECK */
	bool		check;			/* the present row has changed in one of them */
	TupleTableSlot *changed;	/* the row as it is to be */
	TupleTableSlot *locked;		/* for table_tuple_lock() */
} FillState;

/* For the error context: which row is being computed. */
typedef struct RowContext
{
	Relation	rel;
	TupleTableSlot *slot;
} RowContext;

static void
row_context_callback(void *arg)
{
	RowContext *row = arg;

	if (!TTS_EMPTY(row->slot))
		errcontext("row %s of table %s", row_key(row->rel, row->slot),
				   names_relation(RelationGetRelid(row->rel)));
}

TableScanDesc
rows_begin_scan(const RowRange *range, Snapshot snapshot)
{
	ItemPointerData first;
	ItemPointerData last;

	if (range->rel->rd_tableam->scan_set_tidrange == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the access method of table %s cannot be scanned by blocks",
						names_relation(RelationGetRelid(range->rel)))));
	ItemPointerSet(&first, (BlockNumber) range->begin, FirstOffsetNumber);
	ItemPointerSet(&last, (BlockNumber) (range->end - 1), MaxOffsetNumber);
	return table_beginscan_tidrange(range->rel, snapshot, &first, &last);
}

/* Is there nothing to do about the pair? */
static bool
is_right(SyncPair *pair, TupleTableSlot *slot)
{
	return pair_in_step(pair, slot, pair_is_past(pair, slot));
}

/*
 * A partition can bring what the old side cannot hold, after cutover: that closes
 * the way back, as if it had been written through the trigger.
 */
static void
note_one_way(FillState *state, SyncPair *pair, TupleTableSlot *slot)
{
	ErrorData  *error = NULL;
	Datum		value;
	bool		isnull;

	if (!pair->new_decides)
		return;
	if (!pair_try_value(pair, PAIR_DOWN, slot, &value, &isnull, &error))
		outcome_note(pair, PAIR_DOWN, state->rel, slot, error);
	else if (isnull)
		outcome_note_null(pair, state->rel, slot);
}

/*
 * Is the pair of the migration, and still to be filled in this row?  "now" has its
 * values, as far as they have been computed.
 */
static bool
is_wanting(FillState *state, SyncPair *pair, TupleTableSlot *slot, TupleTableSlot *now)
{
	bool		past = pair_is_past(pair, slot);

	if (pair->migration != state->migration)
		return false;
	if (!pair_in_step(pair, now, past))
		return !state->back || pair_due(pair, now, past) == PAIR_DOWN;
	if (past)
		note_one_way(state, pair, slot);
	return false;
}

/* Is one of them? */
static bool
any_is_wanting(FillState *state, PairSet *pairs, TupleTableSlot *slot)
{
	for (int i = 0; i < pairs->npairs; i++)
	{
		if (is_wanting(state, &pairs->pairs[i], slot, slot))
			return true;
	}
	return false;
}

/* Does the pair read what has been filled just now, and is no longer in step for it? */
static bool
must_follow(SyncPair *pair, TupleTableSlot *slot, TupleTableSlot *now)
{
	return pair->inputs != NULL && pair_in_step(pair, slot, false) &&
		!pair_in_step(pair, now, false);
}

/*
 * The side of a pair that is to be written, if one is; NULL: none.  Pairs of
 * other migrations are filled too where they have not been: the row version that
 * is made here no longer tells, and the backfill of that migration takes it for
 * one that went through the trigger.  What it cannot compute is for that one to
 * report.
 */
static const PairSide *
compute_pair(FillState *state, SyncPair *pair, TupleTableSlot *slot, Datum *value, bool *isnull)
{
	TupleTableSlot *now = state->changed;
	bool		past = pair_is_past(pair, slot);
	bool		own = pair->migration == state->migration;
	PairDirection due;
	ErrorData  *error = NULL;

	if (own ? !is_wanting(state, pair, slot, now) : !past && !must_follow(pair, slot, now))
		return NULL;
	if (!own && pair_in_step(pair, now, past))
	{
		note_one_way(state, pair, slot);
		return NULL;
	}
	due = pair_due(pair, now, past);
	if (own && due == PAIR_UP)
		*value = pair_new_value(pair, now, isnull);
	else if (!pair_try_value(pair, due, now, value, isnull, &error))
	{
		if (!own)
			return NULL;
		if (!pair->new_decides && pair->reversible)
			ReThrowError(error);
		outcome_note(pair, PAIR_DOWN, state->rel, slot, error);
		if (pair->old_side.notnull)
			return NULL;
		*isnull = true;
	}
	else if (due == PAIR_DOWN && *isnull)
		outcome_note_null(pair, state->rel, slot);
	return due == PAIR_UP ? &pair->new_side : &pair->old_side;
}

/*
 * The new values of the row, in state->changed.  False if it is right as it is.
 * Pairs come in the order in which they were stated: one can read the columns of
 * those before it only.
 */
static bool
compute_row(FillState *state, PairSet *pairs, TupleTableSlot *slot)
{
	if (!any_is_wanting(state, pairs, slot))
		return false;
	state->check = false;
	slot_getallattrs(slot);
	ExecClearTuple(state->changed);
	memcpy(state->changed->tts_values, slot->tts_values,
		   slot->tts_tupleDescriptor->natts * sizeof(Datum));
	memcpy(state->changed->tts_isnull, slot->tts_isnull,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	ExecStoreVirtualTuple(state->changed);
	for (int i = 0; i < pairs->npairs; i++)
	{
		Datum		value = (Datum) 0;
		bool		isnull;
		const PairSide *side = compute_pair(state, &pairs->pairs[i], slot, &value, &isnull);

		if (side == NULL)
			continue;
		if (bms_is_member(side->attnum, state->checked))
			state->check = true;
		state->changed->tts_values[side->attnum - 1] = value;
		state->changed->tts_isnull[side->attnum - 1] = isnull;
	}
	return true;
}

/* By how much the row grows; it is formed here, and not again by the update. */
static void
learn_growth(PageWindow *window, TupleTableSlot *slot, TupleTableSlot *changed)
{
	HeapTuple	tuple = ExecFetchSlotHeapTuple(changed, true, NULL);

	if (window != NULL && TTS_IS_BUFFERTUPLE(slot))
		pages_learn(window, (int) tuple->t_len - (int) ((BufferHeapTupleTableSlot *) slot)->base.tuple->t_len);
}

/* Has another transaction the row, or a lock on it, at this moment? */
static bool
is_contested(TupleTableSlot *slot)
{
	BufferHeapTupleTableSlot *buffer_slot = (BufferHeapTupleTableSlot *) slot;
	TM_Result	result;

	if (!TTS_IS_BUFFERTUPLE(slot))
		return true;

	/* as most rows are; one who changes that meanwhile came between look and update */
	if (buffer_slot->base.tuple->t_data->t_infomask & HEAP_XMAX_INVALID)
		return false;
	LockBuffer(buffer_slot->buffer, BUFFER_LOCK_SHARE);
	result = HeapTupleSatisfiesUpdate(buffer_slot->base.tuple, GetCurrentCommandId(false),
									  buffer_slot->buffer);
	LockBuffer(buffer_slot->buffer, BUFFER_LOCK_UNLOCK);
	return result == TM_BeingModified;
}

/*
 * Lock the row if that can be acquired at once.  A lock of another transaction need
 * not conflict: the share that a foreign key's check has on the keys of the rows
 * it refers to does not, and some rows are never without one.
 */
static TM_Result
lock_row(FillState *state, TupleTableSlot *slot)
{
	TM_FailureData failure;

	return table_tuple_lock(state->rel, &slot->tts_tid, state->snapshot, state->locked,
							GetCurrentCommandId(true), LockTupleNoKeyExclusive,
							LockWaitSkip, 0, &failure);
}

/*
 * Write the changed row, without waiting for anyone who has it: TM_WouldBlock
 * means that another transaction does and may yet roll back, so the row must be
 * seen again; TM_Updated and TM_Deleted, that one has committed a later version
 * since our snapshot, which went through the sync trigger, or through
 * compute_row() for another migration, and is right.
 *
 * Rows are locked first only where somebody is at work on them, as it costs as
 * much as the update.  One who comes between the look and the update is waited
 * for, for zdm.lock_wait at most; then the batch is tried again.
 */
static TM_Result
update_row(FillState *state, TupleTableSlot *slot, FillResult *totals)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	zdm_update_indexes update_indexes;
	TM_Result	result;

	state->changed->tts_tableOid = RelationGetRelid(state->rel);
	if (state->check)
		ExecConstraints(state->result_rel, state->changed, state->estate);
	learn_growth(state->window, slot, state->changed);
	if (is_contested(slot) && (result = lock_row(state, slot)) != TM_Ok)
		return result;
	result = table_tuple_update(state->rel, &slot->tts_tid, state->changed,
								GetCurrentCommandId(true), state->snapshot,
								InvalidSnapshot, true, &failure, &lockmode,
								&update_indexes);

	/*
	 * Rechecks of deferred constraints that this may ask for are not needed: the
	 * keys have not changed, and whoever inserts a duplicate has its own.
	 */
	if (result != TM_Ok)
		return result;
	totals->rows++;
	if (ZDM_NEED_INDEXES(update_indexes))
		list_free(zdm_exec_insert_index_tuples(state->result_rel, state->changed,
											   state->estate, true,
											   ZDM_ONLY_SUMMARIZING(update_indexes)));
	else
		totals->kept++;
	return result;
}

void
rows_defer_block(FillResult *result, Relation rel, BlockNumber block, MemoryContext context)
{
	BlockRange *last = result->deferred ? llast(result->deferred) : NULL;
	MemoryContext old;

	result->locked++;
	if (last != NULL && last->end >= (int64) block)
	{
		last->end = (int64) block + 1;
		return;
	}
	old = MemoryContextSwitchTo(context);
	last = palloc(sizeof(BlockRange));
	last->leaf = RelationGetRelid(rel);
	last->filenode = zdm_relfilenode(rel);
	last->fresh = false;
	last->begin = block;
	last->end = (int64) block + 1;
	result->deferred = lappend(result->deferred, last);
	MemoryContextSwitchTo(old);
}

/* Columns that a row may not hold just anything in. */
static Bitmapset *
checked_columns(Relation rel)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Bitmapset  *columns = NULL;
	Bitmapset  *read = NULL;
	int			column = -1;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (TupleDescAttr(tupdesc, i)->attnotnull)
			columns = bms_add_member(columns, i + 1);
	}
	for (int i = 0; tupdesc->constr && i < tupdesc->constr->num_check; i++)
		pull_varattnos(stringToNode(tupdesc->constr->check[i].ccbin), 1, &read);
	while ((column = bms_next_member(read, column)) >= 0)
	{
		AttrNumber	attnum = column + FirstLowInvalidHeapAttributeNumber;

		/* the whole row is all columns */
		if (attnum == InvalidAttrNumber)
			return bms_add_range(columns, 1, tupdesc->natts);
		if (attnum > 0)
			columns = bms_add_member(columns, attnum);
	}
	return columns;
}

static void
fill_begin(FillState *state, Relation rel, Snapshot snapshot)
{
	state->rel = rel;
	state->snapshot = snapshot;
	state->estate = CreateExecutorState();
	state->checked = checked_columns(rel);
	state->result_rel = makeNode(ResultRelInfo);

	/* not in a range table: so no column counts as updated, which is true of all indexed ones */
	InitResultRelInfo(state->result_rel, rel, 0, NULL, 0);
	ExecOpenIndices(state->result_rel, false);
	state->changed = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	state->locked = table_slot_create(rel, NULL);
}

static void
fill_end(FillState *state)
{
	ExecDropSingleTupleTableSlot(state->locked);
	ExecDropSingleTupleTableSlot(state->changed);
	ExecCloseIndices(state->result_rel);
	FreeExecutorState(state->estate);
}

/*
 * Does somebody wait for a row that this transaction has written?  Who does waits
 * for our transaction id.
 */
static bool
is_waited_for(void)
{
	TransactionId xid = GetTopTransactionIdIfAny();
	LOCKTAG		tag;

	if (!TransactionIdIsValid(xid))
		return false;
	SET_LOCKTAG_TRANSACTION(tag, xid);
	return LockHasWaiters(&tag, ExclusiveLock, false);
}

bool
rows_is_over(instr_time start, double time_ms)
{
	instr_time	now;

	if (is_waited_for())
		return true;
	if (time_ms <= 0)
		return false;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now) >= time_ms;
}

void
rows_fill(const RowRange *range, PageWindow *window, int64 migration, bool back, double time_ms,
		  Naps *naps, FillResult *result)
{
	FillState	state;
	PairSet    *pairs;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	TableScanDesc scan;
	MemoryContext caller = CurrentMemoryContext;
	RowContext	row;
	ErrorContextCallback callback;
	Identity identity;
	instr_time	start;
	int64		block = range->begin;

	result->reached = range->end;
	if (range->begin >= range->end)
		return;
	INSTR_TIME_SET_CURRENT(start);
	pairs = pairs_get(range->rel);

	/* functions of expression and partial indexes are the owner's, not ours */
	identity_enter(range->rel->rd_rel->relowner, NIL, &identity);
	guc_bound_lock_waits();

	/* taken after the lock on the table: rows of whoever had it before are seen */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	ZDM_DEBUG_POINT("backfill-with-snapshot");
	state.migration = migration;
	state.back = back;
	state.window = window;
	fill_begin(&state, range->rel, snapshot);
	slot = table_slot_create(range->rel, NULL);
	scan = rows_begin_scan(range, snapshot);

	row.rel = range->rel;
	row.slot = slot;
	callback.callback = row_context_callback;
	callback.arg = &row;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (ItemPointerGetBlockNumber(&slot->tts_tid) != block)
		{
			/* others may wait for what is locked so far */
			if (ItemPointerGetBlockNumber(&slot->tts_tid) > range->begin && rows_is_over(start, time_ms))
			{
				result->reached = ItemPointerGetBlockNumber(&slot->tts_tid);
				break;
			}
			block = ItemPointerGetBlockNumber(&slot->tts_tid);
		}
		if (window != NULL && !pages_has_turn(window, slot))
			continue;
		MemoryContextReset(GetPerTupleMemoryContext(state.estate));
		MemoryContextSwitchTo(GetPerTupleMemoryContext(state.estate));
		if (compute_row(&state, pairs, slot) &&
			update_row(&state, slot, result) == TM_WouldBlock)
			rows_defer_block(result, range->rel, ItemPointerGetBlockNumber(&slot->tts_tid), caller);
		MemoryContextSwitchTo(caller);
		naps_take(naps);
	}
	error_context_stack = callback.previous;
	if (window != NULL)
		pages_leave(window);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	fill_end(&state);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	identity_leave(&identity);
}

int64
rows_check(const RowRange *range, int64 migration, Snapshot snapshot,
		   RowsDisagree disagree, void *context, Naps *naps)
{
	PairSet    *pairs;
	TupleTableSlot *slot;
	TableScanDesc scan;
	MemoryContext row_memory;
	MemoryContext caller;
	Identity	identity;
	int64		rows = 0;

	if (range->begin >= range->end)
		return 0;
	pairs = pairs_get(range->rel);
	/* comparing and printing values is not ours to do either */
	identity_enter(range->rel->rd_rel->relowner, NIL, &identity);
	row_memory = AllocSetContextCreate(CurrentMemoryContext, "zdm row", ALLOCSET_DEFAULT_SIZES);
	slot = table_slot_create(range->rel, NULL);
	scan = rows_begin_scan(range, snapshot);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (naps != NULL)
			naps_take(naps);
		rows++;
		MemoryContextReset(row_memory);
		caller = MemoryContextSwitchTo(row_memory);
		for (int i = 0; i < pairs->npairs; i++)
		{
			if (pairs->pairs[i].migration == migration && !is_right(&pairs->pairs[i], slot))
				disagree(&pairs->pairs[i], slot, context);
		}
		MemoryContextSwitchTo(caller);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row_memory);
	identity_leave(&identity);
	return rows;
}
