/*-------------------------------------------------------------------------
 *
 * facts_classes.c
 *		All relations that have something in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "facts/facts_catalog.h"
#include "miscadmin.h"

static List *
scan_classes(Facts *facts, bool (*wanted) (Form_pg_class form, Oid arg, char kind),
			 Oid arg, char kind)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	List	   *relids = NIL;
	List	   *found = NIL;
	HeapTuple	tuple;
	ListCell   *lc;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (wanted(form, arg, kind))
			relids = lappend_oid(relids, form->oid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	foreach(lc, relids)
	{
		FactRelation *rel = facts_by_oid(facts, lfirst_oid(lc));

		if (rel != NULL)
			found = lappend(found, rel);
	}
	return found;
}

static bool
in_tablespace(Form_pg_class form, Oid tablespace, char kind)
{
	Oid			theirs = OidIsValid(form->reltablespace) ? form->reltablespace : MyDatabaseTableSpace;

	return form->relkind == kind && theirs == tablespace &&
		form->oid >= FirstNormalObjectId;
}

List *
facts_in_tablespace(Facts *facts, Oid tablespace, char kind)
{
	return scan_classes(facts, in_tablespace, tablespace, kind);
}

static bool
is_owned_by(Form_pg_class form, Oid role, char kind)
{
	return form->relowner == role && form->oid >= FirstNormalObjectId;
}

List *
facts_owned_by(Facts *facts, Oid role)
{
	return scan_classes(facts, is_owned_by, role, '\0');
}

static bool
in_schema(Form_pg_class form, Oid nspid, char kind)
{
	if (OidIsValid(nspid))
		return form->relnamespace == nspid;
	return form->oid >= FirstNormalObjectId && !isAnyTempNamespace(form->relnamespace);
}

List *
facts_in_schema(Facts *facts, Oid nspid)
{
	return scan_classes(facts, in_schema, nspid, '\0');
}

static bool
has_row_security(Form_pg_class form, Oid arg, char kind)
{
	return form->relrowsecurity;
}

List *
facts_with_row_security(Facts *facts)
{
	return scan_classes(facts, has_row_security, InvalidOid, '\0');
}
