/*-------------------------------------------------------------------------
 *
 * step_progress.h
 *		Rows of zdm.step_progress, and the states of steps: what becomes of a step.
 *
 * Each step has one row there from the beginning.  All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STEP_PROGRESS_H
#define ZDM_STEP_PROGRESS_H

#include "catalog/step.h"

/* Those of its columns that are read; statements of step_progress.c write the others. */
#define STEP_PROGRESS_COLUMNS(COLUMN) \
	COLUMN(INT8, migration, GIVEN) \
	COLUMN(AS(step, INT4), number, GIVEN) \
	COLUMN(JSONB, cursor, MADE)			/* NULL: none yet */ \
	COLUMN(INT8, blocks_total, MADE) \
	COLUMN(INT8, blocks_done, MADE) \
	COLUMN(INT8, rows_done, MADE) \
	COLUMN(FLOAT8, rows_per_second, MADE) \
	COLUMN(INT8, worked_ms, MADE)		/* neither paused nor held */ \
	COLUMN(TEXT, waiting_for, MADE)		/* or NULL */ \
	COLUMN(TEXTS, held, MADE)			/* the stops that hold it now */ \
	COLUMN(TEXT, holder, MADE)			/* of the xmin horizon, when max_growth began to hold; NULL: nobody */ \
	COLUMN(INT8, holder_size, MADE)		/* of the table when that one was first seen */

typedef struct StepProgress
{
	STEP_PROGRESS_COLUMNS(ROW_FIELD)
} StepProgress;

/* The row of a step that is stored now. */
extern void step_progress_insert(const Step *step);

/* Never NULL. */
extern StepProgress *step_progress_load(const Step *step);

/* Where a batch ended: worked_ms is since the last time; nothing of holds. */
extern void step_save_progress(const Step *step, const StepProgress *progress);

/* All steps of the migration are to be done for the first time. */
extern void step_begin_anew(int64 migration);

extern void step_mark_running(const Step *step);

/* Done, with the SQL that was really run. */
extern void step_mark_done(const Step *step, const char *statement);
extern void step_mark_undone(const Step *step);
extern void step_mark_failed(const Step *step, const char *error);

/*
 * The step, still to be done or undone, has failed for a reason that may pass.
 * Returns how often that has been so in a row.
 */
extern int	step_note_failure(const Step *step, const char *error);

/* What the step waits for, NULL when it goes on. */
extern void step_set_waiting(const Step *step, const char *reason);

/* The cursor of the migration's first backfill step, or NULL. */
extern char *step_backfill_cursor(int64 migration);

/*
 * Open the migration's backfill and verification again, for partitions that they
 * have not seen.  False if they have not been done yet anyway.
 */
extern bool step_reopen_backfill(int64 migration);

/*
 * Have every row filled in where need be, and read again: the steps of the migrate
 * phase that do so are to be done from the beginning.
 */
extern void step_reopen_rows(int64 migration);

/* Steps of the migrate phase are to be done again, from the last of that action up to this one on. */
extern void step_reopen_from(const Step *step, StepAction action);

/* Steps of the cutover that are there for the way back only are to be undone (again), from the beginning. */
extern void step_reopen_back(int64 migration);

#endif							/* ZDM_STEP_PROGRESS_H */
