/*-------------------------------------------------------------------------
 *
 * neighbour.c
 *		The row behind another one, in a heap.
 *
 * Two tables of which one was copied from the other have their rows in the same order,
 * mostly.  Who goes through one and wants of each row its like in the other finds it
 * behind the last one, at a tenth of what it costs to look it up by its key.
 *
 * This knows how a heap keeps its rows; of another access method nothing is guessed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "sync/neighbour.h"
#include "utils/rel.h"

/* Pages that are looked at, the one of the last row included. */
#define PAGES 2

bool
neighbour_is_known(Relation rel)
{
	return rel->rd_rel->relam == HEAP_TABLE_AM_OID;
}

/* The first row of the page from that offset on that the snapshot sees.  Needs the page locked. */
static bool
next_on_page(Neighbour *neighbour, Relation rel, Buffer buffer, OffsetNumber offset, Snapshot snapshot)
{
	HeapTuple	tuple = &neighbour->tuple;
	Page		page = BufferGetPage(buffer);

	for (; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		ItemId		item = PageGetItemId(page, offset);

		if (!ItemIdIsNormal(item))
			continue;
		tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple->t_len = ItemIdGetLength(item);
		tuple->t_tableOid = RelationGetRelid(rel);
		ItemPointerSet(&tuple->t_self, BufferGetBlockNumber(buffer), offset);
		if (HeapTupleSatisfiesVisibility(tuple, snapshot, buffer))
			return true;
	}
	return false;
}

bool
neighbour_next(Neighbour *neighbour, Relation rel, Snapshot snapshot, TupleTableSlot *slot)
{
	OffsetNumber offset;
	BlockNumber block;

	if (neighbour->blocks == 0)
		neighbour->blocks = RelationGetNumberOfBlocks(rel);
	if (!ItemPointerIsValid(&neighbour->last))
		return false;
	block = ItemPointerGetBlockNumber(&neighbour->last);
	offset = OffsetNumberNext(ItemPointerGetOffsetNumber(&neighbour->last));
	ExecClearTuple(slot);
	for (int i = 0; i < PAGES && block < neighbour->blocks; i++, block++, offset = FirstOffsetNumber)
	{
		Buffer		buffer = ReadBuffer(rel, block);
		bool		found;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		found = next_on_page(neighbour, rel, buffer, offset, snapshot);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (found)
			ExecStoreBufferHeapTuple(&neighbour->tuple, slot, buffer);
		ReleaseBuffer(buffer);
		if (found)
			return true;
	}
	return false;
}
