/*-------------------------------------------------------------------------
 *
 * pages.c
 *		How far each page of the present window has been gone through.
 *
 * A phase takes of each page the rows whose new versions fit on it now, and, to
 * make room for more, some that do not (pace.c).  Which rows are left is known by
 * where the last phase stopped on the page; rows added since went through the
 * sync trigger, or are noted as unfilled.
 *
 * That is kept in this process alone, and counts only if the transaction of the
 * batch that it comes from has been committed: of one that was rolled back the
 * rows are as they were, and must have their turn again.  Whoever does not know
 * begins at the first row: one that is right already is left as it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/pace.h"
#include "backfill/pages.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"
#include "compat.h"

/* One page. */
typedef struct PageTurn
{
	uint16		rows;			/* line pointers when it was first looked at; 0: not yet */
	uint16		next;			/* the first that has had no turn yet */
} PageTurn;

static struct
{
	Oid			relid;
	Oid			filenode;
	int64		begin;
	int64		end;
	bool		committed;		/* what is known is so */
	bool		whole;			/* and is known of all pages, by the end of the phase */
	int			growth;			/* of a row, in bytes */
	PageTurn   *page;			/* that of the last row; NULL: none */
	BlockNumber block;			/* which that is */
	int			due;			/* rows of it that have their turn, room or no room */
	bool		stopped;		/* none of its others has */
	PageTurn	pages[PACE_LARGEST_WINDOW];
}			window;

void
pages_open(Relation rel, int64 begin, int64 end, int phase, int64 block)
{
	Assert(end - begin <= PACE_LARGEST_WINDOW);
	if ((phase == 0 && block == begin) || !window.committed || window.relid != RelationGetRelid(rel) ||
		window.filenode != zdm_relfilenode(rel) || window.begin != begin || window.end != end)
	{
		memset(window.pages, 0, sizeof(PageTurn) * (end - begin));
		window.whole = false;
	}
	if (block == begin)
		window.whole = true;
	window.relid = RelationGetRelid(rel);
	window.filenode = zdm_relfilenode(rel);
	window.begin = begin;
	window.end = end;
	window.committed = false;
	window.page = NULL;
}

static Page
page_of(TupleTableSlot *slot)
{
	return BufferGetPage(((BufferHeapTupleTableSlot *) slot)->buffer);
}

static void
enter(TupleTableSlot *slot, int phase)
{
	window.block = ItemPointerGetBlockNumber(&slot->tts_tid);
	window.page = &window.pages[window.block - window.begin];
	if (window.page->rows == 0)
	{
		window.page->rows = PageGetMaxOffsetNumber(page_of(slot));
		window.page->next = FirstOffsetNumber;
	}
	window.due = pace_rows_due(window.page->rows, phase);
	window.stopped = false;
}

/* Looked at without a lock on the page: a wrong guess costs a row its place on it. */
static bool
fits(TupleTableSlot *slot)
{
	Size		length = ((BufferHeapTupleTableSlot *) slot)->base.tuple->t_len + window.growth;

	return PageGetHeapFreeSpace(page_of(slot)) >= MAXALIGN(length);
}

bool
pages_has_turn(TupleTableSlot *slot, int phase)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(&slot->tts_tid);

	if (window.page == NULL || ItemPointerGetBlockNumber(&slot->tts_tid) != window.block)
	{
		pages_leave();
		enter(slot, phase);
	}
	if (window.stopped || offset < window.page->next)
		return false;
	if (offset > window.page->rows)
	{
		pages_leave();
		window.stopped = true;
		return false;
	}
	if (offset > window.due && !fits(slot))
	{
		window.stopped = true;
		return false;
	}
	window.page->next = offset + 1;
	return true;
}

void
pages_learn(int bytes)
{
	window.growth = Max(bytes, 0);
}

void
pages_leave(void)
{
	if (window.page != NULL && !window.stopped)
		window.page->next = window.page->rows + 1;
}

void
pages_committed(void)
{
	window.committed = true;
}

bool
pages_done(void)
{
	if (!window.whole)
		return false;
	for (int64 i = 0; i < window.end - window.begin; i++)
	{
		/* one that has not been seen has no rows */
		if (window.pages[i].rows > 0 && window.pages[i].next <= window.pages[i].rows)
			return false;
	}
	return true;
}
