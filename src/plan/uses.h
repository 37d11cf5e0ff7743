/*-------------------------------------------------------------------------
 *
 * uses.h
 *		Which columns a change makes something hang on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_USES_H
#define ZDM_USES_H

#include "rules/change.h"
#include "nodes/pg_list.h"

/*
 * The columns of the table that the index or constraint of a statement is
 * about, or that the change's expressions read, each as "uses NAME" (char *).
 * NIL if there are none.  Needs a transaction.
 */
extern List *uses_columns(const Change *change);

/*
 * The first of "claims" that does not go together with those of another migration,
 * or NULL: one changes what the other changes or uses.  Two may use the same.
 * Pure.
 */
extern const char *uses_find_conflict(List *claims, List *others);

#endif							/* ZDM_USES_H */
