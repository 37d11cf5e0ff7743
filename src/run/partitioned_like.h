/*-------------------------------------------------------------------------
 *
 * partitioned_like.h
 *		A partitioned table's like, that has a column of another type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PARTITIONED_LIKE_H
#define ZDM_PARTITIONED_LIKE_H

#include "access/tupdesc.h"
#include "catalog/second.h"
#include "sync/expr.h"
#include "verbs/verbs.h"

/* The column as the like has it, and by what it comes to be that, under which settings. */
typedef struct LikeColumn
{
	Form_pg_attribute target;	/* by its name the table's column is found */
	ExprStated	up;
	List	   *settings;		/* of identity_settings() */
} LikeColumn;

/* What stands after PARTITION BY: the column is in no expression there. */
extern char *partitioned_like_key(Oid relid);

/* All of it, as the call keeps it for who reads the plan. */
extern PartitionLayout *partitioned_like_layout(Oid relid, const LikeColumn *column);

/*
 * ERRCODE_FEATURE_NOT_SUPPORTED if the column is in relid's partition key and the expression,
 * called "role", reads another column too.
 */
extern void partitioned_like_check_alone(const SyncExpr *expr, Oid relid, AttrNumber attnum, const char *role);

/*
 * Its partitions as they are now, those above others first (LayoutPart *), with each bound
 * as the column's new values have it.  Errors: ERRCODE_FEATURE_NOT_SUPPORTED for what the
 * like cannot be given, as partitioned_like_check_alone(); ERRCODE_INVALID_OBJECT_DEFINITION
 * for a bound that becomes NULL; those of the expression, with the partition's name.
 * Needs a lock on the table.
 */
extern List *partitioned_like_parts(Oid relid, const LikeColumn *column);

/*
 * Make the like's partitions, as the owner, who the caller has become.  What they are and
 * what they stand for is noted in *second.  Errors: PostgreSQL's, with the names of those
 * that the partitions stand for.
 */
extern void partitioned_like_make(const SecondArgs *args, List *parts, const char *hidden, Second *second);

/* Is the hidden table, or is it to be, partitioned as the table is? */
extern bool partitioned_like_is(const Second *second);

/* The relation of the table that stands where "relid" does in the other; InvalidOid: none does. */
extern Oid	partitioned_like_other(const Second *second, Oid relid);

/* Has somebody dropped one of those that were made for it? */
extern bool partitioned_like_lacks(const Second *second);

/* Of an index of the table's, the part that stands where "relid" does in the hidden one; itself, where no part does. */
extern Oid	partitioned_like_index(const Second *second, Oid relid, Oid indexid);

/* Append to two lists of indexes of the two tables those of the partitions that are parts of these. */
extern void partitioned_like_add_indexes(const Second *second, List **indexes, List **likes);

/*
 * Before names are exchanged, with all locks: a partition that has come or gone since the
 * two were made alike, or an index that one has by itself, is an error (ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
 * on the way back, what stands for one that is gone goes.
 */
extern void partitioned_like_settle(int64 migration, Second *second);

#endif							/* ZDM_PARTITIONED_LIKE_H */
