/*-------------------------------------------------------------------------
 *
 * steps.h
 *		Doing and undoing one step of a migration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STEPS_H
#define ZDM_STEPS_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "run/try.h"

/*
 * Do a step, or a part of it.  To be called outside any transaction; returns
 * outside any.  Its effect and its mark are in one transaction, but for a
 * step that commits in its middle, whose leftovers are cleaned before it is tried again.
 * Errors of the step are raised with the transaction still open.
 */
extern StepOutcome steps_do(const Migration *migration, const Step *step, StepRun *run);

/* Is the step one in which helpers can have a part? */
extern bool steps_are_shared(const Step *step);

/*
 * Do a batch of such a step as the helper of that number, in the same manner.
 * OUTCOME_DONE: there was something to do, and perhaps is more; OUTCOME_AGAIN: nothing
 * for now.
 */
extern StepOutcome steps_help(const Migration *migration, const Step *step, int helper, StepRun *run);

/* Undo a done step, in the same manner. */
extern StepOutcome steps_undo(const Migration *migration, const Step *step, StepRun *run);

#endif							/* ZDM_STEPS_H */
