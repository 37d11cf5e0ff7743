/*-------------------------------------------------------------------------
 *
 * table_key.h
 *		The index by which the rows of a table are told from each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TABLE_KEY_H
#define ZDM_TABLE_KEY_H

#include "utils/relcache.h"

/*
 * An index of the table that is unique, not deferrable, of columns that are all NOT
 * NULL, without WHERE.  The primary key before others; InvalidOid: none.
 */
extern Oid	table_key_find(Relation source);

/* Whether the index is one.  Needs a lock on its table. */
extern bool table_key_is_one(Relation source, Oid indexid);

/*
 * The relation's own part of an index of a partitioned table, at whatever depth, or that
 * itself; InvalidOid if it has none.
 */
extern Oid	table_key_part(Relation rel, Oid indexid);

#endif							/* ZDM_TABLE_KEY_H */
