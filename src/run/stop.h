/*-------------------------------------------------------------------------
 *
 * stop.h
 *		Having a worker leave off what it is doing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STOP_H
#define ZDM_STOP_H

/* Install the callback.  Called once, from _PG_init. */
extern void stop_init(void);

/*
 * When this transaction commits, cancel what the migration's worker is doing,
 * if by then it is to be paused or reverted.  If it is rolled back, nothing
 * happens.
 */
extern void stop_at_commit(int64 migration);

#endif							/* ZDM_STOP_H */
