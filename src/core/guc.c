/*-------------------------------------------------------------------------
 *
 * guc.c
 *		The settings of DESIGN section 3.
 *
 * The definitions are grouped by who reads them: the guard, a migration, the
 * cluster.  None of them looks at a catalog, since a setting can be read
 * outside any transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <limits.h>

#include "core/guc.h"
#include "core/window.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "compat.h"

int			guc_backfill_workers = 1;
double		guc_batch_rest = 1.0;
int			guc_batch_time = 5;
char	   *guc_batch_window = NULL;
int			guc_ddl_hold_timeout = 5000;
int			guc_ddl_lock_timeout = 2000;
bool		guc_enabled = true;
int			guc_guard = GUARD_REFUSE;
int			guc_guard_min_size = 8 * 1024 * 1024 / BLCKSZ;
char	   *guc_hold_when = NULL;
int			guc_lock_wait = 50;
int			guc_target = ZDM_MAJOR;
int			guc_max_archive_backlog = 4096;
int			guc_max_growth = 25;
int			guc_max_replica_lag = 10000;
int			guc_max_replica_lag_size = 1024;
int			guc_max_slot_wal = 4096;
int			guc_max_wal_rate = 0;
int			guc_max_workers = 4;
int			guc_min_free_disk = 2048;
char	   *guc_not_before = NULL;
int			guc_on_conflict = ON_CONFLICT_NEW;
bool		guc_reversible = true;
int			guc_window_lock_wait = 0;

const char *const guc_migration_settings[] = {
	"zdm.backfill_workers",
	"zdm.batch_rest",
	"zdm.batch_time",
	"zdm.batch_window",
	"zdm.hold_when",
	"zdm.lock_wait",
	"zdm.max_archive_backlog",
	"zdm.max_growth",
	"zdm.max_replica_lag",
	"zdm.max_replica_lag_size",
	"zdm.max_slot_wal",
	"zdm.max_wal_rate",
	"zdm.min_free_disk",
	"zdm.not_before",
	"zdm.on_conflict",
	"zdm.reversible",
	"zdm.window_lock_wait",
	NULL
};

static const struct config_enum_entry guard_options[] = {
	{"off", GUARD_OFF, false},
	{"warn", GUARD_WARN, false},
	{"refuse", GUARD_REFUSE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry on_conflict_options[] = {
	{"new", ON_CONFLICT_NEW, false},
	{"old", ON_CONFLICT_OLD, false},
	{"error", ON_CONFLICT_ERROR, false},
	{NULL, 0, false}
};

static void
define_guard_settings(void)
{
	DefineCustomIntVariable("zdm.ddl_hold_timeout",
							"Cancels a transaction whose DDL has held a lock that blocks readers or writers for longer than this.",
							"Zero turns it off.",
							&guc_ddl_hold_timeout,
							5000,
							0,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.ddl_lock_timeout",
							"Sets the lock timeout of guarded DDL when the session has none.",
							"Zero leaves lock_timeout alone.",
							&guc_ddl_lock_timeout,
							2000,
							0,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);
	DefineCustomEnumVariable("zdm.guard",
							 "Sets what happens to DDL that would hurt a live database.",
							 NULL,
							 &guc_guard,
							 GUARD_REFUSE,
							 guard_options,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
	DefineCustomIntVariable("zdm.guard_min_size",
							"Sets the table size below which the guard lets O(n) work through.",
							NULL,
							&guc_guard_min_size,
							8 * 1024 * 1024 / BLCKSZ,
							0,
							INT_MAX,
							PGC_SUSET,
							GUC_UNIT_BLOCKS,
							NULL,
							NULL,
							NULL);
}

static void
define_sync_settings(void)
{
	DefineCustomEnumVariable("zdm.on_conflict",
							 "Sets which side wins when a statement sets both columns of a pair to values that do not agree.",
							 NULL,
							 &guc_on_conflict,
							 ON_CONFLICT_NEW,
							 on_conflict_options,
							 PGC_USERSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
	DefineCustomBoolVariable("zdm.reversible",
							 "Keeps the old side in step, so that a migration can be reverted.",
							 NULL,
							 &guc_reversible,
							 true,
							 PGC_USERSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

static void
define_batch_settings(void)
{
	DefineCustomIntVariable("zdm.backfill_workers",
							"Sets the number of workers in parallel for one backfill, or one copy of a table.",
							NULL,
							&guc_backfill_workers,
							1,
							1,
							64,
							PGC_USERSET,
							0,
							NULL,
							NULL,
							NULL);
	DefineCustomRealVariable("zdm.batch_rest",
							 "Sets the rest after a backfill batch, as a multiple of the time it took.",
							 NULL,
							 &guc_batch_rest,
							 1.0,
							 0.0,
							 1000.0,
							 PGC_USERSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
	DefineCustomIntVariable("zdm.batch_time",
							"Sets the time that one backfill batch aims at.",
							NULL,
							&guc_batch_time,
							5,
							1,
							60 * 1000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.lock_wait",
							"Sets the longest that a worker's lock request may stand in a queue.",
							NULL,
							&guc_lock_wait,
							50,
							1,
							60 * 60 * 1000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.max_wal_rate",
							"Limits the WAL that a backfill may write each second.",
							"Zero means no limit.",
							&guc_max_wal_rate,
							0,
							0,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_BYTE,
							NULL,
							NULL,
							NULL);
}

static bool
check_batch_window(char **value, void **extra, GucSource source)
{
	char	   *complaint = window_complaint(*value);

	if (complaint == NULL)
		return true;
	GUC_check_errdetail("%s", complaint);
	return false;
}

/* When a migration may go on. */
static void
define_time_settings(void)
{
	DefineCustomStringVariable("zdm.batch_window",
							   "Sets the times of day at which backfill batches may run.",
							   "Empty means always.",
							   &guc_batch_window,
							   "",
							   PGC_USERSET,
							   0,
							   check_batch_window,
							   NULL,
							   NULL);
	DefineCustomStringVariable("zdm.hold_when",
							   "Holds a backfill while this query gives true, NULL, no row or an error.",
							   "Empty means no query.",
							   &guc_hold_when,
							   "",
							   PGC_USERSET,
							   0,
							   NULL,
							   NULL,
							   NULL);
	DefineCustomStringVariable("zdm.not_before",
							   "Sets a time before which the migration does not cut over or contract.",
							   "Empty means at once.",
							   &guc_not_before,
							   "",
							   PGC_USERSET,
							   0,
							   NULL,
							   NULL,
							   NULL);
	DefineCustomIntVariable("zdm.window_lock_wait",
							"Takes the place of zdm.lock_wait while a window of zdm.batch_window is open.",
							"Zero means that it does not.",
							&guc_window_lock_wait,
							0,
							0,
							60 * 60 * 1000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);
}

