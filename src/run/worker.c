/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The background worker that carries one migration.
 *
 * The loop is: look at the migration, do the next thing, rest.  Everything it
 * needs to know is read from the tables each time round, so that it makes no
 * difference whether the process before it was this one, one that crashed, or
 * one on another server.  Between two rounds it holds no transaction, snapshot
 * or lock but its claim on the migration.
 *
 * Helpers (zdm.backfill_workers) are processes of the same make that
 * do nothing but batches: what is to be done besides, and what becomes of an
 * error, is the migration's one worker's business.
 *
 * The process runs as the bootstrap superuser, so that a migration whose owner
 * cannot log in works too, and takes the owner's identity for whatever it runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "backfill/share.h"
#include "catalog/hold.h"
#include "catalog/migration.h"
#include "catalog/query.h"
#include "catalog/step_progress.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "core/durable.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/shmem.h"
#include "ddl/own_statement.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "run/batch_step.h"
#include "run/concurrent_step.h"
#include "run/crashes.h"
#include "run/look_again.h"
#include "run/places.h"
#include "run/retry.h"
#include "run/start.h"
#include "run/steps.h"
#include "run/stopped.h"
#include "run/toplevel.h"
#include "run/try.h"
#include "run/worker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "compat.h"

/* A migration that rests is looked at this often: zdm.pause() sends no signal. */
#define LONGEST_REST_MS 500

typedef enum Advance
{
	ADVANCE_ON,					/* go round again at once */
	ADVANCE_REST,				/* go round again after a rest */
	ADVANCE_LEAVE,				/* another is to be started later: others need the process */
	ADVANCE_STOP				/* nothing left for a worker */
} Advance;

/* What the worker has found out about its migration. */
typedef struct Look
{
	Migration  *migration;		/* NULL: gone */
	Step	   *step;			/* the next; NULL: none */
	bool		rests;			/* it waits for somebody to go on, sooner or later */
	bool		held;			/* nothing is to be written: default_transaction_read_only */
	bool		stands;			/* it was followed by a batch, and the next may lean on it */
	TimestampTz at;
} Look;

/* Batches lean on one look for so long. */
#define LOOK_STANDS_MS 100

/* Missing helpers are started this often at most. */
#define HELPERS_INTERVAL_MS 1000

/* A helper that has found nothing to do for so long ends: there may be no worker. */
#define LONGEST_IDLE_MS 5000

/* All that this process remembers from one round to the next. */
typedef struct WorkerState
{
	int64		id;				/* the migration's */
	int			helper;			/* the number of this helper; 0: this is the migration's worker */
	bool		finished;		/* nothing is left to do: our exit asks for no successor */
	Place		place;
	StepRun		run;

	MemoryContext memory;		/* of a round */
	ErrorData  *pending;		/* in it: of the last round, to be noted in the next */

	Look		look;
	MemoryContext look_memory;	/* of what it has found */
	TimestampTz read_only_at;	/* when this was read */
	bool		read_only;
	bool		held_noted;		/* that it held the step */

	TimestampTz called;			/* helpers, the last time; of a helper: when it last looked for room */
	int32		called_for;		/* that step */
	TimestampTz helped;			/* with something, the last time */
} WorkerState;

static void
leave(int code, Datum arg)
{
	const WorkerState *worker = (const WorkerState *) DatumGetPointer(arg);

	claim_drop_all();

	/* a place is free now, if not for this migration then for another */
	if (worker->helper == 0 && (!worker->finished || code != 0))
		shmem_request_look(MyDatabaseId);
}

/*
 * One value for this process, whatever the database or the role have set, of a
 * setting that this server has.
 */
