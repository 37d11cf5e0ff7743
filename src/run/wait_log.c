/*-------------------------------------------------------------------------
 *
 * wait_log.c
 *		A wait that lasts is told to the server's log.
 *
 * Whoever looks at zdm.progress sees what a migration waits for.  Who does not look
 * must come to know it too, with what can be done about it: so after some minutes
 * it stands in the log, once, and then every hour.  What a statement that commits in
 * its middle waits for is told by PostgreSQL itself (log_lock_waits, worker.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/query.h"
#include "core/debug_point.h"
#include "run/wait_log.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LOOK_INTERVAL_MS ZDM_DEBUG_MS(10000, 500)
#define FIRST_AFTER_MS ZDM_DEBUG_MS(5 * 60 * 1000, 2000)
#define AGAIN_AFTER_MS (60 * 60 * 1000)

static char *
read_wait(const Step *step, TimestampTz *since)
{
	QuerySession session;
	char	   *what = NULL;

	query_begin(&session);
	if (QUERY("SELECT waiting_for, (extract(epoch FROM clock_timestamp() - waiting_since) * 1000)::int8 "
			  "FROM zdm.step_progress WHERE migration = $1 AND step = $2 AND waiting_since IS NOT NULL",
			  arg_int8(step->migration), arg_int4(step->number)) > 0)
	{
		what = query_text(0, 1);
		*since = GetCurrentTimestamp() - query_int8(0, 2) * 1000;
	}
	query_end(&session);
	return what;
}

static void
tell(const Migration *migration, const char *what, TimestampTz since)
{
	ereport(LOG,
			(errmsg("migration " INT64_FORMAT " on %s has waited %ld s for %s", migration->id, migration->relation,
					TimestampDifferenceMilliseconds(since, GetCurrentTimestamp()) / 1000, what),
			 errhint("It goes on by itself when that is over.  Where sessions are in its way, have them end their transactions; "
					 "a longer zdm.lock_wait lets it queue behind those that follow each other without a gap: "
					 "SELECT zdm.configure(" INT64_FORMAT ", 'lock_wait', '1s').  SELECT zdm.pause(" INT64_FORMAT ") stops it.",
					 migration->id, migration->id)));
}

void
wait_log_look(const Migration *migration, const Step *step, WaitLog *log)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz since = 0;
	char	   *what;

	if (!TimestampDifferenceExceeds(log->looked, now, LOOK_INTERVAL_MS))
		return;
	log->looked = now;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	what = read_wait(step, &since);
	/* the beginning of a wait is reckoned back from its length: the same, but for that */
	if (what != NULL && TimestampDifferenceExceeds(since, now, FIRST_AFTER_MS) &&
		(TimestampDifferenceExceeds(log->since, since, LOOK_INTERVAL_MS) ||
		 TimestampDifferenceExceeds(log->told, now, AGAIN_AFTER_MS)))
	{
		tell(migration, what, since);
		log->since = since;
		log->told = now;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
}
