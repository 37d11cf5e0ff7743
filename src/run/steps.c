/*-------------------------------------------------------------------------
 *
 * steps.c
 *		Doing and undoing one step of a migration.
 *
 * A step is data: statements, the relations they lock and how strongly, and
 * what becomes of zdm.pair and the sync trigger.  So this file knows no kind of
 * migration, and a new kind needs nothing here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "backfill/backfill.h"
#include "backfill/copy.h"
#include "backfill/verify.h"
#include "catalog/index.h"
#include "catalog/misfit.h"
#include "catalog/pair.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/second.h"
#include "catalog/second_name.h"
#include "catalog/step_progress.h"
#include "catalog/twin.h"
#include "column/definition.h"
#include "column/index_names.h"
#include "column/other_end.h"
#include "column/twin.h"
#include "core/citus.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "core/durable.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "ddl/own_statement.h"
#include "draft/trigger_sql.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "plan/by_text.h"
#include "plan/in_place.h"
#include "plan/meaning.h"
#include "run/first_partition.h"
#include "run/index_constraint.h"
#include "run/look.h"
#include "run/look_again.h"
#include "run/new_shape.h"
#include "run/second_table.h"
#include "run/sessions.h"
#include "run/split.h"
#include "run/start.h"
#include "run/steps.h"
#include "run/toplevel.h"
#include "sync/depend.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "verbs/verbs.h"
#include "compat.h"

/* Holders of a lock are written down this often while a step waits. */
#define DESCRIBE_INTERVAL_MS 1000

/* Rest before an index build, when another of ours builds one on the table. */
#define INDEX_BUILD_PAUSE_MS 500

/* Rest before it is looked again whether old snapshots have gone. */
#define SNAPSHOTS_PAUSE_MS 100

/* After so many refused tries a step waits, and others may have its place. */
#define TRIES_WITH_PLACE 5

/* A batch that is to rest for longer may wait for others. */
#define LONG_PAUSE_MS 250

static bool
is_exchange(const Step *step)
{
	return verb_is(step, &verb_exchange);
}

/* What it has locked is let go before the commit is waited for. */
static void
end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	ZDM_DEBUG_POINT("committed-not-durable");
	durable_wait(XactLastCommitEnd);
	zdm_process_completed_notifies();
}

Step *
steps_next(const Migration *migration)
{
	Step	   *step = NULL;

	/* on the way back too, before the new column goes */
	if (migration->state == STATE_REVERTING)
	{
		step = step_reopened_backfill(migration->id);
		return step != NULL ? step : step_last_done(migration->id);
	}

	/* one that has been opened again since: the cutover relies on it */
	if (migration->state == STATE_CUTTING_OVER)
		step = step_next(migration->id, state_phase(STATE_READY));
	if (step == NULL && state_phase(migration->state) != NULL)
		step = step_next(migration->id, state_phase(migration->state));
	return step;
}

/*
 * Is the step still what comes next, and what it was when it was chosen?
 *
 * This closes the race with a migration at the other end of a foreign key, which
 * may have held the locks before us: it opens steps again, and rewrites them.
 */
static bool
still_next(const Migration *migration, const Step *step)
{
	Step	   *now = steps_next(migration);

	return now != NULL && now->number == step->number &&
		strcmp(now->args, step->args) == 0;
}

/* Does the step only change the catalog? */
static bool
is_short(const Step *step)
{
	return step->lock >= ShareRowExclusiveLock || step->lock == NoLock;
}

/*
 * Lock the migration's row and see that it is still in the state in which the
 * step was chosen.
 *
 * This closes the race with zdm.pause() and zdm.revert(): whoever gets the row
 * first goes first, and the other sees it.  NOWAIT, since the session that has
 * it may stay idle in transaction; the error ends the try like a refused lock.
 * A step that works for long under a weak lock does without: a session that
 * calls zdm.revert() must not wait for it, and what it did is undone.
 */
static bool
still_in_state(const Migration *migration, const Step *step)
{
	Migration  *now = migration_load(migration->id,
									 is_short(step) ? MIGRATION_LOCK_NOWAIT : MIGRATION_READ);

	return now != NULL && now->state == migration->state && !now->paused;
}

bool
steps_must_describe(StepRun *run)
{
	if (!TimestampDifferenceExceeds(run->described, GetCurrentTimestamp(),
									DESCRIBE_INTERVAL_MS))
		return false;
	run->described = GetCurrentTimestamp();
	return true;
}

void
steps_note_wait(const Step *step, const char *reason)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	step_set_waiting(step, reason);
	end_transaction();
}

/*
 * Write down, now and then, what a step waits for: "reason", or, if that is NULL,
 * who has the lock.
 */
