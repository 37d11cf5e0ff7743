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
#include "core/extension.h"
#include "core/guc.h"
#include "core/shmem.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "run/places.h"
#include "run/start.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* What is to be started when this transaction commits; the lists are in TopTransactionContext. */
static struct
{
	List	   *wanted;			/* int64 *: migrations */
	List	   *chosen;			/* RunnableMigration *: those of them for which there is a place */
	int			left_waiting;	/* and how many there are beside them */
	bool		quiet;			/* nothing is to be said of those that cannot be started */
}			at_commit;

static bool
is_wanted(int64 id)
{
	ListCell   *lc;

	foreach(lc, at_commit.wanted)
	{
		if (*(int64 *) lfirst(lc) == id)
			return true;
	}
	return false;
}

static bool
start_process(Oid database, int64 migration, int helper)
{
	BackgroundWorker worker;
	WorkerArgs	args = {.migration = migration,.helper = helper};

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	StaticAssertStmt(sizeof(args) <= BGW_EXTRALEN, "arguments must fit");
	memcpy(worker.bgw_extra, &args, sizeof(args));
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "pg_zdm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "zdm_worker_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "pg_zdm migration " INT64_FORMAT, migration);
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), helper > 0 ? "pg_zdm helper" : "pg_zdm worker");

	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

bool
start_worker(Oid database, int64 migration)
{
	return start_process(database, migration, 0);
}

void
start_helpers(int64 migration, int helpers)
{
	List	   *holders = claim_holders(CLAIM_HELPER);
	int			room = Min(guc_max_workers - list_length(holders), places_spare_processes());

	for (int helper = 1; helper <= helpers && room > 0; helper++)
	{
		int64		number = claim_helper_number(migration, helper);

		/* the same number in another database costs a second look */
		if (claim_among(holders, number) && claim_is_taken(CLAIM_HELPER, number))
			continue;
		if (!start_process(MyDatabaseId, migration, helper))
			break;
		room--;
	}
}

/* Migrations that have work and no worker, as RunnableMigration *. */
static List *
find_orphans(void)
{
	List	   *orphans = NIL;
	List	   *holders = claim_holders(CLAIM_MIGRATION);
	ListCell   *lc;

	foreach(lc, migration_runnable())
	{
		RunnableMigration *runnable = lfirst(lc);

		/* the same number in another database costs a second look */
		if (!claim_among(holders, runnable->id) || !claim_is_taken(CLAIM_MIGRATION, runnable->id))
			orphans = lappend(orphans, runnable);
	}
	return orphans;
}

bool
start_orphans(int64 *unstarted)
{
	Places		places;
	bool		all = true;
	ListCell   *lc;

	*unstarted = 0;
	if (!guc_enabled)
		return true;

	/* no more than can work: hundreds may be waiting, and we come again each second */
	places_look(&places);
	foreach(lc, find_orphans())
	{
		RunnableMigration *orphan = lfirst(lc);

		if (!places_has_room(&places, orphan->owner, orphan->urgent))
		{
			all = false;
			continue;
		}
		places_add(&places, orphan->owner);
		if (start_worker(MyDatabaseId, orphan->id))
			continue;
		*unstarted = orphan->id;
		return false;
	}
	return all;
}

/*
 * Of what this transaction wants started, that which is still there (a savepoint
 * may have been rolled back, the extension dropped), as far as there are places.
 * Before the commit, as a look needs memory, which must not be wanting after it.
 */
static void
choose(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Places		places;
	ListCell   *lc;

	places_look(&places);
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, extension_ready() ? migration_runnable() : NIL)
	{
		RunnableMigration *runnable = lfirst(lc);

		if (!is_wanted(runnable->id))
			continue;
		if (places_has_room(&places, runnable->owner, runnable->urgent))
		{
			places_add(&places, runnable->owner);
			at_commit.chosen = lappend(at_commit.chosen, runnable);
		}
		else
			at_commit.left_waiting++;
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
}

/* What has been chosen, now that it is committed; the rest is the launcher's to start. */
static void
start_chosen(void)
{
	int			unstarted = 0;
	ListCell   *lc;

	foreach(lc, at_commit.chosen)
	{
		if (!start_worker(MyDatabaseId, ((RunnableMigration *) lfirst(lc))->id))
			unstarted++;
	}
	if (unstarted + at_commit.left_waiting > 0)
		shmem_request_look(MyDatabaseId);
	if (unstarted > 0 && !at_commit.quiet)
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg_plural("no background worker slot is free: %d migration waits",
							   "no background worker slot is free: %d migrations wait",
							   unstarted, unstarted),
				 errhint("You may need to increase max_worker_processes.")));
	if (at_commit.left_waiting > 0 && !at_commit.quiet)
		ereport(NOTICE,
				(errmsg_plural("%d migration waits for a free worker",
							   "%d migrations wait for a free worker",
							   at_commit.left_waiting, at_commit.left_waiting),
				 errdetail("zdm.max_workers is %d: so many are worked on at once, and the others as they come to their end.",
						   guc_max_workers)));
}

static void
forget(void)
{
	memset(&at_commit, 0, sizeof(at_commit));
}

static void
start_xact_callback(XactEvent event, void *arg)
{
	if (at_commit.wanted == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (guc_enabled)
				choose();
			break;
		case XACT_EVENT_COMMIT:
			start_chosen();
			forget();
			break;
		case XACT_EVENT_PREPARE:
			/* its COMMIT PREPARED may come from anywhere: let the launcher look */
			shmem_request_look(MyDatabaseId);
			forget();
			break;
		case XACT_EVENT_ABORT:
			forget();
			break;
		default:
			break;
	}
}

void
start_init(void)
{
	RegisterXactCallback(start_xact_callback, NULL);
}

void
start_at_commit(int64 migration)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	int64	   *id = palloc(sizeof(int64));

	*id = migration;
	at_commit.wanted = lappend(at_commit.wanted, id);
	MemoryContextSwitchTo(old);
}

void
start_orphans_at_commit(bool say)
{
	ListCell   *lc;

	if (shmem_available() || !guc_enabled)
		return;
	at_commit.quiet = !say;
	foreach(lc, find_orphans())
		start_at_commit(((RunnableMigration *) lfirst(lc))->id);
}