static void
set_setting(const char *name, const char *value)
{
	if (GetConfigOption(name, true, false) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

static void
set_settings(int64 id)
{
	/* ALTER DATABASE ... SET role is its owner's to run, and is not for us */
	set_setting("role", "none");
	set_setting("application_name", psprintf("pg_zdm migration " INT64_FORMAT, id));
	identity_pin_reading();
	set_setting("default_transaction_isolation", "read committed");
	set_setting("default_transaction_read_only", "off");
	set_setting("default_transaction_deferrable", "off");
	set_setting("statement_timeout", "0");
	set_setting("lock_timeout", "0");
	set_setting("idle_in_transaction_session_timeout", "0");
	set_setting("transaction_timeout", "0");
	set_setting("client_min_messages", "error");
	set_setting("row_security", "off");
	/* what a statement that commits in its middle waits for, nobody else can tell */
	set_setting("log_lock_waits", "on");
	/* an index without a tablespace of its own is in the database's */
	set_setting("default_tablespace", "");
	/* views are deparsed and parsed again here; constants in them have to survive it */
	identity_pin_formats();
}

/*
 * Have sessions of this database been made read-only by default?  Whoever moves a
 * database elsewhere does that first, and nothing is to be written from then on.
 * What this process has set for itself does not count.
 */
static bool
is_read_only(WorkerState *worker)
{
	QuerySession session;
	const char *value;

	if (!TimestampDifferenceExceeds(worker->read_only_at, GetCurrentTimestamp(), LONGEST_REST_MS))
		return worker->read_only;
	worker->read_only_at = GetCurrentTimestamp();
	value = GetConfigOptionResetString("default_transaction_read_only");
	query_begin(&session);
	if (QUERY("SELECT split_part(c, '=', 2) FROM pg_db_role_setting, unnest(setconfig) c "
			  "WHERE setrole = 0 AND c LIKE 'default_transaction_read_only=%' AND setdatabase IN "
			  "(0, (SELECT oid FROM pg_database WHERE datname = current_database())) "
			  "ORDER BY setdatabase DESC LIMIT 1") > 0)
		value = query_text(0, 1);
	if (value == NULL || !parse_bool(value, &worker->read_only))
		worker->read_only = false;
	query_end(&session);
	return worker->read_only;
}

/* Put the settings that were stored with the migration into force. */
static void
apply_stored_settings(const Migration *migration)
{
	QuerySession session;
	List	   *names;
	List	   *values;
	ListCell   *name;
	ListCell   *value;

	query_begin(&session);
	QUERY("SELECT array_agg(key), array_agg(value) FROM jsonb_each_text($1)",
		  arg_jsonb(migration->settings));
	names = query_texts(0, 1);
	values = query_texts(0, 2);
	query_end(&session);

	/* after the session's end, which takes back settings made within it */
	forboth(name, names, value, values)
		set_setting(lfirst(name), lfirst(value));
}

/*
 * Closes the race with a worker that was started while a rolled back transaction
 * had let our claims go: whoever has them now works, and the other leaves, with
 * no transaction open.
 */
static bool
keep_claims(WorkerState *worker)
{
	if (worker->helper > 0)
		return claim_keep(CLAIM_HELPER, claim_helper_number(worker->id, worker->helper));
	places_keep(&worker->place);
	return claim_keep(CLAIM_MIGRATION, worker->id);
}

/* The step's or the state's end: move the migration on, if nobody else has. */
static void
transition(const Migration *seen, MigrationEvent event)
{
	Migration  *now;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	/* closes the race with zdm.revert(): the row is locked before it is judged */
	now = migration_load(seen->id, MIGRATION_LOCK_NOWAIT);
	if (now != NULL && now->state == seen->state)
	{
		if (event == EVENT_REVERTED && now->again)
			migration_begin_anew(now);
		else
			(void) migration_transition(now, event);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	durable_wait(XactLastCommitEnd);
}

/* The event at the end of a phase. */
static MigrationEvent
phase_end(const Migration *migration, bool rests)
{
	switch (migration->state)
	{
		case STATE_QUEUED:
			return EVENT_START;
		case STATE_EXPANDING:
			return EVENT_EXPANDED;
		case STATE_MIGRATING:
			return rests ? EVENT_MIGRATED : EVENT_FINISHED;
		case STATE_CUTTING_OVER:
			return EVENT_SWITCHED;
		case STATE_CONTRACTING:
			return EVENT_CONTRACTED;
		default:
			return EVENT_REVERTED;
	}
}

/* The step is under way, or what keeps it is to be seen. */
static void
note_look(WorkerState *worker, const Migration *migration, const Step *step, bool held)
{
	if (held)
		step_set_waiting(step, "default_transaction_read_only: it is on");
	if (step != NULL && (held || worker->held_noted))
		hold_note_one(step, "read_only", held);
	worker->held_noted = held;
	if (!held && !migration->paused && step != NULL && step->state != STEP_RUNNING && step->state != STEP_DONE)
		step_mark_running(step);
}

/* Read what is next: the migration, its step, and whether it ever rests. */
static void
read_next(WorkerState *worker)
{
	Look	   *look = &worker->look;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(worker->look_memory);
	*look = (Look) {0};
	/* the extension can have been dropped since the last round */
	look->migration = extension_ready() ? migration_load(worker->id, MIGRATION_READ) : NULL;
	if (look->migration != NULL && !state_is_final(look->migration->state))
	{
		look->step = try_next_step(look->migration);
		if (look->step != NULL || state_is_active(look->migration->state))
			apply_stored_settings(look->migration);
		look->rests = step_next(worker->id, "cutover") != NULL ||
			step_next(worker->id, "contract") != NULL;
		look->held = look->step != NULL && is_read_only(worker);
		/* of a helper's step it is the worker that writes */
		if (worker->helper == 0)
			note_look(worker, look->migration, look->step, look->held);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	look->at = GetCurrentTimestamp();
}

/*
 * What is next.  Between two batches that are over in milliseconds it would take
 * longer to find that out than to do them, and it is as it was: what can change
 * meanwhile, that the migration is paused or reverted, each batch looks for itself,
 * in its own transaction (steps.c).
 */
static Look *
look(WorkerState *worker)
{
	Look	   *last = &worker->look;

	if (!last->stands || TimestampDifferenceExceeds(last->at, GetCurrentTimestamp(), LOOK_STANDS_MS))
	{
		last->stands = false;
		MemoryContextReset(worker->look_memory);
		read_next(worker);
	}
	/* until the batch is done: an error ends it */
	last->stands = false;
	return last;
}

static void
report_activity(const Migration *migration, const Step *step)
{
	char	   *activity = psprintf("zdm: migration " INT64_FORMAT " (%s) on %s, %s%s",
									migration->id, migration->kind, migration->relation,
									state_name(migration->state),
									step ? psprintf(", step %d: %s", step->number,
													step_action_name(step->action)) : "");

	pgstat_report_activity(STATE_RUNNING, activity);
	debug_query_string = activity;
}

/*
 * Is it too early for the next try after a failure?  Not if something else is
 * to be done by now.
 */
static bool
must_rest(const Migration *migration, StepRun *run)
{
	if (migration->state != run->state)
		run->retry_at = 0;
	run->state = migration->state;
	run->looked = true;
	if (GetCurrentTimestamp() >= run->retry_at)
		return false;
	run->pause_ms = (int) TimestampDifferenceMilliseconds(GetCurrentTimestamp(), run->retry_at);
	return true;
}

/*
 * There is something to wait for: others may have our place meanwhile.  What
 * somebody has told to go on keeps its process, whatever others need.
 */
static Advance
wait_for_turn(WorkerState *worker, const Migration *migration)
{
	return places_leave(&worker->place) || migration_is_urgent(migration) ? ADVANCE_REST : ADVANCE_LEAVE;
}

/* No place is free: a process that has just been started ends, one that waited goes on. */
static Advance
wait_for_place(const Step *step, StepRun *run)
{
	if (!run->worked)
		return ADVANCE_LEAVE;
	run->pause_ms = LONGEST_REST_MS;
	if (step != NULL && try_must_describe(run))
		try_note_wait(step, "a free worker (zdm.max_workers)");
	return ADVANCE_REST;
}

/* Is it too early for what only a cutover and a contract do?  Then the step says so. */
static bool
is_early(const Migration *migration, const Step *step, StepRun *run)
{
	TimestampTz due;

	if (guc_not_before[0] == '\0' ||
		(migration->state != STATE_CUTTING_OVER && migration->state != STATE_CONTRACTING))
		return false;
	due = guc_time(guc_not_before);
	if (GetCurrentTimestamp() >= due)
		return false;
	if (try_must_describe(run))
		try_note_wait(step, psprintf("its time (zdm.not_before is %s)", guc_not_before));
	run->pause_ms = (int) Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), due), 1000);
	return true;
}

/* See that a step has its helpers.  To be called outside any transaction. */
static void
call_helpers(WorkerState *worker, const Migration *migration, const Step *step)
{
	if (migration->state != STATE_MIGRATING || step == NULL || !steps_are_shared(step) ||
		guc_backfill_workers < 2 || worker->run.alone ||
		(worker->called_for == step->number &&
		 !TimestampDifferenceExceeds(worker->called, GetCurrentTimestamp(), HELPERS_INTERVAL_MS)))
		return;
	worker->called = GetCurrentTimestamp();
	worker->called_for = step->number;
	start_helpers(migration->id, guc_backfill_workers - 1);
}

/* Is there something that this helper may have a part in? */
static bool
may_help(const WorkerState *worker, const Migration *migration, const Step *step)
{
	return migration != NULL && !migration->paused && migration->state == STATE_MIGRATING &&
		step != NULL && steps_are_shared(step) && step->state == STEP_RUNNING &&
		worker->helper < guc_backfill_workers;
}

/* Has another migration's worker, or what looks for it, found no process?  Looked at now and then. */
static bool
must_make_room(WorkerState *worker)
{
	if (!TimestampDifferenceExceeds(worker->called, GetCurrentTimestamp(), HELPERS_INTERVAL_MS))
		return false;
	worker->called = GetCurrentTimestamp();
	return places_helper_must_leave();
}

/* A helper's round: a batch, if there is one to do. */
static Advance
help(WorkerState *worker)
{
	StepRun    *run = &worker->run;
	Look	   *seen;
	Migration  *migration;
	Step	   *step;
	StepOutcome outcome;

	run->looked = false;
	if (must_make_room(worker))
		return ADVANCE_STOP;
	seen = look(worker);
	migration = seen->migration;
	step = seen->step;
	MemoryContextSwitchTo(worker->memory);
	if (!may_help(worker, migration, step))
		return ADVANCE_STOP;
	run->state = migration->state;
	run->looked = true;

	/* who has a lock is for the worker to write down */
	run->described = GetCurrentTimestamp();
	report_activity(migration, step);
	if (worker->helped == 0)
		worker->helped = GetCurrentTimestamp();
	if (seen->held)
	{
		run->pause_ms = LONGEST_REST_MS;
		return ADVANCE_REST;
	}
	outcome = steps_help(migration, step, worker->helper, run);
	if (outcome != OUTCOME_AGAIN)
		worker->helped = GetCurrentTimestamp();
	else if (TimestampDifferenceExceeds(worker->helped, GetCurrentTimestamp(), LONGEST_IDLE_MS))
		return ADVANCE_STOP;
	seen->stands = outcome != OUTCOME_STALE;
	return ADVANCE_REST;
}

/* Do the next thing. */
static Advance
advance(WorkerState *worker)
{
	StepRun    *run = &worker->run;
	Look	   *seen;
	Migration  *migration;
	Step	   *step;
	StepOutcome outcome;

	run->looked = false;
	seen = look(worker);
	migration = seen->migration;
	step = seen->step;
	MemoryContextSwitchTo(worker->memory);
	if (migration == NULL || (!state_is_active(migration->state) && step == NULL))
		return ADVANCE_STOP;
	if (migration->paused)
	{
		run->pause_ms = LONGEST_REST_MS;
		return step != NULL && step->state == STEP_RUNNING && !concurrent_step_tidy(migration, step) ?
			ADVANCE_REST : ADVANCE_STOP;
	}
	if (must_rest(migration, run))
		return wait_for_turn(worker, migration);
	if (step != NULL && is_early(migration, step, run))
		return wait_for_turn(worker, migration);
	if (seen->held)
	{
		run->pause_ms = LONGEST_REST_MS;
		return wait_for_turn(worker, migration);
	}
	if (!places_take(&worker->place, migration->owner, migration_is_urgent(migration)))
		return wait_for_place(step, run);
	run->worked = true;
	if (step != NULL && !crashes_begin(migration, step, run))
		return wait_for_turn(worker, migration);
	call_helpers(worker, migration, step);
	report_activity(migration, step);
	ZDM_DEBUG_POINT(psprintf("state-%s", state_name(migration->state)));
	if (step == NULL)
	{
		transition(migration, phase_end(migration, seen->rests));
		return ADVANCE_ON;
	}
	outcome = try_is_undo(migration, step) ?
		steps_undo(migration, step, run) : steps_do(migration, step, run);
	crashes_survived(step, outcome, run);
	if (outcome == OUTCOME_DONE)
	{
		memset(&run->patience, 0, sizeof(run->patience));
		snapshots_forget(&run->snapshots);
		sessions_forget(&run->functions);
	}
	if (outcome != OUTCOME_AGAIN)
		return ADVANCE_ON;
	seen->stands = batch_step_is(step) && !run->waits;
	wait_log_look(migration, step, &run->log);
	return run->waits ? wait_for_turn(worker, migration) : ADVANCE_REST;
}

/* As the catalog keeps it. */
static MigrationError
error_texts(const ErrorData *error)
{
	return (MigrationError) {
		.sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode)),
		.message = error->message,
		.detail = error->detail,
		.hint = error->hint,
		.context = error->context,
	};
}

