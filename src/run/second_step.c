/*-------------------------------------------------------------------------
 *
 * second_step.c
 *		The steps of a table with a second one beside it.
 *
 * The hidden table is made, filled, given its indexes and compared; the two exchange
 * their storage or their names; and one of them goes.  Whatever others do to the table
 * meanwhile that leaves the hidden one void has all of it begun anew, from any of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "backfill/copy.h"
#include "catalog/misfit.h"
#include "catalog/second.h"
#include "catalog/step_progress.h"
#include "core/debug_point.h"
#include "core/guc.h"
#include "run/batch_step.h"
#include "run/concurrent_step.h"
#include "run/look_again.h"
#include "run/new_shape.h"
#include "run/second_step.h"
#include "run/second_table.h"
#include "run/split.h"
#include "run/toplevel.h"
#include "run/try.h"
#include "sync/kept.h"
#include "utils/snapmgr.h"
#include "verbs/verb.h"
#include "verbs/verbs.h"

/* Rest before it is looked again whether old snapshots have gone. */
#define SNAPSHOTS_PAUSE_MS 100

/* A helper's rest while there is something that the worker is to see to. */
#define HELPER_PAUSE_MS 20

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
	try_commit();
	locking.beside = NIL;
	outcome = try_begin(migration, &locking, run);
	/* closes the race with a view, say, that has come to it since: its lock would be waited for */
	if (outcome == OUTCOME_DONE && (exchanges_names(step) || exchanges_partition(step)) && second_load(migration->id, &second) &&
		list_difference_oid(relations_of_both(step, &second), locking.relations) != NIL)
		return try_come_again(step, NULL, run);
	return outcome;
}

/*
 * Has the partition that the step is about been dropped or detached since?  Then nothing
 * is to be done for it, and the hidden table goes.  Looked at before the locks are
 * acquired: one that goes after that ends the try with an error, and we come again; one
 * that comes back is begun anew, as it has no hidden table.
 */
