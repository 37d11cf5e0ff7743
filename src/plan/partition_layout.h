/*-------------------------------------------------------------------------
 *
 * partition_layout.h
 *		From what somebody asks for to the partitions that a table is to have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PLAN_PARTITION_LAYOUT_H
#define ZDM_PLAN_PARTITION_LAYOUT_H

#include "draft/draft.h"
#include "rules/change.h"
#include "verbs/partition_layout.h"

/*
 * The layout that a change (its "partition") asks for, of the table, or, of one of a
 * partitioned table's partitions, of the smaller ones in its place.  Raises all that is
 * wrong with it: PostgreSQL's own errors about key and bounds, ERRCODE_DUPLICATE_TABLE,
 * ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_CHECK_VIOLATION with a row that no partition
 * takes, ERRCODE_FEATURE_NOT_SUPPORTED for keys that cannot stay; for a partition that
 * is to be in the place of others, ERRCODE_INVALID_OBJECT_DEFINITION.  Needs ACCESS
 * SHARE on the table, reads its rows, and leaves nothing behind.
 */
extern PartitionLayout *partition_layout_read(const Change *change);
extern PartitionLayout *partition_layout_read_split(const Change *change);

/* Note its partitions. */
extern void partition_layout_note(MigrationPlan *plan, const PartitionLayout *layout);

#endif							/* ZDM_PLAN_PARTITION_LAYOUT_H */
