/*-------------------------------------------------------------------------
 *
 * verify.h
 *		Reading every row to see that old and new agree.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_VERIFY_H
#define ZDM_VERIFY_H

#include "backfill/batch_state.h"
#include "catalog/migration.h"
#include "catalog/step.h"
#include "utils/tuplestore.h"

/*
 * Read one batch of rows, in a transaction that has no active snapshot and
 * holds ACCESS SHARE on the migration's table and its partitions.  Commits it.
 * True when the step is done, and marked so.
 * Errors: ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION if rows disagree.
 */
extern bool verify_batch(const Migration *migration, const Step *step, BatchState *state, int *pause_ms);

/*
 * The same for a helper of that number, with whatever stretch it has or can have.  False
 * when there is none for now: it is to come again after *pause_ms.
 */
extern bool verify_help(const Migration *migration, const Step *step, int helper, BatchState *state, int *pause_ms);

/*
 * Put every pair of every row that does not agree into a tuplestore, as (relation
 * regclass, key text, old_value text, new_value text).  Reads with the active
 * snapshot.  Takes ACCESS SHARE on the table and its partitions.
 */
extern void verify_table(const Migration *migration, Tuplestorestate *store, TupleDesc desc);

#endif							/* ZDM_VERIFY_H */
