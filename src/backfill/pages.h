/*-------------------------------------------------------------------------
 *
 * pages.h
 *		How far each page of the present window has been gone through.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PAGES_H
#define ZDM_PAGES_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

/*
 * The window [begin, end) of a table is gone through, by this phase, from "block"
 * on.  What is not certain to be so is forgotten: the pages are looked at again
 * from their first row.
 */
extern void pages_open(Relation rel, int64 begin, int64 end, int phase, int64 block);

/*
 * Has the row, of a heap, its turn in this phase?  To be asked for the rows of a
 * scan in their order, and all of them.
 */
extern bool pages_has_turn(TupleTableSlot *slot, int phase);

/* The row has become so much longer, in bytes. */
extern void pages_learn(int bytes);

/* Nothing more is asked for the page of the last row. */
extern void pages_leave(void);

/* What has been done since pages_open() is committed. */
extern void pages_committed(void);

/* At the end of a phase: has every row of the window had its turn, for certain? */
extern bool pages_done(void);

#endif							/* ZDM_PAGES_H */
