/*-------------------------------------------------------------------------
 *
 * uses.h
 *		Which columns a change makes something hang on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_USES_H
#define ZDM_USES_H

#include "ddl/change.h"
#include "nodes/pg_list.h"

/*
 * The columns of the table that the index or constraint of a statement is
 * about, each as "uses NAME" (char *).  NIL for other changes.  Pure.
 */
extern List *uses_columns(const Change *change);

/*
 * The first of "claims" that cannot be had beside those of another migration,
 * or NULL: one changes what the other changes or uses.  Two may use the same.
 * Pure.
 */
extern const char *uses_find_conflict(List *claims, List *others);

#endif							/* ZDM_USES_H */
