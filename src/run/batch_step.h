/*-------------------------------------------------------------------------
 *
 * batch_step.h
 *		A step that goes through rows in batches.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_BATCH_STEP_H
#define ZDM_BATCH_STEP_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "run/try.h"

/* Is the step done in batches, each of which looks whether it is still to be done? */
extern bool batch_step_is(const Step *step);

/* Do a batch that fills rows in, or reads them: as steps_do(). */
extern StepOutcome batch_step_do(const Migration *migration, const Step *step, StepRun *run);

/* Do a batch of either as a helper: as steps_help(). */
extern StepOutcome batch_step_help(const Migration *migration, const Step *step, int helper, StepRun *run);

/* After a helper's batch, which has committed: rest for the pause that is set. */
extern StepOutcome batch_step_helped(bool helped, StepRun *run);

/* Is the rest after the last batch not over yet?  Then the pause is what is left of it. */
extern bool batch_step_must_rest(StepRun *run);

/* Begin a batch's transaction with its locks, and no snapshot.  Otherwise as try_begin(). */
extern StepOutcome batch_step_begin(const Migration *migration, const Step *step, StepRun *run);

/* After a batch, which has committed: rest for the pause that is set, unless all is done. */
extern StepOutcome batch_step_end(const Step *step, bool done, StepRun *run);

#endif							/* ZDM_BATCH_STEP_H */
