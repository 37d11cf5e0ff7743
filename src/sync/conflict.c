/*-------------------------------------------------------------------------
 *
 * conflict.c
 *		Counting the rows in which a statement's two values did not agree.
 *
 * One of the two is lost, so somebody must be able to see that it happens, how
 * often, and who does it.  Kept in memory until the transaction commits, and
 * added then to a row of zdm.conflict that nobody else has: the lock on it is acquired
 * for the end of the transaction only, and there are never more rows than
 * sessions that commit at one time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/query.h"
#include "miscadmin.h"
#include "sync/conflict.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct ConflictCount
{
	int64		migration;
	int64		rows;
	Oid			role;
	int			level;			/* of the subtransaction that it was in */
} ConflictCount;

/* ConflictCount *, in TopTransactionContext. */
static List *counts = NIL;

void
conflict_count(int64 migration)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	ConflictCount *count = NULL;
	ListCell   *lc;

	foreach(lc, counts)
	{
		ConflictCount *known = lfirst(lc);

		if (known->migration == migration && known->role == GetUserId() &&
			known->level == GetCurrentTransactionNestLevel())
			count = known;
	}
	if (count == NULL)
	{
		count = palloc0(sizeof(ConflictCount));
		count->migration = migration;
		count->role = GetUserId();
		count->level = GetCurrentTransactionNestLevel();
		counts = lappend(counts, count);
	}
	count->rows++;
	MemoryContextSwitchTo(caller);
}

/* A row that is free, if one may be sought: a newer one is no serialization failure of the writer's. */
static void
write_count(const ConflictCount *count)
{
	const char *application = GetConfigOption("application_name", true, false);
	char	   *role = GetUserNameFromId(count->role, true);

	if (!IsolationUsesXactSnapshot() &&
		QUERY("UPDATE zdm.conflict SET rows = rows + $2, last = clock_timestamp(), role = $3, application = $4 "
			  "WHERE ctid = (SELECT ctid FROM zdm.conflict WHERE migration = $1 LIMIT 1 FOR UPDATE SKIP LOCKED)",
			  arg_int8(count->migration), arg_int8(count->rows), arg_text(role), arg_text(application)) > 0)
		return;
	QUERY("INSERT INTO zdm.conflict (migration, rows, role, application) VALUES ($1, $2, $3, $4)",
		  arg_int8(count->migration), arg_int8(count->rows), arg_text(role), arg_text(application));
}

static void
write_counts(void)
{
	QuerySession session;
	ListCell   *lc;

	PushActiveSnapshot(GetTransactionSnapshot());
	query_begin(&session);
	foreach(lc, counts)
		write_count(lfirst(lc));
	query_end(&session);
	PopActiveSnapshot();
	counts = NIL;
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	if (counts == NIL)
		return;
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		write_counts();
	else if (event == XACT_EVENT_ABORT)
		counts = NIL;
}

static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	ListCell   *lc;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	foreach(lc, counts)
	{
		ConflictCount *count = lfirst(lc);

		if (count->level < level)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			count->level = level - 1;
		else
			counts = foreach_delete_current(counts, lc);
	}
}

void
conflict_init(void)
{
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterSubXactCallback(end_of_subtransaction, NULL);
}
