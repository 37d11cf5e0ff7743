/*-------------------------------------------------------------------------
 *
 * crash.h
 *		Which crashes of the server a step has met.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CRASH_H
#define ZDM_CRASH_H

#include "catalog/step.h"

typedef struct StepCrashes
{
	int			count;			/* in a row, with nothing achieved in between and nobody steering */
	int64		ago_ms;			/* since the last of them was found */
	const char *times;			/* when they were found; NULL: none */
	bool		begun;			/* a worker is at the step from here on */
} StepCrashes;

/*
 * A worker is about to begin with the step, and what became of the one before it is
 * found out.  It is at the step from here on, which has to be on disk before it is: but
 * not if there were crashes, unless it says that it tries again, and none is new.
 */
extern StepCrashes crash_begin(const Step *step, bool again);

/* The migration is at its end, or at a new beginning. */
extern void crash_forget(int64 migration);

#endif							/* ZDM_CRASH_H */
