/*-------------------------------------------------------------------------
 *
 * second_plan.h
 *		The steps of a change that makes a second table of another shape.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SECOND_PLAN_H
#define ZDM_SECOND_PLAN_H

#include "draft/draft.h"
#include "move/move.h"
#include "rules/change.h"

/*
 * Raise what is wrong with the table for that: no key, children, an access method that
 * is not heap's, a schema in which the owner can make nothing, what hangs on it and
 * cannot move.  "partitioned": the second one will be.
 */
extern void second_plan_check(const Change *change, bool partitioned);

/* The same where it will have a column of another type: what is about that, and cannot be of it, too. */
extern void second_plan_check_converted(const Change *change, const MoveConverted *converted);

/* From making it to dropping the first one; "second" says what it is to be. */
extern void second_plan_steps(MigrationPlan *plan, const SecondArgs *second);

/* A table whose rows are carried over by their key: an error without one, or with children or partitions beside. */
extern void second_plan_check_table(Oid relid);

/*
 * The second table is made by plain statements, as the owner: can he, in its schema and
 * its tablespace?  ERRCODE_INSUFFICIENT_PRIVILEGE if not.  At the call, "migration" is 0;
 * in a step, whose owner may be another since, it is the one to go on with.
 */
extern void second_plan_check_places(Oid relid, int64 migration);

/* What of the second table is the same whatever it is for. */
extern SecondArgs second_plan_args(const MigrationPlan *plan, Oid relid);

/* Of rows that are copied, and of a change that needs no cutover. */
extern void second_plan_note_snapshots(MigrationPlan *plan);
extern void second_plan_note_completes(MigrationPlan *plan);

/* All columns, so that no other migration touches one meanwhile (char *). */
extern List *second_plan_claims(const Change *change);

/* "%s" in the text is the size of the table. */
extern char *second_plan_with_size(const char *fmt, Oid relid);

#endif							/* ZDM_SECOND_PLAN_H */
