/*-------------------------------------------------------------------------
 *
 * as_owner.h
 *		Statements that are run as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_AS_OWNER_H
#define ZDM_AS_OWNER_H

#include "catalog/migration.h"
#include "nodes/pg_list.h"

/*
 * Run statements as the table's owner, restricted, with a pinned search_path, and see
 * that they mean what they meant at the call; "definitions" are those of
 * verb_sql_to_run(), or NIL.  Raises their errors; a lock that is not to be had within
 * zdm.lock_wait is one.  Needs a transaction with the step's locks.
 */
extern void as_owner_run(const Migration *migration, const char *sql, List *definitions);

/*
 * The same for an exchange, while all wait for the table: a view, a rule or a policy
 * that takes longer than zdm.lock_wait to be read is ERRCODE_QUERY_CANCELED.
 */
extern void as_owner_exchange(const Migration *migration, const char *sql, List *definitions);

/* The same for the end of a detaching, which is one statement. */
extern void as_owner_end_detaching(const Migration *migration, const char *sql);

#endif							/* ZDM_AS_OWNER_H */
