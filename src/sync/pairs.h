/*-------------------------------------------------------------------------
 *
 * pairs.h
 *		The pairs of a table, ready to be computed with.
 *
 * Used by the sync trigger for one row at a time, and by backfill and
 * verification for all of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PAIRS_H
#define ZDM_PAIRS_H

#include "core/guc.h"
#include "nodes/pg_list.h"
#include "sync/expr.h"
#include "sync/kept.h"
#include "utils/elog.h"
#include "utils/rel.h"

/* One column of a pair, in the relation that the pair was loaded for. */
typedef struct PairSide
{
	AttrNumber	attnum;
	int16		typlen;
	bool		typbyval;
	bool		notnull;
	bool		volatile_default;	/* another value each time */
	bool		hidden;			/* of a type change: no application knows its name */
	List	   *defaults;		/* SyncExpr *: what it holds otherwise, but for NULL */
	SyncExpr   *own_default;	/* of them, that of the relation itself; NULL: none, or volatile */
} PairSide;

typedef enum PairDirection
{
	PAIR_UP,					/* the new side from the old one */
	PAIR_DOWN					/* the old side from the new one */
} PairDirection;

/*
 * The row versions of a table that were written before there was a pair, or,
 * for a partition that was attached since, before it came: none of them went
 * through the sync trigger.  Known by the transaction that wrote them.
 */
typedef struct PairPast
{
	TransactionId xmin;			/* every earlier one */
	TransactionId xmax;			/* none from here on */
	List	   *running;		/* nor any of these in between, as sorted Oids ... */
	List	   *own;			/* ... but these, whatever they are */
	TransactionId noted;		/* the last that pair_note_unfilled() was called in */
} PairPast;

typedef struct SyncPair
{
	int64		id;
	int64		migration;
	PairSide	old_side;
	PairSide	new_side;
	SyncExpr   *up;
	SyncExpr   *down;
	AttrNumber	up_copies;		/* the column that up only copies, or 0 */
	AttrNumber	down_copies;
	bool		new_decides;	/* the new side is the authoritative one */
	bool		reversible;
	bool		old_not_null;	/* before the cutover, and again on the way back */
	OnConflict	on_conflict;
	PairPast	past;
	Bitmapset  *inputs;			/* columns that up or down reads besides */
	uint64		noted[2];		/* by PairDirection: when a failure was noted */
	Oid			relid;			/* the relation loaded for */
} SyncPair;

typedef struct PairSet
{
	Kept		kept;			/* the partitioned tables above are its others */
	int			npairs;
	SyncPair   *pairs;
} PairSet;

/* Register the callbacks that tell one transaction from another.  From _PG_init. */
extern void pairs_init(void);

/* The sets of this session.  For pairs_get() only, outside of pairs.c. */
extern KeptCache pairs_cache;

/* For pairs_get() only: the set from the cache, or loaded. */
extern PairSet *pairs_find(Relation rel);

/*
 * The pairs in force of "rel", a table or a partition at any depth of one that
 * has some; npairs may be 0.  Reads what is committed now, whatever snapshot
 * the transaction works with.  Cached; the result stays valid until the end of
 * the transaction, also if pairs change meanwhile.  What an expression raises when
 * it is compiled, it raises for each row.
 */
static inline PairSet *
pairs_get(Relation rel)
{
	if (likely(pairs_cache.last && pairs_cache.last->relid == RelationGetRelid(rel)))
		return (PairSet *) pairs_cache.last;
	return pairs_find(rel);
}

/*
 * A number that changes when a transaction ends or a subtransaction is rolled
 * back: as long as it stays, so does what was written.
 */
extern uint64 pairs_transaction(void);

/*
 * One side computed from the row in "slot".  Results are valid until the same
 * pair is next computed or the slot is cleared.  Errors of the expression are
 * raised, with a context line that names migration, table and column.
 */
extern Datum pair_new_value(SyncPair *pair, TupleTableSlot *slot, bool *isnull);
extern Datum pair_old_value(SyncPair *pair, TupleTableSlot *slot, bool *isnull);

/*
 * The same, but an error of the expression gives false and, in the caller's
 * memory context, the error.  Costs a subtransaction where the expression can
 * fail at all.  A cancelled query, lack of resources and the like are raised.
 */
extern bool pair_try_value(SyncPair *pair, PairDirection direction,
						   TupleTableSlot *slot, Datum *value, bool *isnull,
						   ErrorData **error);

/*
 * The same of one of a side's defaults.  False: what it holds cannot be told.
 */
extern bool pair_try_default(SyncExpr *standard, TupleTableSlot *slot,
							 Datum *value, bool *isnull);

/*
 * Do the two values of a row that is being written agree?  They do when the new
 * one is image equal to up(old), or the old one to down(new); NULL equals NULL,
 * and an expression that fails agrees with nothing.
 */
extern bool pair_agrees(SyncPair *pair, TupleTableSlot *slot);

/*
 * Was the row version in "slot", as it is stored, written without the sync
 * trigger?  A tuple formed before ADD COLUMN has fewer attributes than the new
 * column's number; a rewrite of the table fills them up, but keeps the
 * transaction that wrote the row.
 */
extern bool pair_is_past(const SyncPair *pair, TupleTableSlot *slot);

/*
 * This transaction writes a version of a row that is past which stays so: noted
 * in zdm.unfilled, for when the table is rewritten.
 */
extern void pair_note_unfilled(SyncPair *pair);

/*
 * Are the two sides of a stored row as they are to be?  What went through the
 * trigger is if they agree, or if the old side was given up.  What did not,
 * "past", is if the new side is up(old), or has a value that down agrees with:
 * that down(NULL) gives the old value says nothing of a new side that nobody has
 * written, nor does before cutover that down(default) does.
 */
extern bool pair_in_step(SyncPair *pair, TupleTableSlot *slot, bool past);

/*
 * Which side of a stored row that is not in step is to be computed?  The one that
 * is not authoritative; in a row that is "past", whichever has no value of its own,
 * NULL or the default of a partition that was made LIKE the table, if the other one
 * has: who loaded it knew one of the two names.  Of a type change all know the same.
 */
extern PairDirection pair_due(SyncPair *pair, TupleTableSlot *slot, bool past);

/* For pair_same_value() only: neither is NULL, and they are not by value. */
extern bool pair_same_image(const PairSide *side, Datum a, Datum b);

/*
 * The same bytes, without detoasting where the pointers tell?  NULL equals
 * NULL.  Pure.
 */
static inline bool
pair_same_value(const PairSide *side, Datum a, bool a_null, Datum b, bool b_null)
{
	if (a_null || b_null)
		return a_null && b_null;
	if (a == b)
		return true;
	return !side->typbyval && pair_same_image(side, a, b);
}

#endif							/* ZDM_PAIRS_H */
