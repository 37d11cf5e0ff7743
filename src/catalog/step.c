/*-------------------------------------------------------------------------
 *
 * step.c
 *		Rows of zdm.step: what a migration does, in order.
 *
 * Only the plan and the migration's one worker write here, so that a worker
 * never waits for a user's session to save its progress.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "catalog/step.h"
#include "storage/lock.h"

static const char *const action_names[] = {
	[ACTION_SQL] = "sql",
	[ACTION_TOPLEVEL] = "toplevel",
	[ACTION_BACKFILL] = "backfill",
	[ACTION_VERIFY] = "verify",
	[ACTION_LOOK] = "look",
	[ACTION_SECOND] = "second",
	[ACTION_COPY] = "copy",
	[ACTION_INDEX] = "index",
	[ACTION_COMPARE] = "compare",
	[ACTION_EXCHANGE] = "exchange",
};

static const char *const lock_names[] = {
	[NoLock] = "",
	[AccessShareLock] = "ACCESS SHARE",
	[RowShareLock] = "ROW SHARE",
	[RowExclusiveLock] = "ROW EXCLUSIVE",
	[ShareUpdateExclusiveLock] = "SHARE UPDATE EXCLUSIVE",
	[ShareLock] = "SHARE",
	[ShareRowExclusiveLock] = "SHARE ROW EXCLUSIVE",
	[ExclusiveLock] = "EXCLUSIVE",
	[AccessExclusiveLock] = "ACCESS EXCLUSIVE",
};

static const char *const state_names[] = {
	[STEP_PENDING] = "pending",
	[STEP_RUNNING] = "running",
	[STEP_DONE] = "done",
	[STEP_FAILED] = "failed",
	[STEP_UNDONE] = "undone",
};

static const RowWords action_words = ROW_WORDS(action_names);
static const RowWords lock_words = ROW_WORDS(lock_names);
static const RowWords state_words = ROW_WORDS(state_names);

typedef Step Row;
static const RowTable steps = ROW_TABLE("zdm.step", STEP_COLUMNS);

const char *
step_lock_name(LOCKMODE lock)
{
	return lock_names[lock];
}

const char *
step_action_name(StepAction action)
{
	return action_names[action];
}

void
step_insert(Step *step)
{
	row_insert(&steps, step);
}

void
step_make_room(int64 migration, int32 number, int32 count)
{
	QuerySession session;

	/* in two moves: in one, a number would be met that is not free yet */
	query_begin(&session);
	QUERY("UPDATE zdm.step SET step = - (step + $3) WHERE migration = $1 AND step > $2",
		  arg_int8(migration), arg_int4(number), arg_int4(count));
	QUERY("UPDATE zdm.step SET step = - step WHERE migration = $1 AND step < 0", arg_int8(migration));
	query_end(&session);
}

/* The steps for which the condition holds, with $2 the text. */
static List *
load(const char *condition, int64 migration, const char *text)
{
	return ROW_LIST(&steps, psprintf("WHERE migration = $1 AND %s", condition), arg_int8(migration), arg_text(text));
}

static Step *
load_one(const char *condition, int64 migration, const char *text)
{
	List	   *steps = load(psprintf("%s LIMIT 1", condition), migration, text);

	return steps != NIL ? linitial(steps) : NULL;
}

Step *
step_next(int64 migration, const char *phase)
{
	return load_one("phase = $2 AND state <> 'done' ORDER BY step", migration, phase);
}

Step *
step_with_verb(int64 migration, const char *verb)
{
	return load_one("verb = $2 AND state <> 'done' ORDER BY step", migration, verb);
}

Step *
step_load(int64 migration, int32 number)
{
	return load_one("step = $2::int ORDER BY step", migration, psprintf("%d", number));
}

List *
step_all(int64 migration)
{
	return load("$2::text IS NULL ORDER BY step", migration, NULL);
}

Step *
step_reopened_backfill(int64 migration)
{
	return load_one("phase = $2 AND state NOT IN ('done', 'undone') AND action = 'backfill' "
					"AND (finished IS NOT NULL OR EXISTS (SELECT 1 FROM zdm.arrival v JOIN pg_inherits i ON i.inhrelid = v.relid WHERE v.migration = $1)) "
					"AND EXISTS (SELECT 1 FROM zdm.step a WHERE a.migration = $1 AND a.verb = 'add_twin' AND a.state = 'done') "
					"ORDER BY step", migration, "migrate");
}

Step *
step_last_done(int64 migration)
{
	return load_one("(state = 'done' OR (action = 'toplevel' AND undoable AND state IN ('running', 'failed'))) "
					"AND $2::text IS NULL ORDER BY step DESC",
					migration, NULL);
}

bool
step_contract_begun(int64 migration)
{
	return load_one("phase = $2 AND state = 'done' AND action NOT IN ('verify', 'backfill')",
					migration, "contract") != NULL;
}

bool
step_has_undo(int64 migration)
{
	return load_one("undoable AND state = 'done' AND $2::text IS NULL", migration, NULL) != NULL;
}

void
step_add_relation(int64 migration, const char *name)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET relations = array_append(relations, $2::regclass::oid) WHERE migration = $1",
		  arg_int8(migration), arg_text(name));
	query_end(&session);
}

void
step_mark_running(const Step *step)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'running', attempts = attempts + 1, "
		  "started = coalesce(started, clock_timestamp()), error = NULL, failures = 0 "
		  "WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number));
	query_end(&session);
}