static void
describe_wait(const Step *step, const char *reason, StepRun *run)
{
	const char *holders = reason;

	if (!steps_must_describe(run))
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (holders == NULL)
		holders = locks_describe(&run->patience);
	if (reason == NULL)
		locks_cancel_autovacuum(&run->patience);
	if (holders != NULL)
		step_set_waiting(step, holders);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Release what was acquired before anything else, so that nobody waits behind us. */
static StepOutcome
come_again(const Step *step, const char *reason, StepRun *run)
{
	/* a commit, of nothing: a rollback would let our claims go as well */
	end_transaction();
	describe_wait(step, reason, run);
	run->waits = run->patience.tries > TRIES_WITH_PLACE;
	run->pause_ms = locks_pause(&run->patience);
	return OUTCOME_AGAIN;
}

/*
 * Take the claim of who states a migration on the table.
 *
 * This closes the race with a session that reads a foreign key of the table's
 * column for the plan of a migration at the other end: it would not be told that
 * the column has been exchanged.
 */
static bool
claim_exchange(const Migration *migration, const Step *step)
{
	return !is_exchange(step) ||
		claim_try(CLAIM_STATEMENT, migration->relid);
}

/* What looks at a pair of columns before one takes the place of the other, or goes. */
static void
look_before(const Migration *migration, const Step *step)
{
	bool		undo = steps_is_undo(migration, step);
	char	   *hint;

	if (undo && (is_exchange(step) || verb_is(step, &verb_add_twin)))
		look_again_before_revert(migration, "resume");
	else if (!undo && is_exchange(step))
		look_again_before_cutover(migration, "resume");
	else if (!undo && verb_is(step, &verb_drop_twin))
		look_again_before_contract(migration, "resume");
	if (is_exchange(step))
		(void) look_again_trigger(migration, &hint);
	if (is_exchange(step) || (!undo && verb_is(step, &verb_add_twin)))
	{
		(void) twin_privileges_sql(migration->id);
		(void) twin_remarks_sql(migration->id);
	}
}

/*
 * Before anything is locked, the migration's row included: what is read with the locks
 * held is read once without them.  What stops the step does so then, in nobody's way; and
 * the plans of those queries are there, and what they read is in the caches: to come by
 * that takes longer than all the rest.  What counts is what is read again.
 */
static void
rehearse(const Migration *migration, const Step *step, StepRun *run)
{
	bool		strong = step->lock == AccessExclusiveLock;

	if (step->lock < ShareRowExclusiveLock || !OidIsValid(migration->relid))
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (strong)
		sessions_read(&run->functions, migration->id, migration->relid);
	if (run->patience.tries == 0)
		look_before(migration, step);
	end_transaction();
	if (strong)
		ZDM_DEBUG_POINT("functions-read");
}

/*
 * All that an exchange locks, as it is now: with views, and with sequences that the
 * column has got since, as an exchange that had nothing to move has something then.
 */
static List *
exchanged_relations(const Migration *migration, const Step *step, LOCKMODE *lock)
{
	bool		forward = !steps_is_undo(migration, step);
	List	   *relations = step->relations;

	if (*lock < AccessExclusiveLock && twin_has_changed(step, forward))
		*lock = AccessExclusiveLock;
	if (*lock < AccessExclusiveLock)
		return relations;
	relations = list_concat_unique_oid(list_copy(relations), twin_sequences(step, forward));
	return locks_with_views(relations);
}

/*
 * Are these locks what the exchange takes, now that nothing comes to the column any
 * more?
 *
 * This closes the race with a default, a sequence or a view made since
 * exchanged_relations() looked: the exchange would ask for a stronger lock, or for
 * another relation's, while writers wait behind those that it holds.
 */
static bool
exchange_is_locked(const Migration *migration, const Step *step, List *relations, LOCKMODE lock)
{
	LOCKMODE	needed = step->lock;

	return list_difference_oid(exchanged_relations(migration, step, &needed), relations) == NIL &&
		needed <= lock;
}

/*
 * Begin a step's transaction with its locks.  OUTCOME_DONE: they are held; else the
 * transaction has been ended.
 */
static StepOutcome
begin_with_locks(const Migration *migration, const Step *step, StepRun *run)
{
	List	   *relations = step->relations;
	LOCKMODE	lock = step->lock;

	rehearse(migration, step, run);
	StartTransactionCommand();
	locks_queue_harmlessly(&run->patience);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!still_in_state(migration, step))
	{
		end_transaction();
		return OUTCOME_STALE;
	}
	if (is_exchange(step))
	{
		relations = exchanged_relations(migration, step, &lock);
		ZDM_DEBUG_POINT("exchange-read");
	}
	if (!locks_try_beside(step->beside, &run->patience) ||
		!locks_try(relations, lock, &run->patience))
		return come_again(step, NULL, run);
	if (!claim_exchange(migration, step))
		return come_again(step, "a transaction that is stating a migration on the table, or on another that references it or is referenced", run);

	/* the locks may have been waited for: look at the tables as they are now */
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_exchange(step) && !exchange_is_locked(migration, step, relations, lock))
		return come_again(step, NULL, run);
	if (is_short(step) && !still_next(migration, step))
	{
		end_transaction();
		return OUTCOME_STALE;
	}
	return OUTCOME_DONE;
}

/*
 * Is the migration's table there (or, of a change that is about none, the role
 * that stated it), and does the role whose rights the work is done with still
 * own it?  Expressions were stated by that role; nobody else's
 * rights may run them.
 */
static bool
check_relation(const Migration *migration)
{
	HeapTuple	tuple;
	Oid			owner;

	/* a statement that is about no table: nobody must come to own what it makes */
	if (!OidIsValid(migration->relid))
		return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(migration->owner));
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(migration->relid));
	if (!HeapTupleIsValid(tuple))
		return false;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (owner != migration->owner)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of %s has changed since the migration was stated",
						names_relation(migration->relid)),
				 errhint("Its new owner can go on with SELECT zdm.resume(" INT64_FORMAT
						 "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
						 migration->id, migration->id)));
	return true;
}

/* A foreign partition has no trigger of ours, and cannot be filled from here. */
static void
refuse_foreign_leaf(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("partition %s is a foreign table", names_relation(lfirst_oid(lc))),
					 errdetail("Its rows cannot be filled in from here."),
					 errhint("Detach it, then resume the migration.")));
	}
}

/*
 * A table can become one of Citus, or a parent get a foreign partition, between
 * any two steps: then its rows are no longer where the step looks for them.
 */
static void
require_rows_here(const Migration *migration, const Step *step)
{
	bool		fills = step->action == ACTION_BACKFILL || step->action == ACTION_VERIFY;

	citus_check(migration->relid, fills ? NULL : migration->kind);
	if (!fills || get_rel_relkind(migration->relid) != RELKIND_PARTITIONED_TABLE)
		return;
	refuse_foreign_leaf(migration->relid);
}

static void
require_relation(const Migration *migration, const Step *step)
{
	if (check_relation(migration))
	{
		if (OidIsValid(migration->relid))
			require_rows_here(migration, step);
		return;
	}
	if (!OidIsValid(migration->relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that stated the migration no longer exists"),
				 errhint("Close it with SELECT zdm.revert(" INT64_FORMAT "), and state it again.",
						 migration->id)));
	else
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table %s no longer exists", migration->relation),
				 errhint("Close the migration with SELECT zdm.revert(" INT64_FORMAT ").",
						 migration->id)));
}

/* What run_as_owner() is to run. */
typedef struct OwnersWork
{
	const Migration *migration;
	const char *sql;
	List	   *definitions;	/* of definition_trees() */
} OwnersWork;

/*
 * Statement by statement: who carries DDL elsewhere, as Citus does, sends on the
 * whole text of what it finds in one call.  And each is about what those before it
 * have made.
 */
static int
execute(const OwnersWork *work)
{
	const char *sql = work->sql;
	int			rc = 0;
	ListCell   *lc;

	foreach(lc, raw_parser(sql, RAW_PARSE_DEFAULT))
	{
		RawStmt    *stmt = lfirst_node(RawStmt, lc);
		const char *start = sql + stmt->stmt_location;
		const char *text = stmt->stmt_len > 0 ? pnstrdup(start, stmt->stmt_len) : start;

		meaning_check(work->migration->id, stmt, sql, work->definitions);
		guard_own = text;
		rc = SPI_execute(text, false, 0);
		if (rc < 0)
			break;
	}
	return rc;
}

/*
 * Run statements as the table's owner, restricted, with a pinned search_path.
 *
 * The locks of the step are held.  Should a statement want one more, it must not
 * wait for it with those in hand: the error ends the try like a refused lock.
 */
