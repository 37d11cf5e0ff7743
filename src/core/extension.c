/*-------------------------------------------------------------------------
 *
 * extension.c
 *		Whether the extension is there, and acting as its owner.
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
#include "nodes/primnodes.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/xml.h"
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

void
extension_become(Oid role, ExtensionIdentity *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	saved->guc_nestlevel = NewGUCNestLevel();
	SetUserIdAndSecContext(role, saved->sec_context | SECURITY_RESTRICTED_OPERATION);
	extension_pin_reading();
}

/* Nothing is done for a setting that is right already: this is called often. */
void
extension_pin_reading(void)
{
	const struct
	{
		const char *name;
		const char *value;
		bool		right;
	}			settings[] = {
		{"standard_conforming_strings", "on", standard_conforming_strings},
		{"array_nulls", "on", Array_nulls},
		{"xmloption", "content", xmloption == XMLOPTION_CONTENT},
	};

	RestrictSearchPath();
	for (int i = 0; i < lengthof(settings); i++)
		if (!settings[i].right)
			(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
}

void
extension_pin_formats(void)
{
	static const char *const formats[][2] = {
		/* not its second half, by which dates are read: what users say is in theirs */
		{"DateStyle", "ISO"},
		{"IntervalStyle", "postgres"},
		{"extra_float_digits", "3"},
	};

	for (int i = 0; i < lengthof(formats); i++)
		(void) set_config_option(formats[i][0], formats[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

void
extension_restore(ExtensionIdentity *saved)
{
	AtEOXact_GUC(false, saved->guc_nestlevel);
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}
