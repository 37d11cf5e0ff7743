/*-------------------------------------------------------------------------
 *
 * acl_hold.c
 *		Keeping GRANT and REVOKE out while privileges are copied.
 *
 * These take no lock on the table, so whoever copies its privileges, with whatever
 * lock, misses a REVOKE in a transaction that is open; and the REVOKE misses the
 * copy, which is not committed.  What they meet on is the row of the catalog that
 * the privileges stand in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/acl_hold.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/names.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

/* Whoever has written the row and is not at its end yet. */
static char *
writer(HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	int			pid = (header->t_infomask & HEAP_XMAX_IS_MULTI) != 0 ? 0 :
		BackendXidGetPid(HeapTupleHeaderGetRawXmax(header));

	return pid != 0 ? psprintf("process %d", pid) : pstrdup("another process");
}

/* Lock the rows that are found, of which all belong to the relation. */
static void
hold_rows(Oid relid, Oid catalog, Oid index, ScanKey keys, int nkeys)
{
	Relation	rel = table_open(catalog, RowShareLock);
	SysScanDesc scan = systable_beginscan(rel, index, true, NULL, nkeys, keys);
	HeapTuple	found;

	while (HeapTupleIsValid(found = systable_getnext(scan)))
	{
		HeapTupleData tuple = *found;
		TM_FailureData failure;
		Buffer		buffer;

		if (heap_lock_tuple(rel, &tuple, GetCurrentCommandId(false), LockTupleNoKeyExclusive,
							LockWaitSkip, false, &buffer, &failure) != TM_Ok)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("the privileges of %s are being changed by %s, in a transaction that is open",
							names_relation(relid), writer(&tuple))));
		ReleaseBuffer(buffer);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
}

void
acl_hold(Oid relid, AttrNumber attnum)
{
	ScanKeyData keys[2];

	CommandCounterIncrement();
	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, attnum == 0 ? BTGreaterStrategyNumber : BTEqualStrategyNumber,
				attnum == 0 ? F_INT2GT : F_INT2EQ, Int16GetDatum(attnum));
	hold_rows(relid, AttributeRelationId, AttributeRelidNumIndexId, keys, 2);
	if (attnum == 0)
	{
		ScanKeyInit(&keys[0], Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
		hold_rows(relid, RelationRelationId, ClassOidIndexId, keys, 1);
	}
	ZDM_DEBUG_POINT("privileges-held");
}
