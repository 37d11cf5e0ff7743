/*-------------------------------------------------------------------------
 *
 * plan.h
 *		From a change to the steps that make it.
 *
 * A kind of migration is a PlanKind (draft/kind.h) in a file of its own, and one
 * line in the table of plan.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PLAN_H
#define ZDM_PLAN_H

#include "draft/kind.h"

/* The kind of that name.  ERRCODE_FEATURE_NOT_SUPPORTED if there is none. */
extern const PlanKind *plan_kind(const char *name);

/* What the kind claims for a change. */
extern List *plan_claims(const PlanKind *kind, const Change *change);

/* Raise whatever is wrong with a change, before anything is made of it. */
extern void plan_validate(const PlanKind *kind, Change *change);

/* Write steps, pairs and notes to the catalog. */
extern void plan_store(const MigrationPlan *plan);

/*
 * Find out what a plan that is made cannot change but its reader should know, as notes:
 * replicas, old snapshots, wraparound, disk, triggers, preloading.  What would
 * certainly fail is an error.
 */
extern void preflight(MigrationPlan *plan, const Change *change);

/* Warn the caller if the library is not preloaded. */
extern void preflight_warn(void);

/* in change_column_type.c */
extern const PlanKind plan_change_column_type;

/* in rename_column.c */
extern const PlanKind plan_rename_column;

/* in enum_value.c */
extern const PlanKind plan_rename_enum_value;

/* in rename_table.c */
extern const PlanKind plan_rename_table;

/* in partition_table.c */
extern const PlanKind plan_partition_table;

/* in split_partition.c */
extern const PlanKind plan_split_partition;

/* in refresh.c */
extern const PlanKind plan_refresh;

/* in partition_copy.c */
extern const PlanKind plan_unpartition_table;

/*
 * What speaks against partitions of the change's layout, however they are made, and
 * against taking the CHECKs of the relation over to a partitioned table:
 * ERRCODE_FEATURE_NOT_SUPPORTED.
 */
extern void plan_partition_check(const Change *change);
extern void plan_partition_check_inherited(Oid relid);

/* The plan of partitioning by a copy, into the partitions of the change's layout. */
extern void plan_partition_copy(MigrationPlan *plan, const Change *change);

/* in keep_place.c */
extern const PlanKind plan_keep_place;

/* in reorder_columns.c */
extern const PlanKind plan_reorder_columns;

/* in generate_column.c */
extern const PlanKind plan_generate_column;

/* in rewrite.c */
extern const PlanKind plan_rewrite;

#endif							/* ZDM_PLAN_H */
