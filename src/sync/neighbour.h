/*-------------------------------------------------------------------------
 *
 * neighbour.h
 *		The row behind another one, in a heap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_NEIGHBOUR_H
#define ZDM_NEIGHBOUR_H

#include "access/htup.h"
#include "executor/tuptable.h"
#include "storage/block.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* A place in a heap, and room for what is found there. */
typedef struct Neighbour
{
	BlockNumber blocks;			/* how large the heap was when it was first asked; 0: it was not */
	ItemPointerData last;		/* the row that has been found last; invalid: none */
	HeapTupleData tuple;
} Neighbour;

/* Can the relation be asked so? */
extern bool neighbour_is_known(Relation rel);

/*
 * The first row behind the last one, on its page or at the beginning of the next, that the
 * snapshot sees, in "slot", which holds on to its buffer and refers to "neighbour"; false
 * if there is none.  Needs a lock on the relation.
 */
extern bool neighbour_next(Neighbour *neighbour, Relation rel, Snapshot snapshot, TupleTableSlot *slot);

#endif							/* ZDM_NEIGHBOUR_H */
