/*-------------------------------------------------------------------------
 *
 * lockers.c
 *		Whose transactions have locked the rows that a batch left out.
 *
 * A row says which transactions have it (xmax, or several in a multixact), and the
 * lock that every transaction has on its own id says which session that is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/transam.h"
#include "access/xact.h"
#include "backfill/cursor.h"
#include "backfill/lockers.h"
#include "catalog/pg_am.h"
#include "catalog/query.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/procarray.h"
#include "utils/rel.h"

#define MOST_BLOCKS 32
#define MOST_LOCKERS 10

static List *
add_transaction(List *xids, TransactionId xid)
{
	char	   *text;
	ListCell   *lc;

	if (!TransactionIdIsNormal(xid) || list_length(xids) >= MOST_LOCKERS ||
		TransactionIdIsCurrentTransactionId(xid) || !TransactionIdIsInProgress(xid))
		return xids;
	text = psprintf("%u", xid);
	foreach(lc, xids)
	{
		if (strcmp(lfirst(lc), text) == 0)
			return xids;
	}
	return lappend(xids, text);
}

static List *
add_lockers(List *xids, HeapTupleHeader tuple)
{
	MultiXactMember *members;
	int			count;

	if (tuple->t_infomask & HEAP_XMAX_INVALID)
		return xids;
	if (!(tuple->t_infomask & HEAP_XMAX_IS_MULTI))
		return add_transaction(xids, HeapTupleHeaderGetRawXmax(tuple));
	if (HEAP_LOCKED_UPGRADED(tuple->t_infomask))
		return xids;
	count = GetMultiXactIdMembers(HeapTupleHeaderGetRawXmax(tuple), &members, false,
								  HEAP_XMAX_IS_LOCKED_ONLY(tuple->t_infomask));
	for (int i = 0; i < count; i++)
		xids = add_transaction(xids, members[i].xid);
	return xids;
}

static List *
add_lockers_of_block(List *xids, Relation rel, BlockNumber block)
{
	Buffer		buffer = ReadBuffer(rel, block);
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	for (OffsetNumber i = FirstOffsetNumber; i <= PageGetMaxOffsetNumber(page); i++)
	{
		ItemId		item = PageGetItemId(page, i);

		if (ItemIdIsNormal(item))
			xids = add_lockers(xids, (HeapTupleHeader) PageGetItem(page, item));
	}
	UnlockReleaseBuffer(buffer);
	return xids;
}

static char *
describe(List *xids)
{
	QuerySession session;
	char	   *who;

	query_begin(&session);
	QUERY("SELECT string_agg(who, ', ' ORDER BY who) FROM (SELECT DISTINCT coalesce(zdm.session_text(pid), 'a prepared transaction') AS who "
		  "FROM pg_locks WHERE locktype = 'transactionid' AND granted AND mode = 'ExclusiveLock' AND transactionid::text = ANY ($1)) h",
		  arg_texts(xids));
	who = query_text(0, 1);
	query_end(&session);
	return who;
}

char *
lockers_describe(Relation rel, List *ranges)
{
	List	   *xids = NIL;
	int			blocks = 0;
	ListCell   *lc;

	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		return NULL;
	foreach(lc, ranges)
	{
		BlockRange *range = lfirst(lc);
		int64		end = Min(range->end, RelationGetNumberOfBlocks(rel));

		for (int64 block = range->begin; block < end && blocks < MOST_BLOCKS; block++, blocks++)
			xids = add_lockers_of_block(xids, rel, (BlockNumber) block);
	}
	return xids != NIL ? describe(xids) : NULL;
}
