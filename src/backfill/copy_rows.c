/*-------------------------------------------------------------------------
 *
 * copy_rows.c
 *		Copying rows to a hidden table, and comparing them with it.
 *
 * No row of the table is locked: an application's NOWAIT and SKIP LOCKED are not to notice
 * the copy.  A row is copied as the batch's snapshot sees it, and then looked at again:
 *
 *	- who has updated or deleted it and not committed shows in it: what we have copied is
 *	  taken back, and we come back for the row;
 *	- who does so after our second look finds, in its trigger, what we have copied, and
 *	  waits for the end of the batch, which waits for no row;
 *	- who did so and has committed has carried the row over by then: nothing is left to do;
 *	- one that is there already, since its trigger came first, is left.
 *
 * Rows go there a page of the table at a time, which takes one place in the WAL for many.
 *
 * Comparing needs no lock: what is written to the two is committed at once, so any
 * snapshot sees the same in both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "backfill/copy_rows.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/executor.h"
#include "sync/apply.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* With an order: places between two looks whether the batch is over. */
#define PLACES_BETWEEN_LOOKS 8

/* How many rows are put into the hidden table at once, and about how much may be computed for them. */
#define ROWS_AT_ONCE 100
#define MEMORY_AT_ONCE (1024 * 1024)

/* What copying rows needs, some of them at once. */
typedef struct Copying
{
	Relation	rel;
	Apply		apply;
	Identity	identity;
	Snapshot	snapshot;
	TupleTableSlot *slot;		/* what is read, as the snapshot sees it */
	ApplyNew	news[ROWS_AT_ONCE]; /* the rows at hand ... */
	int			count;			/* ... are so many ... */
	int			most;			/* ... at most */
	bool		look;			/* many of the rows are there already */
	MemoryContext memory;		/* of the rows at hand */
} Copying;

/* Both tables and their indexes, whose expressions are simplified then, by functions that may read. */
static void
open_both(Apply *apply, Relation source, const Second *second)
{
	PushActiveSnapshot(GetLatestSnapshot());
	if (!apply_begin(apply, source, second))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the hidden table of %s is void", names_relation(second->relid))));
	apply_open(apply, source);
	PopActiveSnapshot();
}

static void
begin_copying(Copying *copying, Relation rel, const Second *second, bool look)
{
	copying->rel = rel;
	copying->count = 0;
	copying->most = ROWS_AT_ONCE;
	copying->look = look;
	copying->memory = AllocSetContextCreate(CurrentMemoryContext, "zdm rows", ALLOCSET_DEFAULT_SIZES);
	/* functions of expression and partial indexes are the owner's, not ours */
	identity_enter(rel->rd_rel->relowner, NIL, &copying->identity);
	guc_bound_lock_waits();
	open_both(&copying->apply, rel, second);

	/* taken after the lock on the table, with the trigger in place: what it does not see was carried over */
	copying->snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(copying->snapshot);
	ZDM_DEBUG_POINT("copy-with-snapshot");
	copying->slot = table_slot_create(rel, NULL);
	for (int i = 0; i < ROWS_AT_ONCE; i++)
		copying->news[i].slot = table_slot_create(rel, NULL);
}

/* How large the files are to which rows have been copied. */
static void
note_files(const Copying *copying, Writeback *writeback)
{
	ListCell   *lc;

	foreach(lc, copying->apply.hidden.leaves)
	{
		const ApplyLeaf *leaf = lfirst(lc);

		if (leaf->rel == NULL)
			continue;
		writeback_note(writeback, leaf->rel);
		for (int i = 0; i < leaf->result_rel->ri_NumIndices; i++)
			writeback_note(writeback, leaf->result_rel->ri_IndexRelationDescs[i]);
	}
}

static void
end_copying(Copying *copying, Writeback *writeback)
{
	note_files(copying, writeback);
	ExecDropSingleTupleTableSlot(copying->slot);
	for (int i = 0; i < ROWS_AT_ONCE; i++)
		ExecDropSingleTupleTableSlot(copying->news[i].slot);
	apply_close(&copying->apply);
	apply_end(&copying->apply);
	PopActiveSnapshot();
	UnregisterSnapshot(copying->snapshot);
	identity_leave(&copying->identity);
	MemoryContextDelete(copying->memory);
}

