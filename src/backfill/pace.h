/*-------------------------------------------------------------------------
 *
 * pace.h
 *		How large the next batch is, how long to rest, and whether to go on.
 *
 * Pure decisions, tested alone through zdm's regression script.
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

/* Rest in ms after a batch that took "elapsed_ms".  Pure. */
extern int	pace_rest(double elapsed_ms, double ratio);

#endif							/* ZDM_PACE_H */
