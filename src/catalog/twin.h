/*-------------------------------------------------------------------------
 *
 * twin.h
 *		What the two columns of a pair have in common beside their values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TWIN_H
#define ZDM_TWIN_H

#include "nodes/pg_list.h"
#include "postgres_ext.h"

typedef enum TwinSide
{
	TWIN_OLD,
	TWIN_NEW
} TwinSide;

/*
 * What hangs on one of the columns and is not known to the migration, as
 * "index a of t, view v of t"; NULL if there is nothing.  On the old one, that is
 * what was made since the call, on the new one what was made since the cutover,
 * or since the column; and on both, security labels and privileges that the other
 * has not, as far as they cannot be given to it.  Needs a transaction.
 */
extern char *twin_unknown(int64 migration, TwinSide side);

/*
 * Indexes, constraints and statistics of which the migration has made copies, and which
 * are on neither of the columns any more; NULL if there are none.  Needs a transaction.
 */
extern char *twin_gone(int64 migration);

/* What hangs on the new column by now is known: after the exchange, in its transaction. */
extern void twin_note_dependents(int64 migration);

/*
 * Statements, to be run as the table's owner, that give both columns the same
 * privileges; "" if they have.  What was granted on one is granted on the other,
 * what was revoked from one is revoked from the other.  After they have been run,
 * or both columns were given the same otherwise, that is to be noted.
 */
extern char *twin_privileges_sql(int64 migration);
extern void twin_note_privileges(int64 migration);

/* Until the transaction's end, nobody else grants or revokes anything on a column that has another one now (acl_hold()). */
extern void twin_hold_privileges(int64 migration);

/* The same, for an exchange: the comment and the statistics target, as the side in charge has them. */
extern char *twin_remarks_sql(int64 migration);

/*
 * Migrations with two columns, one of which this transaction has changed in the catalog:
 * their ids (list of int64 *), and in "owners" those of their tables.
 */
extern List *twin_migrations(List **owners);

#endif							/* ZDM_TWIN_H */
