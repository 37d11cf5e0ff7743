/*-------------------------------------------------------------------------
 *
 * batch.h
 *		What a batch has done, and what it took.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_BATCH_H
#define ZDM_BATCH_H

#include "backfill/naps.h"
#include "backfill/rows.h"
#include "portability/instr_time.h"

typedef struct Batch
{
	instr_time	start;
	uint64		wal_before;		/* written by this process */
	double		work_ms;		/* up to the end of its rows; set by whoever does them */
	Naps		naps;
	FillResult	result;
} Batch;

/* Rest while something holds a step. */
#define BATCH_HELD_PAUSE_MS 1000

/* Rest before rows that others have locked are looked at again. */
#define BATCH_LOCKED_PAUSE_MS 250

extern Batch batch_begin(void);

/* Milliseconds since it began. */
extern double batch_elapsed(const Batch *batch);

/*
 * How long to rest after it, in milliseconds, now that it has been committed: "ratio" times
 * what it took, and as zdm.max_wal_rate wants, which so many workers share.
 */
extern int	batch_rest(const Batch *batch, double ratio, int workers);

/* What it has left out for others' sake, and who they are; NULL: nothing. */
extern char *batch_describe_locked(const Batch *batch, Relation rel);

#endif							/* ZDM_BATCH_H */