bool
second_step_is_left_out(const Step *step)
{
	bool		gone;

	/* those of all other verbs are about what they lock */
	if (step->action < ACTION_SECOND || second_args(step) == NULL || !OidIsValid(second_args(step)->root))
		return false;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	gone = second_is_gone(second_args(step));
	try_commit();
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

StepOutcome
second_step_leave_out(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = begin_without_second(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	step_mark_done(step, "");
	try_commit();
	return OUTCOME_DONE;
}

/* Make the hidden table. */
static StepOutcome
do_second(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = try_begin(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	try_require_relation(migration, step);
	if (second_args(step)->new_shape)
		new_shape_make(migration, second_args(step));
	else
		second_table_make(migration, second_args(step));
	step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
	ZDM_DEBUG_POINT("second-before-commit");
	try_commit();
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
	try_commit();
	return OUTCOME_STALE;
}

/*
 * The migration's hidden table; false if it is void.  Needs a lock on the table.  It takes
 * DDL to make one void, so between two batches nothing is looked at anew without any; an
 * exchange looks at all of it each time, with its locks.
 */
static bool
second_is_usable(const Migration *migration, const Step *step, Second *second, StepRun *run)
{
	uint64		generation = kept_generation();
	bool		usable;

	PushActiveSnapshot(GetLatestSnapshot());
	usable = second_load(migration->id, second) &&
		(second->turned ? second->hidden : second->relid) == second_args(step)->relation;
	if (usable && (!batch_step_is(step) || run->usable_step != step->number || run->usable_since != generation))
		usable = !second_table_is_void(second_args(step), second);
	PopActiveSnapshot();
	run->usable_step = usable ? step->number : 0;
	run->usable_since = generation;
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
	try_commit();
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
		try_commit();
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

	if (batch_step_must_rest(run))
		return OUTCOME_AGAIN;
	outcome = batch_step_begin(migration, step, run);
	if (outcome != OUTCOME_DONE)
		return outcome;
	if (!second_is_usable(migration, step, &second, run) || is_way_back_closed(migration, step))
		return deal_with_void(migration, step, &second, run);
	if (is_to_copy_again(migration, step, &second))
		return OUTCOME_STALE;
	/* both commit the transaction that they are called in */
	if (step->action == ACTION_COPY)
		done = copy_batch(migration, step, &second, &run->batches, &run->pause_ms);
	else
		done = copy_compare_batch(migration, step, &second, &run->batches, &run->pause_ms);
	return batch_step_end(step, done, run);
}

StepOutcome
second_step_help(const Migration *migration, const Step *step, int helper, StepRun *run)
{
	StepOutcome outcome;
	Second		second;
	bool		may;

	if (batch_step_must_rest(run))
		return OUTCOME_DONE;
	outcome = batch_step_begin(migration, step, run);
	if (outcome != OUTCOME_DONE)
		return outcome;
	may = second_is_usable(migration, step, &second, run);
	if (may && step->action == ACTION_COMPARE)
	{
		/* a row that could not be carried over would be a difference */
		PushActiveSnapshot(GetTransactionSnapshot());
		may = !misfit_any(migration->id, MISFIT_UP);
		PopActiveSnapshot();
	}
	if (!may)
	{
		/* it is for the worker to begin anew */
		CommitTransactionCommand();
		run->pause_ms = HELPER_PAUSE_MS;
		return batch_step_helped(false, run);
	}
	return batch_step_helped(copy_help(migration, step, helper, &second, &run->batches, &run->pause_ms), run);
}

/* Begin the step's transaction, with a hidden table that is not void; else all is begun anew. */
static StepOutcome
begin_with_second(const Migration *migration, const Step *step, StepRun *run, Second *second)
{
	StepOutcome outcome = try_begin(migration, step, run);

	if (outcome != OUTCOME_DONE)
		return outcome;
	try_require_relation(migration, step);
	if (second_is_usable(migration, step, second, run))
		return OUTCOME_DONE;
	try_commit();
	return begin_anew(migration, step, run);
}

/* Bring the hidden table's indexes one step further. */
static StepOutcome
do_second_index(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	Second		second;
	StepOutcome outcome = begin_with_second(migration, step, run, &second);
	char	   *sql;

	if (outcome != OUTCOME_DONE)
		return outcome;
	if (!locks_try_beside(locks_expand(list_make1_oid(second.hidden)), &run->patience))
		return try_come_again(step, NULL, run);
	sql = second_table_next_index(&second);
	if (sql == NULL)
	{
		step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
		try_commit();
		return OUTCOME_DONE;
	}
	MemoryContextSwitchTo(caller);
	sql = pstrdup(sql);
	try_commit();
	ZDM_DEBUG_POINT("second-before-index");
	return concurrent_step_run(migration, second.hidden, sql, run) ? OUTCOME_STALE : OUTCOME_AGAIN;
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
	try_commit();
	toplevel_run(migration, sql);
	concurrent_step_mark(step, sql);
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
	if (waits && try_must_describe(run))
		step_set_waiting(step, psprintf("snapshots and transactions from before the rows were copied, of %s", who));
	try_commit();
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
	try_require_relation(migration, step);
	if (!second_is_usable(migration, step, &second, run))
	{
		try_commit();
		return begin_anew(migration, step, run);
	}
	if (must_copy_again(migration, step))
	{
		try_commit();
		return OUTCOME_STALE;
	}
	if (exchanges_partition(step) && split_awaits_serializable(&second))
		return try_come_again(step, "transactions at SERIALIZABLE that have read the partition", run);
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
	try_commit();
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
	look_again_loss(migration, step);
	if (!second_is_usable(migration, step, &second, run))
	{
		try_commit();
		return leave_void(migration, step);
	}
	guc_bound_lock_waits();
	(void) exchange_names(migration, step, &second, run);
	step_mark_undone(step);
	ZDM_DEBUG_POINT("undo-before-commit");
	try_commit();
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
	try_commit();
	return OUTCOME_STALE;
}

/* On the way back: the table that was there first has missed something, and all rows are copied to it. */
static StepOutcome
undo_refill(const Migration *migration, const Step *step, StepRun *run)
{
	Second		second = {0};
	bool		usable;

	StartTransactionCommand();
	usable = second_is_usable(migration, step, &second, run);
	if (usable && !second.refilled)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		step_mark_undone(step);
		try_commit();
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
	try_commit();
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
	try_commit();
	return OUTCOME_DONE;
}

StepOutcome
second_step_do(const Migration *migration, const Step *step, StepRun *run)
{
	switch (step->action)
	{
		case ACTION_SECOND:
			return do_second(migration, step, run);
		case ACTION_COPY:
		case ACTION_COMPARE:
			return do_second_batch(migration, step, run);
		case ACTION_INDEX:
			return do_second_index(migration, step, run);
		case ACTION_EXCHANGE:
			return do_exchange(migration, step, run);
		case ACTION_ANALYZE:
			return do_analyze(migration, step, run);
		case ACTION_LEAVE:
			return do_leave(migration, step, run);
		default:
			return OUTCOME_STALE;
	}
}

StepOutcome
second_step_undo(const Migration *migration, const Step *step, StepRun *run)
{
	switch (step->action)
	{
		case ACTION_SECOND:
			return undo_second(migration, step, run);
		case ACTION_COPY:
			return undo_refill(migration, step, run);
		case ACTION_COMPARE:
			return do_second_batch(migration, step, run);
		case ACTION_EXCHANGE:
			return undo_exchange(migration, step, run);
		default:
			return OUTCOME_STALE;
	}
}
