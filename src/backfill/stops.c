/*-------------------------------------------------------------------------
 *
 * stops.c
 *		What holds a backfill.
 *
 * One function for each stop, and one array of them; another stop is another
 * line there.  Each reads the server, compares with its limit, and says what it
 * found.  What cannot be read is a reason to hold: a backfill that goes on
 * blindly fills a disk.  A stop that has begun to hold does so until its reading is
 * clearly within its limit again, whichever process looks (catalog/hold.c).
 *
 * Reading costs some queries, so it is done once a second and the answer kept
 * meanwhile; but a fast backfill writes much in a second, so it is also done
 * when a quarter of what was left to the nearest limit on WAL has been written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "access/xlog.h"
#include "backfill/hold_when.h"
#include "backfill/lag.h"
#include "backfill/stops.h"
#include "catalog/hold.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "core/guc.h"
#include "core/names.h"
#include "core/window.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "compat.h"

#define READ_INTERVAL_MS 1000
#define RESUME_AT 0.7
#define MEGABYTE (1024.0 * 1024.0)

/* A slot that may keep back a bounded amount is left half of it. */
#define SLOT_SHARE 0.5

/* What is written for each byte of the table that is yet to be filled. */
#define GROWTH_SHARE 0.25
#define WAL_SHARE 3.0

/* An archiver that succeeds again is trusted so long after its last failure. */
#define ARCHIVER_TRUST_S 60

/* A table grows by this much without anybody's noticing. */
#define GROWTH_SLACK (512.0 * 1024.0)

/* One look: what it is about, and what it finds. */
typedef struct Look
{
	const Migration *migration;
	const Step *step;
	StopsState *state;
	bool		held;			/* the stop that is asked now has held before */
	double		headroom;		/* bytes of WAL to the nearest limit */
	LagReading	lag;			/* read once, by the first of the two that ask */
} Look;

typedef struct Stop
{
	const char *name;
	char	   *(*look) (Look *look);	/* the reason, or NULL */
} Stop;

/* What it has to come to, once held, for the backfill to go on. */
static double
resume_at(double limit, bool floor)
{
	return floor ? limit / RESUME_AT : limit * RESUME_AT;
}

bool
stops_beyond(double reading, double limit, bool floor, bool held)
{
	if (held)
		limit = resume_at(limit, floor);
	return floor ? reading < limit : reading > limit;
}

static char *
look_window(Look *look)
{
	TimestampTz opens = window_opens(guc_batch_window, GetCurrentTimestamp());

	if (opens == 0)
		return NULL;
	return psprintf("the next batch window, at %s (zdm.batch_window is \"%s\")", timestamptz_to_str(opens), guc_batch_window);
}

static char *
look_lag(Look *look)
{
	LagReading	lag = lag_read(&look->state->lag);

	look->lag = lag;
	if (lag.who == NULL || !stops_beyond(lag.ms, guc_max_replica_lag, false, look->held))
		return NULL;
	return psprintf("%s, which has not confirmed WAL that is %.0f ms old, " INT64_FORMAT " MB of it (zdm.max_replica_lag is %d ms; it goes on at %.0f)",
					lag.who, lag.ms, lag.bytes / (1024 * 1024), guc_max_replica_lag, resume_at(guc_max_replica_lag, false));
}

/* Who has the oldest WAL to confirm has the most, too. */
static char *
look_lag_size(Look *look)
{
	const LagReading *lag = &look->lag;
	double		limit = guc_max_replica_lag_size * MEGABYTE;

	if (lag->who == NULL || guc_max_replica_lag_size < 0)
		return NULL;
	look->headroom = Min(look->headroom, limit - lag->bytes);
	if (!stops_beyond(lag->bytes, limit, false, look->held))
		return NULL;
	return psprintf("%s, which has not confirmed %.0f MB of WAL (zdm.max_replica_lag_size is %d MB; it goes on at %.1f)",
					lag->who, lag->bytes / MEGABYTE, guc_max_replica_lag_size, resume_at(guc_max_replica_lag_size, false));
}

