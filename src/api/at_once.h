/*-------------------------------------------------------------------------
 *
 * at_once.h
 *		A change of what this transaction has made.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_AT_ONCE_H
#define ZDM_AT_ONCE_H

#include "ddl/change.h"

/* Is the change about relations alone that this transaction has made? */
extern bool at_once_possible(const Change *change);

/*
 * Make the change, by plain DDL, as the caller and with the caller's names.
 * Returns what was run.  Errors: PostgreSQL's.
 */
extern char *at_once_run(const Change *change);

/*
 * The opposite of an index or a NOT NULL that has been made, as a template; NULL
 * for other changes.
 */
extern char *at_once_undo(const Change *change, List *outcome);

#endif							/* ZDM_AT_ONCE_H */
