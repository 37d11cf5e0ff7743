/*-------------------------------------------------------------------------
 *
 * trigger_sql.h
 *		The statements that create and drop the sync trigger.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TRIGGER_SQL_H
#define ZDM_TRIGGER_SQL_H

/*
 * Refuse a table, or a partition, with a trigger that runs zdm.sync and has not been
 * made by a migration that is still on the way: left by a restored dump, or put there
 * by somebody.  It is nobody's to drop but its maker's.
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
extern void trigger_sql_check(Oid relid);

#endif							/* ZDM_TRIGGER_SQL_H */