/* One that is lost has to be dropped: until then, nobody knows what it would keep. */
static char *
look_lost_slot(Look *look)
{
	if (QUERY("SELECT slot_name FROM pg_replication_slots "
			  "WHERE wal_status = 'lost' ORDER BY 1 LIMIT 1") == 0)
		return NULL;
	return psprintf("replication slot \"%s\", which is lost: SELECT pg_drop_replication_slot(%s)",
					query_text(0, 1), quote_literal_cstr(query_text(0, 1)));
}

/* By our own limit, and by what the server will keep for a slot at all. */
static char *
look_slot_wal(Look *look)
{
	char	   *reason = NULL;
	uint64		rows;

	rows = QUERY("SELECT slot_name, (pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::int8, "
				 "safe_wal_size FROM pg_replication_slots "
				 "WHERE restart_lsn IS NOT NULL ORDER BY 2 DESC");
	for (uint64 row = 0; row < rows; row++)
	{
		double		kept = query_int8(row, 2);
		double		limit = guc_max_slot_wal * MEGABYTE;
		const char *setting = "zdm.max_slot_wal";

		if (!query_null(row, 3) && (kept + query_int8(row, 3)) * SLOT_SHARE < limit)
		{
			limit = (kept + query_int8(row, 3)) * SLOT_SHARE;
			setting = "half of what max_slot_wal_keep_size leaves it";
		}
		look->headroom = Min(look->headroom, limit - kept);
		if (reason == NULL && stops_beyond(kept, limit, false, look->held))
			reason = psprintf("replication slot \"%s\", which keeps back %.0f MB of WAL (%s is %.0f MB; it goes on at %.1f)",
							  query_text(row, 1), kept / MEGABYTE, setting, limit / MEGABYTE, resume_at(limit, false) / MEGABYTE);
	}
	return reason;
}

/* A file system, what is still to be written to it, and by what it is known. */
typedef struct FileSystem
{
	dev_t		device;
	char	   *path;
	double		free;
	double		needed;
} FileSystem;

/* Add what is to be written below a path; the error if it cannot be read. */
static char *
add_needed(List **systems, const char *path, double needed)
{
	struct stat st;
	struct statvfs vfs;
	FileSystem *system;
	ListCell   *lc;

	if (stat(path, &st) != 0 || statvfs(path, &vfs) != 0)
		return psprintf("the free space of the file system of \"%s\", which cannot be read: %s",
						path, strerror(errno));
	foreach(lc, *systems)
	{
		system = lfirst(lc);
		if (system->device == st.st_dev)
		{
			system->needed += needed;
			return NULL;
		}
	}
	system = palloc(sizeof(FileSystem));
	system->device = st.st_dev;
	system->path = pstrdup(path);
	system->free = (double) vfs.f_bavail * vfs.f_frsize;
	system->needed = needed;
	*systems = lappend(*systems, system);
	return NULL;
}

/*
 * What is still to be written of a whole copy, by tablespace: the rows of the table that
 * is read, or of its partitions, where the other one is, and each index where it is.
 */
static uint64
read_copy(const Step *step)
{
	return QUERY("WITH tree AS (SELECT c.oid, CASE h.relkind WHEN 'r' THEN h.reltablespace ELSE c.reltablespace END AS space "
				 " FROM zdm.second s JOIN pg_class h ON h.oid = s.hidden, pg_class c WHERE s.migration = $1 "
				 " AND (c.oid = s.relid OR c.oid = ANY (SELECT t.relid FROM pg_partition_tree(s.relid) t))) "
				 "SELECT coalesce(nullif(f.space, 0), d.dattablespace), (sum(f.bytes))::int8 FROM pg_database d, ("
				 "SELECT t.space, pg_table_size(t.oid) * CASE WHEN s.blocks_total > 0 THEN 1 - s.blocks_done::float8 / s.blocks_total ELSE 1 END AS bytes "
				 " FROM tree t, zdm.step_progress s WHERE s.migration = $1 AND s.step = $2 "
				 "UNION ALL SELECT c.reltablespace, (pg_relation_size(c.oid))::float8 FROM tree t JOIN pg_index i ON i.indrelid = t.oid "
				 " JOIN pg_class c ON c.oid = i.indexrelid) f WHERE d.datname = current_database() GROUP BY 1",
				 arg_int8(step->migration), arg_int4(step->number));
}

