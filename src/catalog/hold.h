/*-------------------------------------------------------------------------
 *
 * hold.h
 *		What holds a step now, as noted with it, and how often each stop has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HOLD_H
#define ZDM_HOLD_H

#include "catalog/step.h"
#include "nodes/pg_list.h"

/* What is to outlive the process that has found it. */
typedef struct NotedHolds
{
	List	   *names;			/* char *: of the stops that hold the step now */
	char	   *holder;			/* of the xmin horizon, when max_growth began to hold; NULL: nobody */
	int64		holder_size;	/* of the table when that one was first seen */
} NotedHolds;

/* What was noted last.  Needs a transaction. */
extern NotedHolds hold_load(const Step *step);

/* Note it, and count those that were not among the last ones.  Needs a transaction. */
extern void hold_note(const Step *step, const NotedHolds *holds);

/* The same for one stop beside the others. */
extern void hold_note_one(const Step *step, const char *name, bool holds);

#endif							/* ZDM_HOLD_H */
