/*-------------------------------------------------------------------------
 *
 * facts_migration.c
 *		Which migrations are at work on a table, and what they use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_trigger.h"
#include "catalog/query.h"
#include "core/trigger_name.h"
#include "facts/facts_migration.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

bool
facts_any_migration(void)
{
	QuerySession session;
	bool		any;

	query_begin(&session);
	any = QUERY("SELECT 1 FROM zdm.migration WHERE state NOT IN ('completed', 'reverted') LIMIT 1") > 0;
	query_end(&session);
	return any;
}

/* Whoever may not know of the migration gets what PostgreSQL says of the table. */
static List *
visible_ones(List *migrations)
{
	List	   *visible = NIL;
	ListCell   *lc;

	foreach(lc, migrations)
	{
		if (migration_is_visible(lfirst(lc)))
			visible = lappend(visible, lfirst(lc));
	}
	return visible;
}

List *
facts_migrations(Oid relid)
{
	return visible_ones(migration_live_on(relid));
}

List *
facts_migrations_above(Oid relid)
{
	List	   *migrations = facts_migrations(relid);
	ListCell   *lc;

	foreach(lc, get_rel_relispartition(relid) ? get_partition_ancestors(relid) : NIL)
		migrations = list_concat(migrations, facts_migrations(lfirst_oid(lc)));
	return migrations;
}

List *
facts_migrations_of_columns(Oid relid)
{
	List	   *migrations = NIL;
	ListCell   *lc;

	foreach(lc, facts_migrations_above(relid))
	{
		QuerySession session;

		query_begin(&session);
		if (QUERY("SELECT 1 FROM zdm.pair WHERE migration = $1 AND new_attnum IS NOT NULL LIMIT 1",
				  arg_int8(((Migration *) lfirst(lc))->id)) > 0)
			migrations = lappend(migrations, lfirst(lc));
		query_end(&session);
	}
	return migrations;
}

List *
facts_migrations_naming(Oid relid, const char *name)
{
	return visible_ones(migration_naming(relid, name));
}

/* The table of a trigger that keeps columns in step; InvalidOid for any other trigger. */
static Oid
synced_table(Oid trigger)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
		char	   *ours = trigger_name_find(form->tgrelid);

		if (ours != NULL && strcmp(ours, NameStr(form->tgname)) == 0)
			relid = form->tgrelid;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relid;
}

List *
facts_synced_with(Oid classid, Oid objid)
{
	Relation	catalog = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *relids = NIL;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(classid));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(objid));
	scan = systable_beginscan(catalog, DependReferenceIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		Oid			relid = form->classid == TriggerRelationId ? synced_table(form->objid) : InvalidOid;

		if (OidIsValid(relid))
			relids = list_append_unique_oid(relids, relid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relids;
}
