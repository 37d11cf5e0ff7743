/*-------------------------------------------------------------------------
 *
 * crash.c
 *		Which crashes of the server a step has met.
 *
 * Who crashes can note nothing.  So a worker notes beforehand that it is at a step, once
 * for the step and the process: in zdm.step_progress, which a crash leaves, and in
 * zdm.at_work, which is unlogged and goes in one.  Where the former is found without the
 * latter, the server has crashed since; a shutdown, or the end of the worker alone, leaves
 * both.  What a step achieves wipes its crashes out (step_progress.c), and so does whoever
 * steers the migration: only those later than its row are counted.
 *
 * A server that was promoted has no rows in an unlogged table either: it writes another
 * timeline than the one on which the step was begun.
 *
 * Under a postmaster that begins anew after a crash, one that has itself ended since was
 * ended by somebody, or by the machine: that is no worker's doing.  Without
 * restart_after_crash the two cannot be told from each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/crash.h"
#include "catalog/query.h"

StepCrashes
crash_begin(const Step *step, bool again)
{
	QuerySession session;
	StepCrashes crashes;

	query_begin(&session);
	QUERY("WITH seen AS (SELECT p.ctid, ARRAY(SELECT t FROM unnest(p.crashed) t WHERE t > m.changed ORDER BY t) AS crashed, "
		  "  p.begun > m.changed AND NOT EXISTS (SELECT FROM zdm.at_work a WHERE a.migration = m.id) "
		  "  AND (p.begun > pg_postmaster_start_time() OR NOT current_setting('restart_after_crash')::boolean) "
		  "  AND p.timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8) AS new "
		  "  FROM zdm.step_progress p JOIN zdm.migration m ON m.id = p.migration WHERE p.migration = $1 AND p.step = $2), "
		  "judged AS (SELECT ctid, CASE WHEN new THEN crashed || clock_timestamp() ELSE crashed END AS crashed, "
		  "  CASE WHEN crashed = '{}' THEN new IS NOT TRUE ELSE $3 AND new IS NOT TRUE END AS begins FROM seen) "
		  "UPDATE zdm.step_progress p SET crashed = j.crashed, begun = CASE WHEN j.begins THEN clock_timestamp() END, "
		  "timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8), "
		  "attempts = attempts + (j.begins AND $3)::int, "
		  "waiting_for = CASE WHEN NOT (j.begins AND $3) THEN waiting_for END, "
		  "waiting_since = CASE WHEN NOT (j.begins AND $3) THEN waiting_since END "
		  "FROM judged j WHERE p.ctid = j.ctid RETURNING cardinality(p.crashed), "
		  "coalesce(extract(epoch FROM clock_timestamp() - p.crashed[cardinality(p.crashed)]) * 1000, 0)::bigint, "
		  "array_to_string(p.crashed, ', '), p.begun IS NOT NULL",
		  arg_int8(step->migration), arg_int4(step->number), arg_bool(again));
	crashes.count = query_int4(0, 1);
	crashes.ago_ms = query_int8(0, 2);
	crashes.times = query_text(0, 3);
	crashes.begun = query_bool(0, 4);
	if (crashes.begun)
		QUERY("INSERT INTO zdm.at_work (migration) VALUES ($1) ON CONFLICT DO NOTHING", arg_int8(step->migration));
	query_end(&session);
	return crashes;
}

void
crash_forget(int64 migration)
{
	(void) QUERY_ONCE("DELETE FROM zdm.at_work WHERE migration = $1", arg_int8(migration));
}
