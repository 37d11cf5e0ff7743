/*-------------------------------------------------------------------------
 *
 * pair.h
 *		Writing rows of zdm.pair: what the sync trigger keeps in step.
 *
 * Reading them for the trigger is sync/pairs.c's.  Every change sends a
 * relcache invalidation for the table and its partitions, so that each session
 * reads them again before it next writes there; the caller holds a lock on the
 * table that keeps writers out, so no statement runs with a mixture.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PAIR_H
#define ZDM_PAIR_H

#include "catalog/row.h"

/* The columns of zdm.pair that a plan gives. */
#define PAIR_COLUMNS(COLUMN) \
	COLUMN(INT8, migration, GIVEN) \
	COLUMN(OID, relid, GIVEN) \
	COLUMN(ATTNUM, old_attnum, GIVEN) \
	COLUMN(TEXT, new_name, GIVEN) \
	COLUMN(TEXT, up, GIVEN)				/* over $attnum, or NULL: the same value */ \
	COLUMN(TEXT, down, GIVEN) \
	COLUMN(TEXT, up_resolution, GIVEN)	/* what they mean (core/resolution.h) */ \
	COLUMN(TEXT, down_resolution, GIVEN) \
	COLUMN(TEXT, on_conflict, GIVEN) \
	COLUMN(BOOL, reversible, GIVEN) \
	COLUMN(ATTNUM, new_attnum, MADE)	/* InvalidAttrNumber until the column is added */

typedef struct Pair
{
	PAIR_COLUMNS(ROW_FIELD)
} Pair;

/* Plan a pair: its row is inert until pair_activate(). */
extern void pair_insert(Pair *pair);

/*
 * The new columns exist now: note their numbers and put the migration's pairs
 * into force.  ERRCODE_UNDEFINED_COLUMN if a column is not there.
 */
extern void pair_activate(int64 migration);

/* Take the migration's pairs out of force, the rows remaining inert. */
extern void pair_deactivate(int64 migration);

/* Which side's default decides: "old" or "new". */
extern void pair_set_authoritative(int64 migration, const char *side);

/* zdm.on_conflict and zdm.reversible, when zdm.configure() changes them. */
extern void pair_set_on_conflict(int64 migration, const char *on_conflict);
extern void pair_set_reversible(int64 migration, bool reversible);

/* Has somebody dropped the old column of one of the migration's pairs? */
extern bool pair_old_side_gone(int64 migration);

/*
 * Columns of relid (char *) that pairs of these tables (Oids) keep filled in, and that may
 * not be null; relid is none of the tables' partitions any more.
 */
extern List *pair_left_behind(List *tables, Oid relid);

/*
 * Does any pair in force, or any migration that has its trigger in place and
 * is about to use it, need the sync trigger of relid, other than "migration"?
 */
extern bool pair_trigger_needed(Oid relid, int64 migration);

/* Tell every session that the pairs of relid and its partitions have changed. */
extern void pair_invalidate(Oid relid);

#endif							/* ZDM_PAIR_H */