/* The migration fails. */
static void
fail(Migration *migration, const Step *step, const ErrorData *error)
{
	MigrationError reason = error_texts(error);

	if (retry_judge(error) == RETRY_BOUNDED && error->hint == NULL)
		reason.hint = psprintf("It was tried %d times in a row.  When the cause is gone, go on with SELECT zdm.resume("
							   INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
							   RETRY_LIMIT, migration->id, migration->id);
	/* to who has not written the statement, its CASCADE is no advice */
	if (error->sqlerrcode == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST &&
		(error->hint == NULL || strstr(error->hint, "zdm.") == NULL))
		reason.hint = psprintf("Drop what depends on it, or change it, then SELECT zdm.resume(" INT64_FORMAT ").",
							   migration->id);
	/* a row that was committed after the revert was called breaks what is validated before the exchange */
	if (migration->state == STATE_REVERTING &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		(void) look_again_lost(migration, &reason);
	if (step != NULL)
		step_mark_failed(step, reason.message);
	migration_fail(migration, &reason);
	ereport(LOG,
			(errcode(errors_sqlstate(reason.sqlstate)),
			 errmsg("migration " INT64_FORMAT " failed: %s", migration->id, reason.message),
			 reason.detail ? errdetail_internal("%s", reason.detail) : 0,
			 error->context ? errcontext("%s", error->context) : 0));
}

/* Note an error that may pass.  False if it has occurred too often. */
static bool
note_transient(const Migration *migration, const Step *step, const ErrorData *error, StepRun *run)
{
	int			failures = step ? step_note_failure(step, error->message) : run->failures;

	if (step != NULL && failures >= RETRY_LIMIT)
		return false;
	run->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), retry_pause(failures));
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("migration " INT64_FORMAT " will try again: %s", migration->id, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->context ? errcontext("%s", error->context) : 0));
	return true;
}

