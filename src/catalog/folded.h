/*-------------------------------------------------------------------------
 *
 * folded.h
 *		What PostgreSQL simplifies as it reads it from the catalog.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FOLDED_H
#define ZDM_FOLDED_H

#include "nodes/execnodes.h"
#include "partitioning/partdefs.h"
#include "utils/relcache.h"

/*
 * BuildIndexInfo() and RelationGetIndexExpressions(), as the index's owner.  Are to be
 * called within a transaction, not beside the extension's own tables (identity_enter()).
 */
extern IndexInfo *folded_index_info(Relation index);
extern List *folded_index_expressions(Relation index);

/* Has it no expressions and no predicate?  Nothing is simplified. */
extern bool folded_index_is_plain(Relation index);

/* RelationGetPartitionKey(), as the owner of the partitioned table; called as the above. */
extern PartitionKey folded_partition_key(Relation rel);

/* Does the relation's partition key have the column, by itself or in an expression?  False if it has no key. */
extern bool folded_partition_key_has(Relation rel, AttrNumber attnum, bool *in_expression);

/* What rows a partition takes, as the planner simplifies it: a list of conditions, as the partition's owner. */
extern List *folded_partition_qual(Relation rel);

#endif							/* ZDM_FOLDED_H */
