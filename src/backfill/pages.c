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
 * That is kept by the worker alone, and counts only if the transaction of the
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

void
pages_open(PageWindow *window, Relation rel, int64 begin, int64 end, int phase, int64 block)
{
	Assert(end - begin <= PACE_LARGEST_WINDOW);
	if ((phase == 0 && block == begin) || !window->committed || window->relid != RelationGetRelid(rel) ||
		window->filenode != zdm_relfilenode(rel) || window->begin != begin || window->end != end)
	{
		memset(window->pages, 0, sizeof(PageTurn) * (end - begin));
		window->whole = false;
	}
	if (block == begin)
		window->whole = true;
	window->relid = RelationGetRelid(rel);
	window->filenode = zdm_relfilenode(rel);
	window->begin = begin;
	window->end = end;
	window->phase = phase;
	window->committed = false;
	window->page = NULL;
}

static Page
page_of(TupleTableSlot *slot)
{
	return BufferGetPage(((BufferHeapTupleTableSlot *) slot)->buffer);
}

static void
enter(PageWindow *window, TupleTableSlot *slot)
{
	window->block = ItemPointerGetBlockNumber(&slot->tts_tid);
	window->page = &window->pages[window->block - window->begin];
	if (window->page->rows == 0)
	{
		window->page->rows = PageGetMaxOffsetNumber(page_of(slot));
		window->page->next = FirstOffsetNumber;
	}
	window->due = pace_rows_due(window->page->rows, window->phase);
	window->stopped = false;
}

/* Looked at without a lock on the page: a wrong guess costs a row its place on it. */
static bool
fits(const PageWindow *window, TupleTableSlot *slot)
{
	Size		length = ((BufferHeapTupleTableSlot *) slot)->base.tuple->t_len + window->growth;

	return PageGetHeapFreeSpace(page_of(slot)) >= MAXALIGN(length);
}

bool
pages_has_turn(PageWindow *window, TupleTableSlot *slot)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(&slot->tts_tid);

	if (window->page == NULL || ItemPointerGetBlockNumber(&slot->tts_tid) != window->block)
	{
		pages_leave(window);
		enter(window, slot);
	}
	if (window->stopped || offset < window->page->next)
		return false;
	if (offset > window->page->rows)
	{
		pages_leave(window);
		window->stopped = true;
		return false;
	}
	if (offset > window->due && !fits(window, slot))
	{
		window->stopped = true;
		return false;
	}
	window->page->next = offset + 1;
	return true;
}

void
pages_learn(PageWindow *window, int bytes)
{
	window->growth = Max(bytes, 0);
}

void
pages_leave(PageWindow *window)
{
	if (window->page != NULL && !window->stopped)
		window->page->next = window->page->rows + 1;
}

void
pages_committed(PageWindow *window)
{
	window->committed = true;
}

bool
pages_done(const PageWindow *window)
{
	if (!window->whole)
		return false;
	for (int64 i = 0; i < window->end - window->begin; i++)
	{
		/* one that has not been seen has no rows */
		if (window->pages[i].rows > 0 && window->pages[i].next <= window->pages[i].rows)
			return false;
	}
	return true;
}