/*
 * A statement in transactions of its own has the names of the moment before it
 * was begun: if one of a relation or schema has changed, it is written anew.
 */
static bool
names_have_changed(const Step *step, const ErrorData *error)
{
	return step != NULL && step->action == ACTION_TOPLEVEL && error->hint == NULL &&
		(error->sqlerrcode == ERRCODE_UNDEFINED_TABLE || error->sqlerrcode == ERRCODE_UNDEFINED_SCHEMA);
}

/* What becomes of the step's error: tried again, or the end of it. */
static void
judge_error(Migration *migration, const ErrorData *error, StepRun *run)
{
	RetryVerdict verdict = retry_judge(error);
	Step	   *step = try_next_step(migration);

	if (names_have_changed(step, error))
		verdict = RETRY_BOUNDED;
	if (verdict == RETRY_ALWAYS)
	{
		char	   *holders = locks_describe(&run->patience);

		if (step != NULL)
			step_set_waiting(step, holders != NULL ? holders : psprintf("a lock: %s", error->message));
		locks_cancel_autovacuum(&run->patience);
	}
	else if (verdict == RETRY_NEVER || !note_transient(migration, step, error, run))
	{
		/* closes the race with zdm.revert(): the row is locked before it is judged */
		migration = migration_load(migration->id, MIGRATION_LOCK_NOWAIT);
		if (migration != NULL && migration->state == run->state)
			fail(migration, step, error);
	}
}

