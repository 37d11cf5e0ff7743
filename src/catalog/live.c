/*-------------------------------------------------------------------------
 *
 * live.c
 *		Whether there is a migration that DDL may have to do with.
 *
 * All DDL comes by here, and most of it has to do with none.  So that is looked up
 * first, by the index of those that are live alone, and its lock is released at once:
 * a query would leave one on zdm.migration to the end of the transaction, for whoever
 * lists his locks, or is in the way of an update of the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/live.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The index with a condition: it has those that are live.  InvalidOid without one. */
static Oid
index_of_live(Relation table)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(table))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		bool		found = !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);

		index_close(index, AccessShareLock);
		if (found)
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

/*
 * For InvalidOid, of any table.  What is decided here is decided under locks taken
 * since the transaction's snapshot: so it is seen as it is now, as a catalog is.
 */
static bool
has_live(Oid relid)
{
	Relation	table = table_open(get_relname_relid("migration", get_namespace_oid("zdm", false)),
								   AccessShareLock);
	Oid			index = index_of_live(table);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, get_attnum(RelationGetRelid(table), "relid"), BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(table, index, OidIsValid(index), NULL, OidIsValid(relid) ? 1 : 0, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return found;
}

bool
live_any(void)
{
	return has_live(InvalidOid);
}

bool
live_on(Oid relid)
{
	return OidIsValid(relid) && has_live(relid);
}
