/*-------------------------------------------------------------------------
 *
 * first_step.h
 *		The steps by which a table becomes the first partition of another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FIRST_STEP_H
#define ZDM_FIRST_STEP_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "run/try.h"

/* Do such a step, or undo it: as steps_do() and steps_undo(). */
extern StepOutcome first_step_do(const Migration *migration, const Step *step, StepRun *run);
extern StepOutcome first_step_undo(const Migration *migration, const Step *step, StepRun *run);

#endif							/* ZDM_FIRST_STEP_H */
