/*-------------------------------------------------------------------------
 *
 * partition_key.h
 *		By what a table is to be partitioned, and what of its keys goes with that.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PARTITION_KEY_H
#define ZDM_PARTITION_KEY_H

#include "verbs/partition_layout.h"

/*
 * Fill in strategy, key and columns from what stands after PARTITION BY, with the
 * caller's names, and the type of a single one (else InvalidOid).  Errors are
 * PostgreSQL's.
 */
extern Oid	partition_key_read(PartitionLayout *layout, Oid relid, const char *by);

/*
 * Fill in the primary key that is asked for (as Change has it), and raise
 * ERRCODE_FEATURE_NOT_SUPPORTED for a unique key that cannot stay, or that others'
 * foreign keys need, and ERRCODE_INVALID_PARAMETER_VALUE for one that does not go.
 */
extern void partition_key_settle(PartitionLayout *layout, Oid relid, const char *primary_key);

/* What of its keys a table loses by the layout, one sentence each (char *). */
extern List *partition_key_losses(Oid relid, const PartitionLayout *layout);

#endif							/* ZDM_PARTITION_KEY_H */
