/*-------------------------------------------------------------------------
 *
 * trigger_ddl.h
 *		Creating and dropping the sync trigger, and keeping it the last.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TRIGGER_DDL_H
#define ZDM_TRIGGER_DDL_H

/*
 * Templates (core/names.h) of the statements, separated by semicolons, that
 * create the sync trigger on relid, firing whatever session_replication_role
 * is, and that drop it.  On a partitioned table PostgreSQL does the same for
 * every partition, also for those attached later.  They need SHARE ROW
 * EXCLUSIVE and ACCESS EXCLUSIVE, respectively.
 */
extern char *sync_trigger_create_template(Oid relid);
extern char *sync_trigger_drop_template(Oid relid);

/* Has relid the sync trigger?  Needs a transaction. */
extern bool sync_trigger_exists(Oid relid);

#endif							/* ZDM_TRIGGER_DDL_H */