/* The same of a backfill, which finds room in the table for most. */
static uint64
read_fill(const Look *look)
{
	return QUERY("SELECT coalesce(nullif(c.reltablespace, 0), d.dattablespace), "
				 "(sum(CASE WHEN s.blocks_total > 0 THEN 0 ELSE pg_relation_size(c.oid) END) + "
				 "coalesce(min(s.blocks_total - s.blocks_done), 0) * $3)::int8 "
				 "FROM zdm.step_progress s, pg_database d, pg_class c WHERE s.migration = $1 AND s.step = $4 "
				 "AND d.datname = current_database() "
				 "AND (c.oid = $2 OR c.oid = ANY (SELECT t.relid FROM pg_partition_tree($2) t)) GROUP BY 1",
				 arg_int8(look->migration->id), arg_oid(look->migration->relid),
				 arg_int8(BLCKSZ), arg_int4(look->step->number));
}

/* The file systems that the backfill writes to; or the error. */
static char *
list_file_systems(Look *look, List **systems)
{
	bool		copies = look->step->action == ACTION_COPY;
	double		to_fill;
	char	   *error;
	uint64		rows = copies ? read_copy(look->step) : read_fill(look);

	to_fill = 0;
	for (uint64 row = 0; row < rows; row++)
	{
		Oid			tablespace = query_oid(row, 1);
		const char *path = tablespace == DEFAULTTABLESPACE_OID || tablespace == GLOBALTABLESPACE_OID ?
			"base" : psprintf("pg_tblspc/%u", tablespace);

		to_fill = Max(to_fill, (double) query_int8(row, 2));
		if ((error = add_needed(systems, path, query_int8(row, 2) * (copies ? 1 : GROWTH_SHARE))) != NULL)
			return error;
	}
	/* WAL is removed by checkpoints; what is kept in spite of them is another stop */
	return add_needed(systems, "pg_wal", Min(to_fill * WAL_SHARE, max_wal_size_mb * MEGABYTE));
}

static char *
look_disk(Look *look)
{
	double		limit = guc_min_free_disk * MEGABYTE;
	List	   *systems = NIL;
	char	   *error;
	ListCell   *lc;

	if (guc_min_free_disk == 0)
		return NULL;
	if ((error = list_file_systems(look, &systems)) != NULL)
		return error;
	foreach(lc, systems)
	{
		FileSystem *system = lfirst(lc);
		double		left = system->free - system->needed;

		look->headroom = Min(look->headroom, system->free - limit);
		if (stops_beyond(left, limit, true, look->held))
			return psprintf("the file system of \"%s\", which has %.0f MB free; %.0f MB are still to be written (zdm.min_free_disk is %d MB; it goes on with %.0f beside them)",
							system->path, system->free / MEGABYTE, system->needed / MEGABYTE, guc_min_free_disk,
							resume_at(guc_min_free_disk, true));
	}
	return NULL;
}

/*
 * One that fails now and then has not recovered yet: it has to have emptied its
 * queue since, or gone a while without a failure.
 */