static void
run_work(int (*run) (const OwnersWork *work), const OwnersWork *work)
{
	Identity saved;
	int			rc;

	if (work->sql[0] == '\0')
		return;
	identity_enter(work->migration->owner, NIL, &saved);
	(void) set_config_option("lock_timeout", psprintf("%d", guc_lock_wait),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	guard_own = work->sql;
	rc = run(work);
	guard_own = NULL;
	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("step failed: %s", SPI_result_code_string(rc))));
	SPI_finish();
	identity_leave(&saved);
}

static void
run_as_owner(const Migration *migration, const char *sql)
{
	run_work(execute, &(OwnersWork) {.migration = migration, .sql = sql});
}

static int
execute_end_of_detaching(const OwnersWork *work)
{
	return snapshots_execute(work->sql);
}

/* Does the step make the sync trigger, or drop it? */
static bool
is_trigger_step(const Step *step)
{
	return verb_is(step, &verb_create_sync_trigger) || verb_is(step, &verb_drop_sync_trigger);
}

/* Must the statement of such a step be left out? */
static bool
trigger_step_is_moot(const Migration *migration, const Step *step, bool undo)
{
	bool		create = verb_is(step, &verb_create_sync_trigger) != undo;
	bool		exists = trigger_name_find(migration->relid) != NULL;

	if (create)
		return exists;
	return !exists || pair_trigger_needed(migration->relid, migration->id);
}

/* What the step is to zdm.pair and the plan, or its opposite. */
static void
apply_effect(const Migration *migration, const Step *step, bool undo)
{
	if (verb_is(step, &verb_add_twin) && undo)
		pair_deactivate(migration->id);
	else if (verb_is(step, &verb_add_twin))
	{
		pair_activate(migration->id);
		/* the statement has given it what the other one had at the call */
		twin_hold_privileges(migration->id);
		run_as_owner(migration, twin_privileges_sql(migration->id));
		twin_note_privileges(migration->id);
		depend_record(migration->relid, migration->id);
	}
	else if (is_exchange(step))
	{
		pair_set_authoritative(migration->id, undo ? "old" : "new");
		if (!undo)
			twin_note_dependents(migration->id);
	}
	else if (verb_is(step, &verb_drop_twin))
		pair_deactivate(migration->id);
	else if (verb_is(step, &verb_complete_index) && !undo)
		index_tree_complete(migration->id, step);
	else if ((verb_is(step, &verb_create_view) || verb_is(step, &verb_create_matviews)) && !undo)
	{
		if (verb_is(step, &verb_create_view))
			step_add_relation(migration->id, view_made_by(step));
		run_as_owner(migration, second_name_start(migration->id));
	}
}

/*
 * Has an old application written what the new column cannot hold?  Nobody writes
 * now: from here on all rows are filled in and read again, which stops at each one
 * that has not been mended, and then the exchange is run after that.
 */
static bool
must_fill_again(const Migration *migration, const Step *step)
{
	if (!is_exchange(step) || !misfit_deal_with(migration->id, MISFIT_UP))
		return false;
	step_reopen_rows(migration->id);
	return true;
}

/*
 * Has a new application written what the old column cannot hold, after the way
 * back was taken?  Whoever resumes it has seen the error.
 */
static void
refuse_loss(const Migration *migration, const Step *step)
{
	char	   *rows = is_exchange(step) || step->action == ACTION_EXCHANGE ?
		misfit_describe(migration->id, MISFIT_DOWN) : NULL;

	if (rows != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " cannot go back: rows were written that the old side cannot hold",
						migration->id),
				 errdetail("Among them: %s.", rows),
				 errhint("Give them values that it can hold, then SELECT zdm.resume(" INT64_FORMAT
						 "); what is not mended by then is lost.", migration->id)));
}

/*
 * Once a side has its lasting name, and the table is locked: on the way there at
 * contract, since until then the indexes' own names are temporary too.
 */
static char *
run_index_names(const Migration *migration, const Step *step, char *sql, bool undo)
{
	char	   *renames;

	if (!verb_is(step, undo ? &verb_exchange : &verb_drop_twin))
		return sql;
	renames = index_names_sql(migration->id, !undo);
	run_as_owner(migration, renames);
	return psprintf("%s%s", sql, renames);
}

/* Before one column takes the place of the other: it has the same privileges, and is said to be the same. */
static char *
run_twin(const Migration *migration, const Step *step)
{
	char	   *sql;

	if (!is_exchange(step))
		return pstrdup("");
	sql = psprintf("%s%s", twin_privileges_sql(migration->id), twin_remarks_sql(migration->id));
	run_as_owner(migration, sql);
	twin_note_privileges(migration->id);
	return sql;
}

/* Of a partition that is none any more nothing is made. */
static void
make_exclusion(const Migration *migration, const Step *step, const char *sql)
{
	if (sql[0] != '\0')
		index_constraint_exclude(migration, step);
}

/*
 * Run the step's SQL with its effect, and tell the migrations at the other
 * ends of foreign keys.  Returns the SQL that was run.
 */
static char *
run_with_effect(const Migration *migration, const Step *step, bool undo, StepRun *run)
{
	bool		exchange = is_exchange(step);
	bool		retyped = exchange && strcmp(migration->kind, "change_column_type") == 0;
	List	   *moved = exchange ? other_end_keys(migration->id) : NIL;
	List	   *before = retyped && !undo ? definition_before(step) : NIL;
	bool		strong = (undo ? step->undo_lock : step->lock) == AccessExclusiveLock;
	TupleDesc	columns = strong ? sessions_columns(migration->relid) : NULL;
	char	   *twin = run_twin(migration, step);
	List	   *definitions = NIL;
	char	   *sql;
	ListCell   *lc;

	if (exchange)
		twin_follow(step, !undo, "resume");
	in_place_check_before(step);
	look_again_asserts(step, undo);
	sql = verb_sql_to_run(step, undo, &definitions);
	if (step->action == ACTION_LOOK)
		look_run(migration, step, sql);
	else if (verb_is(step, &verb_finalize_detach))
		run_work(execute_end_of_detaching, &(OwnersWork) {.migration = migration, .sql = sql});
	else if (verb_is(step, &verb_make_exclusion) && undo == step->only_back)
		make_exclusion(migration, step, sql);
	else if (!verb_is(step, &verb_complete_index))
		run_work(execute, &(OwnersWork) {.migration = migration, .sql = sql, .definitions = definitions});
	in_place_check_after(step);
	sql = psprintf("%s%s", twin, sql);
	sessions_compile_anew(migration->relid, columns, &run->functions);
	if (exchange && !undo)
		twin_remember(step, before);
	sql = run_index_names(migration, step, sql, undo);
	apply_effect(migration, step, undo);
	if (exchange)
	{
		foreach(lc, other_end_follow(migration->id, moved))
			start_at_commit(*(int64 *) lfirst(lc));
	}
	return sql;
}

