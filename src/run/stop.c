/*-------------------------------------------------------------------------
 *
 * stop.c
 *		Having a worker leave off what it is doing.
 *
 * A worker looks at its migration between two steps, and a step can be an index
 * build of many hours.  So whoever pauses or reverts a migration cancels the
 * worker's statement as well; every step can be broken off at any point, and the
 * worker, looking again, finds what is wanted now.  The same goes for a backfill's
 * helpers: a batch of the user's own assignments can be as long.
 *
 * The worker is looked up before the commit and told after it: before would be
 * too early, as it would find nothing changed, and looking up needs memory,
 * which a transaction that has committed must not fail to get.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/migration.h"
#include "core/claim.h"
#include "core/extension.h"
#include "run/stop.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Whom to tell when this transaction commits; the lists are in TopTransactionContext. */
static struct
{
	List	   *steered;		/* int64 *: migrations */
	List	   *workers;		/* their processes, which are looked up before the commit */
}			at_commit;

/* A rolled back savepoint may have taken back what was wanted: look again. */
static bool
is_wanted(int64 id)
{
	Migration  *migration = migration_load(id, MIGRATION_READ);

	return migration != NULL && (migration->paused || migration->state == STATE_REVERTING);
}

static void
add_helpers(int64 id)
{
	ListCell   *lc;

	foreach(lc, claim_holders(CLAIM_HELPER))
	{
		ClaimHolder *holder = lfirst(lc);

		/* a number of another database says nothing: it is told by the holder of ours */
		if (claim_helped(holder->number) == id)
			at_commit.workers = lappend_int(at_commit.workers, claim_holder(CLAIM_HELPER, holder->number));
	}
}

static void
find_workers(void)
{
	MemoryContext old;
	ListCell   *lc;

	/* it can have been dropped in this very transaction */
	if (!extension_ready())
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, at_commit.steered)
	{
		int64		id = *(int64 *) lfirst(lc);

		if (is_wanted(id))
		{
			at_commit.workers = lappend_int(at_commit.workers, claim_holder(CLAIM_MIGRATION, id));
			add_helpers(id);
		}
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
}

static void
stop_xact_callback(XactEvent event, void *arg)
{
	ListCell   *lc;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (at_commit.steered != NIL)
				find_workers();
			break;
		case XACT_EVENT_COMMIT:
			foreach(lc, at_commit.workers)
				claim_interrupt(lfirst_int(lc));
			memset(&at_commit, 0, sizeof(at_commit));
			break;
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			memset(&at_commit, 0, sizeof(at_commit));
			break;
		default:
			break;
	}
}

void
stop_init(void)
{
	RegisterXactCallback(stop_xact_callback, NULL);
}

void
stop_at_commit(int64 migration)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	int64	   *id = palloc(sizeof(int64));

	*id = migration;
	at_commit.steered = lappend(at_commit.steered, id);
	MemoryContextSwitchTo(old);
}