static char *
look_archive(Look *look)
{
	double		waiting;
	bool		failing;
	bool		failed_lately;

	if (guc_max_archive_backlog == 0 || !XLogArchivingActive())
		return NULL;
	(void) QUERY("SELECT (SELECT count(*) FROM pg_ls_archive_statusdir() f WHERE f.name ~~ '%.ready'), "
				 "coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), "
				 "coalesce(last_failed_time > clock_timestamp() - $1 * interval '1 second', false) "
				 "FROM pg_stat_archiver", arg_int4(ARCHIVER_TRUST_S));
	waiting = (double) query_int8(0, 1) * wal_segment_size;
	failing = query_bool(0, 2);
	failed_lately = query_bool(0, 3);
	look->headroom = Min(look->headroom, guc_max_archive_backlog * MEGABYTE - waiting);
	if (waiting > 0 && (failing || (look->held && failed_lately)))
		return psprintf("the archiver, which %s; %.0f MB of WAL wait for it (it goes on when none does, or %d s after a failure)",
						failing ? "fails" : "has failed", waiting / MEGABYTE, ARCHIVER_TRUST_S);
	if (stops_beyond(waiting, guc_max_archive_backlog * MEGABYTE, false, look->held))
		return psprintf("the archiver, for which %.0f MB of WAL wait (zdm.max_archive_backlog is %d MB; it goes on at %.0f)",
						waiting / MEGABYTE, guc_max_archive_backlog, resume_at(guc_max_archive_backlog, false));
	return NULL;
}

/*
 * Who holds the xmin horizon of this database's tables back the furthest, and a
 * key that stays the same while it does not move; false if nobody does.
 *
 * A session that has written is in the way by its transaction id, whatever snapshot
 * its present statement has; all snapshots that are taken beside it are as old as it
 * is, and none of them is the reason.  A slot's catalog_xmin keeps catalogs alone, and
 * our own batches are nobody to wait for.
 */
static bool
read_holder(char **who, char **key)
{
	if (QUERY("SELECT CASE kind WHEN 'p' THEN zdm.session_text(name::int) ELSE name END, concat(kind, name, ' ', xid) FROM ("
			  "SELECT 'p' AS kind, a.pid::text AS name, CASE WHEN age(a.backend_xid) >= coalesce(age(a.backend_xmin), 0) THEN a.backend_xid ELSE a.backend_xmin END AS xid, "
			  " (age(a.backend_xid) >= coalesce(age(a.backend_xmin), 0)) IS TRUE AS writes, a.xact_start AS since "
			  " FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() "
			  " AND a.datname = current_database() AND a.backend_type NOT IN ('walsender', 'pg_zdm helper') "
			  " AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) "
			  " AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid) "
			  "UNION ALL SELECT 'r', CASE WHEN s.slot_type = 'logical' THEN format('subscriber \"%s\" (pid %s)', r.application_name, r.pid) "
			  " ELSE format('standby \"%s\", by hot_standby_feedback', r.application_name) END, r.backend_xmin, false, NULL "
			  " FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid "
			  " WHERE r.backend_xmin IS NOT NULL AND (s.slot_type IS DISTINCT FROM 'logical' OR s.database = current_database()) "
			  "UNION ALL SELECT 's', format('replication slot \"%s\"', s.slot_name) || CASE WHEN r.pid IS NULL THEN '' ELSE format(' of standby \"%s\", by hot_standby_feedback', r.application_name) END, s.xmin, false, NULL "
			  " FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid WHERE s.xmin IS NOT NULL "
			  "UNION ALL SELECT 'x', format('prepared transaction %L', gid), transaction, true, prepared "
			  " FROM pg_prepared_xacts WHERE database = current_database()"
			  ") h ORDER BY age(xid) DESC, writes DESC, since NULLS FIRST, name LIMIT 1") == 0)
		return false;
	*who = query_text(0, 1);
	*key = query_text(0, 2);
	return true;
}

static double
tree_size(Oid relid)
{
	(void) QUERY("SELECT coalesce(sum(pg_relation_size(t.relid)), pg_relation_size($1))::int8 "
				 "FROM pg_partition_tree($1) t", arg_oid(relid));
	return query_int8(0, 1);
}

static void
set_holder(StopsState *state, const char *key, double size)
{
	if (state->holder != NULL)
		pfree(state->holder);
	state->holder = MemoryContextStrdup(TopMemoryContext, key);
	state->holder_size = size;
}