/* What holds a backfill. */
static void
define_stop_settings(void)
{
	DefineCustomIntVariable("zdm.max_archive_backlog",
							"Holds a backfill while more WAL than this waits for the archiver, or while it fails.",
							"Zero turns it off.",
							&guc_max_archive_backlog,
							4096,
							0,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_MB,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.max_growth",
							"Sets by how many percent the table may grow while something holds the xmin horizon back.",
							"-1 means no limit.",
							&guc_max_growth,
							25,
							-1,
							INT_MAX,
							PGC_USERSET,
							0,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.max_replica_lag",
							"Holds a backfill while a streaming standby replays later than this.",
							NULL,
							&guc_max_replica_lag,
							10 * 1000,
							0,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.max_replica_lag_size",
							"Holds a backfill while a standby or subscriber has more WAL than this to confirm.",
							"-1 means no limit.",
							&guc_max_replica_lag_size,
							1024,
							-1,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_MB,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.max_slot_wal",
							"Holds a backfill while a replication slot keeps back more WAL than this.",
							NULL,
							&guc_max_slot_wal,
							4096,
							0,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_MB,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("zdm.min_free_disk",
							"Holds a backfill while a file system has less than this beside what is still to be written.",
							"Zero turns it off.",
							&guc_min_free_disk,
							2048,
							0,
							INT_MAX,
							PGC_USERSET,
							GUC_UNIT_MB,
							NULL,
							NULL,
							NULL);
}

static void
define_cluster_settings(void)
{
	DefineCustomBoolVariable("zdm.enabled",
							 "Lets workers run; when off, each stops at its next safe point.",
							 NULL,
							 &guc_enabled,
							 true,
							 PGC_SIGHUP,
							 0,
							 NULL,
							 NULL,
							 NULL);
	DefineCustomIntVariable("zdm.max_workers",
							"Sets the number of migrations worked on at once in the cluster.",
							NULL,
							&guc_max_workers,
							4,
							1,
							64,
							PGC_SIGHUP,
							0,
							NULL,
							NULL,
							NULL);
}

void
guc_bound_lock_waits(void)
{
	char		limit[32];

	snprintf(limit, sizeof(limit), "%d", guc_lock_wait);
	(void) set_config_option("lock_timeout", limit, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Nobody's to see or set: core/target.h. */
static void
define_target(void)
{
	DefineCustomIntVariable("zdm.target",
							"Shows the major version that statements are made for.",
							NULL,
							&guc_target,
							ZDM_MAJOR,
							0,
							INT_MAX,
							PGC_INTERNAL,
							GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							NULL,
							NULL,
							NULL);
}

void
guc_init(void)
{
	define_target();
	define_guard_settings();
	define_sync_settings();
	define_batch_settings();
	define_time_settings();
	define_stop_settings();
	define_cluster_settings();
	MarkGUCPrefixReserved("zdm");
}

const char *
guc_migration_setting(const char *name)
{
	if (pg_strncasecmp(name, "zdm.", 4) == 0)
		name += 4;
	for (int i = 0; guc_migration_settings[i] != NULL; i++)
	{
		if (pg_strcasecmp(guc_migration_settings[i] + 4, name) == 0)
			return guc_migration_settings[i];
	}
	return NULL;
}

TimestampTz
guc_time(const char *value)
{
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
												   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

const char *
guc_settle(const char *name, const char *value)
{
	if (strcmp(name, "zdm.batch_window") == 0)
		return window_with_zone(value);
	if (strcmp(name, "zdm.not_before") == 0 && value[0] != '\0')
		return pstrdup(timestamptz_to_str(guc_time(value)));
	return value;
}
