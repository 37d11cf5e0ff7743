/*-------------------------------------------------------------------------
 *
 * first_partition.h
 *		A table becomes the first partition of the one that takes its name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FIRST_PARTITION_H
#define ZDM_FIRST_PARTITION_H

#include "catalog/migration.h"
#include "nodes/pg_list.h"
#include "verbs/first_partition.h"

/* All that is locked for it, and for the way back, and for the partitions that come then. */
extern List *first_partition_relations(const FirstArgs *args);

/*
 * Have it become that, or, with "back", be the table again, with all rows; what was done,
 * as text.  Needs ACCESS EXCLUSIVE on all of first_partition_relations().
 */
extern char *first_partition_exchange(const Migration *migration, const FirstArgs *args, bool back);

/*
 * Give it its bound, and make the others.  ERRCODE_CHECK_VIOLATION for a row that is beyond
 * the bound, unless that can be moved.  The same locks.
 */
extern char *first_partition_settle(const Migration *migration, const FirstArgs *args);

#endif							/* ZDM_FIRST_PARTITION_H */