/*
 * Has a partition come that must have its part of what this step makes first?
 * With the locks held, no other can come; its steps are in front of this one now.
 */
static bool
must_plan_parts(const Migration *migration, const Step *step)
{
	return verb_is(step, &verb_complete_foreign_key) &&
		constraint_plan_missing_parts(migration->id, step);
}

/*
 * What is noted of a step whose object is gone, or there already: a comment in
 * all its lines, as somebody may paste it.
 */
static char *
nothing_to_do(const Step *step)
{
	StringInfoData comment;

	initStringInfo(&comment);
	appendStringInfoString(&comment, "-- nothing to do: ");
	for (const char *c = verb_sql(step, false, FLAVOUR_SHOWN); *c; c++)
	{
		appendStringInfoChar(&comment, *c);
		if (*c == '\n' || *c == '\r')
			appendStringInfoString(&comment, "-- ");
	}
	return comment.data;
}

/*
 * Without the trigger, rows may have been written that are not in step: the step
 * fails, and whoever resumes has all rows filled in and read once more first.
 */
static void
refuse_without_trigger(const Migration *migration, const Step *step)
{
	char	   *hint;
	char	   *wrong = is_exchange(step) ? look_again_trigger(migration, &hint) : NULL;

	if (wrong == NULL)
		return;
	wrong = MemoryContextStrdup(TopMemoryContext, wrong);
	hint = MemoryContextStrdup(TopMemoryContext, hint);
	step_reopen_rows(migration->id);
	end_transaction();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s", wrong),
			 errdetail("Rows that were written meanwhile may differ: all are filled in and read once more."),
			 errhint("%s then SELECT zdm.resume(" INT64_FORMAT ").", hint, migration->id)));
}

/* What the plan relied on, as it is now. */
static void
look_again(const Migration *migration, const Step *step)
{
	if (is_exchange(step))
		look_again_before_cutover(migration, "resume");
	if (verb_is(step, &verb_drop_twin))
		look_again_before_contract(migration, "resume");
	if (migration->state == STATE_CONTRACTING && !step_contract_begun(migration->id))
		by_text_refuse(migration, "resume");
	refuse_without_trigger(migration, step);
}

/*
 * Before a detaching that is committed can be finished, whoever may go by the catalog
 * of before has to end.  Nobody is in the way of others meanwhile.
 */
static bool
must_wait_for_snapshots(const Migration *migration, const Step *step, StepRun *run)
{
	bool		gone;
	char	   *who = NULL;

	if (!verb_is(step, &verb_finalize_detach))
		return false;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	gone = verb_sql(step, false, FLAVOUR_RUN)[0] == '\0' || snapshots_gone(&run->snapshots, &who);
	if (!gone && steps_must_describe(run))
		step_set_waiting(step, psprintf("snapshots from before the partition was being detached, of %s", who));
	end_transaction();
	run->waits = !gone;
	run->pause_ms = SNAPSHOTS_PAUSE_MS;
	return !gone;
}

static StepOutcome
do_sql(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = must_wait_for_snapshots(migration, step, run) ? OUTCOME_AGAIN :
		begin_with_locks(migration, step, run);
	char	   *sql;

	if (outcome != OUTCOME_DONE)
		return outcome;
	require_relation(migration, step);
	look_again(migration, step);
	if (verb_is(step, &verb_create_sync_trigger))
		trigger_sql_check(migration->relid);
	if (must_fill_again(migration, step) || must_plan_parts(migration, step))
	{
		end_transaction();
		return OUTCOME_STALE;
	}
	if (is_trigger_step(step) && trigger_step_is_moot(migration, step, false))
		sql = nothing_to_do(step);
	else
		sql = run_with_effect(migration, step, false, run);
	if (sql[0] == '\0')
		sql = nothing_to_do(step);
	step_mark_done(step, sql);
	ZDM_DEBUG_POINT("step-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}

/* What a broken try of an index build has left, or a finished one. */
typedef enum IndexLeftover
{
	INDEX_NONE,
	INDEX_INVALID,
	INDEX_VALID
} IndexLeftover;

/* An index is where its table is, which may have been moved since the plan. */
static Oid
index_namespace(const Step *step)
{
	return get_rel_namespace(linitial_oid(step->relations));
}

static IndexLeftover
look_for_index(const Step *step)
{
	char	   *name = index_built_by(step);
	Oid			indexid;
	HeapTuple	tuple;
	bool		valid;
	Oid			relid;

	if (name == NULL)
		return INDEX_NONE;
	indexid = get_relname_relid(name, index_namespace(step));
	if (!OidIsValid(indexid))
		return INDEX_NONE;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation %s exists and is not an index", names_relation(indexid))));
	valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	relid = ((Form_pg_index) GETSTRUCT(tuple))->indrelid;
	ReleaseSysCache(tuple);
	if (relid != linitial_oid(step->relations))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("index %s exists, of another table", names_relation(indexid)),
				 errhint("Rename it or drop it, then SELECT zdm.resume(" INT64_FORMAT ").",
						 step->migration)));
	return valid ? INDEX_VALID : INDEX_INVALID;
}

/* Is what the step was to drop or rebuild gone, as after a try that broke off? */
static bool
is_gone(const Step *step)
{
	return step->relations != NIL &&
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(linitial_oid(step->relations)));
}

/* How the invalid index of a broken try is dropped, in "context". */
static char *
drop_statement(const Step *step, MemoryContext context)
{
	return MemoryContextStrdup(context,
							   psprintf("DROP INDEX CONCURRENTLY IF EXISTS %s",
										quote_qualified_identifier(get_namespace_name(index_namespace(step)),
																   index_built_by(step))));
}

/*
 * The tables that a top-level step works on, in Oid order: the migration's, which
 * may be a partition of another's or the other way round, and those it names or has
 * the indexes of; in "context".  Needs a transaction.
 */
static List *
tables_of(const Migration *migration, const Step *step, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	List	   *tables = OidIsValid(migration->relid) ? list_make1_oid(migration->relid) : NIL;
	ListCell   *lc;

	foreach(lc, step->relations)
	{
		Oid			table = IndexGetRelation(lfirst_oid(lc), true);

		tables = list_append_unique_oid(tables, OidIsValid(table) ? table : lfirst_oid(lc));
	}
	list_sort(tables, list_oid_cmp);
	MemoryContextSwitchTo(caller);
	return tables;
}

