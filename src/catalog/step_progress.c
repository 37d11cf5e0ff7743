/*-------------------------------------------------------------------------
 *
 * step_progress.c
 *		Rows of zdm.step_progress, and the states of steps: what becomes of a step.
 *
 * What is written while a step runs, after each batch, is in rows of their own: they
 * are short, so that their versions find room on their page, and what the step is to
 * do is not written again with them.  Only the plan and the migration's one worker
 * write here, so that a worker never waits for a user's session to save its progress.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "catalog/step_progress.h"

typedef StepProgress Row;
static const RowTable progresses = ROW_TABLE("zdm.step_progress", STEP_PROGRESS_COLUMNS);

void
step_progress_insert(const Step *step)
{
	row_insert(&progresses, &(StepProgress) {.migration = step->migration, .number = step->number});
}

StepProgress *
step_progress_load(const Step *step)
{
	StepProgress *progress = ROW_FIRST(&progresses, "WHERE migration = $1 AND step = $2",
									   arg_int8(step->migration), arg_int4(step->number));

	if (progress == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("step %d of migration " INT64_FORMAT " has no row in zdm.step_progress",
						step->number, step->migration)));
	return progress;
}

void
step_save_progress(const Step *step, const StepProgress *progress)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step_progress SET cursor = $3, blocks_total = $4, "
		  "blocks_done = $5, rows_done = $6, rows_per_second = $7, "
		  "worked_ms = CASE WHEN $5 < blocks_done THEN 0 ELSE worked_ms END + $8, "
		  "waiting_for = $9, waiting_since = CASE WHEN $9::text IS NOT NULL THEN coalesce(waiting_since, clock_timestamp()) END, "
		  "crashed = CASE WHEN cursor IS DISTINCT FROM $3 OR rows_done < $6 THEN '{}' ELSE crashed END, "
		  "error = NULL, failures = 0 WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number), arg_jsonb(progress->cursor),
		  arg_int8(progress->blocks_total), arg_int8(progress->blocks_done),
		  arg_int8(progress->rows_done), arg_float8(progress->rows_per_second),
		  arg_int8(progress->worked_ms), arg_text(progress->waiting_for));
	query_end(&session);
}

void
step_begin_anew(int64 migration)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'pending', executed = NULL, started = NULL, finished = NULL "
		  "WHERE migration = $1", arg_int8(migration));
	QUERY("DELETE FROM zdm.step_progress WHERE migration = $1", arg_int8(migration));
	QUERY("INSERT INTO zdm.step_progress (migration, step) SELECT migration, step FROM zdm.step "
		  "WHERE migration = $1", arg_int8(migration));
	query_end(&session);
}

void
step_mark_running(const Step *step)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'running', started = coalesce(started, clock_timestamp()) "
		  "WHERE migration = $1 AND step = $2", arg_int8(step->migration), arg_int4(step->number));
	QUERY("UPDATE zdm.step_progress SET attempts = attempts + 1, error = NULL, failures = 0 "
		  "WHERE migration = $1 AND step = $2", arg_int8(step->migration), arg_int4(step->number));
	query_end(&session);
}

/* It is not tried now, nor waits: the last error, if it ended with one. */
static void
settle(const Step *step, const char *error)
{
	QUERY("UPDATE zdm.step_progress SET error = $3, failures = 0, waiting_for = NULL, waiting_since = NULL, "
		  "begun = NULL, crashed = '{}' "
		  "WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(error));
}

void
step_mark_done(const Step *step, const char *statement)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'done', finished = clock_timestamp(), executed = $3 "
		  "WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(statement));
	settle(step, NULL);
	query_end(&session);
}

void
step_mark_undone(const Step *step)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'undone' WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number));
	settle(step, NULL);
	query_end(&session);
}

void
step_mark_failed(const Step *step, const char *error)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'failed' WHERE migration = $1 AND step = $2 AND state <> 'done'",
		  arg_int8(step->migration), arg_int4(step->number));
	settle(step, error);
	query_end(&session);
}

int
step_note_failure(const Step *step, const char *error)
{
	QuerySession session;
	int			failures;

	query_begin(&session);
	QUERY("UPDATE zdm.step_progress SET attempts = attempts + 1, failures = failures + 1, crashed = '{}', error = $3, "
		  "waiting_for = 'another try after: ' || $3, "
		  "waiting_since = coalesce(waiting_since, clock_timestamp()) "
		  "WHERE migration = $1 AND step = $2 RETURNING failures",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(error));
	failures = query_int4(0, 1);
	query_end(&session);
	return failures;
}

void
step_set_waiting(const Step *step, const char *reason)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step_progress SET waiting_for = $3, "
		  "waiting_since = CASE WHEN $3::text IS NULL THEN NULL "
		  "ELSE coalesce(waiting_since, clock_timestamp()) END "
		  "WHERE migration = $1 AND step = $2 AND waiting_for IS DISTINCT FROM $3",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(reason));
	query_end(&session);
}

char *
step_backfill_cursor(int64 migration)
{
	StepProgress *first = ROW_FIRST(&progresses, "WHERE migration = $1 AND step = "
									"(SELECT min(step) FROM zdm.step WHERE migration = $1 AND action = 'backfill')",
									arg_int8(migration));

	return first != NULL ? first->cursor : NULL;
}

/* The steps for which the condition holds are to be done again; false if it holds for none. */
static bool
reopen(int64 migration, const char *condition, bool from_the_beginning)
{
	QuerySession session;
	bool		reopened;

	query_begin(&session);
	reopened = QUERY(psprintf("WITH reopened AS (UPDATE zdm.step SET state = 'pending' "
							  "WHERE migration = $1 AND %s RETURNING migration, step) "
							  "UPDATE zdm.step_progress p SET %sblocks_total = 0, blocks_done = 0 "
							  "FROM reopened r WHERE p.migration = r.migration AND p.step = r.step",
							  condition, from_the_beginning ? "cursor = NULL, rows_done = 0, " : ""),
					 arg_int8(migration)) > 0;
	query_end(&session);
	return reopened;
}

bool
step_reopen_backfill(int64 migration)
{
	return reopen(migration, "phase IN ('migrate', 'contract') AND action IN ('backfill', 'verify') AND state = 'done'", false);
}

void
step_reopen_rows(int64 migration)
{
	(void) reopen(migration, "phase = 'migrate' AND action IN ('backfill', 'verify') AND state = 'done'", true);
}

void
step_reopen_from(const Step *step, StepAction action)
{
	(void) reopen(step->migration, psprintf("phase = 'migrate' AND step >= (SELECT max(step) FROM zdm.step "
											"WHERE migration = $1 AND action = '%s' AND step <= %d)",
											step_action_name(action), step->number), true);
}

void
step_reopen_back(int64 migration)
{
	(void) QUERY_ONCE("WITH reopened AS (UPDATE zdm.step SET state = 'done' WHERE migration = $1 AND phase = 'cutover' AND only_back "
					  "  RETURNING migration, step) "
					  "UPDATE zdm.step_progress p SET cursor = NULL, rows_done = 0, blocks_total = 0, blocks_done = 0 "
					  "FROM reopened r WHERE p.migration = r.migration AND p.step = r.step", arg_int8(migration));
}
