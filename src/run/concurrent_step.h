/*-------------------------------------------------------------------------
 *
 * concurrent_step.h
 *		A step of one statement that commits in its middle.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CONCURRENT_STEP_H
#define ZDM_CONCURRENT_STEP_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "run/try.h"

/* Do such a step, "undo": by its statement of the way back. */
extern StepOutcome concurrent_step_do(const Migration *migration, const Step *step, bool undo, StepRun *run);

/* Drop what such a step has built, or begun to. */
extern StepOutcome concurrent_step_undo(const Migration *migration, const Step *step, StepRun *run);

/*
 * Drop what a broken try of a step has left, which costs writers something, as
 * the next try may be far away.  As steps_do() otherwise; does not mark the step.
 * False if another worker is at the table: to be called again.
 */
extern bool concurrent_step_tidy(const Migration *migration, const Step *step);

/*
 * Run such a statement about one table, outside any transaction.  False if another
 * worker is at the table: to be called again after the pause.
 */
extern bool concurrent_step_run(const Migration *migration, Oid relid, const char *sql, StepRun *run);

/* Mark the step done with "sql", or, if that is NULL, undone; in a transaction of its own. */
extern void concurrent_step_mark(const Step *step, const char *sql);

#endif							/* ZDM_CONCURRENT_STEP_H */