static void
release_tables(List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
		claim_release(CLAIM_INDEX_BUILD, lfirst_oid(lc));
}

/*
 * Two statements of ours that work CONCURRENTLY on one table would wait for each
 * other until one is killed: each has the table's lock between its transactions, and
 * a snapshot while it waits for the other's.
 */
static bool
claim_tables(List *tables)
{
	List	   *had = NIL;
	ListCell   *lc;

	foreach(lc, tables)
	{
		if (!claim_try(CLAIM_INDEX_BUILD, lfirst_oid(lc)))
		{
			release_tables(had);
			return false;
		}
		had = lappend_oid(had, lfirst_oid(lc));
	}
	return true;
}

/* Another of ours works on one of the tables. */
static StepOutcome
wait_for_tables(StepRun *run)
{
	run->pause_ms = INDEX_BUILD_PAUSE_MS;
	run->waits = true;
	return OUTCOME_AGAIN;
}

/* Run the one statement, if there is one, and the other; our claims end with them. */
static void
run_claimed(const Migration *migration, List *tables, const char *before, const char *sql)
{
	PG_TRY();
	{
		if (before != NULL)
			toplevel_run(migration, before);
		toplevel_run(migration, sql);
	}
	PG_CATCH();
	{
		release_tables(tables);
		PG_RE_THROW();
	}
	PG_END_TRY();
	release_tables(tables);
}

/*
 * Done with "sql", or, if that is NULL, undone.  The name that an index was built
 * for may mean another table meanwhile: it is looked at by its own.
 */
static void
mark_done(const Step *step, const char *sql)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (sql != NULL && index_built_by(step) != NULL && !is_gone(step) && look_for_index(step) != INDEX_VALID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" was not built on %s", index_built_by(step),
						names_relation(linitial_oid(step->relations))),
				 errhint("If its name was another table's for a while, drop the index there, then SELECT zdm.resume(" INT64_FORMAT ").",
						 step->migration)));
	if (sql != NULL)
		step_mark_done(step, sql);
	else
		step_mark_undone(step);
	end_transaction();
}

/*
 * Run a statement that commits in its middle.  Its mark cannot be in the same
 * transaction, so the index itself, under a name that only this migration uses,
 * tells whether an earlier try came to its end.
 */
static StepOutcome
run_toplevel(const Migration *migration, const Step *step, bool undo, StepRun *run)
{
	char	   *sql;
	char	   *drop = NULL;
	List	   *tables;
	IndexLeftover leftover;
	MemoryContext caller = CurrentMemoryContext;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!still_in_state(migration, step))
	{
		end_transaction();
		return OUTCOME_STALE;
	}
	require_relation(migration, step);
	sql = (!undo && is_gone(step)) ? "" : verb_sql(step, undo, FLAVOUR_RUN);
	if (sql[0] == '\0')
	{
		if (undo)
			step_mark_undone(step);
		else
			step_mark_done(step, nothing_to_do(step));
		end_transaction();
		return OUTCOME_DONE;
	}
	leftover = look_for_index(step);
	sql = MemoryContextStrdup(caller, sql);
	if (leftover == INDEX_INVALID)
		drop = drop_statement(step, caller);
	tables = tables_of(migration, step, caller);
	end_transaction();

	ZDM_DEBUG_POINT("toplevel-before-run");
	if (leftover != INDEX_VALID)
	{
		if (!claim_tables(tables))
			return wait_for_tables(run);
		run_claimed(migration, tables, drop, sql);
	}
	ZDM_DEBUG_POINT("toplevel-before-mark");
	mark_done(step, undo ? NULL : sql);
	return OUTCOME_DONE;
}

bool
steps_tidy(const Migration *migration, const Step *step)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *drop = NULL;
	List	   *tables;

	if (index_built_by(step) == NULL)
		return true;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!is_gone(step) && look_for_index(step) == INDEX_INVALID)
		drop = drop_statement(step, caller);
	tables = tables_of(migration, step, caller);
	end_transaction();
	if (drop == NULL)
		return true;
	if (!claim_tables(tables))
		return false;
	run_claimed(migration, tables, NULL, drop);
	return true;
}

/* Has the batch found something to wait for? */
static bool
is_waiting(const Step *step)
{
	bool		waiting;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	waiting = step_progress_load(step)->waiting_for != NULL;
	end_transaction();
	return waiting;
}

/* Is the rest after the last batch not over yet? */
static bool
must_rest(StepRun *run)
{
	if (GetCurrentTimestamp() >= run->rest_until)
		return false;
	run->pause_ms = (int) TimestampDifferenceMilliseconds(GetCurrentTimestamp(), run->rest_until);
	run->waits = false;
	return true;
}

/* Begin a batch's transaction with its locks, and no snapshot.  Otherwise as begin_with_locks(). */
static StepOutcome
begin_batch(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_locks(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	memset(&run->patience, 0, sizeof(run->patience));
	require_relation(migration, step);
	PopActiveSnapshot();
	return OUTCOME_DONE;
}

/*
 * A commit of somebody else flushes all the WAL before it, so what a batch has written
 * would be waited for by the next application that commits.  The worker waits for it
 * instead, now that it holds no lock and has nothing else to do.
 */
static void
flush_while_resting(const StepRun *run)
{
	if (run->pause_ms > 0)
		XLogFlush(XactLastCommitEnd);
}

/* A batch of rows, filled in or read. */
static StepOutcome
do_batch(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome;
	bool		done;

	if (must_rest(run))
		return OUTCOME_AGAIN;
	outcome = begin_batch(migration, step, run);
	if (outcome != OUTCOME_DONE)
		return outcome;

	/* both commit the transaction that they are called in */
	if (step->action == ACTION_BACKFILL)
		done = backfill_batch(migration, step, &run->batches, &run->pause_ms);
	else
		done = verify_batch(migration, step, &run->batches, &run->pause_ms);
	run->waits = !done && run->pause_ms >= LONG_PAUSE_MS && is_waiting(step);
	run->rest_until = done ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), run->pause_ms);
	flush_while_resting(run);
	return done ? OUTCOME_DONE : OUTCOME_AGAIN;
}

StepOutcome
steps_help(const Migration *migration, const Step *step, int helper, StepRun *run)
{
	StepOutcome outcome;
	bool		helped;

	if (must_rest(run))
		return OUTCOME_DONE;
	outcome = begin_batch(migration, step, run);
	if (outcome != OUTCOME_DONE)
		return outcome;
	helped = backfill_help(migration, step, helper, &run->batches, &run->pause_ms);
	run->rest_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), run->pause_ms);
	flush_while_resting(run);
	return helped ? OUTCOME_DONE : OUTCOME_AGAIN;
}

