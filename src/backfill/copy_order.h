/*-------------------------------------------------------------------------
 *
 * copy_order.h
 *		In which order rows are copied, where one is wanted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_COPY_ORDER_H
#define ZDM_COPY_ORDER_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "executor/tuptable.h"
#include "verbs/verbs.h"

typedef struct CopyOrder CopyOrder;

/*
 * Find the order of the table's rows, to be copied to "hidden".  In the present
 * transaction, which needs a lock on the table and no active snapshot; the result
 * outlives it.  As the table's owner.
 */
extern CopyOrder *copy_order_find(const Migration *migration, const Step *step, Relation rel, Oid hidden);

/* Is it of that copy? */
extern bool copy_order_is_of(const CopyOrder *order, Oid hidden);

/* Take it up where the last batch that was committed has left off. */
extern void copy_order_begin(CopyOrder *order, Relation rel);

/*
 * The next place; false if there is none any more.  The row there, as the snapshot sees
 * it, is put in the slot, which is empty if it sees none.
 */
extern bool copy_order_next(CopyOrder *order, Relation rel, Snapshot snapshot, TupleTableSlot *slot);

/* The batch is over; and it has been committed. */
extern void copy_order_end(CopyOrder *order);
extern void copy_order_committed(CopyOrder *order);

/* Have all been committed?  How far is it, from 0 to 1? */
extern bool copy_order_is_done(const CopyOrder *order);
extern double copy_order_share(const CopyOrder *order);

/* It is needed no more; NULL is none. */
extern void copy_order_free(CopyOrder *order);

#endif							/* ZDM_COPY_ORDER_H */
