/*-------------------------------------------------------------------------
 *
 * at_once.h
 *		A change of what this transaction has made.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_AT_ONCE_H
#define ZDM_AT_ONCE_H

#include "draft/draft.h"
#include "rules/change.h"

/* Is the change about relations alone that this transaction has made? */
extern bool at_once_possible(const Change *change);

/*
 * Make the change, by plain DDL, as the caller and with the caller's names.
 * Returns what was run.  Errors: PostgreSQL's.
 */
extern char *at_once_run(const Change *change);

/*
 * The step of what has been run: it can be undone if that was an index or a NOT
 * NULL.  "outcome" is outcome_of() the change.
 */
extern void at_once_plan(MigrationPlan *plan, const Change *change, List *outcome, const char *sql);

#endif							/* ZDM_AT_ONCE_H */