/* A step of which only the undo does something: it is there for the way back. */
static StepOutcome
do_nothing(const Migration *migration, const Step *step)
{
	StepOutcome outcome = OUTCOME_STALE;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (still_in_state(migration, step))
	{
		step_mark_done(step, "");
		outcome = OUTCOME_DONE;
	}
	end_transaction();
	return outcome;
}

/* What hangs on the two has to be locked with them when they exchange their names. */
static bool
exchanges_names(const Step *step)
{
	return step->action == ACTION_EXCHANGE && second_args(step)->new_shape && !second_args(step)->splits;
}

/* The partitions of the hidden table take the place of one. */
static bool
exchanges_partition(const Step *step)
{
	return step->action == ACTION_EXCHANGE && second_args(step)->splits;
}

static List *
relations_of_both(const Step *step, const Second *second)
{
	if (exchanges_partition(step))
		return split_relations(second_args(step), second);
	return exchanges_names(step) ? new_shape_relations(second) : second_table_relations(second_args(step), second);
}

/* The step's transaction, with ACCESS EXCLUSIVE on both tables and what is theirs. */
static StepOutcome
begin_with_both(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	Step		locking = *step;
	Second		second;
	StepOutcome outcome;

	/* without one there is nothing to lock: only this worker makes one */
	locking.lock = NoLock;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (second_load(migration->id, &second))
	{
		MemoryContextSwitchTo(caller);
		locking.lock = AccessExclusiveLock;
		locking.relations = list_copy(relations_of_both(step, &second));
	}
	end_transaction();
	locking.beside = NIL;
	outcome = begin_with_locks(migration, &locking, run);
	/* closes the race with a view, say, that has come to it since: its lock would be waited for */
	if (outcome == OUTCOME_DONE && (exchanges_names(step) || exchanges_partition(step)) && second_load(migration->id, &second) &&
		list_difference_oid(relations_of_both(step, &second), locking.relations) != NIL)
		return come_again(step, NULL, run);
	return outcome;
}

/*
 * Has the partition that the step is about been dropped or detached since?  Then nothing
 * is to be done for it, and the hidden table goes.  Looked at before the locks are
 * acquired: one that goes after that ends the try with an error, and we come again; one
 * that comes back is begun anew, as it has no hidden table.
 */
static bool
is_left_out(const Step *step)
{
	bool		gone;

	/* those of all other verbs are about what they lock */
	if (step->action < ACTION_SECOND)
		return false;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	gone = second_args(step) != NULL && second_is_gone(second_args(step));
	end_transaction();
	return gone;
}

/* Begin a transaction with the locks of both tables, in which the hidden one goes. */
static StepOutcome
begin_without_second(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_both(migration, step, run);
	Second		second;

	if (outcome == OUTCOME_DONE && second_load(migration->id, &second))
		second_table_drop(&second);
	return outcome;
}

