/*-------------------------------------------------------------------------
 *
 * steer.c
 *		The functions that steer a migration.
 *
 * Each only notes what is wanted, in the caller's transaction, and returns; a
 * worker does it once that has committed.  What may follow what is the state
 * machine's to say; what to do instead, in an error, is said here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "api/access.h"
#include "catalog/migration.h"
#include "catalog/misfit.h"
#include "catalog/pair.h"
#include "catalog/pg_class.h"
#include "catalog/step.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "fmgr.h"
#include "plan/by_text.h"
#include "plan/meaning.h"
#include "plan/outcome.h"
#include "run/look_again.h"
#include "run/start.h"
#include "run/stop.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "verbs/verbs.h"
#include "compat.h"

/*
 * What to type next in each state, with the migration's id for %d.  To who asked
 * for a cutover none of them names what cannot be undone: see steer_cutover().
 */
static const char *const hints[] = {
	[STATE_QUEUED] = "Wait for it with CALL zdm.wait(" INT64_FORMAT ", 'ready').",
	[STATE_EXPANDING] = "Wait for it with CALL zdm.wait(" INT64_FORMAT ", 'ready').",
	[STATE_MIGRATING] = "Wait for it with CALL zdm.wait(" INT64_FORMAT ", 'ready').",
	[STATE_READY] = "Go on with SELECT zdm.cutover(" INT64_FORMAT ").",
	[STATE_CUTTING_OVER] = "Wait for it with CALL zdm.wait(" INT64_FORMAT ", 'switched').",
	[STATE_SWITCHED] = "Go on with SELECT zdm.contract(" INT64_FORMAT ").",
	[STATE_CONTRACTING] = "Wait for it with CALL zdm.wait(" INT64_FORMAT ", 'completed').",
	[STATE_COMPLETED] = "It has come to its end; SELECT * FROM zdm.steps WHERE migration = " INT64_FORMAT " shows what was done.",
	[STATE_REVERTING] = "Wait for it with CALL zdm.wait(" INT64_FORMAT ", 'reverted').",
	[STATE_REVERTED] = "It has come to its end; SELECT * FROM zdm.steps WHERE migration = " INT64_FORMAT " shows what was done.",
	[STATE_FAILED] = "Mend what zdm.migrations shows as its error, then go on with SELECT zdm.resume(" INT64_FORMAT ").",
};

pg_noreturn static void wrong_state(const Migration *migration, const char *what);

static void
wrong_state(const Migration *migration, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("migration " INT64_FORMAT " is %s and cannot be %s",
					migration->id, state_name(migration->state), what),
			 errhint(hints[migration->state], migration->id)));
}

/*
 * A deployment that broke off is run again, and two may run at once: whoever asks
 * for what is so, under way or past is told, and nothing is done.
 */
static void
say_already(const Migration *migration, const char *what)
{
	ereport(NOTICE,
			(errmsg("migration " INT64_FORMAT " has been %s already: it is %s", migration->id, what,
					state_name(migration->state))));
}

/* The state that it is in, or, when it has failed, in which it did. */
static MigrationState
reached(const Migration *migration)
{
	return migration->state == STATE_FAILED ? migration->failed_from : migration->state;
}

static void
refuse_paused(const Migration *migration, const char *what)
{
	if (migration->paused)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " is paused and cannot be %s", migration->id, what),
				 errhint("Let it go on with SELECT zdm.resume(" INT64_FORMAT ").", migration->id)));
}

static bool
is_cut_over(MigrationState state)
{
	return state == STATE_CUTTING_OVER || state == STATE_SWITCHED ||
		state == STATE_CONTRACTING || state == STATE_COMPLETED;
}

static void
steer_cutover(Migration *migration, FunctionCallInfo fcinfo)
{
	if (is_cut_over(migration->state) ||
		(is_cut_over(reached(migration)) && reached(migration) != STATE_CUTTING_OVER))
	{
		say_already(migration, "cut over");
		return;
	}

	/* from a cutover no hint leads to contract, which cannot be undone */
	if (migration->state == STATE_READY && step_next(migration->id, "cutover") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " has nothing to cut over", migration->id),
				 errhint("SELECT * FROM zdm.steps WHERE migration = " INT64_FORMAT " AND state <> 'done' shows what is left to do.",
						 migration->id)));
	refuse_paused(migration, "cut over");
	if (migration->state == STATE_READY)
		look_again_before_cutover(migration, "cutover");
	if (!migration_transition(migration, EVENT_CUTOVER))
		wrong_state(migration, "cut over");
}

