/*-------------------------------------------------------------------------
 *
 * throttle.c
 *		Whether a backfill batch may run now.
 *
 * What stops a backfill is decided by a pure function of readings and limits;
 * another stop is one more reading.  Reading them costs a query, so it is done
 * once a second and the answer kept meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/throttle.h"
#include "catalog/query.h"
#include "core/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define READ_INTERVAL_MS 1000
#define RESUME_AT 0.7

/* Is a reading beyond its limit, or not far enough below it yet? */
static bool
beyond(int64 reading, int64 limit, bool held)
{
	return (double) reading > limit * (held ? RESUME_AT : 1.0);
}

char *
throttle_decide(const ThrottleReadings *readings, const ThrottleLimits *limits, bool held)
{
	if (readings->replica_lag_ms < 0)
		return pstrdup("the lag of the standbys, which cannot be read");
	if (readings->slot_wal_mb < 0)
		return pstrdup("the WAL kept back by replication slots, which cannot be read");
	if (beyond(readings->replica_lag_ms, limits->replica_lag_ms, held))
		return psprintf("a standby that replays " INT64_FORMAT " ms late (zdm.max_replica_lag is " INT64_FORMAT " ms)",
						readings->replica_lag_ms, limits->replica_lag_ms);
	if (beyond(readings->slot_wal_mb, limits->slot_wal_mb, held))
		return psprintf("a replication slot that keeps back " INT64_FORMAT " MB of WAL (zdm.max_slot_wal is " INT64_FORMAT " MB)",
						readings->slot_wal_mb, limits->slot_wal_mb);
	return NULL;
}

static void
read_all(ThrottleReadings *readings)
{
	QuerySession session;

	query_begin(&session);
	QUERY("SELECT coalesce((SELECT max(extract(epoch FROM replay_lag) * 1000) FROM pg_stat_replication "
		  "  WHERE state = 'streaming'), 0)::bigint, "
		  "coalesce((SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots), 0)::bigint "
		  "/ (1024 * 1024) WHERE $1", arg_bool(true));
	readings->replica_lag_ms = query_int8(0, 1);
	readings->slot_wal_mb = query_int8(0, 2);
	query_end(&session);
}

char *
throttle_reason(void)
{
	static TimestampTz last_read = 0;
	static char *reason = NULL;
	ThrottleReadings readings;
	ThrottleLimits limits = {
		.replica_lag_ms = guc_max_replica_lag,
		.slot_wal_mb = guc_max_slot_wal,
	};
	char	   *decided;

	if (!TimestampDifferenceExceeds(last_read, GetCurrentTimestamp(), READ_INTERVAL_MS))
		return reason;
	read_all(&readings);
	last_read = GetCurrentTimestamp();
	decided = throttle_decide(&readings, &limits, reason != NULL);
	if (reason != NULL)
		pfree(reason);
	reason = decided ? MemoryContextStrdup(TopMemoryContext, decided) : NULL;
	return reason;
}
