/*-------------------------------------------------------------------------
 *
 * arrival.c
 *		Rows of zdm.arrival: rows of a table that did not go through its trigger.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/arrival.h"
#include "catalog/query.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

/* Which transactions have committed by now, whatever ours sees. */
static char *
snapshot_now(void)
{
	char	   *text;

	PushActiveSnapshot(GetLatestSnapshot());
	text = OidOutputFunctionCall(F_PG_SNAPSHOT_OUT, OidFunctionCall0(F_PG_CURRENT_SNAPSHOT));
	PopActiveSnapshot();
	return text;
}

/* This transaction, and the parts of it that may have written. */
static List *
own_transactions(void)
{
	TransactionId *children;
	int			count = xactGetCommittedChildren(&children);
	List	   *xids = list_make1_oid(GetTopTransactionId());

	xids = list_append_unique_oid(xids, GetCurrentTransactionId());
	for (int i = 0; i < count; i++)
		xids = lappend_oid(xids, children[i]);
	return xids;
}

void
arrival_note(int64 migration, List *leaves)
{
	QuerySession session;
	char	   *past = snapshot_now();
	ListCell   *lc;

	query_begin(&session);
	QUERY("INSERT INTO zdm.arrival (migration, relid, past, own) "
		  "SELECT $1, relid, $2::pg_snapshot, $3 FROM unnest($4) relid",
		  arg_int8(migration), arg_text(past), arg_oids(own_transactions()), arg_oids(leaves));
	query_end(&session);
	/* who has the pairs of a leaf at hand has them with its past */
	foreach(lc, leaves)
		CacheInvalidateRelcacheByRelid(lfirst_oid(lc));
}

List *
arrival_list(int64 migration)
{
	QuerySession session;
	List	   *arrivals = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT relid, max(number), max(unfilled) FROM ("
			  "SELECT relid, id AS number, 0 AS unfilled FROM zdm.arrival WHERE migration = $1 "
			  "UNION ALL SELECT relid, 0, count(*) FROM zdm.unfilled WHERE migration = $1 GROUP BY relid) a "
			  "GROUP BY relid",
			  arg_int8(migration));
	for (uint64 row = 0; row < n; row++)
	{
		Arrival    *arrival = palloc(sizeof(Arrival));

		arrival->leaf = query_oid(row, 1);
		arrival->number = query_int8(row, 2);
		arrival->unfilled = query_int8(row, 3);
		arrivals = lappend(arrivals, arrival);
	}
	query_end(&session);
	return arrivals;
}

Arrival
arrival_of(List *arrivals, Oid leaf)
{
	ListCell   *lc;

	foreach(lc, arrivals)
	{
		if (((Arrival *) lfirst(lc))->leaf == leaf)
			return *(Arrival *) lfirst(lc);
	}
	return (Arrival) {.leaf = leaf};
}
