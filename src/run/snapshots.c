/*-------------------------------------------------------------------------
 *
 * snapshots.c
 *		Waiting for old snapshots with no lock in hand.
 *
 * ALTER TABLE ... DETACH PARTITION ... FINALIZE takes ACCESS EXCLUSIVE on the
 * partition and then waits for every snapshot of the database that is not younger
 * than its own: for a report of an hour it keeps the partition's readers out for an
 * hour.  What it waits for is right, since a query that was planned before the
 * detaching was committed may be about to read the partition; but it need not be
 * waited for with the lock in hand.  So those that there are at a moment after that
 * commit are waited for before, and the statement is then run with a snapshot than
 * which nobody has an older one.  That is one whose xmin is put back: it sees the
 * same, as xmin only says from where on a transaction has to be looked up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/query.h"
#include "executor/spi.h"
#include "run/snapshots.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

bool
snapshots_gone(OldSnapshots *old, char **who)
{
	QuerySession session;
	List	   *waiting;
	MemoryContext caller;
	ListCell   *lc;

	/* a VACUUM reads by no snapshot of its own */
	query_begin(&session);
	QUERY("SELECT array_agg(l.virtualxid), string_agg(zdm.session_text(a.pid), ', ' ORDER BY a.pid) "
		  "FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid' "
		  "AND l.granted AND l.mode = 'ExclusiveLock' "
		  "WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid() "
		  "AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) "
		  "AND a.backend_type <> 'autovacuum worker' AND a.pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum) "
		  "AND (NOT $1 OR l.virtualxid = ANY ($2))",
		  arg_bool(old->known), arg_texts(old->waiting));
	waiting = query_texts(0, 1);
	*who = query_text(0, 2);
	query_end(&session);

	caller = MemoryContextSwitchTo(TopMemoryContext);
	list_free_deep(old->waiting);
	old->waiting = NIL;
	foreach(lc, waiting)
		old->waiting = lappend(old->waiting, pstrdup(lfirst(lc)));
	old->known = true;
	MemoryContextSwitchTo(caller);
	return waiting == NIL;
}

void
snapshots_forget(OldSnapshots *old)
{
	list_free_deep(old->waiting);
	old->waiting = NIL;
	old->known = false;
}

int
snapshots_execute(const char *sql)
{
	SPIPlanPtr	plan = SPI_prepare(sql, 0, NULL);
	Snapshot	snapshot;
	int			rc;

	if (plan == NULL)
		return SPI_result;
	PushCopiedSnapshot(GetTransactionSnapshot());
	snapshot = GetActiveSnapshot();
	snapshot->xmin = GetOldestNonRemovableTransactionId(NULL);
	TransactionIdRetreat(snapshot->xmin);
	rc = SPI_execute_snapshot(plan, NULL, NULL, snapshot, InvalidSnapshot, false, true, 0);
	PopActiveSnapshot();
	return rc;
}
