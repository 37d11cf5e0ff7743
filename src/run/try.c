/*-------------------------------------------------------------------------
 *
 * try.c
 *		A try of a step: that it begins with its locks, or is put off.
 *
 * A step works in a transaction that begins when nothing is in its way, and is given up
 * at once otherwise: nobody is to wait behind a lock that a worker only waits for.  What
 * all sorts of steps have in common of that is here: which step comes next, the state and
 * the locks that it needs, what it waits for, and whether its table is still what it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/step_progress.h"
#include "catalog/twin.h"
#include "column/twin.h"
#include "core/citus.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "core/durable.h"
#include "core/names.h"
#include "run/look_again.h"
#include "run/sessions.h"
#include "run/try.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "verbs/verb.h"
#include "verbs/verbs.h"
#include "compat.h"

/* Holders of a lock are written down this often while a step waits. */
#define DESCRIBE_INTERVAL_MS 1000

/* After so many refused tries a step waits, and others may have its place. */
#define TRIES_WITH_PLACE 5

bool
try_is_exchange(const Step *step)
{
	return verb_is(step, &verb_exchange);
}

/* What it has locked is let go before the commit is waited for. */
void
try_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	ZDM_DEBUG_POINT("committed-not-durable");
	durable_wait(XactLastCommitEnd);
	zdm_process_completed_notifies();
}

Step *
try_next_step(const Migration *migration)
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

bool
try_is_undo(const Migration *migration, const Step *step)
{
	return migration->state == STATE_REVERTING &&
		(step->action != ACTION_BACKFILL || step->state == STEP_DONE);
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
	Step	   *now = try_next_step(migration);

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
bool
try_still_in_state(const Migration *migration, const Step *step)
{
	Migration  *now = migration_load(migration->id,
									 is_short(step) ? MIGRATION_LOCK_NOWAIT : MIGRATION_READ);

	return now != NULL && now->state == migration->state && !now->paused;
}

bool
try_must_describe(StepRun *run)
{
	if (!TimestampDifferenceExceeds(run->described, GetCurrentTimestamp(),
									DESCRIBE_INTERVAL_MS))
		return false;
	run->described = GetCurrentTimestamp();
	return true;
}

void
try_note_wait(const Step *step, const char *reason)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	step_set_waiting(step, reason);
	try_commit();
}

/*
 * Write down, now and then, what a step waits for: "reason", or, if that is NULL,
 * who has the lock.
 */
static void
describe_wait(const Step *step, const char *reason, StepRun *run)
{
	const char *holders = reason;

	if (!try_must_describe(run))
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
StepOutcome
try_come_again(const Step *step, const char *reason, StepRun *run)
{
	/* a commit, of nothing: a rollback would let our claims go as well */
	try_commit();
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
	return !try_is_exchange(step) ||
		claim_try(CLAIM_STATEMENT, migration->relid);
}

/* What looks at a pair of columns before one takes the place of the other, or goes. */
static void
look_before(const Migration *migration, const Step *step)
{
	bool		undo = try_is_undo(migration, step);
	char	   *hint;

	if (undo && (try_is_exchange(step) || verb_is(step, &verb_add_twin)))
		look_again_before_revert(migration, "resume");
	else if (!undo && try_is_exchange(step))
		look_again_before_cutover(migration, "resume");
	else if (!undo && verb_is(step, &verb_drop_twin))
		look_again_before_contract(migration, "resume");
	if (try_is_exchange(step))
		(void) look_again_trigger(migration, &hint);
	if (try_is_exchange(step) || (!undo && verb_is(step, &verb_add_twin)))
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
	try_commit();
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
	bool		forward = !try_is_undo(migration, step);
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
StepOutcome
try_begin(const Migration *migration, const Step *step, StepRun *run)
{
	List	   *relations = step->relations;
	LOCKMODE	lock = step->lock;

	rehearse(migration, step, run);
	StartTransactionCommand();
	locks_queue_harmlessly(&run->patience);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!try_still_in_state(migration, step))
	{
		try_commit();
		return OUTCOME_STALE;
	}
	if (try_is_exchange(step))
	{
		relations = exchanged_relations(migration, step, &lock);
		ZDM_DEBUG_POINT("exchange-read");
	}
	if (!locks_try_beside(step->beside, &run->patience) ||
		!locks_try(relations, lock, &run->patience))
		return try_come_again(step, NULL, run);
	if (!claim_exchange(migration, step))
		return try_come_again(step, "a transaction that is stating a migration on the table, or on another that references it or is referenced", run);

	/* the locks may have been waited for: look at the tables as they are now */
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (try_is_exchange(step) && !exchange_is_locked(migration, step, relations, lock))
		return try_come_again(step, NULL, run);
	if (is_short(step) && !still_next(migration, step))
	{
		try_commit();
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
bool
try_relation_is_there(const Migration *migration)
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

void
try_require_relation(const Migration *migration, const Step *step)
{
	if (try_relation_is_there(migration))
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

/*
 * What is noted of a step whose object is gone, or there already: a comment in
 * all its lines, as somebody may paste it.
 */
char *
try_nothing_to_do(const Step *step)
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
