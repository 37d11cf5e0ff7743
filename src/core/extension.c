/*-------------------------------------------------------------------------
 *
 * extension.c
 *		Whether the extension is there, and whose it is.
 *
 * The library can be loaded (preloaded, even) in a database that has no
 * extension, or one that is just being created: every hook asks here first.
 * The answer is one syscache look-up where there is none, which is why it is
 * not cached.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "core/errors.h"
#include "core/extension.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

#define EXTENSION_NAME "pg_zdm"

bool
extension_ready(void)
{
	if (IsBinaryUpgrade || creating_extension || !IsTransactionState())
		return false;
	if (!OidIsValid(get_namespace_oid("zdm", true)))
		return false;
	return OidIsValid(get_extension_oid(EXTENSION_NAME, true));
}

Oid
extension_owner(void)
{
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(EXTENSION_NAME));
	rel = table_open(ExtensionRelationId, AccessShareLock);
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist in this database", EXTENSION_NAME),
				 errhint("Run CREATE EXTENSION %s.", EXTENSION_NAME)));
	return owner;
}
