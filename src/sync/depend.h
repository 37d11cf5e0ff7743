/*-------------------------------------------------------------------------
 *
 * depend.h
 *		What a migration's expressions call cannot be dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEPEND_H
#define ZDM_DEPEND_H

/*
 * Record that the sync trigger of relid, which must exist, depends on the
 * functions, operators and types in the expressions of the migration's pairs,
 * whose columns must exist.  Needs a transaction, and a lock on relid.
 */
extern void depend_record(Oid relid, int64 migration);

#endif							/* ZDM_DEPEND_H */
