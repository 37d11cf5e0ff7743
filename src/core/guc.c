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
#include "compat.h"

int			guc_backfill_workers = 1;
double		guc_batch_rest = 1.0;
int			guc_batch_time = 100;
int			guc_ddl_hold_timeout = 5000;
int			guc_ddl_lock_timeout = 2000;
bool		guc_enabled = true;
int			guc_guard = GUARD_REFUSE;
int			guc_guard_min_size = 8 * 1024 * 1024 / BLCKSZ;
int			guc_lock_wait = 50;
int			guc_max_replica_lag = 10000;
int			guc_max_slot_wal = 4096;
int			guc_max_wal_rate = 0;
int			guc_max_workers = 4;
int			guc_on_conflict = ON_CONFLICT_NEW;
bool		guc_reversible = true;

const char *const guc_migration_settings[] = {
	"zdm.backfill_workers",
	"zdm.batch_rest",
	"zdm.batch_time",
	"zdm.lock_wait",
	"zdm.max_replica_lag",
	"zdm.max_slot_wal",
	"zdm.max_wal_rate",
	"zdm.on_conflict",
	"zdm.reversible",
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
define_migration_settings(void)
{
	DefineCustomIntVariable("zdm.backfill_workers",
							"Sets the number of workers in parallel for one backfill.",
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
							100,
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
							60 * 1000,
							PGC_USERSET,
							GUC_UNIT_MS,
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

void
guc_init(void)
{
	define_guard_settings();
	define_migration_settings();
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