/* What would make contract fail in the end is better said at once. */
static void
refuse_contract(const Migration *migration)
{
	char	   *hint;
	char	   *wrong = look_again_trigger(migration, &hint);

	look_again_before_contract(migration, "contract");
	by_text_refuse(migration, "contract");
	by_text_warn(migration);
	if (wrong != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", wrong),
				 errdetail("Rows that were written meanwhile may differ; SELECT * FROM zdm.verify(" INT64_FORMAT ") shows them.",
						   migration->id),
				 errhint("%s then SELECT zdm.contract(" INT64_FORMAT ").", hint, migration->id)));
}

static void
steer_contract(Migration *migration, FunctionCallInfo fcinfo)
{
	bool		no_cutover = migration->state == STATE_READY &&
		step_next(migration->id, "cutover") == NULL;

	if (migration->state == STATE_CONTRACTING || migration->state == STATE_COMPLETED)
	{
		say_already(migration, "contracted");
		return;
	}
	refuse_paused(migration, "contracted");
	if (migration->state == STATE_SWITCHED || no_cutover)
		refuse_contract(migration);
	if (!migration_transition(migration, no_cutover ? EVENT_CONTRACT_READY : EVENT_CONTRACT))
		wrong_state(migration, "contracted");
}

/* The way back can have been given up, or been closed by a row. */
static void
refuse_one_way(const Migration *migration)
{
	Step	   *detach;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(migration->relid)))
		return;
	if (step_contract_begun(migration->id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " cannot be reverted: the old shape has been dropped",
						migration->id),
				 errhint("Go on with SELECT zdm.resume(" INT64_FORMAT ").", migration->id)));
	if (!migration_is_reversible(migration))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " cannot be reverted: zdm.reversible is off for it",
						migration->id),
				 errdetail("The old side may not have all that was written since."),
				 errhint("If it has, SELECT zdm.configure(" INT64_FORMAT ", 'reversible', 'on') first.",
						 migration->id)));
	detach = step_with_verb(migration->id, verb_finalize_detach.name);
	if (detach != NULL && verb_sql(detach, false, FLAVOUR_RUN)[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " cannot be reverted: the partition is being detached, which PostgreSQL can only finish",
						migration->id),
				 errdetail("Queries of the partitioned table leave the partition out already."),
				 errhint("Let it come to its end, with SELECT zdm.resume(" INT64_FORMAT
						 ") if need be; then attach the partition again by zdm.migrate().", migration->id)));
	if (misfit_any(migration->id, MISFIT_DOWN))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " cannot be reverted: a row was written that the old side cannot hold",
						migration->id),
				 errhint("zdm.migrations shows since when and by which row; go on with SELECT zdm.contract(" INT64_FORMAT ").",
						 migration->id)));
}

/* Its table's present owner takes it over: the work goes on with their rights. */
static void
adopt(Migration *migration)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(migration->relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (owner == migration->owner)
		return;
	migration_set_owner(migration, owner);
	/* sessions that write evaluate as the owner that they have read */
	pair_invalidate(migration->relid);
}

static void
steer_revert(Migration *migration, FunctionCallInfo fcinfo)
{
	MigrationState next;

	if (migration->state == STATE_REVERTING || migration->state == STATE_REVERTED)
	{
		say_already(migration, "reverted");
		if (migration->again)
			migration_set_again(migration, NULL, NIL);
		return;
	}

	/* the opposite of an index, a constraint or NOT NULL, as long as that is there */
	if (migration->state == STATE_COMPLETED &&
		!(outcome_has_opposite(migration) && outcome_stands(migration)))
		wrong_state(migration, "reverted");
	if (!state_next(migration->state, migration->failed_from, EVENT_REVERT, &next))
		wrong_state(migration, "reverted");
	refuse_one_way(migration);
	look_again_before_revert(migration, "revert");
	adopt(migration);
	(void) migration_transition(migration, EVENT_REVERT);
	stop_at_commit(migration->id);
	if (migration->paused)
		migration_set_paused(migration, false);
}

