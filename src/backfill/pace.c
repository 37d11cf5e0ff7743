/*-------------------------------------------------------------------------
 *
 * pace.c
 *		How large the next batch is, how long to rest, and whether to go on.
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
pace_rest(double elapsed_ms, double ratio)
{
	return (int) Min(elapsed_ms * ratio, (double) LONGEST_REST_MS);
}
