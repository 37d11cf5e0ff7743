/*-------------------------------------------------------------------------
 *
 * snapshots.h
 *		Waiting for old snapshots with no lock in hand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SNAPSHOTS_H
#define ZDM_SNAPSHOTS_H

#include "nodes/pg_list.h"

/*
 * Sessions that may still go by a catalog of before.  Zeroed before the first look;
 * "waiting" is in TopMemoryContext.
 */
typedef struct OldSnapshots
{
	bool		known;
	List	   *waiting;		/* char *: virtual transactions, as pg_locks has them */
} OldSnapshots;

/*
 * Have all ended that had a snapshot at the first call?  If not, *who names those
 * that have one still.  Needs a transaction.
 */
extern bool snapshots_gone(OldSnapshots *old, char **who);

/* To the beginning: the next call is the first. */
extern void snapshots_forget(OldSnapshots *old);

/*
 * SPI_execute() for a statement that waits for older snapshots itself, with its
 * locks in hand, once snapshots_gone() has said that there are none: it finds none.
 */
extern int	snapshots_execute(const char *sql);

#endif							/* ZDM_SNAPSHOTS_H */
