/*-------------------------------------------------------------------------
 *
 * conflict.h
 *		Counting the rows in which a statement's two values did not agree.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CONFLICT_H
#define ZDM_CONFLICT_H

/* Install the callbacks.  Called once, from _PG_init. */
extern void conflict_init(void);

/*
 * One row more, of the current role.  Written to zdm.conflict when the
 * transaction commits; what is rolled back does not count.
 */
extern void conflict_count(int64 migration);

#endif							/* ZDM_CONFLICT_H */