/* Growth counts from when the present holder is first seen. */
static char *
look_growth(Look *look)
{
	StopsState *state = look->state;
	char	   *who = NULL;
	char	   *key = NULL;
	double		size;
	double		grown;
	double		percent;

	if (guc_max_growth < 0)
		return NULL;
	if (!read_holder(&who, &key))
		key = "";
	size = tree_size(look->migration->relid);
	if (state->holder == NULL || strcmp(state->holder, key) != 0)
		set_holder(state, key, size);
	grown = size - state->holder_size;
	percent = 100.0 * grown / Max(state->holder_size, 1.0);
	if (who == NULL || grown <= GROWTH_SLACK || !stops_beyond(percent, guc_max_growth, false, look->held))
		return NULL;
	return psprintf("%s, which holds the xmin horizon back: the table has grown by %.0f %% since (zdm.max_growth is %d; it goes on at %.1f)",
					who, percent, guc_max_growth, resume_at(guc_max_growth, false));
}

/* It cannot be cancelled, and what we write is more for it to do. */
static char *
look_wraparound_vacuum(Look *look)
{
	if (QUERY("SELECT p.pid, (p.relid)::regclass FROM pg_stat_progress_vacuum p "
			  "JOIN pg_stat_activity a ON a.pid = p.pid "
			  "WHERE a.query ~~ '%(to prevent wraparound)' AND p.datname = current_database() AND p.relid = ANY "
			  "(SELECT unnest(ARRAY[c.oid, c.reltoastrelid]) FROM pg_class c "
			  " WHERE c.oid = $1 OR c.oid = ANY (SELECT t.relid FROM pg_partition_tree($1) t)) LIMIT 1",
			  arg_oid(look->migration->relid)) == 0)
		return NULL;
	return psprintf("the autovacuum of %s (pid %d), to prevent wraparound", query_text(0, 2), query_int4(0, 1));
}

/*
 * Where VACUUM itself stops being considerate, we stop being in its way.  An age that
 * autovacuum lets a table come to anyway is low enough to go on, if the settings
 * are such that it is below the limit.
 */
static char *
look_wraparound(Look *look)
{
	if (QUERY("SELECT what, datname, age, most, enough FROM ("
			  "SELECT what, datname, age, most, greatest(($2 * most)::int8, CASE WHEN usual < most THEN usual ELSE 0 END) AS enough FROM ("
			  "SELECT 'transaction ids' AS what, datname, age(datfrozenxid)::int8 AS age, "
			  " (current_setting('vacuum_failsafe_age'))::int8 AS most, (current_setting('autovacuum_freeze_max_age'))::int8 AS usual FROM pg_database "
			  "UNION ALL SELECT 'multixacts', datname, mxid_age(datminmxid), "
			  " (current_setting('vacuum_multixact_failsafe_age'))::int8, (current_setting('autovacuum_multixact_freeze_max_age'))::int8 FROM pg_database"
			  ") r) l WHERE age > CASE WHEN $1 THEN enough ELSE most END ORDER BY age::float8 / greatest(most, 1) DESC LIMIT 1",
			  arg_bool(look->held), arg_float8(RESUME_AT)) == 0)
		return NULL;
	return psprintf("the wraparound of %s in database \"%s\", which is near: their age is " INT64_FORMAT
					" (the limit is " INT64_FORMAT "; it goes on at " INT64_FORMAT ")",
					query_text(0, 1), query_text(0, 2), query_int8(0, 3), query_int8(0, 4), query_int8(0, 5));
}

static const Stop stops[] = {
	{"batch_window", look_window},
	{"max_replica_lag", look_lag},
	{"max_replica_lag_size", look_lag_size},
	{"lost_slot", look_lost_slot},
	{"max_slot_wal", look_slot_wal},
	{"min_free_disk", look_disk},
	{"max_archive_backlog", look_archive},
	{"max_growth", look_growth},
	{"wraparound_vacuum", look_wraparound_vacuum},
	{"wraparound", look_wraparound},
	{"hold_when", NULL},		/* that is the user's code: see read_all() */
};

