/*-------------------------------------------------------------------------
 *
 * copy.h
 *		Copying a table to the hidden one beside it, and comparing the two.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_COPY_H
#define ZDM_COPY_H

#include "backfill/batch_state.h"
#include "catalog/migration.h"
#include "catalog/second.h"
#include "catalog/step.h"
#include "utils/tuplestore.h"

/*
 * One batch: to be called in a transaction with no active snapshot and a lock on the
 * table, ROW EXCLUSIVE to copy and ACCESS SHARE to compare, the two being a pair
 * that is not void.  Commits it, with the cursor.  True when the step is done, and
 * marked so; otherwise *pause_ms is how long to rest before the next.
 * Comparing: ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION if they differ.
 */
extern bool copy_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms);
extern bool copy_compare_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms);

/*
 * The same of either for a helper of that number, with whatever stretch it has or can have.
 * False when there is none for now: it is to come again after *pause_ms.
 */
extern bool copy_help(const Migration *migration, const Step *step, int helper, const Second *second, BatchState *state,
					  int *pause_ms);

/* Is the step one in which helpers can have a part?  A copy in order is one worker's. */
extern bool copy_is_shared(const Step *step);

/*
 * Put every row that is not the same in both into a tuplestore, as (relation regclass, key
 * text, old_value text, new_value text), each time with what is there now.  Takes ACCESS
 * SHARE on both.
 */
extern void copy_verify(const Second *second, Tuplestorestate *store, TupleDesc desc);

#endif							/* ZDM_COPY_H */