static void
copy_rows_at_hand(Copying *copying, MemoryContext caller, FillResult *result)
{
	if (copying->count == 0)
		return;
	MemoryContextSwitchTo(copying->memory);
	apply_add_prepared(&copying->apply, copying->news, copying->count);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(copying->memory);
	for (int i = 0; i < copying->count; i++)
	{
		ApplyNew   *new = &copying->news[i];

		if (new->outcome == APPLY_ADDED)
			result->rows++;
		else if (new->outcome == APPLY_LATER)
			rows_defer_block(result, copying->rel, ItemPointerGetBlockNumber(&new->slot->tts_tid), caller);
		ExecClearTuple(new->slot);
	}
	copying->count = 0;
}

/* Take the row that was read to those at hand. */
static void
take_row(Copying *copying, FillResult *result)
{
	ApplyNew   *new = &copying->news[copying->count++];
	MemoryContext caller = MemoryContextSwitchTo(copying->memory);

	/* it stays in its buffer, and pinned: what it is now is asked later on */
	ExecCopySlot(new->slot, copying->slot);
	apply_prepare_new(&copying->apply, new, copying->look);
	MemoryContextSwitchTo(caller);
	if (copying->count >= copying->most || MemoryContextMemAllocated(copying->memory, true) > MEMORY_AT_ONCE)
		copy_rows_at_hand(copying, caller, result);
}

void
copy_rows(const RowRange *range, const Second *second, bool look, double time_ms, instr_time start, Naps *naps,
		  Writeback *writeback, FillResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	Copying		copying;
	TableScanDesc scan;
	int64		block = range->begin;

	result->reached = range->end;
	begin_copying(&copying, range->rel, second, look);
	scan = rows_begin_scan(range, copying.snapshot);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, copying.slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (ItemPointerGetBlockNumber(&copying.slot->tts_tid) != block)
		{
			copy_rows_at_hand(&copying, caller, result);
			block = ItemPointerGetBlockNumber(&copying.slot->tts_tid);
			if (block > range->begin && rows_is_over(start, time_ms))
			{
				result->reached = block;
				break;
			}
			naps_take(naps);
		}
		take_row(&copying, result);
	}
	copy_rows_at_hand(&copying, caller, result);
	table_endscan(scan);
	end_copying(&copying, writeback);
}

void
copy_rows_in_order(CopyOrder *order, Relation rel, const Second *second, instr_time start, Naps *naps, Writeback *writeback,
			  FillResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	Copying		copying;
	FillResult	left = {0};
	int			since = 0;

	begin_copying(&copying, rel, second, true);
	copying.apply.at_the_end = true;
	/* each may be on a page of its own, which is pinned */
	copying.most = PLACES_BETWEEN_LOOKS;
	copy_order_begin(order, rel);
	while (copy_order_next(order, rel, copying.snapshot, copying.slot))
	{
		if (!TTS_EMPTY(copying.slot))
			take_row(&copying, &left);
		if (++since < PLACES_BETWEEN_LOOKS)
			continue;
		since = 0;
		copy_rows_at_hand(&copying, caller, &left);
		if (rows_is_over(start, guc_batch_time))
			break;
		naps_take(naps);
	}
	copy_rows_at_hand(&copying, caller, &left);
	result->rows = left.rows;
	result->locked = left.locked;
	copy_order_end(order);
	end_copying(&copying, writeback);
}

int64
copy_compare_rows(const RowRange *range, const Second *second, bool forth, Naps *naps, RowDiffers differs, void *context)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext row_memory = AllocSetContextCreate(caller, "zdm row", ALLOCSET_DEFAULT_SIZES);
	Relation	source = forth ? range->rel : NULL;
	Apply		apply;
	Identity	identity;
	Snapshot	snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;
	TupleTableSlot *other;
	int64		rows = 0;

	identity_enter(range->rel->rd_rel->relowner, NIL, &identity);
	guc_bound_lock_waits();
	open_both(&apply, source, second);
	/* as they were copied in */
	apply.abreast = true;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	slot = table_slot_create(range->rel, NULL);
	scan = rows_begin_scan(range, snapshot);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		bool		found;

		CHECK_FOR_INTERRUPTS();
		if (naps != NULL)
			naps_take(naps);
		rows++;
		MemoryContextSwitchTo(row_memory);
		/* back, it is enough that there is such a row: forth, all of it is compared */
		found = forth ? apply_find_hidden(&apply, slot, snapshot, &other) : apply_has_source(&apply, range->rel, slot, snapshot);
		if (!found || (forth && !apply_same_row(&apply, slot, other)))
			differs(range->rel, slot, found ? other : NULL, context);
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
	return rows;
}
