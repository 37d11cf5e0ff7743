/*-------------------------------------------------------------------------
 *
 * crashes.h
 *		The end of a step that crashes the server again and again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CRASHES_H
#define ZDM_CRASHES_H

#include "run/try.h"

/*
 * May this process do something for the step?  True once it is on disk that it is at it.
 * False, with run->pause_ms set, while it is too early after a crash, or another migration
 * that has met one is tried.  ERRCODE_CRASH_SHUTDOWN if there were too many.  To be called
 * outside any transaction.
 */
extern bool crashes_begin(const Migration *migration, const Step *step, StepRun *run);

/* Something was done for the step, and the process is still there. */
extern void crashes_survived(const Step *step, StepOutcome outcome, StepRun *run);

#endif							/* ZDM_CRASHES_H */
