/*-------------------------------------------------------------------------
 *
 * backfill.h
 *		One batch of a backfill.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_BACKFILL_H
#define ZDM_BACKFILL_H

#include "backfill/batch_state.h"
#include "catalog/migration.h"
#include "catalog/step.h"

/*
 * Do one batch: to be called in a transaction that has no active snapshot and
 * holds ROW EXCLUSIVE on the migration's table and its partitions.  Commits it,
 * with the cursor.  True when the step is done, and marked so; otherwise
 * *pause_ms is how long to rest before the next.
 */
extern bool backfill_batch(const Migration *migration, const Step *step, BatchState *state, int *pause_ms);

/*
 * The same for a helper of that number, with whatever stretch it has or can have.
 * False when there is none for now: it is to come again after *pause_ms.
 */
extern bool backfill_help(const Migration *migration, const Step *step, int helper, BatchState *state,
						  int *pause_ms);

#endif							/* ZDM_BACKFILL_H */
