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
#include "core/errors.h"
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

static const char *const effect_names[] = {
	[EFFECT_NONE] = "none",
	[EFFECT_TRIGGER_CREATE] = "trigger_create",
	[EFFECT_PAIR_ADD] = "pair_add",
	[EFFECT_PAIR_SWITCH] = "pair_switch",
	[EFFECT_PAIR_DROP] = "pair_drop",
	[EFFECT_FOREIGN_KEY_TREE] = "foreign_key_tree",
	[EFFECT_INDEX_TREE] = "index_tree",
	[EFFECT_TRIGGER_DROP] = "trigger_drop",
	[EFFECT_VIEW_ADD] = "view_add",
	[EFFECT_DETACH_END] = "detach_end",
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

static int
find_name(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(names[i], name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unrecognized value \"%s\" in zdm.step", name)));
}

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
step_insert(const Step *step)
{
	QuerySession session;

	query_begin(&session);
	QUERY("INSERT INTO zdm.step (migration, step, phase, action, effect, statement, undo, "
		  "lock, relations, work, note, undo_relations, index_name, undo_lock, "
		  "assignments, condition, fire_triggers, beside, part_name, part_text) "
		  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(step->phase),
		  arg_text(action_names[step->action]), arg_text(effect_names[step->effect]),
		  arg_text(step->statement), arg_text(step->undo),
		  arg_text(lock_names[step->lock]), arg_oids(step->relations),
		  arg_text(step->work ? step->work : ""), arg_text(step->note ? step->note : ""),
		  arg_oids(step->undo_relations), arg_text(step->index_name),
		  arg_text(lock_names[step->undo_lock]),
		  arg_text(step->assignments), arg_text(step->condition), arg_bool(step->fire_triggers),
		  arg_oids(step->beside), arg_text(step->part_name), arg_text(step->part_text));
	query_end(&session);
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

static Step *
load_one(const char *condition, int64 migration, const char *phase)
{
	QuerySession session;
	Step	   *step = NULL;

	query_begin(&session);
	if (QUERY(psprintf("SELECT migration, step, phase, action, effect, statement, undo, lock, "
					   "relations, work, note, undo_relations, index_name, state, attempts, undo_lock, "
					   "assignments, condition, fire_triggers, beside, part_name, part_text "
					   "FROM zdm.step WHERE migration = $1 AND %s LIMIT 1", condition),
			  arg_int8(migration), arg_text(phase)) > 0)
	{
		const char *state = query_text(0, 14);

		step = palloc0(sizeof(Step));
		step->migration = query_int8(0, 1);
		step->number = query_int4(0, 2);
		step->phase = query_text(0, 3);
		step->action = find_name(query_text(0, 4), action_names,
								 lengthof(action_names));
		step->effect = find_name(query_text(0, 5), effect_names,
								 lengthof(effect_names));
		step->statement = query_text(0, 6);
		step->undo = query_text(0, 7);
		step->lock = find_name(query_text(0, 8), lock_names,
							   lengthof(lock_names));
		step->relations = query_oids(0, 9);
		step->work = query_text(0, 10);
		step->note = query_text(0, 11);
		step->undo_relations = query_oids(0, 12);
		step->index_name = query_text(0, 13);
		step->state = strcmp(state, "done") == 0 ? STEP_DONE :
			strcmp(state, "running") == 0 ? STEP_RUNNING :
			strcmp(state, "failed") == 0 ? STEP_FAILED :
			strcmp(state, "undone") == 0 ? STEP_UNDONE : STEP_PENDING;
		step->attempts = query_int4(0, 15);
		step->undo_lock = find_name(query_text(0, 16), lock_names,
									lengthof(lock_names));
		step->assignments = query_text(0, 17);
		step->condition = query_text(0, 18);
		step->fire_triggers = query_bool(0, 19);
		step->beside = query_oids(0, 20);
		step->part_name = query_text(0, 21);
		step->part_text = query_text(0, 22);
	}
	query_end(&session);
	return step;
}

Step *
step_next(int64 migration, const char *phase)
{
	return load_one("phase = $2 AND state <> 'done' ORDER BY step", migration, phase);
}

Step *
step_with_effect(int64 migration, StepEffect effect)
{
	return load_one("effect = $2 AND state <> 'done' ORDER BY step", migration, effect_names[effect]);
}

Step *
step_reopened_backfill(int64 migration)
{
	return load_one("phase = $2 AND state NOT IN ('done', 'undone') AND action = 'backfill' "
					"AND (finished IS NOT NULL OR EXISTS (SELECT 1 FROM zdm.arrival v JOIN pg_inherits i ON i.inhrelid = v.relid WHERE v.migration = $1)) "
					"AND EXISTS (SELECT 1 FROM zdm.step a WHERE a.migration = $1 AND a.effect = 'pair_add' AND a.state = 'done') "
					"ORDER BY step", migration, "migrate");
}

Step *
step_last_done(int64 migration)
{
	return load_one("(state = 'done' OR (action = 'toplevel' AND undo IS NOT NULL AND state IN ('running', 'failed'))) "
					"AND $2::text IS NULL ORDER BY step DESC",
					migration, NULL);
}

char *
step_template(int64 migration, int32 number, bool undo, bool rows)
{
	QuerySession session;
	char	   *template = NULL;

	query_begin(&session);
	if (QUERY("SELECT CASE WHEN $3 THEN undo ELSE statement END FROM zdm.step WHERE migration = $1 AND step = $2 "
			  "AND ($4 OR action NOT IN ('backfill', 'look'))",
			  arg_int8(migration), arg_int4(number), arg_bool(undo), arg_bool(rows)) > 0)
		template = query_text(0, 1);
	query_end(&session);
	return template;
}

List *
step_templates(int64 migration)
{
	QuerySession session;
	List	   *templates = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT x FROM zdm.step, unnest(ARRAY[statement, undo, assignments, condition, part_text]) x "
			  "WHERE migration = $1 AND x <> ''", arg_int8(migration));
	for (uint64 row = 0; row < n; row++)
		templates = lappend(templates, query_text(row, 1));
	query_end(&session);
	return templates;
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
	return load_one("undo IS NOT NULL AND state = 'done' AND $2::text IS NULL", migration, NULL) != NULL;
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
step_set_undo(const Step *step, const char *undo)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET undo = $3 WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number), arg_text(undo));
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
