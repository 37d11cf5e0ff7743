/*-------------------------------------------------------------------------
 *
 * lockers.h
 *		Whose transactions have locked the rows that a batch left out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LOCKERS_H
#define ZDM_LOCKERS_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

/*
 * The sessions that have rows of "rel" in those blocks (of BlockRange *) locked at
 * this moment: "pid 123 (psql, idle in transaction since ...)"; NULL if that cannot
 * be found out.  Looks at a few blocks and transactions only.  Needs an active
 * snapshot, and the table locked.
 */
extern char *lockers_describe(Relation rel, List *ranges);

#endif							/* ZDM_LOCKERS_H */
