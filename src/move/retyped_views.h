/*-------------------------------------------------------------------------
 *
 * retyped_views.h
 *		Views that show a column which is of another type in the other table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RETYPED_VIEWS_H
#define ZDM_RETYPED_VIEWS_H

#include "move/act.h"

/* Those that show the column of one of the tables, and all views over them (Oid), these after those. */
extern List *retyped_views_find(List *tables, const MoveConverted *converted);

/*
 * Do their texts go with the type (SQL) that the column is to have, by the expression
 * "using" or NULL?  "tables" begins with that which has the column.  Errors: PostgreSQL's,
 * with the view's name.
 */
extern void retyped_views_try(List *views, List *tables, const char *column, const char *type, const char *using);

/* They go before names are exchanged and come again after it: moving->retyped is what was found. */
extern const MovePart move_retyped_views;

#endif							/* ZDM_RETYPED_VIEWS_H */
