/*-------------------------------------------------------------------------
 *
 * pace.h
 *		How large the next batch is, and how long to rest.
 *
 * Pure decisions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PACE_H
#define ZDM_PACE_H

/* Blocks of the first batch, before anything is known. */
#define PACE_FIRST_BLOCKS 16

/*
 * Blocks of the next batch, after one of "blocks" took "elapsed_ms" and
 * "target_ms" was aimed at.  Grows by half at most, shrinks at once; never
 * below 1.  Pure.
 */
extern int64 pace_next_blocks(int64 blocks, double elapsed_ms, double target_ms);

/*
 * Rest in ms after a batch that took "elapsed_ms" and wrote "wal_bytes": "ratio"
 * times as long, and long enough to write no more than "wal_rate" kB a second
 * (0: no limit).  Pure.
 */
extern int	pace_rest(double elapsed_ms, double ratio, int64 wal_bytes, int64 wal_rate);

#endif							/* ZDM_PACE_H */
