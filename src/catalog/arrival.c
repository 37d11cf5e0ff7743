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

typedef Arrival Row;

static const RowTable arrivals =
ROW_TABLE("(SELECT relid AS leaf, max(number) AS number, max(unfilled) AS unfilled FROM ("
		  "SELECT relid, id AS number, 0 AS unfilled FROM zdm.arrival WHERE migration = $1 "
		  "UNION ALL SELECT relid, 0, count(*) FROM zdm.unfilled WHERE migration = $1 GROUP BY relid) a "
		  "GROUP BY relid) r", ARRIVAL_COLUMNS);

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
	char	   *past = snapshot_now();
	ListCell   *lc;

	QUERY_ONCE("INSERT INTO zdm.arrival (migration, relid, past, own) "
			   "SELECT $1, relid, $2::pg_snapshot, $3 FROM unnest($4) relid",
			   arg_int8(migration), arg_text(past), arg_oids(own_transactions()), arg_oids(leaves));
	/* who has the pairs of a leaf at hand has them with its past */
	foreach(lc, leaves)
		CacheInvalidateRelcacheByRelid(lfirst_oid(lc));
}

List *
arrival_list(int64 migration)
{
	return ROW_LIST(&arrivals, "", arg_int8(migration));
}

Arrival
arrival_of(List *list, Oid leaf)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		if (((Arrival *) lfirst(lc))->leaf == leaf)
			return *(Arrival *) lfirst(lc);
	}
	return (Arrival) {.leaf = leaf};
}
