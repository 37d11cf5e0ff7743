/*-------------------------------------------------------------------------
 *
 * step.c
 *		Rows of zdm.step: what a migration does, in order.
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
	[ACTION_ANALYZE] = "analyze",
	[ACTION_LEAVE] = "leave",
	[ACTION_FIRST] = "first",
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
	return load_one("phase = $2 AND state = 'done' AND action NOT IN ('verify', 'backfill', 'compare')",
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
step_set_args(int64 migration, int32 number, const char *args)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step SET args = $3 WHERE migration = $1 AND step = $2",
		  arg_int8(migration), arg_int4(number), arg_jsonb(args));
	query_end(&session);
}

void
step_follow(int64 migration, Oid from, Oid to)
{
	(void) QUERY_ONCE("UPDATE zdm.step SET relations = array_replace(relations, $2, $3), needs = array_replace(needs, $2, $3), "
					  "undo_relations = array_replace(undo_relations, $2, $3) WHERE migration = $1",
					  arg_int8(migration), arg_oid(from), arg_oid(to));
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
