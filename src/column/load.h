/*-------------------------------------------------------------------------
 *
 * load.h
 *		What hangs on a column, as the catalog has it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LOAD_H
#define ZDM_LOAD_H

#include "column/column.h"

/*
 * The column with all that hangs on it.  Refuses what cannot be carried, by
 * name (ERRCODE_FEATURE_NOT_SUPPORTED), a column that is not there
 * (ERRCODE_UNDEFINED_COLUMN), and a system column.  Takes ACCESS SHARE on the
 * table's indexes.
 */
extern Column *column_load(Oid relid, const char *name);

/*
 * Is the column in the partition key of the table, or of one of its partitions?  In an
 * expression of it: *in_expression.  Needs no lock, and keeps ACCESS SHARE on all of them.
 */
extern bool column_in_partition_key(Oid relid, const char *name, bool *in_expression);

/*
 * What the column shares with others, as claims that no other migration may
 * have at the same time (char *): constraints, indexes and the like.
 */
extern List *column_claims(Oid relid, const char *name);

#endif							/* ZDM_LOAD_H */
