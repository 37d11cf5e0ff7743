/*-------------------------------------------------------------------------
 *
 * failing.h
 *		Which rows an error is about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FAILING_H
#define ZDM_FAILING_H

#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "compat.h"

/* So many rows are named. */
#define FAILING_ROWS 10

/* What failed, done for the rows of a leaf from "first" up to, but not, "last" alone. */
typedef void (*FailingWork) (Oid leaf, ItemPointer first, ItemPointer last, void *arg);

typedef struct FailingRow
{
	char	   *name;			/* its key, or its place */
	ErrorData  *error;
} FailingRow;

/*
 * The rows in blocks "begin" to "end" (not among them) of the leaf for which
 * "work" fails by itself: FailingRow *, appended to "found", FAILING_ROWS in all
 * at most.  Each try is undone.  The names are read as "role".  Needs a
 * transaction with an active snapshot.
 */
extern List *failing_find(Oid leaf, int64 begin, int64 end, Oid role,
						  FailingWork work, void *arg, List *found);

/* Raise the first one's error, with the rows in its detail; "hint" NULL: its own. */
pg_noreturn extern void failing_raise(List *found, const char *hint);

#endif							/* ZDM_FAILING_H */
