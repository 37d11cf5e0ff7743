/*-------------------------------------------------------------------------
 *
 * apply.h
 *		Carrying the rows of a table over to the hidden one beside it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_APPLY_H
#define ZDM_APPLY_H

#include "access/attnum.h"
#include "catalog/second.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "sync/conversion.h"
#include "sync/expr.h"
#include "sync/neighbour.h"
#include "sync/route.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* What has become of a row that was to be added. */
typedef enum ApplyOutcome
{
	APPLY_ADDED,				/* it is there: by us, in this transaction */
	APPLY_WAS_THERE,			/* it was already */
	APPLY_LATER,				/* somebody else is at it, and has not committed */
	APPLY_GONE					/* it has been written since, and whoever did that has carried it over */
} ApplyOutcome;

/* A row that is to be added, with others. */
typedef struct ApplyNew
{
	TupleTableSlot *slot;		/* as a snapshot has seen it, in its buffer */
	ApplyOutcome outcome;
	struct ApplyLeaf *leaf;		/* where it has been put; NULL: nowhere */
	ItemPointerData tid;		/* and where there */
} ApplyNew;

/* A relation with rows of one of the two tables: the table itself, or a partition. */
typedef struct ApplyLeaf
{
	Oid			relid;
	Relation	rel;			/* NULL between two rows */
	Relation	key;			/* the index by which rows are found; NULL until it is needed */
	Oid			key_id;
	AttrNumber *att;			/* where the columns are that both tables have */
	TupleTableSlot *found;		/* a row that was looked up */
	Neighbour	neighbour;		/* of that */

	/* of the hidden table: */
	ResultRelInfo *result_rel;	/* its indexes' relations open with it */
	List	   *indexes;		/* their Oids */
	TupleTableSlot *row;		/* as it is to be there */
	TupleTableSlot **rows;		/* those that are to come together, the first "nrows" */
	ApplyNew  **news;			/* what they are of */
	int			nrows;
	int			room;			/* for how many there are slots */
} ApplyLeaf;

/* A partitioned table between a side's root and its leaves, the root included. */
typedef struct ApplyLevel
{
	Oid			relid;
	AttrNumber *att;
	Route		route;
	TupleTableSlot *slot;		/* the row in its form */
} ApplyLevel;

/*
 * A row that a side is searched for, of either side; where that has the column of another
 * type in its key, with the value of it that the side has.
 */
typedef struct ApplyRow
{
	TupleTableSlot *slot;
	const AttrNumber *att;
	bool		other;			/* of the other side */
	bool		translated;		/* the column is this, and not what stands in the slot: */
	Datum		value;
	bool		isnull;
	ErrorData  *error;			/* why there is no such value, or NULL */
} ApplyRow;

/* One of the two tables. */
typedef struct ApplySide
{
	Oid			root;
	Oid			key_id;			/* its index by which rows are found */
	bool		partitioned;
	bool		hidden;
	List	   *leaves;			/* ApplyLeaf *: those that were needed */
	List	   *levels;			/* ApplyLevel *, the same */
	ApplyLevel	whole;			/* the root's form, where the column of another type is computed in it */
	List	   *open;			/* relations of levels, until the row is done */
	int			nkeys;
	int		   *keys;			/* numbers of the key's columns among those that both have */
	FmgrInfo   *equal;
	Oid		   *collations;
	Oid		   *foreign_types;	/* of the other side's values, InvalidOid: the same ... */
	Oid		   *foreign_equal;	/* ... and what compares these with its own */
} ApplySide;

/* The column that the two have of different types. */
typedef struct ApplyConverted
{
	int			column;			/* its number among those that both have */
	Form_pg_attribute source;	/* as the source has it */
	bool		exact;			/* different values stay different, there and back */
	bool		not_null;		/* in the hidden table */
} ApplyConverted;

/* Two tables, and what one statement or batch needs to write the second. */
typedef struct Apply
{
	ApplySide	source;
	ApplySide	hidden;
	ApplyLeaf  *here;			/* the source's leaf at hand, which is the caller's */
	ApplyLeaf  *there;			/* the hidden table's, of the row that was looked up last, ... */
	ApplyRow	wanted;			/* ... and that, as it is searched for there */
	int			ncolumns;		/* that both have */
	Form_pg_attribute *columns; /* in the hidden table */
	ApplyConverted *converted;	/* or NULL */
	const Conversion *conversion;	/* how it is computed, and other columns are */
	int64		migration;
	bool		new_shape;
	bool		turned;
	bool		loose;			/* the table may have several rows of one key, even in one leaf */
	bool		same_keys;		/* rows are told from each other by the same columns on both sides */
	bool		noted;			/* a row that the other side cannot hold has been */
	bool		at_the_end;		/* new rows go behind all others, whatever room there is before: for their order */
	bool		abreast;		/* most rows are looked up in the order in which the other table has them */
	EState	   *estate;
	MemoryContext context;
	MemoryContext scratch;
} Apply;

/*
 * Can rows be carried over between the two, as they are now?  If not, what the hidden
 * one holds is void, and for good: none of it comes back without another storage or
 * another index.  Both may be partitioned.
 */
extern bool apply_is_possible(Relation source, Relation hidden, const Second *second);

/*
 * Begin, in the current memory context, which it lives as long as.  "source" is the
 * table, or the partition of it that is at hand, or NULL to ask apply_has_source() only.  Needs locks on both tables; false if
 * it is not possible.  Between apply_open() and apply_close() the relations are open;
 * the others are to be called there.
 */
extern bool apply_begin(Apply *apply, Relation source, const Second *second);
extern void apply_open(Apply *apply, Relation source);
extern void apply_close(Apply *apply);

/* At the end of a batch: the context goes with the batch's transaction. */
extern void apply_end(Apply *apply);

/*
 * Make the hidden table's row of that key what "slot" is, or insert it.  A row that it
 * cannot hold is noted, and is not there.
 */
extern void apply_put(Apply *apply, TupleTableSlot *slot);

/*
 * Rows of the leaf at hand that were there before the trigger was, of which the hidden
 * table is to have the like: each is prepared, in a slot that stays, and then all of them
 * are put there at once.  "look": it may well be there already.  Locks none of them,
 * and waits for none.  What has become of them is in "outcome" afterwards: what is LATER is
 * to be tried in another transaction.
 * ERRCODE_CHECK_VIOLATION if no partition takes it, ERRCODE_UNIQUE_VIOLATION if the key
 * has another row there; the error of a column that cannot be computed.
 */
extern void apply_prepare_new(Apply *apply, ApplyNew *new, bool look);
extern void apply_add_prepared(Apply *apply, ApplyNew *news, int count);

/* The table's row of that key has gone: unless there is one again, its like goes too. */
extern void apply_remove(Apply *apply, TupleTableSlot *slot);

/* The hidden table's row of that key, in *found, as the snapshot sees it.  False if there is none. */
extern bool apply_find_hidden(Apply *apply, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot **found);

/* Has the table a row whose place is that of a hidden one's, "slot" of the relation? */
extern bool apply_has_source(Apply *apply, Relation hidden, TupleTableSlot *slot, Snapshot snapshot);

/* Has the row that apply_find_hidden() has found the same values, and those that they make? */
extern bool apply_same_row(Apply *apply, TupleTableSlot *source, TupleTableSlot *hidden);

/* Have two rows of the table the same key, byte for byte, on either side? */
extern bool apply_same_key(Apply *apply, TupleTableSlot *a, TupleTableSlot *b);

#endif							/* ZDM_APPLY_H */
