/*-------------------------------------------------------------------------
 *
 * statement_step.h
 *		A step of statements that have its mark in their transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STATEMENT_STEP_H
#define ZDM_STATEMENT_STEP_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "run/try.h"

/* Do such a step, or undo it: as steps_do() and steps_undo(). */
extern StepOutcome statement_step_do(const Migration *migration, const Step *step, StepRun *run);
extern StepOutcome statement_step_undo(const Migration *migration, const Step *step, StepRun *run);

/*
 * Mark a step of any sort undone of which nothing is left to be undone.  Ends the
 * transaction that it is called in.
 */
extern void statement_step_forget(const Migration *migration, const Step *step);

#endif							/* ZDM_STATEMENT_STEP_H */