#define HOLD_WHEN (STOPS - 1)

StaticAssertDecl(lengthof(stops) == STOPS, "each stop has a place in StopsState");

/* One look at them all: which hold, and the first one's reason. */
typedef struct Round
{
	Look		look;
	bool		held[STOPS];
	int			asked;			/* the last */
	char	   *reason;
} Round;

static void
note_answer(Round *round, int stop, char *reason)
{
	round->held[stop] = reason != NULL;
	if (round->reason == NULL)
		round->reason = reason;
}

/* All are asked: each keeps what it has to. */
static void
ask_all(void *arg)
{
	Round	   *round = arg;
	QuerySession session;

	query_begin(&session);
	for (int i = 0; i < HOLD_WHEN; i++)
	{
		round->asked = i;
		round->look.held = round->look.state->held[i];
		note_answer(round, i, stops[i].look(&round->look));
	}
	query_end(&session);
}

/* What cannot be read, for whatever reason, holds too. */
static void
read_all(Round *round)
{
	ErrorData  *error;

	/* of those that come to be asked no more, what was so is so */
	memcpy(round->held, round->look.state->held, sizeof(round->held));
	if (!attempt_run(ask_all, round, ATTEMPT_UNDO, &error))
	{
		round->held[round->asked] = true;
		if (round->reason == NULL)
			round->reason = psprintf("a reading that cannot be had: %s", error->message);
	}
	else if (round->reason == NULL)
		note_answer(round, HOLD_WHEN, hold_when_look(round->look.migration));
}

static bool
must_read(const StopsState *state)
{
	return TimestampDifferenceExceeds(state->read, GetCurrentTimestamp(), READ_INTERVAL_MS) ||
		pgWalUsage.wal_bytes - state->wal_bytes > Max(state->headroom, 0) / 4 / guc_backfill_workers;
}

/* What another process has found out about the step. */
static void
take_over(StopsState *state, const Step *step)
{
	NotedHolds	noted = hold_load(step);
	ListCell   *lc;

	memset(state->held, 0, sizeof(state->held));
	foreach(lc, noted.names)
	{
		for (int i = 0; i < STOPS; i++)
		{
			if (strcmp(stops[i].name, lfirst(lc)) == 0)
				state->held[i] = true;
		}
	}
	if (noted.holder != NULL)
		set_holder(state, noted.holder, (double) noted.holder_size);
	state->step = step->number;
}

/* What is to be known without this process. */
static void
note_round(const StopsState *state, const Step *step)
{
	NotedHolds	now = {.holder = state->holder,.holder_size = (int64) state->holder_size};

	for (int i = 0; i < STOPS; i++)
	{
		if (state->held[i])
			now.names = lappend(now.names, unconstify(char *, stops[i].name));
	}
	hold_note(step, &now);
}

static void
look_anew(StopsState *state, const Migration *migration, const Step *step, bool worker)
{
	Round		round = {.look = {.migration = migration,.step = step,.state = state,.headroom = 1e18}};

	if (state->step != step->number)
		take_over(state, step);
	read_all(&round);
	/* a helper has started later than its worker, and seen less of what grows */
	if (!worker && round.reason == NULL && hold_load(step).names != NIL)
		round.reason = pstrdup("what the worker holds for");
	if (state->reason != NULL)
		pfree(state->reason);
	state->reason = round.reason ? MemoryContextStrdup(TopMemoryContext, round.reason) : NULL;
	memcpy(state->held, round.held, sizeof(state->held));
	state->read = GetCurrentTimestamp();
	state->wal_bytes = pgWalUsage.wal_bytes;
	state->headroom = round.look.headroom;
	if (worker)
		note_round(state, step);
}

const char *
stops_look(StopsState *state, const Migration *migration, const Step *step, bool worker)
{
	if (state->read == 0 || state->step != step->number || must_read(state))
		look_anew(state, migration, step, worker);
	return state->reason;
}
