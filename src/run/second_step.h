/*-------------------------------------------------------------------------
 *
 * second_step.h
 *		The steps of a table with a second one beside it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SECOND_STEP_H
#define ZDM_SECOND_STEP_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "run/try.h"

/* Do such a step, or undo it: as steps_do() and steps_undo(). */
extern StepOutcome second_step_do(const Migration *migration, const Step *step, StepRun *run);
extern StepOutcome second_step_undo(const Migration *migration, const Step *step, StepRun *run);

/* Do a batch of the copy, or of its comparison, as a helper: as steps_help(). */
extern StepOutcome second_step_help(const Migration *migration, const Step *step, int helper, StepRun *run);

/*
 * Has the partition that the step is about been dropped or detached since?  Then it is to
 * be left out by the second function, as steps_do().  To be called outside any transaction.
 */
extern bool second_step_is_left_out(const Step *step);
extern StepOutcome second_step_leave_out(const Migration *migration, const Step *step, StepRun *run);

#endif							/* ZDM_SECOND_STEP_H */
