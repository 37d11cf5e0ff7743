/*-------------------------------------------------------------------------
 *
 * pace.c
 *		How large the next batch is, and how long to rest.
 *
 * A batch is held short because others wait for its row locks until it
 * commits.  Its size follows the time it takes on this machine at this moment,
 * carefully upwards and at once downwards.  Behind blocks in which nothing was to
 * be done, that size says nothing of those in which all is: so there is a limit
 * besides, at which a batch is cut short.
 *
 * A page is mostly full, so the new version of a row goes to another page, and
 * every index gets an entry for it.  Where only a part of each page's rows is
 * updated before the transaction commits, their old versions are pruned when
 * the page is next looked at, and the next part finds its room there: the update
 * stays on the page (HOT), and no index hears of it.  So each phase takes the rows
 * that fit now, and others only as far as it must to come to an end.  What the
 * first leaves to other pages is no more than the slack in most index pages
 * takes; more phases would mean to look at each page more often.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "backfill/pace.h"

/* Blocks, 64 MB: rows locked in the first are held while the others are read. */
#define LARGEST_BATCH 8192

#define FASTEST_GROWTH 1.5
#define LONGEST_REST_MS (60 * 1000)

/* Batches of fewer rows say little of what a row takes. */
#define TELLING_ROWS 20

/* What a row takes at best is forgotten by this much with each batch. */
#define FORGETTING 1.002

/* Slower than this many times the best, the machine is busy with others. */
#define BUSY_FROM 2.0
#define MOST_STRETCH 7.0

/*
 * More in the next phases than in the last ones: a row that leaves early makes room
 * in every phase that follows.  Not more in the first, as no entry of an index can
 * be taken away yet for those that it adds, and index pages would be split.
 */
static const int due_permille[PACE_PHASES] = {90, 200, 330, 450, 560, 680, 780, 870, 950, 1000};

int
pace_rows_due(int rows, int phase)
{
	/* rounded up: the first phase makes room on a page of few rows too */
	return phase == PACE_ALL_PHASES ? rows : (rows * due_permille[phase] + 999) / 1000;
}

bool
pace_phases_serve(int phase, int64 rows, int64 kept)
{
	return phase == 0 ? rows > 0 : phase < 0 || kept * 4 >= rows;
}

static double
next_size(int64 size, double elapsed_ms, double target_ms)
{
	double		factor = target_ms / Max(elapsed_ms, 0.001);

	return factor < 1.0 ? floor(size * factor) : ceil(size * Min(factor, FASTEST_GROWTH));
}

int64
pace_next_blocks(int64 blocks, double elapsed_ms, double target_ms)
{
	/* one slow batch is no reason to go below what one block takes */
	return (int64) Min(Max(next_size(blocks, elapsed_ms, target_ms), 1.0), (double) LARGEST_BATCH);
}

int64
pace_next_rows(int64 rows, double elapsed_ms, double target_ms)
{
	return (int64) Min(Max(next_size(rows, elapsed_ms, target_ms), 1.0), (double) PACE_MOST_ROWS);
}

double
pace_limit_ms(double target_ms)
{
	return 2 * target_ms;
}

double
pace_stretch(double *best_ms, double elapsed_ms, int64 rows)
{
	double		row_ms = elapsed_ms / Max(rows, 1);

	if (rows < TELLING_ROWS)
		return 0.0;
	*best_ms = *best_ms > 0 ? Min(*best_ms * FORGETTING, row_ms) : row_ms;
	return Min(Max(row_ms / *best_ms / BUSY_FROM - 1.0, 0.0), MOST_STRETCH);
}

int
pace_rest(double elapsed_ms, double rested_ms, double ratio, int64 wal_bytes, int64 wal_rate)
{
	double		rest = Max((elapsed_ms - rested_ms) * ratio - rested_ms, 0.0);

	if (wal_rate > 0)
		rest = Max(rest, wal_bytes / (double) wal_rate * 1000.0 - elapsed_ms);
	return (int) Min(rest, (double) LONGEST_REST_MS);
}

int
pace_at_once(int workers, double ratio)
{
	return Max((int) ceil(workers / (1.0 + ratio)), 1);
}
