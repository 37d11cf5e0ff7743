/*-------------------------------------------------------------------------
 *
 * lag.c
 *		How far behind the slowest standby or subscriber is.
 *
 * pg_stat_replication's replay_lag is the delay of the last WAL that was
 * confirmed: of one that has stopped answering it stays what it was, and of one
 * that is catching up it can be anything.  What counts is the age of the oldest
 * WAL that is not confirmed yet.  So we remember where the WAL ended at each
 * look; for what was written before the first one, the last change of the
 * segment's file gives a lower bound.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/lag.h"
#include "catalog/query.h"
#include "utils/timestamp.h"

/* Remember.  When there is no more room, every other one will do. */
static void
remember(LagSamples *samples, XLogRecPtr end)
{
	if (samples->count == LAG_SAMPLES)
	{
		samples->count /= 2;
		for (int i = 0; i < samples->count; i++)
		{
			samples->at[i] = samples->at[i * 2];
			samples->end[i] = samples->end[i * 2];
		}
	}
	samples->at[samples->count] = GetCurrentTimestamp();
	samples->end[samples->count++] = end;
}

/* The age, in ms, of the first WAL behind "confirmed": at least. */
static double
remembered_age(const LagSamples *samples, XLogRecPtr confirmed)
{
	for (int i = 0; i < samples->count; i++)
	{
		if (samples->end[i] > confirmed)
			return (GetCurrentTimestamp() - samples->at[i]) / 1000.0;
	}
	return 0.0;
}

LagReading
lag_read(LagSamples *samples)
{
	LagReading	worst = {0};
	uint64		rows;

	(void) QUERY("SELECT (pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'))::int8");
	remember(samples, (XLogRecPtr) query_int8(0, 1));

	/* what only receives WAL confirms what it has written */
	rows = QUERY("SELECT who, (pg_wal_lsn_diff(confirmed, '0/0'))::int8, "
				 "(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed))::int8, "
				 "greatest(coalesce(reported, 0), CASE WHEN pg_walfile_name(confirmed) <> pg_walfile_name(pg_current_wal_lsn()) "
				 " THEN (SELECT 1000 * extract(epoch FROM clock_timestamp() - f.modification) "
				 "  FROM pg_stat_file('pg_wal/' || pg_walfile_name(confirmed), true) f) END)::int8 "
				 "FROM (SELECT format('%s \"%s\"', CASE WHEN s.slot_type = 'logical' THEN 'subscriber' ELSE 'standby' END, r.application_name) AS who, "
				 " coalesce(r.replay_lsn, r.flush_lsn, r.write_lsn, r.sent_lsn) AS confirmed, 1000 * extract(epoch FROM r.replay_lag) AS reported "
				 " FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid "
				 " WHERE r.state <> 'backup') x "
				 "WHERE confirmed IS NOT NULL AND confirmed < pg_current_wal_lsn()");
	for (uint64 row = 0; row < rows; row++)
	{
		double		ms = Max(remembered_age(samples, (XLogRecPtr) query_int8(row, 2)), (double) query_int8(row, 4));

		if (worst.who != NULL && ms <= worst.ms)
			continue;
		worst.who = query_text(row, 1);
		worst.ms = ms;
		worst.bytes = query_int8(row, 3);
	}
	return worst;
}
