/*-------------------------------------------------------------------------
 *
 * turn.c
 *		Whose turn it is among the workers of one migration.
 *
 * A worker that rests as long as it works takes half a processor.  Two of them take
 * a whole one, on average; but left to themselves both would work in the same
 * moment half of the time, and applications would meet what nobody has asked for:
 * two processors taken at once, twice as many rows locked, and snapshots of the one
 * which keep what the other has replaced from being pruned.  So no more of them are
 * in a batch at once than it takes for each to come to its share (pace_at_once).
 *
 * A turn is a lock to the end of the transaction: no error and no death keeps it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/pace.h"
#include "backfill/turn.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "core/guc.h"

#define LONGEST_TURN_PAUSE_MS 50

bool
turn_take(int64 migration)
{
	int			turns = pace_at_once(guc_backfill_workers, guc_batch_rest);

	if (turns >= guc_backfill_workers)
		return true;
	for (int turn = 0; turn < turns; turn++)
	{
		if (claim_try(CLAIM_TURN, migration << 8 | turn))
			return true;
	}
	ZDM_DEBUG_POINT("turn-refused");
	return false;
}

int
turn_pause(void)
{
	return Min(Max(guc_batch_time / 4, 1), LONGEST_TURN_PAUSE_MS);
}
