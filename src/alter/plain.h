/*-------------------------------------------------------------------------
 *
 * plain.h
 *		Statements that are run as they stand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PLAIN_H
#define ZDM_PLAIN_H

#include "draft/ddl_text.h"

/* One step that runs the statement, with the locks that the judgement names. */
extern void plain_step(MigrationPlan *plan, const Change *change, const Judgement *judgement);

/*
 * A step of which nothing is left to do but a catalog change, and that can be
 * undone.  Takes ACCESS EXCLUSIVE on the plan's table.
 */
extern void plain_catalog_step(MigrationPlan *plan, const char *phase, const Verb *verb, const void *args);

/*
 * Run the statement in a subtransaction that is rolled back, as the user, to have
 * PostgreSQL's own errors at once.  For statements that do no work; nothing in a
 * read-only transaction, nor where it would run what other roles wrote, nor if a
 * lock is not available at once.
 */
extern void plain_try(Change *change);

#endif							/* ZDM_PLAIN_H */