void
step_mark_done(const Step *step, const char *statement)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'done', finished = clock_timestamp(), executed = $3, "
		  "error = NULL, failures = 0, waiting_for = NULL, waiting_since = NULL "
		  "WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(statement));
	query_end(&session);
}

void
step_set_args(int64 migration, int32 number, const char *args)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET args = $3 WHERE migration = $1 AND step = $2",
		  arg_int8(migration), arg_int4(number), arg_jsonb(args));
	query_end(&session);
}

void
step_mark_undone(const Step *step)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'undone', error = NULL, failures = 0, waiting_for = NULL, "
		  "waiting_since = NULL WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number));
	query_end(&session);
}

void
step_mark_failed(const Step *step, const char *error)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = CASE WHEN state = 'done' THEN state ELSE 'failed' END, "
		  "error = $3, failures = 0, waiting_for = NULL, waiting_since = NULL "
		  "WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(error));
	query_end(&session);
}

int
step_note_failure(const Step *step, const char *error)
{
	QuerySession session;
	int			failures;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET attempts = attempts + 1, failures = failures + 1, error = $3, "
		  "waiting_for = 'another try after: ' || $3, "
		  "waiting_since = coalesce(waiting_since, clock_timestamp()) "
		  "WHERE migration = $1 AND step = $2 RETURNING failures",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(error));
	failures = query_int4(0, 1);
	query_end(&session);
	return failures;
}

void
step_save_progress(const Step *step, const StepProgress *progress)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET cursor = coalesce($3, cursor), blocks_total = $4, "
		  "blocks_done = $5, rows_done = $6, rows_per_second = $7, "
		  "worked_ms = CASE WHEN $5 < blocks_done THEN 0 ELSE worked_ms END + $8, "
		  "waiting_for = $9, waiting_since = CASE WHEN $9::text IS NOT NULL THEN coalesce(waiting_since, clock_timestamp()) END, "
		  "error = NULL, failures = 0 WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number), arg_jsonb(progress->cursor),
		  arg_int8(progress->blocks_total), arg_int8(progress->blocks_done),
		  arg_int8(progress->rows_done), arg_float8(progress->rows_per_second),
		  arg_int8(progress->worked_ms), arg_text(progress->waiting));
	query_end(&session);
}

char *
step_cursor(const Step *step, int64 *rows_done)
{
	QuerySession session;
	char	   *cursor = NULL;

	query_begin(&session);
	if (QUERY("SELECT cursor, rows_done FROM zdm.step WHERE migration = $1 AND step = $2",
			  arg_int8(step->migration), arg_int4(step->number)) > 0)
	{
		cursor = query_text(0, 1);
		*rows_done = query_int8(0, 2);
	}
	query_end(&session);
	return cursor;
}

char *
step_backfill_cursor(int64 migration)
{
	QuerySession session;
	char	   *cursor = NULL;

	query_begin(&session);
	if (QUERY("SELECT cursor FROM zdm.step WHERE migration = $1 AND action = 'backfill' "
			  "ORDER BY step LIMIT 1", arg_int8(migration)) > 0)
		cursor = query_text(0, 1);
	query_end(&session);
	return cursor;
}

bool
step_backfill_is_open(int64 migration)
{
	QuerySession session;
	bool		open;

	query_begin(&session);
	open = QUERY("SELECT 1 FROM zdm.step WHERE migration = $1 AND phase = 'migrate' "
				 "AND action = 'backfill' AND state <> 'done'", arg_int8(migration)) > 0;
	query_end(&session);
	return open;
}

bool
step_reopen_backfill(int64 migration)
{
	QuerySession session;
	bool		reopened;

	query_begin(&session);
	reopened = QUERY("UPDATE zdm.step SET state = 'pending', blocks_total = 0, blocks_done = 0 "
					 "WHERE migration = $1 AND phase IN ('migrate', 'contract') "
					 "AND action IN ('backfill', 'verify') AND state = 'done'",
					 arg_int8(migration)) > 0;
	query_end(&session);
	return reopened;
}

void
step_reopen_rows(int64 migration)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'pending', cursor = NULL, blocks_total = 0, blocks_done = 0, rows_done = 0 "
		  "WHERE migration = $1 AND phase = 'migrate' AND action IN ('backfill', 'verify') AND state = 'done'",
		  arg_int8(migration));
	query_end(&session);
}

void
step_reopen_from(int64 migration, StepAction action)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET state = 'pending', cursor = NULL, blocks_total = 0, blocks_done = 0, rows_done = 0 "
		  "WHERE migration = $1 AND phase = 'migrate' AND step >= "
		  "(SELECT min(step) FROM zdm.step WHERE migration = $1 AND action = $2)",
		  arg_int8(migration), arg_text(action_names[action]));
	query_end(&session);
}

void
step_set_waiting(const Step *step, const char *reason)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET waiting_for = $3, "
		  "waiting_since = CASE WHEN $3::text IS NULL THEN NULL "
		  "ELSE coalesce(waiting_since, clock_timestamp()) END "
		  "WHERE migration = $1 AND step = $2 AND waiting_for IS DISTINCT FROM $3",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(reason));
	query_end(&session);
}

bool
step_is_waiting(const Step *step)
{
	QuerySession session;
	bool		waiting;

	query_begin(&session);
	waiting = QUERY("SELECT FROM zdm.step WHERE migration = $1 AND step = $2 AND waiting_for IS NOT NULL",
					arg_int8(step->migration), arg_int4(step->number)) > 0;
	query_end(&session);
	return waiting;
}
