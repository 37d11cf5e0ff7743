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

/* A page's rows are taken in this many turns at most, so that most updates stay on it. */
#define PACE_PHASES 10

/* In place of a phase: all rows at once. */
#define PACE_ALL_PHASES (-1)

/* Blocks that are gone through in phases: those of 32 MB. */
#define PACE_LARGEST_WINDOW 4096

/* Rows of the first batch that is sized by rows, and the most of any. */
#define PACE_FIRST_ROWS 300
#define PACE_MOST_ROWS 1000000

/*
 * How many of a page's rows are to be visited by the end of this phase,
 * whether or not there is room for them on it.  Pure.
 */
extern int	pace_rows_due(int rows, int phase);

/*
 * Do the phases serve, after one in which "kept" of "rows" updates stayed on
 * their page?  The first one makes room for the others, so none does there; but
 * where it finds no row to write, others would hardly find any.  Pure.
 */
extern bool pace_phases_serve(int phase, int64 rows, int64 kept);

/*
 * Blocks of the next batch, after one of "blocks" took "elapsed_ms" and
 * "target_ms" was aimed at.  Grows by half at most, shrinks at once; never
 * below 1.  Pure.
 */
extern int64 pace_next_blocks(int64 blocks, double elapsed_ms, double target_ms);

/* The same for a batch that is sized by the rows it writes. */
extern int64 pace_next_rows(int64 rows, double elapsed_ms, double target_ms);

/* When a batch is cut short that aims at "target_ms".  Pure. */
extern double pace_limit_ms(double target_ms);

/*
 * By how much, as a multiple of its time, the rest after a batch is to be longer
 * that took "elapsed_ms" for so many rows: load, I/O and commits that others wait for show in our own time too.
 * *best_ms is what a row takes when nobody is in the way; 0 at first, and kept here.
 */
extern double pace_stretch(double *best_ms, double elapsed_ms, int64 rows);

/*
 * Rest in ms after a batch that took "elapsed_ms", of which it has rested "rested_ms"
 * already, and wrote "wal_bytes": in all "ratio" times as long as it worked, and long enough to write no more than "wal_rate" bytes a second
 * (0: no limit).  Pure.
 */
extern int	pace_rest(double elapsed_ms, double rested_ms, double ratio, int64 wal_bytes, int64 wal_rate);

/*
 * How many of so many workers may be in a batch at once, if each rests "ratio" times
 * as long as it works, so that each comes to its share and no more are at work than
 * that takes.  At least 1.  Pure.
 */
extern int	pace_at_once(int workers, double ratio);

#endif							/* ZDM_PACE_H */
