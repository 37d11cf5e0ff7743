/*-------------------------------------------------------------------------
 *
 * second.h
 *		Rows of zdm.second: the hidden table that is kept beside another.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SECOND_H
#define ZDM_SECOND_H

#include "catalog/row.h"

#define SECOND_COLUMNS(COLUMN) \
	COLUMN(INT8, migration, GIVEN) \
	COLUMN(OID, relid, GIVEN)		/* the table */ \
	COLUMN(OID, hidden, GIVEN)		/* the one beside it */ \
	COLUMN(OID, key, GIVEN)			/* the table's index by which rows are found there */ \
	COLUMN(OID, hidden_key, GIVEN)	/* and the hidden one's */ \
	COLUMN(BOOL, new_shape, GIVEN)	/* columns go by their names; the two exchange names, not storage */ \
	COLUMN(BOOL, turned, GIVEN)		/* they have: the hidden one is the one that was there first */ \
	COLUMN(BOOL, refilled, GIVEN)	/* and since then it has been filled anew */ \
	COLUMN(TEXTS, own, GIVEN)		/* columns that are not carried over as they are: only one of the two has them, or has others of the name */ \
	COLUMN(TEXTS, converted, GIVEN)	/* one of these, that is of another type: SECOND_CONVERTED things about it, or NIL */ \
	COLUMN(TEXTS, settings, GIVEN)	/* that it is computed under, of identity_settings() */ \
	COLUMN(TEXT, layout, GIVEN)		/* second_layout() then, for a new shape */ \
	COLUMN(OIDS, indexes, GIVEN)	/* of the table ... */ \
	COLUMN(OIDS, likes, GIVEN)		/* ... and their likes in the hidden one, once names have been exchanged */ \
	COLUMN(OIDS, secured, GIVEN)	/* of the hidden tree: see catalog/second_security.h */ \
	COLUMN(OIDS, parts, GIVEN)		/* partitions of the table, at every level, ... */ \
	COLUMN(OIDS, hidden_parts, GIVEN)	/* ... and those of the hidden one that stand for them: NIL unless it is partitioned like the table */ \
	COLUMN(OIDS, hidden_leaves, GIVEN)	/* of a hidden table that is partitioned, as they are known */ \
	COLUMN(OID, filenode, GIVEN)	/* the table's storage when the other was made */ \
	COLUMN(TEXT, stamp, GIVEN)		/* second_stamp() then; set by second_insert() */

/* Its name, up, what that means (core/resolution.h) or '', down, the same of that, and two of the words. */
#define SECOND_CONVERTED 7
#define CONVERTED_LOSSY "lossy"
#define CONVERTED_EXACT "exact"
#define CONVERTED_ROUTES "routes"	/* it is in the partition key */
#define CONVERTED_BESIDE "beside"

typedef struct Second
{
	SECOND_COLUMNS(ROW_FIELD)
} Second;

/* What the hidden table of a migration is to be called; ERRCODE_DUPLICATE_TABLE if something else is. */
extern char *second_name(int64 migration, Oid relid);

/* The migration's; false if it has none now. */
extern bool second_load(int64 migration, Second *second);

/*
 * Which versions the key's columns, its index and the table's triggers of ours have in
 * the catalog: one that was taken away and put back is another.  Meanwhile rows may
 * have been written that were not carried over.  Where columns go by their names, so do
 * all columns of both.  Of a partitioned table also its leaves and their storage, but for
 * those of the list.
 */
extern char *second_stamp(const Second *second, List *without);

/*
 * Is a leaf of the hidden table gone that was known?  Its rows are, too.  And know those that
 * have come, from the statement on that brings them: rows are carried over to them at once.
 */
extern bool second_lacks_leaves(const Second *second);
extern void second_follow_leaves(Second *second);

/* All of them (Second *), and those whose table is partitioned. */
extern List *second_all(void);
extern List *second_of_partitioned(void);

/*
 * What of a table's columns and constraints the hidden one of a new shape is made
 * with: when others change that, it is made anew.  "parts": and of its partitions, where
 * the hidden one has the like of them.
 */
extern char *second_layout(Oid relid, bool parts);

extern void second_insert(Second *second);

/* Another state of it: what stands in the struct, with the stamp of now. */
extern void second_update(Second *second);
extern void second_delete(int64 migration);

/*
 * Is what was there of unlogged tables when the hidden one was made there still?  A
 * crash empties all of them, and zdm.witness is one.
 */
extern bool second_has_witness(int64 migration);

#endif							/* ZDM_SECOND_H */
