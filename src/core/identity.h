/*-------------------------------------------------------------------------
 *
 * identity.h
 *		As whom, and under which settings, code of a user's is worked on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_IDENTITY_H
#define ZDM_IDENTITY_H

#include "nodes/pg_list.h"

/* What identity_enter() must give back. */
typedef struct Identity
{
	Oid			userid;
	int			sec_context;
	int			guc_nestlevel;
} Identity;

/* Install the callback.  Called once, from _PG_init. */
extern void identity_init(void);

/*
 * Become "role", in a security-restricted operation, and read as
 * identity_pin_reading() says; then put "settings" on, as identity_settings()
 * made them, or none for NIL.  Whatever a user wrote is opened, parsed, planned,
 * folded, printed and run between this and identity_leave() only, as the role
 * that wrote it or owns what it hangs on.  ERRCODE_INTERNAL_ERROR while the
 * extension's own tables are worked on (identity_enter_own()).  On error the
 * abort of the transaction or subtransaction restores all of it; otherwise call
 * identity_leave() with the same argument, in order.
 */
extern void identity_enter(Oid role, List *settings, Identity *saved);
extern void identity_leave(Identity *saved);

/*
 * For reading what the caller has written, whose names are found by his own
 * search_path: as himself, in a security-restricted operation.
 */
extern void identity_enter_to_read(Identity *saved);

/*
 * The same as the role that owns the extension, for statements on its own tables
 * and nothing else: until it is left, identity_enter() refuses, so that no code
 * of a user's can come to be run with the rights of that role.
 */
extern void identity_enter_own(Oid role, Identity *saved);

/*
 * Become "role" for what a restricted operation refuses, making a temporary table,
 * and for nothing in which code of a user's could run.
 */
extern void identity_enter_to_create(Oid role, Identity *saved);

/*
 * Become "role" around transactions, for a statement that commits in its middle
 * and restricts by itself what it runs of a user's: CREATE INDEX CONCURRENTLY and
 * its like.  Its search_path is the session's.  On error, to be left after the
 * transaction has been aborted.
 */
extern void identity_enter_session(Oid role, Identity *saved);
extern void identity_leave_session(Identity *saved);

/*
 * Restrict the current transaction of identity_enter_session() to its end: such a
 * statement is read in its first one, before it restricts anything, and reading
 * runs code.  The next transaction begins without, as PostgreSQL has it.
 */
extern void identity_restrict_transaction(void);

/* Is it the extension's own tables that are worked on? */
extern bool identity_is_own(void);

/*
 * The role that owns a relation, as whom what hangs on it is worked on.
 * ERRCODE_UNDEFINED_TABLE when it is gone.
 */
extern Oid	identity_of(Oid relid);

/*
 * Have stored SQL, and the extension's own, mean the same in every session:
 * with search_path pinned to pg_catalog, pg_temp, and plain string constants,
 * arrays and XML read in one way.  What PostgreSQL deparses is then written to
 * be read so.  Within a GUC nest level, until its end.
 */
extern void identity_pin_reading(void);

/*
 * Have constants written in the forms that every session reads back the same,
 * whatever its own DateStyle is.  Within a GUC nest level, until its end.
 */
extern void identity_pin_formats(void);

/*
 * The settings that the result of an expression may depend on, as this session
 * has them: names and values in turn (char *).
 */
extern List *identity_settings(void);

#endif							/* ZDM_IDENTITY_H */
