/*-------------------------------------------------------------------------
 *
 * other_end.h
 *		Both ends of a foreign key replaced at the same time.
 *
 * An exchange drops what other migrations hold ready at their end of foreign keys
 * to or from the column that it replaces, and makes it again, NOT VALID, with the
 * other column.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_OTHER_END_H
#define ZDM_OTHER_END_H

#include "column/carry.h"

/*
 * Is the constraint one that a migration at the other end holds ready, and so
 * none of the column's own?  Claims the table at the other end for the rest of
 * the transaction: no migration exchanges the constraint meanwhile.
 * ERRCODE_OBJECT_IN_USE if another transaction has the claim.
 */
extern bool other_end_holds_it(Oid relid, Oid constraint);

/*
 * Refuse a foreign key whose other end is being changed in a way that does not
 * go together with its replacement (ERRCODE_OBJECT_IN_USE).
 */
extern void other_end_check(const Column *column, const ColumnForeignKey *fk);

/* The foreign key, read before the claim, has been exchanged: ERRCODE_OBJECT_IN_USE. */
pg_noreturn extern void other_end_has_changed(const Column *column);

/* What an exchange that is about to run will move (list of OtherEndKey *). */
extern List *other_end_keys(int64 migration);

/*
 * After the exchange, in its transaction: have the others' steps name the
 * column that is the authoritative one now, and validate again what was moved
 * ("moved" is what other_end_keys() said before).  Returns the migrations that
 * have something to do again (list of int64 *).
 */
extern List *other_end_follow(int64 migration, List *moved);

#endif							/* ZDM_OTHER_END_H */
