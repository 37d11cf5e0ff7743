/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The process that sees to it that every unfinished migration has a worker.
 *
 * A process can be connected to one database only, so the launcher, which is
 * connected to none, starts a short-lived dispatcher in each database that may
 * have something to do: all of them when it starts (after a restart, a crash or
 * a promotion), later those that asked for it through core/shmem.  Workers ask
 * when they exit, whatever the reason, so a terminated one is replaced within
 * seconds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/migration.h"
#include "catalog/pg_database.h"
#include "core/claim.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/guc.h"
#include "core/shmem.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "run/launcher.h"
#include "run/start.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "compat.h"

/* A database is not looked at more often than this: a worker that dies at once must not spin. */
#define LOOK_INTERVAL_MS 1000

/* The longest that a dispatcher may wait for a lock; the launcher waits for it. */
#define LOCK_TIMEOUT_MS 2000

void
launcher_init(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "pg_zdm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "zdm_launcher_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pg_zdm launcher");
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "pg_zdm launcher");
	RegisterBackgroundWorker(&worker);
}

/* The databases that can be connected to, in "context". */
static List *
list_databases(MemoryContext context)
{
	List	   *databases = NIL;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!database->datallowconn || database->datconnlimit == -2)
			continue;
		old = MemoryContextSwitchTo(context);
		databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return databases;
}

/*
 * Run a dispatcher in one database to its end.  False if no slot was free.
 * One at a time: a cluster of a thousand databases is looked at in turn, and
 * takes one worker slot.
 */
static bool
run_dispatcher(Oid database)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	Oid			left_database;
	int64		left_migration;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "pg_zdm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "zdm_dispatcher_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pg_zdm dispatcher");
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "pg_zdm dispatcher");

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		return false;
	(void) WaitForBackgroundWorkerShutdown(handle);
	pfree(handle);

	/* the dispatcher may have taken the last free process itself */
	if (shmem_take_left(&left_database, &left_migration))
		(void) start_worker(left_database, left_migration);
	return true;
}

/*
 * Look at every database that asked, or at all when requests were lost.  False
 * if none had.
 */
static bool
serve_requests(MemoryContext scratch)
{
	List	   *databases = NIL;
	Oid			database;
	bool		all;
	bool		lost = false;
	ListCell   *lc;

	while (shmem_next_request(&database, &all))
	{
		databases = list_append_unique_oid(databases, database);
		lost |= all;
	}
	if (lost)
		databases = list_concat_unique_oid(databases, list_databases(scratch));

	foreach(lc, databases)
	{
		CHECK_FOR_INTERRUPTS();
		if (!run_dispatcher(lfirst_oid(lc)))
			shmem_request_look(lfirst_oid(lc));
	}
	return databases != NIL;
}

/* Wait to be woken; with a time, wait that long whatever wakes us. */
static void
rest(long milliseconds)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds);
	long		left = milliseconds;

	do
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (left > 0 ? WL_TIMEOUT : 0), left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
	} while (milliseconds > 0 && left > 0 && !ConfigReloadPending);
}

void
zdm_launcher_main(Datum arg)
{
	MemoryContext scratch;
	ListCell   *lc;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	/* a change of the settings that came before the handler was there is not told again */
	ConfigReloadPending = true;
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	shmem_register_launcher();
	pgstat_report_activity(STATE_IDLE, NULL);

	scratch = AllocSetContextCreate(TopMemoryContext, "zdm launcher", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	foreach(lc, list_databases(scratch))
		shmem_request_look(lfirst_oid(lc));

	for (;;)
	{
		bool		was_enabled = guc_enabled;
		bool		served;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			/* zdm.enabled is on again: all of them have been waiting */
			if (guc_enabled && !was_enabled)
			{
				foreach(lc, list_databases(scratch))
					shmem_request_look(lfirst_oid(lc));
			}
			/* off: a worker in an index build would look at the setting hours later */
			if (!guc_enabled && was_enabled)
			{
				claim_interrupt_all(CLAIM_MIGRATION);
				claim_interrupt_all(CLAIM_HELPER);
			}
		}
		served = guc_enabled && serve_requests(scratch);
		MemoryContextSwitchTo(scratch);
		MemoryContextReset(scratch);
		rest(served ? LOOK_INTERVAL_MS : 0);
	}
}

/* A dispatcher that did not come to its end has another one try. */
static void
ask_again(int code, Datum arg)
{
	if (code != 0)
		shmem_request_look(MyDatabaseId);
}

void
zdm_dispatcher_main(Datum arg)
{
	int64		unstarted;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);
	/* ALTER DATABASE ... SET role is its owner's to run, and is not for us */
	SetConfigOption("role", "none", PGC_SUSET, PGC_S_SESSION);
	before_shmem_exit(ask_again, (Datum) 0);

	/* a lock on one database's tables must not keep the launcher from the others */
	SetConfigOption("lock_timeout", psprintf("%d", LOCK_TIMEOUT_MS), PGC_SUSET, PGC_S_SESSION);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (extension_ready())
	{
		bool		all = start_orphans(&unstarted);

		if (unstarted != 0)
			shmem_leave_behind(MyDatabaseId, unstarted);
		/* come again while one waits for a slot, or for COMMIT PREPARED */
		if (!all || migration_in_prepared_transaction())
			shmem_request_look(MyDatabaseId);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
}
