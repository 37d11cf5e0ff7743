/*-------------------------------------------------------------------------
 *
 * access.h
 *		Who may state, steer and see a migration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ACCESS_H
#define ZDM_ACCESS_H

#include "catalog/migration.h"

/*
 * The caller must own relid, which must be an ordinary or partitioned,
 * permanent table or a materialized view, outside the system catalogs; its owner must have the rights
 * of the owner of each partition and child.  Takes ACCESS SHARE on it and keeps
 * it, so that it cannot go before the transaction ends.
 * Errors: 42501, 42809 (not a table), 0A000, 42P01.
 */
extern void access_check_owner(Oid relid);

/*
 * The same, of a table that is, unless partition_ok, no partition of another.
 * Errors: the same.
 */
extern void access_check_table(Oid relid, bool partition_ok);

/*
 * Can the table be given one more column: is it not typed, and is there room?
 * ERRCODE_FEATURE_NOT_SUPPORTED, ERRCODE_TOO_MANY_COLUMNS.
 */
extern void access_check_room(Oid relid);

/*
 * Can the table's rows be filled in, and kept in step by a trigger if need be?  Not
 * those of inheritance children and foreign partitions; what fills no row is
 * not asked.  ERRCODE_FEATURE_NOT_SUPPORTED.
 */
extern void access_check_rows(Oid relid, bool kept_in_step);

/*
 * Raises PostgreSQL's own error for a standby and for a read-only transaction
 * (25006).  "command" is the function as the caller knows it, with ().
 */
extern void access_check_writable(const char *command);

/*
 * The migration that an id or a label stands for, its row locked as asked.
 * The caller must own its table; if that is gone, must be the role that the
 * work was done for, or a superuser.
 * Errors: ERRCODE_UNDEFINED_OBJECT, ERRCODE_INSUFFICIENT_PRIVILEGE.
 */
extern Migration *access_migration(int64 id, MigrationLock lock);
extern Migration *access_migration_label(const char *label, MigrationLock lock);

/* All with a label that the caller may steer, in the order of migration_labelled(). */
extern List *access_labelled(const char *label);

/*
 * As access_check_writable() for what steers, which must be possible just when a database has been
 * made read-only by default: to be told to stop is not to write.  A transaction
 * that is read-only by itself is left alone.  In between, what is written goes
 * through; if an error comes, the end of its (sub)transaction puts things right.
 */
extern void access_begin_steering(const char *command);
extern void access_end_steering(bool was_read_only);

#endif							/* ZDM_ACCESS_H */