/*
 * A helper has met an error: one that will pass is tried again, any other is for
 * the worker to raise.
 */
static Advance
record_help_error(WorkerState *worker, const ErrorData *error)
{
	Migration  *migration;
	Step	   *step;
	Advance		result = ADVANCE_STOP;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	migration = extension_ready() ? migration_load(worker->id, MIGRATION_READ) : NULL;
	step = migration != NULL ? try_next_step(migration) : NULL;
	if (may_help(worker, migration, step))
	{
		MigrationError texts = error_texts(error);

		if (retry_judge(error) == RETRY_ALWAYS)
			result = ADVANCE_REST;
		else
		{
			share_failed(step, worker->helper, &texts);
			ereport(LOG,
					(errcode(error->sqlerrcode),
					 errmsg("helper %d of migration " INT64_FORMAT " leaves its stretch: %s",
							worker->helper, worker->id, error->message)));
		}
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return result;
}

/*
 * Note an error with the migration and its step, in a transaction of its own.  False if
 * there is nothing that a worker should do.  Raises ERRCODE_LOCK_NOT_AVAILABLE if a
 * session has the row: to be tried again, as the step would only fail again.
 */
static bool
note_error(WorkerState *worker, const ErrorData *error)
{
	StepRun    *run = &worker->run;
	Migration  *migration;
	bool		wanted;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	migration = extension_ready() ? migration_load(worker->id, MIGRATION_READ) : NULL;
	wanted = migration != NULL && !migration->paused;
	if (migration != NULL && !run->looked)
		run->state = migration->state;

	/* whoever paused or reverted it has cancelled the step: that is no failure */
	if (migration != NULL && migration->state == run->state &&
		!(migration->paused && (retry_judge(error) != RETRY_NEVER || !run->looked)))
		judge_error(migration, error, run);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return wanted;
}

/*
 * What does not let itself be cancelled would be begun anew by the next worker, and
 * never be over: it counts as one of the step's errors.
 */
static void
note_forced_end(int code, Datum arg)
{
	WorkerState *worker = (WorkerState *) DatumGetPointer(arg);
	ErrorData	error = {
		.sqlerrcode = ERRCODE_QUERY_CANCELED,
		.message = "what was run for the step went on when it was cancelled",
	};

	if (!stopped_by_force() || worker->helper > 0 || !worker->run.looked)
		return;
	guard_own = NULL;
	AbortOutOfAnyTransaction();
	(void) note_error(worker, &error);
	XLogFlush(XactLastCommitEnd);
}

/*
 * An error of the last round.
 *
 * ADVANCE_STOP: nothing can be done, and is not wanted either.  An error that
 * comes before the migration could be looked at is one of the state it is in:
 * each round ends in a rest, a note or the worker's end, never in the next round.
 */
static Advance
record_error(WorkerState *worker, const ErrorData *error)
{
	StepRun    *run = &worker->run;
	Advance		result = ADVANCE_ON;
	bool		wanted = note_error(worker, error);

	if (!run->looked)
	{
		result = wanted ? ADVANCE_REST : ADVANCE_STOP;
		run->pause_ms = retry_pause(++run->failures);
	}
	durable_wait(XactLastCommitEnd);
	return result;
}

/*
 * What becomes of an error: noted in the next round, or, if it is a note that
 * failed, forgotten, as the first error stands.
 */
static void
take_error(WorkerState *worker, ErrorData *error)
{
	StepRun    *run = &worker->run;
	bool		refused = error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;

	run->patience.tries += refused ? 1 : 0;
	run->pause_ms = refused ? locks_pause(&run->patience) : retry_pause(++run->failures);
	if (worker->pending != NULL || (refused && !try_must_describe(run)))
	{
		/* while one is pending, the context is not reset */
		FreeErrorData(error);
		return;
	}
	worker->pending = error;
	if (!refused)
		run->pause_ms = 0;
}

/* The error that has been caught: what a function raises may be of any size. */
static ErrorData *
copy_error(void)
{
	ErrorData  *error = CopyErrorData();

	errors_clip(error);
	return error;
}

/* advance(), with errors turned into the migration's failure or a rest. */
static Advance
advance_safely(WorkerState *worker)
{
	volatile Advance result = ADVANCE_REST;

	PG_TRY();
	{
		/* a cancellation that came while nothing was under way was for what is over */
		QueryCancelPending = false;
		stopped_begin();
		RESUME_CANCEL_INTERRUPTS();
		if (worker->pending != NULL)
		{
			result = worker->helper > 0 ? record_help_error(worker, worker->pending) :
				record_error(worker, worker->pending);
			worker->pending = NULL;
		}
		else
		{
			result = worker->helper > 0 ? help(worker) : advance(worker);
			worker->run.failures = 0;
		}
		HOLD_CANCEL_INTERRUPTS();
		stopped_end();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		/* the error has ended our hold, too */
		HOLD_CANCEL_INTERRUPTS();
		HOLD_INTERRUPTS();
		guard_own = NULL;
		MemoryContextSwitchTo(worker->memory);
		error = copy_error();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		stopped_end();
		RESUME_INTERRUPTS();
		MemoryContextSwitchTo(worker->memory);
		take_error(worker, error);
	}
	PG_END_TRY();
	return result;
}

/* Rest, in short pieces: what a session has changed is seen soon. */
static void
rest(int milliseconds)
{
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	debug_query_string = NULL;
	if (milliseconds > 0)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(milliseconds, LONGEST_REST_MS), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* False if another worker has it, or should have it later. */
static bool
carry(WorkerState *worker)
{
	while (guc_enabled)
	{
		Advance		result;

		if (worker->pending == NULL)
			MemoryContextReset(worker->memory);
		MemoryContextSwitchTo(worker->memory);
		result = advance_safely(worker);
		if (!keep_claims(worker))
			return false;
		if (result == ADVANCE_STOP)
			break;
		if (result == ADVANCE_LEAVE)
			return false;
		rest(result == ADVANCE_REST ? worker->run.pause_ms : 0);
	}
	return true;
}

static WorkerState *
make_state(void)
{
	WorkerState *worker = MemoryContextAllocZero(TopMemoryContext, sizeof(WorkerState));
	WorkerArgs	args;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	worker->id = args.migration;
	worker->helper = args.helper;
	worker->memory = AllocSetContextCreate(TopMemoryContext, "zdm worker", ALLOCSET_DEFAULT_SIZES);
	worker->look_memory = AllocSetContextCreate(TopMemoryContext, "zdm look", ALLOCSET_SMALL_SIZES);
	batch_state_init(&worker->run.batches);
	return worker;
}

/* Have the claim that makes this process the migration's worker, or its helper. */
static bool
claim_work(const WorkerState *worker)
{
	return worker->helper > 0 ? claim_try(CLAIM_HELPER, claim_helper_number(worker->id, worker->helper)) :
		claim_try(CLAIM_MIGRATION, worker->id);
}

void
zdm_worker_main(Datum arg)
{
	WorkerState *worker = make_state();
	int64		unstarted;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	/* a change of the settings that came before the handler was there is not told again */
	ConfigReloadPending = true;

	/*
	 * What may be cancelled is what a step does.  Between two steps there is
	 * nobody to catch the error, and without a launcher nobody to replace us.
	 */
	HOLD_CANCEL_INTERRUPTS();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);
	durable_init();
	stopped_init();
	toplevel_init();
	set_settings(worker->id);

	/* not before_shmem_exit: a transaction that is open ends between the two */
	on_shmem_exit(leave, PointerGetDatum(worker));
	before_shmem_exit(note_forced_end, PointerGetDatum(worker));

	/* two may have been started; the second has nothing to do */
	if (!claim_work(worker))
	{
		worker->finished = true;
		return;
	}
	if (!carry(worker) || worker->helper > 0)
		return;

	/* our place is free now: without a launcher, nobody else would say so */
	worker->finished = true;
	claim_drop_all();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (extension_ready() && !start_orphans(&unstarted))
		shmem_request_look(MyDatabaseId);
	PopActiveSnapshot();
	CommitTransactionCommand();
}
