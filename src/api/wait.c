/*-------------------------------------------------------------------------
 *
 * wait.c
 *		CALL zdm.wait: watching a migration until it gets somewhere.
 *
 * A procedure, because only that may end the transaction between two looks:
 * whoever waits for hours must not hold back the clean-up of dead rows, least of
 * all those of the migration itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/access.h"
#include "catalog/query.h"
#include "core/durable.h"
#include "core/errors.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "run/start.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_wait);
PG_FUNCTION_INFO_V1(zdm_wait_label);

#define LOOK_INTERVAL_MS 100
#define REPORT_INTERVAL_MS 1000
#define BAR_WIDTH 30

/* After so long it is said who is waited for. */
#define LATE_MS 10000

typedef struct Wait
{
	int64		id;
	bool		any;			/* until the next state in which it rests */
	MigrationState until;
	TimestampTz deadline;		/* DT_NOEND: none */
	TimestampTz reported;
	TimestampTz begun;
	bool		late;			/* who is waited for has been said */
	char		last[512];		/* the line last shown */
	bool		told;			/* that it waits for a call */
	bool		started;		/* what lacked a worker, and said so if there is none */
} Wait;

static bool
rests(MigrationState state)
{
	return !state_is_active(state);
}

/* Is "state" at or beyond the wanted one, on the way from queued to completed? */
static bool
is_reached(const Wait *wait, MigrationState state)
{
	if (wait->any)
		return rests(state);
	if (state == wait->until)
		return true;
	if (wait->until == STATE_REVERTING)
		return state == STATE_REVERTED;
	return wait->until <= STATE_COMPLETED && state <= STATE_COMPLETED && state > wait->until;
}

/* Can the wanted state no longer be reached? */
static bool
is_hopeless(const Wait *wait, MigrationState state)
{
	if (wait->any || is_reached(wait, state))
		return false;
	if (wait->until == STATE_REVERTED || wait->until == STATE_REVERTING)
		return state == STATE_COMPLETED;
	if (wait->until == STATE_FAILED)
		return state_is_final(state);
	return state_is_final(state) || state == STATE_REVERTING;
}

static void
fail_if_failed(const Wait *wait, const Migration *migration)
{
	QuerySession session;
	char	   *message;
	char	   *hint;

	if (migration->state != STATE_FAILED || (!wait->any && wait->until == STATE_FAILED))
		return;
	query_begin(&session);
	QUERY("SELECT concat_ws(E'\\n', error_message, error_detail), error_hint FROM zdm.migration WHERE id = $1",
		  arg_int8(migration->id));
	message = query_text(0, 1);
	hint = query_text(0, 2);
	query_end(&session);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("migration " INT64_FORMAT " failed", migration->id),
			 errdetail("%s", message),
			 hint ? errhint("%s", hint) :
			 errhint("Mend the cause, then SELECT zdm.resume(" INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
					 migration->id, migration->id)));
}

/* Show a line of progress, if there is a new one and the last is old enough. */
static void
report(Wait *wait)
{
	QuerySession session;
	StringInfoData line;
	char	   *rest;
	double		percent;
	int			filled;

	if (!TimestampDifferenceExceeds(wait->reported, GetCurrentTimestamp(), REPORT_INTERVAL_MS))
		return;
	query_begin(&session);
	QUERY("SELECT coalesce(percent, 0)::int, concat_ws('  ', lpad(coalesce(percent, 0)::text, 5) || ' %', state, "
		  "action, CASE WHEN rows_per_second > 0 THEN round(rows_per_second) || ' rows/s' END, "
		  "CASE WHEN eta IS NOT NULL THEN date_trunc('second', eta) || ' left' END, "
		  "'waits for ' || waiting_for) FROM zdm.progress WHERE id = $1",
		  arg_int8(wait->id));
	percent = query_int4(0, 1);
	rest = query_text(0, 2);
	query_end(&session);

	filled = (int) (percent / 100 * BAR_WIDTH);
	initStringInfo(&line);
	appendStringInfoChar(&line, '[');
	for (int i = 0; i < BAR_WIDTH; i++)
		appendStringInfoChar(&line, i < filled ? '#' : '.');
	appendStringInfo(&line, "] %s", rest);
	if (strncmp(wait->last, line.data, sizeof(wait->last) - 1) != 0)
	{
		strlcpy(wait->last, line.data, sizeof(wait->last));
		wait->reported = GetCurrentTimestamp();
		ereport(NOTICE, (errmsg_internal("%s", line.data)));
	}
}

/*
 * Whose sessions the migration waits for, and whom those wait for; NULL if it waits
 * for nobody's.  *self is set if one of them is idle in transaction and comes from
 * this client and application: most likely the deployment waits for itself.
 */
static char *
blockers(int64 id, bool *self)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("WITH b AS (SELECT DISTINCT x.pid FROM zdm.progress p, LATERAL ("
		  "   SELECT unnest(pg_blocking_pids(p.worker)) AS pid "
		  "   UNION SELECT m[1]::int FROM regexp_matches("
		  "     regexp_replace(coalesce(p.waiting_for, ''), 'which itself waits for [^)]*', '', 'g'), 'pid ([0-9]{1,9})', 'g') m) x WHERE p.id = $1) "
		  "SELECT string_agg(zdm.session_text(a.pid), ', ' ORDER BY a.pid), "
		  "   bool_or(a.state LIKE 'idle in transaction%' AND a.usesysid = me.usesysid "
		  "     AND a.application_name = me.application_name AND a.client_addr IS NOT DISTINCT FROM me.client_addr) "
		  "FROM b JOIN pg_stat_activity a USING (pid), (SELECT * FROM pg_stat_activity WHERE pid = pg_backend_pid()) me",
		  arg_int8(id));
	result = query_text(0, 1);
	*self = query_bool(0, 2);
	query_end(&session);
	return result;
}

