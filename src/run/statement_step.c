/*-------------------------------------------------------------------------
 *
 * statement_step.c
 *		A step of statements that have its mark in their transaction.
 *
 * The statements, what they are to the catalog of ours, and what else must be so at that
 * moment are one transaction: a crash leaves all of it, or nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "catalog/misfit.h"
#include "catalog/pair.h"
#include "catalog/second_name.h"
#include "catalog/step_progress.h"
#include "catalog/twin.h"
#include "column/definition.h"
#include "column/index_names.h"
#include "column/other_end.h"
#include "column/twin.h"
#include "core/citus.h"
#include "core/debug_point.h"
#include "core/trigger_name.h"
#include "draft/trigger_sql.h"
#include "plan/by_text.h"
#include "plan/in_place.h"
#include "run/as_owner.h"
#include "run/index_constraint.h"
#include "run/look.h"
#include "run/look_again.h"
#include "run/sessions.h"
#include "run/start.h"
#include "run/statement_step.h"
#include "run/try.h"
#include "sync/depend.h"
#include "utils/snapmgr.h"
#include "verbs/verb.h"
#include "verbs/verbs.h"

/* Rest before it is looked again whether old snapshots have gone. */
#define SNAPSHOTS_PAUSE_MS 100

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
		as_owner_run(migration, twin_privileges_sql(migration->id), NIL);
		twin_note_privileges(migration->id);
		depend_record(migration->relid, migration->id);
	}
	else if (try_is_exchange(step))
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
		as_owner_run(migration, second_name_start(migration->id), NIL);
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
	if (!try_is_exchange(step) || !misfit_deal_with(migration->id, MISFIT_UP))
		return false;
	step_reopen_rows(migration->id);
	return true;
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
	as_owner_run(migration, renames, NIL);
	return psprintf("%s%s", sql, renames);
}

/* Before one column takes the place of the other: it has the same privileges, and is said to be the same. */
static char *
run_twin(const Migration *migration, const Step *step)
{
	char	   *sql;

	if (!try_is_exchange(step))
		return pstrdup("");
	sql = psprintf("%s%s", twin_privileges_sql(migration->id), twin_remarks_sql(migration->id));
	as_owner_run(migration, sql, NIL);
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
	bool		exchange = try_is_exchange(step);
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
		as_owner_end_detaching(migration, sql);
	else if (verb_is(step, &verb_make_exclusion) && undo == step->only_back)
		make_exclusion(migration, step, sql);
	else if (exchange)
		as_owner_exchange(migration, sql, definitions);
	else if (!verb_is(step, &verb_complete_index))
		as_owner_run(migration, sql, definitions);
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
 * Without the trigger, rows may have been written that are not in step: the step
 * fails, and whoever resumes has all rows filled in and read once more first.
 */
static void
refuse_without_trigger(const Migration *migration, const Step *step)
{
	char	   *hint;
	char	   *wrong = try_is_exchange(step) ? look_again_trigger(migration, &hint) : NULL;

	if (wrong == NULL)
		return;
	wrong = MemoryContextStrdup(TopMemoryContext, wrong);
	hint = MemoryContextStrdup(TopMemoryContext, hint);
	step_reopen_rows(migration->id);
	try_commit();
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
	if (try_is_exchange(step))
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
	if (!gone && try_must_describe(run))
		step_set_waiting(step, psprintf("snapshots from before the partition was being detached, of %s", who));
	try_commit();
	run->waits = !gone;
	run->pause_ms = SNAPSHOTS_PAUSE_MS;
	return !gone;
}

StepOutcome
statement_step_do(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome = must_wait_for_snapshots(migration, step, run) ? OUTCOME_AGAIN :
		try_begin(migration, step, run);
	char	   *sql;

	if (outcome != OUTCOME_DONE)
		return outcome;
	try_require_relation(migration, step);
	look_again(migration, step);
	if (verb_is(step, &verb_create_sync_trigger))
		trigger_sql_check(migration->relid);
	if (must_fill_again(migration, step) || must_plan_parts(migration, step))
	{
		try_commit();
		return OUTCOME_STALE;
	}
	if (is_trigger_step(step) && trigger_step_is_moot(migration, step, false))
		sql = try_nothing_to_do(step);
	else
		sql = run_with_effect(migration, step, false, run);
	if (sql[0] == '\0')
		sql = try_nothing_to_do(step);
	step_mark_done(step, sql);
	ZDM_DEBUG_POINT("step-before-commit");
	try_commit();
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

StepOutcome
statement_step_undo(const Migration *migration, const Step *step, StepRun *run)
{
	StepOutcome outcome;
	Step		undo = *step;

	undo.lock = step->undo_lock;
	undo.beside = NIL;
	if (step->undo_relations != NIL)
		undo.relations = step->undo_relations;
	outcome = try_begin(migration, &undo, run);
	if (outcome != OUTCOME_DONE)
		return outcome;
	/* the way back from before the cutover takes away what was added: that can be done anywhere */
	if (OidIsValid(migration->relid) && try_is_exchange(step))
		citus_check(migration->relid, NULL);
	if (OidIsValid(migration->relid) && verb_is(step, &verb_create_sync_trigger))
		citus_let_drop_trigger(migration->relid);
	look_again_loss(migration, step);
	if (try_is_exchange(step) || verb_is(step, &verb_add_twin))
		look_again_before_revert(migration, "resume");
	if (undo_is_moot(migration, step))
		apply_effect(migration, step, true);
	else
		(void) run_with_effect(migration, step, true, run);
	step_mark_undone(step);
	ZDM_DEBUG_POINT("undo-before-commit");
	try_commit();
	return OUTCOME_DONE;
}

void
statement_step_forget(const Migration *migration, const Step *step)
{
	apply_effect(migration, step, true);
	step_mark_undone(step);
	try_commit();
}
