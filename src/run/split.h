/*-------------------------------------------------------------------------
 *
 * split.h
 *		A partition gives its rows, and its place, to smaller ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SPLIT_H
#define ZDM_SPLIT_H

#include "catalog/migration.h"
#include "catalog/second.h"
#include "run/second_table.h"

/* All that is locked ACCESS EXCLUSIVE for that. */
extern List *split_relations(const SecondArgs *args, const Second *second);

/* Has a transaction at SERIALIZABLE read the partition?  What it has read is not known of the others. */
extern bool split_awaits_serializable(const Second *second);

/*
 * Put partitions with the hidden table's rows in the partition's place, and drop both.
 * What was done, as text; NULL, with nothing done, if an index is missing.  Needs ACCESS
 * EXCLUSIVE on all of split_relations(), and that what the hidden one holds is not void.
 */
extern char *split_exchange(const Migration *migration, const SecondArgs *args, const Second *second, CopyEnd *end);

#endif							/* ZDM_SPLIT_H */
