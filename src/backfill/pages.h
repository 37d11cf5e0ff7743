/*-------------------------------------------------------------------------
 *
 * pages.h
 *		How far each page of the present window has been gone through.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PAGES_H
#define ZDM_PAGES_H

#include "backfill/pace.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

/* One page. */
typedef struct PageTurn
{
	uint16		rows;			/* line pointers when it was first looked at; 0: not yet */
	uint16		next;			/* the first that was not visited yet */
} PageTurn;

/* Zeroed before the first pages_open(). */
typedef struct PageWindow
{
	Oid			relid;
	Oid			filenode;
	int64		begin;
	int64		end;
	int			phase;
	bool		committed;		/* what is known is so */
	bool		whole;			/* and is known of all pages, by the end of the phase */
	int			growth;			/* of a row, in bytes */
	PageTurn   *page;			/* that of the last row; NULL: none */
	BlockNumber block;			/* which that is */
	int			due;			/* rows of it that have their turn, room or no room */
	bool		stopped;		/* none of its others has */
	PageTurn	pages[PACE_LARGEST_WINDOW];
} PageWindow;

/*
 * The window [begin, end) of a table is gone through, by this phase, from "block"
 * on.  What is not certain to be so is forgotten: the pages are looked at again
 * from their first row.
 */
extern void pages_open(PageWindow *window, Relation rel, int64 begin, int64 end, int phase, int64 block);

/*
 * Has the row, of a heap, its turn in this phase?  To be asked for the rows of a
 * scan in their order, and all of them.
 */
extern bool pages_has_turn(PageWindow *window, TupleTableSlot *slot);

/* The row has become so much longer, in bytes. */
extern void pages_learn(PageWindow *window, int bytes);

/* Nothing more is asked for the page of the last row. */
extern void pages_leave(PageWindow *window);

/* What has been done since pages_open() is committed. */
extern void pages_committed(PageWindow *window);

/* At the end of a phase: has every row of the window had its turn, for certain? */
extern bool pages_done(const PageWindow *window);

#endif							/* ZDM_PAGES_H */