#define SELF_HINT "One of them is idle in transaction, and of this very client and application: if it is the deployment's own, it waits for itself.  End that transaction first, or wait in a later run."

/* Once, when it has become late: who is waited for. */
static void
report_late(Wait *wait)
{
	bool		self;
	char	   *who;

	if (wait->late ||
		!TimestampDifferenceExceeds(wait->begun, GetCurrentTimestamp(), LATE_MS))
		return;
	who = blockers(wait->id, &self);
	if (who == NULL)
		return;
	wait->late = true;
	ereport(NOTICE,
			(errmsg("migration " INT64_FORMAT " waits for other sessions", wait->id),
			 errdetail("It waits for %s.", who),
			 self ? errhint(SELF_HINT) : 0));
}

/* Time is up: with the reason, since many tools show nothing but this error. */
pg_noreturn static void
fail_late(const Wait *wait, const Migration *migration)
{
	bool		self;
	char	   *who = blockers(wait->id, &self);

	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("time is up: migration " INT64_FORMAT " is %s", wait->id,
					state_name(migration->state)),
			 who ? errdetail("It waits for %s.", who) : 0,
			 who && self ? errhint(SELF_HINT) :
			 errhint(migration->paused || rests(migration->state) ?
					 "SELECT waiting_for FROM zdm.progress WHERE id = " INT64_FORMAT " shows the call that it waits for." :
					 "It goes on; SELECT * FROM zdm.progress WHERE id = " INT64_FORMAT " shows how far it is.",
					 wait->id)));
}

/* One look: true when there is no more to wait for. */
static bool
look(Wait *wait)
{
	Migration  *migration = access_migration(wait->id, MIGRATION_READ);

	start_orphans_at_commit(!wait->started);
	wait->started = true;
	if (is_reached(wait, migration->state) && migration->state != STATE_FAILED)
		return true;
	fail_if_failed(wait, migration);
	if (is_reached(wait, migration->state))
		return true;
	if (!migration->again && is_hopeless(wait, migration->state))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " is %s and will not be %s",
						wait->id, state_name(migration->state), state_name(wait->until))));
	if (!wait->any && !wait->told && rests(migration->state) && migration->state < wait->until)
	{
		wait->told = true;
		ereport(NOTICE,
				(errmsg("migration " INT64_FORMAT " is %s and waits for a call to go on",
						wait->id, state_name(migration->state))));
	}
	report(wait);
	report_late(wait);
	if (wait->deadline != DT_NOEND && GetCurrentTimestamp() >= wait->deadline)
		fail_late(wait, migration);
	return false;
}

static void
set_deadline(Wait *wait, FunctionCallInfo fcinfo)
{
	wait->begun = GetCurrentTimestamp();
	wait->deadline = DT_NOEND;
	if (!PG_ARGISNULL(2))
		wait->deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
																 TimestampTzGetDatum(GetCurrentTimestamp()),
																 PG_GETARG_DATUM(2)));
}

static void
wait_for(FunctionCallInfo fcinfo, int64 id)
{
	Wait		wait = {.id = id, .any = PG_ARGISNULL(1)};

	if (!wait.any)
		wait.until = state_from_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	set_deadline(&wait, fcinfo);
	while (!look(&wait))
	{
		/* end the transaction, so that neither snapshot nor lock is held while we rest */
		SPI_commit();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_INTERVAL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		SPI_start_transaction();
	}
	/* a step is seen a moment before a crash could no longer undo it */
	durable_wait_for_seen();
}

/* May the procedure end transactions? */
static bool
is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context && IsA(fcinfo->context, CallContext) ?
		castNode(CallContext, fcinfo->context)->atomic : true;
}

/*
 * Inside a transaction there is no waiting, as what is waited for may need its
 * end; but what is reached is reached.
 */
static void
check_reached(FunctionCallInfo fcinfo, const Migration *migration)
{
	Wait		wait = {.id = migration->id, .any = PG_ARGISNULL(1)};

	if (!wait.any)
		wait.until = state_from_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (is_reached(&wait, migration->state) && migration->state != STATE_FAILED && !migration->again)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("zdm.wait cannot wait inside a transaction block or a function"),
			 errdetail("What is waited for may need the end of this transaction."),
			 errhint("Wait in a later file, which the migration tool runs outside a transaction, as its only statement: CALL zdm.wait(" INT64_FORMAT "); or DO $$BEGIN CALL zdm.wait(" INT64_FORMAT "); END$$;",
					 migration->id, migration->id)));
}

static Datum
wait_or_check(FunctionCallInfo fcinfo, Migration *(*find) (FunctionCallInfo fcinfo))
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the migration must not be null")));
	if (is_atomic(fcinfo))
		check_reached(fcinfo, find(fcinfo));
	else
	{
		SPI_connect_ext(SPI_OPT_NONATOMIC);
		wait_for(fcinfo, find(fcinfo)->id);
		SPI_finish();
	}
	PG_RETURN_VOID();
}

static Migration *
find_id(FunctionCallInfo fcinfo)
{
	return access_migration(PG_GETARG_INT64(0), MIGRATION_READ);
}

static Migration *
find_label(FunctionCallInfo fcinfo)
{
	return access_migration_label(text_to_cstring(PG_GETARG_TEXT_PP(0)), MIGRATION_READ);
}

Datum
zdm_wait(PG_FUNCTION_ARGS)
{
	return wait_or_check(fcinfo, find_id);
}

Datum
zdm_wait_label(PG_FUNCTION_ARGS)
{
	return wait_or_check(fcinfo, find_label);
}