static void
steer_pause(Migration *migration, FunctionCallInfo fcinfo)
{
	if (state_is_final(migration->state) || migration->state == STATE_FAILED)
		wrong_state(migration, "paused");
	if (migration->paused)
	{
		ereport(NOTICE,
				(errmsg("migration " INT64_FORMAT " is paused already", migration->id)));
		return;
	}
	migration_set_paused(migration, true);
	stop_at_commit(migration->id);
}

static void
steer_resume(Migration *migration, FunctionCallInfo fcinfo)
{
	if (migration->state == STATE_FAILED)
	{
		adopt(migration);
		misfit_accept_loss(migration->id);
		(void) migration_transition(migration, EVENT_RESUME);
	}
	else if (state_is_final(migration->state))
		wrong_state(migration, "resumed");
	else if (!migration->paused)
		ereport(NOTICE,
				(errmsg("migration " INT64_FORMAT " is neither paused nor failed: it is %s",
						migration->id, state_name(migration->state))));
	if (migration->paused)
		migration_set_paused(migration, false);
}

static void
steer_configure(Migration *migration, FunctionCallInfo fcinfo)
{
	char	   *given;
	char	   *value;
	const char *name;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name and value must not be null")));
	given = text_to_cstring(PG_GETARG_TEXT_PP(1));
	value = text_to_cstring(PG_GETARG_TEXT_PP(2));
	name = guc_migration_setting(given);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a setting of a migration", given),
				 errhint("The settings of a migration are batch_time, batch_rest, batch_window, backfill_workers, hold_when, lock_wait, max_archive_backlog, max_growth, max_replica_lag, max_replica_lag_size, max_slot_wal, max_wal_rate, min_free_disk, not_before, on_conflict and reversible.")));
	if (state_is_final(migration->state))
		wrong_state(migration, "configured");

	/* raises what SET would say of a bad value, and changes nothing */
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET,
							 false, ERROR, false);
	migration_set_setting(migration, name, guc_settle(name, value));
	if (strcmp(name, "zdm.on_conflict") == 0)
		pair_set_on_conflict(migration->id, asc_tolower(value, strlen(value)));
	if (strcmp(name, "zdm.hold_when") == 0)
		meaning_note_query(migration->id, value);
	if (strcmp(name, "zdm.reversible") == 0)
	{
		bool		reversible = true;

		(void) parse_bool(value, &reversible);
		pair_set_reversible(migration->id, reversible);
	}
}

typedef void (*SteerFunction) (Migration *migration, FunctionCallInfo fcinfo);

/* What all of them do: find the migration, lock it, do it, have a worker see it. */
static Datum
steer(FunctionCallInfo fcinfo, const char *name, bool by_label, SteerFunction function)
{
	Migration  *migration;
	bool		was_read_only = XactReadOnly;

	access_begin_steering(name);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the migration must not be null")));

	/* closes the race with the worker: whoever has the row first goes first */
	if (by_label)
		migration = access_migration_label(text_to_cstring(PG_GETARG_TEXT_PP(0)), MIGRATION_LOCK);
	else
		migration = access_migration(PG_GETARG_INT64(0), MIGRATION_LOCK);
	function(migration, fcinfo);
	start_orphans_at_commit(true);
	if (!migration->paused)
		start_at_commit(migration->id);
	access_end_steering(was_read_only);
	PG_RETURN_VOID();
}

#define STEER(verb) \
	PG_FUNCTION_INFO_V1(zdm_##verb); \
	Datum zdm_##verb(PG_FUNCTION_ARGS) { return steer(fcinfo, "zdm." #verb "()", false, steer_##verb); } \
	PG_FUNCTION_INFO_V1(zdm_##verb##_label); \
	Datum zdm_##verb##_label(PG_FUNCTION_ARGS) { return steer(fcinfo, "zdm." #verb "()", true, steer_##verb); }

STEER(cutover)
STEER(contract)
STEER(revert)
STEER(pause)
STEER(resume)
STEER(configure)
