/*-------------------------------------------------------------------------
 *
 * pace.c
 *		How large the next batch is, and how long to rest.
 *
 * A batch is held short because others wait for its row locks until it
 * commits.  Its size follows the time it takes on this machine at this moment,
 * carefully upwards and at once downwards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "backfill/pace.h"

#define LARGEST_BATCH 131072	/* blocks: 1 GB */
#define FASTEST_GROWTH 1.5
#define LONGEST_REST_MS (60 * 1000)

int64
pace_next_blocks(int64 blocks, double elapsed_ms, double target_ms)
{
	double		factor = target_ms / Max(elapsed_ms, 0.001);
	double		next = ceil(blocks * Min(factor, FASTEST_GROWTH));

	/* one slow batch is no reason to go below what one block takes */
	if (factor < 1.0)
		next = floor(blocks * factor);
	return (int64) Min(Max(next, 1.0), (double) LARGEST_BATCH);
}

int
pace_rest(double elapsed_ms, double ratio, int64 wal_bytes, int64 wal_rate)
{
	double		rest = elapsed_ms * ratio;

	if (wal_rate > 0)
		rest = Max(rest, wal_bytes / 1024.0 / wal_rate * 1000.0 - elapsed_ms);
	return (int) Min(rest, (double) LONGEST_REST_MS);
}