static StepOutcome
leave_out(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_without_second(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	step_mark_done(step, "");
	end_transaction();
	return OUTCOME_DONE;
}

/* Make the hidden table. */
static StepOutcome
do_second(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_locks(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	require_relation(migration, step);
	if (second_args(step)->new_shape)
		new_shape_make(migration, second_args(step));
	else
		second_table_make(migration, second_args(step));
	step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
	ZDM_DEBUG_POINT("second-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}

/*
 * What the hidden table holds is void: the table was truncated, rewritten or changed
 * by others.  It goes, and all is begun anew.
 */
static StepOutcome
begin_anew(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_without_second(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	step_reopen_from(step, ACTION_SECOND);
	end_transaction();
	return OUTCOME_STALE;
}

/* The migration's hidden table; false if it is void.  Needs a lock on the table. */
static bool
second_is_usable(const Migration *migration, const Step *step, Second *second)
{
	bool		usable;

	PushActiveSnapshot(GetLatestSnapshot());
	usable = second_load(migration->id, second) &&
		(second->turned ? second->hidden : second->relid) == second_args(step)->relation &&
		!second_table_is_void(second_args(step), second);
	PopActiveSnapshot();
	return usable;
}

/*
 * What the hidden table holds is void, and it is the one that was there first.  On the
 * way back it is filled anew, before anything else; on the way on it goes, as it is.
 */
static StepOutcome
leave_void(const Migration *migration, const Step *step)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (migration->state == STATE_REVERTING)
		step_reopen_back(migration->id);
	else
		step_mark_done(step, "-- nothing to compare: since the cutover the table was truncated or changed, or a row was written that the first one cannot hold");
	end_transaction();
	return OUTCOME_STALE;
}

static StepOutcome
deal_with_void(const Migration *migration, const Step *step, const Second *second, StepRun *run)
{
	bool		turned = second->turned;

	CommitTransactionCommand();
	return turned ? leave_void(migration, step) : begin_anew(migration, step, run);
}

/* Has a row been written that the first table cannot hold?  Then it is not to be compared, and goes. */
static bool
is_way_back_closed(const Migration *migration, const Step *step)
{
	bool		closed;

	if (migration->state != STATE_CONTRACTING)
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	closed = misfit_any(migration->id, MISFIT_DOWN);
	PopActiveSnapshot();
	return closed;
}

/*
 * Before rows are compared: one that was written meanwhile and could not be carried over
 * would be a difference.  Copying it says what is wrong with it.
 */
static bool
is_to_copy_again(const Migration *migration, const Step *step, const Second *second)
{
	bool		again;

	if (step->action != ACTION_COMPARE || !second->new_shape || second->turned)
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	again = misfit_deal_with(migration->id, MISFIT_UP);
	if (again)
	{
		step_reopen_from(step, ACTION_COPY);
		end_transaction();
	}
	else
		PopActiveSnapshot();
	return again;
}

/* A batch that copies rows or compares them. */
static StepOutcome
do_second_batch(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome;
	Second		second = {0};
	bool		done;

	if (must_rest(run))
		return OUTCOME_AGAIN;
	outcome = begin_batch(migration, step, run);
	if (outcome != OUTCOME_DONE)
		return outcome;
	if (!second_is_usable(migration, step, &second) || is_way_back_closed(migration, step))
		return deal_with_void(migration, step, &second, run);
	if (is_to_copy_again(migration, step, &second))
		return OUTCOME_STALE;
	/* both commit the transaction that they are called in */
	if (step->action == ACTION_COPY)
		done = copy_batch(migration, step, &second, &run->batches, &run->pause_ms);
	else
		done = copy_compare_batch(migration, step, &second, &run->batches, &run->pause_ms);
	run->waits = !done && run->pause_ms >= LONG_PAUSE_MS && is_waiting(step);
	run->rest_until = done ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), run->pause_ms);
	flush_while_resting(run);
	return done ? OUTCOME_DONE : OUTCOME_AGAIN;
}

/* Begin the step's transaction, with a hidden table that is not void; else all is begun anew. */
static StepOutcome
begin_with_second(const Migration *migration, const Step *step, StepRun *run, Second *second)
{
	StepOutcome outcome = begin_with_locks(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	require_relation(migration, step);
	if (second_is_usable(migration, step, second))
		return OUTCOME_DONE;
	end_transaction();
	return begin_anew(migration, step, run);
}

/* Bring the hidden table's indexes one step further. */
static StepOutcome
do_second_index(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	Second		second;
	StepOutcome outcome = begin_with_second(migration, step, run, &second);
	List	   *tables;
	char	   *sql;

	if (outcome != OUTCOME_DONE)
		return outcome;
	if (!locks_try_beside(locks_expand(list_make1_oid(second.hidden)), &run->patience))
		return come_again(step, NULL, run);
	sql = second_table_next_index(&second);
	if (sql == NULL)
	{
		step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
		end_transaction();
		return OUTCOME_DONE;
	}
	MemoryContextSwitchTo(caller);
	sql = pstrdup(sql);
	tables = list_make1_oid(second.hidden);
	end_transaction();
	ZDM_DEBUG_POINT("second-before-index");
	if (!claim_tables(tables))
		return wait_for_tables(run);
	run_claimed(migration, tables, NULL, sql);
	return OUTCOME_STALE;
}

/* The planner is to know the hidden table before it has the name. */
static StepOutcome
do_analyze(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	Second		second;
	StepOutcome outcome = begin_with_second(migration, step, run, &second);
	char	   *sql;

	if (outcome != OUTCOME_DONE)
		return outcome;
	sql = MemoryContextStrdup(caller, new_shape_analyze(&second));
	end_transaction();
	toplevel_run(migration, sql);
	mark_done(step, sql);
	return OUTCOME_DONE;
}

/* Does somebody still have a snapshot that would not see the rows that were copied? */
static bool
must_wait_for_readers(const Migration *migration, const Step *step, StepRun *run)
{
	Second		second;
	char	   *who = NULL;
	bool		waits;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	/* the first table's rows are as old as the other's, unless it was filled anew */
	waits = second_load(migration->id, &second) && (!second.turned || second.refilled) && second_table_awaits_snapshots(&second, &run->copied, &who);
	if (waits && steps_must_describe(run))
		step_set_waiting(step, psprintf("snapshots and transactions from before the rows were copied, of %s", who));
	end_transaction();
	run->waits = waits;
	run->pause_ms = SNAPSHOTS_PAUSE_MS;
	return waits;
}

/* The two exchange their names: the statements, or NULL if an index is missing. */
static char *
exchange_names(const Migration *migration, const Step *step, Second *second, StepRun *run)
{
	Migration	now = *migration;

	return new_shape_exchange(&now, second_args(step), second, &run->copied, &run->functions);
}

/*
 * Has an application written what the hidden table cannot hold?  Nobody writes now: all
 * rows are copied again that are not there, which stops at each that is not mended.
 */
static bool
must_copy_again(const Migration *migration, const Step *step)
{
	if (!second_args(step)->new_shape || !misfit_deal_with(migration->id, MISFIT_UP))
		return false;
	step_reopen_from(step, ACTION_COPY);
	return true;
}

/* The two exchange their storage, or their names. */
static StepOutcome
do_exchange(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = must_wait_for_readers(migration, step, run) ? OUTCOME_AGAIN :
		begin_with_both(migration, step, run);
	Second		second;
	char	   *sql = NULL;

	if (outcome != OUTCOME_DONE)
		return outcome;
	require_relation(migration, step);
	if (!second_is_usable(migration, step, &second))
	{
		end_transaction();
		return begin_anew(migration, step, run);
	}
	if (must_copy_again(migration, step))
	{
		end_transaction();
		return OUTCOME_STALE;
	}
	if (exchanges_partition(step) && split_awaits_serializable(&second))
		return come_again(step, "transactions at SERIALIZABLE that have read the partition", run);
	guc_bound_lock_waits();
	if (exchanges_partition(step))
		sql = split_exchange(migration, second_args(step), &second, &run->copied);
	else if (exchanges_names(step))
		sql = exchange_names(migration, step, &second, run);
	else if (second_table_exchange(migration, second_args(step), &second, &run->copied))
		sql = verb_sql(step, false, FLAVOUR_RUN);
	if (sql != NULL)
		step_mark_done(step, sql);
	else
		/* an index was added or rebuilt since: nobody else makes one now, but later */
		step_reopen_from(step, ACTION_INDEX);
	ZDM_DEBUG_POINT("exchange-before-commit");
	end_transaction();
	return OUTCOME_STALE;
}

/* On the way back: they exchange their names again. */
static StepOutcome
undo_exchange(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = must_wait_for_readers(migration, step, run) ? OUTCOME_AGAIN :
		begin_with_both(migration, step, run);
	Second		second;

	if (outcome != OUTCOME_DONE)
		return outcome;
	refuse_loss(migration, step);
	if (!second_is_usable(migration, step, &second))
	{
		end_transaction();
		return leave_void(migration, step);
	}
	guc_bound_lock_waits();
	(void) exchange_names(migration, step, &second, run);
	step_mark_undone(step);
	ZDM_DEBUG_POINT("undo-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}

/* Empty the table that was there first, to be filled anew. */
static StepOutcome
begin_refill(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_both(migration, step, run);
	Second		second;

	if (outcome != OUTCOME_DONE)
		return outcome;
	if (second_load(migration->id, &second))
		new_shape_refill(migration, &second);
	ZDM_DEBUG_POINT("refill-before-commit");
	end_transaction();
	return OUTCOME_STALE;
}

/* On the way back: the table that was there first has missed something, and all rows are copied to it. */
static StepOutcome
undo_refill(const Migration *migration, const Step *step, StepRun *run)
{
	Second		second = {0};
	bool		usable;

	StartTransactionCommand();
	usable = second_is_usable(migration, step, &second);
	if (usable && !second.refilled)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		step_mark_undone(step);
		end_transaction();
		return OUTCOME_DONE;
	}
	CommitTransactionCommand();
	return usable ? do_second_batch(migration, step, run) : begin_refill(migration, step, run);
}

/* The table that was there first goes: there is no way back from here on. */
static StepOutcome
do_leave(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_without_second(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
	ZDM_DEBUG_POINT("leave-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}

/* On the way back: the hidden table goes. */
static StepOutcome
undo_second(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_both(migration, step, run);
	Second		second;

	if (outcome != OUTCOME_DONE)
		return outcome;
	if (second_load(migration->id, &second))
		second_table_drop(&second);
	step_mark_undone(step);
	ZDM_DEBUG_POINT("undo-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}

/* The step's transaction, with all that hangs on the table and on the one that takes its name. */
static StepOutcome
begin_with_first(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	Step		locking = *step;
	List	   *relations;
	StepOutcome outcome;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	relations = first_partition_relations(first_args(step));
	MemoryContextSwitchTo(caller);
	locking.lock = AccessExclusiveLock;
	locking.relations = list_copy(relations);
	end_transaction();
	outcome = begin_with_locks(migration, &locking, run);
	/* closes the race with a view, say, that has come since: its lock would be waited for */
	if (outcome == OUTCOME_DONE && list_difference_oid(first_partition_relations(first_args(step)), locking.relations) != NIL)
		return come_again(step, NULL, run);
	return outcome;
}

/* The table becomes a partition, or the partitions are completed. */
static StepOutcome
do_first(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_first(migration, step, run);
	char	   *sql;

	if (outcome != OUTCOME_DONE)
		return outcome;
	require_relation(migration, step);
	guc_bound_lock_waits();
	if (verb_is(step, &verb_become_partition))
		sql = first_partition_exchange(migration, first_args(step), false);
	else
		sql = first_partition_settle(migration, first_args(step));
	if (verb_is(step, &verb_become_partition))
		sessions_compile_all(get_partition_parent(first_args(step)->relation, false), &run->functions);
	step_mark_done(step, sql);
	ZDM_DEBUG_POINT("first-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}

/* On the way back: the partition is the table again. */
static StepOutcome
undo_first(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_with_first(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	guc_bound_lock_waits();
	(void) first_partition_exchange(migration, first_args(step), true);
	sessions_compile_all(first_args(step)->relation, &run->functions);
	step_mark_undone(step);
	ZDM_DEBUG_POINT("undo-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}

bool
steps_is_batch(const Step *step)
{
	return step->action == ACTION_BACKFILL || step->action == ACTION_VERIFY ||
		step->action == ACTION_COPY || step->action == ACTION_COMPARE;
}

StepOutcome
steps_do(const Migration *migration, const Step *step, StepRun *run)
{
	if (step->only_back)
		return do_nothing(migration, step);
	if (is_left_out(step))
		return leave_out(migration, step, run);
	switch (step->action)
	{
		case ACTION_SQL:
		case ACTION_LOOK:
			return do_sql(migration, step, run);
		case ACTION_TOPLEVEL:
			return run_toplevel(migration, step, false, run);
		case ACTION_BACKFILL:
		case ACTION_VERIFY:
			return do_batch(migration, step, run);
		case ACTION_SECOND:
			return do_second(migration, step, run);
		case ACTION_COPY:
		case ACTION_COMPARE:
			return do_second_batch(migration, step, run);
		case ACTION_INDEX:
			return do_second_index(migration, step, run);
		case ACTION_EXCHANGE:
			return do_exchange(migration, step, run);
		case ACTION_FIRST:
			return do_first(migration, step, run);
		case ACTION_ANALYZE:
			return do_analyze(migration, step, run);
		case ACTION_LEAVE:
			return do_leave(migration, step, run);
	}
	return OUTCOME_STALE;
}

/*
 * Drop what a top-level step has built, or begun to; the statement does nothing
 * the second time.
 */
static StepOutcome
undo_toplevel(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *tables;
	char	   *sql;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!still_in_state(migration, step))
	{
		end_transaction();
		return OUTCOME_STALE;
	}
	sql = MemoryContextStrdup(caller, verb_sql(step, true, FLAVOUR_RUN));
	tables = tables_of(migration, step, caller);
	end_transaction();
	if (sql[0] != '\0' && !claim_tables(tables))
		return wait_for_tables(run);
	if (sql[0] != '\0')
		run_claimed(migration, tables, NULL, sql);
	mark_done(step, NULL);
	return OUTCOME_DONE;
}

/*
 * Must the undo statement of a step be left out?  Somebody who has dropped the
 * old column by hand has left the only copy of its values in the new one.
 */
static bool
undo_is_moot(const Migration *migration, const Step *step)
{
	if (is_trigger_step(step))
		return trigger_step_is_moot(migration, step, true);
	return pair_old_side_gone(migration->id);
}

bool
steps_is_undo(const Migration *migration, const Step *step)
{
	return migration->state == STATE_REVERTING &&
		(step->action != ACTION_BACKFILL || step->state == STEP_DONE);
}

StepOutcome
steps_undo(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome;
	Step		undo = *step;

	/* nothing to undo, or nothing left to undo it on */
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!step->undoable || !check_relation(migration))
	{
		apply_effect(migration, step, true);
		step_mark_undone(step);
		end_transaction();
		return OUTCOME_DONE;
	}
	end_transaction();

	if (step->action == ACTION_SECOND)
		return undo_second(migration, step, run);
	if (step->action == ACTION_FIRST)
		return undo_first(migration, step, run);
	if (step->action == ACTION_EXCHANGE)
		return undo_exchange(migration, step, run);
	if (step->action == ACTION_COPY)
		return undo_refill(migration, step, run);
	if (step->action == ACTION_COMPARE)
		return do_second_batch(migration, step, run);
	if (step->action == ACTION_TOPLEVEL)
		return step->only_back ?
			run_toplevel(migration, step, true, run) :
			undo_toplevel(migration, step, run);

	undo.lock = step->undo_lock;
	undo.beside = NIL;
	if (step->undo_relations != NIL)
		undo.relations = step->undo_relations;
	outcome = begin_with_locks(migration, &undo, run);
	if (outcome != OUTCOME_DONE)
		return outcome;
	/* the way back from before the cutover takes away what was added: that can be done anywhere */
	if (OidIsValid(migration->relid) && is_exchange(step))
		citus_check(migration->relid, NULL);
	if (OidIsValid(migration->relid) && verb_is(step, &verb_create_sync_trigger))
		citus_let_drop_trigger(migration->relid);
	refuse_loss(migration, step);
	if (is_exchange(step) || verb_is(step, &verb_add_twin))
		look_again_before_revert(migration, "resume");
	if (undo_is_moot(migration, step))
		apply_effect(migration, step, true);
	else
		(void) run_with_effect(migration, step, true, run);
	step_mark_undone(step);
	ZDM_DEBUG_POINT("undo-before-commit");
	end_transaction();
	return OUTCOME_DONE;
}
