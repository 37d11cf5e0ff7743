/*-------------------------------------------------------------------------
 *
 * start.c
 *		Starting workers, now or when the transaction commits.
 *
 * The calling session registers the worker itself, just after its commit, so
 * that work starts at once and without preloading.  Before the commit would be
 * too early (the worker could not see the row), and an error after it would
 * bring the server down, so nothing here raises one: a worker that cannot be
 * started is a warning, and the launcher or the next call tries again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/migration.h"
#include "core/claim.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/shmem.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "run/start.h"
#include "utils/memutils.h"

/* Migrations to start at commit; in TopTransactionContext. */
static List *wanted = NIL;

bool
start_worker(Oid database, int64 migration)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	StaticAssertStmt(sizeof(migration) <= BGW_EXTRALEN, "migration id must fit");
	memcpy(worker.bgw_extra, &migration, sizeof(migration));
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "pg_zdm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "zdm_worker_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "pg_zdm migration " INT64_FORMAT, migration);
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "pg_zdm worker");

	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/* Migrations that have work and no worker, as int64 *. */
static List *
find_orphans(void)
{
	List	   *orphans = NIL;
	ListCell   *lc;

	foreach(lc, migration_runnable())
	{
		int64	   *id = lfirst(lc);

		if (!claim_is_taken(CLAIM_MIGRATION, *id))
			orphans = lappend(orphans, id);
	}
	return orphans;
}

static int
count_free_slots(void)
{
	int			free = 0;

	for (int slot = 0; slot < guc_max_workers; slot++)
	{
		if (!claim_is_taken(CLAIM_SLOT, slot))
			free++;
	}
	return free;
}

bool
start_orphans(int64 *unstarted)
{
	int			slots;
	ListCell   *lc;

	*unstarted = 0;
	if (!guc_enabled)
		return true;

	/* no more than can work: hundreds may be waiting, and we come again each second */
	slots = count_free_slots();
	foreach(lc, find_orphans())
	{
		if (slots-- <= 0)
			return false;
		if (start_worker(MyDatabaseId, *(int64 *) lfirst(lc)))
			continue;
		*unstarted = *(int64 *) lfirst(lc);
		return false;
	}
	return true;
}

static void
start_xact_callback(XactEvent event, void *arg)
{
	ListCell   *lc;

	if (wanted == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (guc_enabled)
			{
				foreach(lc, wanted)
				{
					if (start_worker(MyDatabaseId, *(int64 *) lfirst(lc)))
						continue;
					shmem_request_look(MyDatabaseId);
					ereport(WARNING,
							(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
							 errmsg("no background worker slot is free: migration " INT64_FORMAT " waits",
									*(int64 *) lfirst(lc)),
							 errhint("You may need to increase max_worker_processes.")));
				}
			}
			wanted = NIL;
			break;
		case XACT_EVENT_PREPARE:
			/* its COMMIT PREPARED may come from anywhere: let the launcher look */
			shmem_request_look(MyDatabaseId);
			wanted = NIL;
			break;
		case XACT_EVENT_ABORT:
			wanted = NIL;
			break;
		default:
			break;
	}
}

void
start_at_commit(int64 migration)
{
	static bool registered = false;
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	int64	   *id = palloc(sizeof(int64));

	/* not at load: a session that starts nothing pays nothing at its commits */
	if (!registered)
		RegisterXactCallback(start_xact_callback, NULL);
	registered = true;
	*id = migration;
	wanted = lappend(wanted, id);
	MemoryContextSwitchTo(old);
}

void
start_orphans_at_commit(void)
{
	ListCell   *lc;

	if (shmem_available() || !guc_enabled)
		return;
	foreach(lc, find_orphans())
		start_at_commit(*(int64 *) lfirst(lc));
}
