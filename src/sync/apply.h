/*-------------------------------------------------------------------------
 *
 * apply.h
 *		Carrying the rows of a table over to the hidden one beside it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_APPLY_H
#define ZDM_APPLY_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Two tables, and what one statement or batch needs to write the second. */
typedef struct Apply
{
	Oid			hidden_id;
	Oid			key_id;			/* index of the table */
	Relation	source;			/* the caller's */
	Relation	hidden;			/* NULL between two rows */
	int			key;			/* number of the hidden table's index by which rows are found */
	EState	   *estate;
	ResultRelInfo *result_rel;	/* of the hidden table, its indexes' relations open with it */
	List	   *indexes;		/* their Oids */
	TupleDesc	desc;			/* of the hidden table */
	TupleTableSlot *row;		/* as it is to be there */
	TupleTableSlot *found;		/* as it is there */
	TupleTableSlot *own;		/* a row of the table that was looked up */
	bool		at_the_end;		/* new rows go behind all others, whatever room there is before: for their order */
	MemoryContext scratch;
} Apply;

/*
 * Have the rows of the two tables the same physical form, and the table the index
 * that is their key?  If not, what the hidden one holds is void, and for good: none
 * of it comes back without another storage or another index.
 */
extern bool apply_is_possible(Relation source, Relation hidden, Oid key);

/*
 * Begin, in the current memory context, which it lives as long as.  Needs locks on
 * both tables; false if it is not possible.  Between apply_open() and apply_close()
 * the relations are open; the others are to be called there.
 */
extern bool apply_begin(Apply *apply, Relation source, Oid hidden, Oid key);
extern void apply_open(Apply *apply, Relation source);
extern void apply_close(Apply *apply);

/* At the end of a batch: the context goes with the batch's transaction. */
extern void apply_end(Apply *apply);

/* Make the hidden table's row of that key what "slot" is, or insert it. */
extern void apply_put(Apply *apply, TupleTableSlot *slot);

/* Insert the row unless one of that key is there; true if it was inserted. */
extern bool apply_add(Apply *apply, TupleTableSlot *slot);

/* The table's row of that key has gone: unless there is one again, its like goes too. */
extern void apply_remove(Apply *apply, TupleTableSlot *slot);

/*
 * The row of the other table with that key, in *found, as the snapshot sees it.
 * False if there is none.
 */
extern bool apply_find_hidden(Apply *apply, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot **found);
extern bool apply_find_source(Apply *apply, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot **found);

/* Have both rows the same values? */
extern bool apply_same_row(Apply *apply, TupleTableSlot *source, TupleTableSlot *hidden);

/* Has the key the same value in both rows of the table, byte for byte? */
extern bool apply_same_key(Apply *apply, TupleTableSlot *a, TupleTableSlot *b);

#endif							/* ZDM_APPLY_H */
