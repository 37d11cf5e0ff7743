/*-------------------------------------------------------------------------
 *
 * rules_work.c
 *		What several families of rules share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "facts/facts_access.h"
#include "facts/facts_catalog.h"
#include "rules/rules_work.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "compat.h"

void
rules_tree_work(Judgement *j, WorkKind kind, List *tree, bool with_toast,
				char *what, char *hint)
{
	double		blocks = 0;
	ListCell   *lc;

	foreach(lc, tree)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (facts_has_storage(rel))
			blocks += with_toast ? rel->total_blocks : rel->heap_blocks;
	}
	rules_work(j, kind, (FactRelation *) linitial(tree), blocks, what, hint);
}

void
rules_drop_views(Judgement *j, List *views)
{
	ListCell   *lc;

	foreach(lc, views)
	{
		FactRelation *view = (FactRelation *) lfirst(lc);

		rules_lock(j, view, AccessExclusiveLock);
		rules_touch(j, view, "Make the view again, with its grants, in the same transaction.");
		view->gone = true;
	}
}

void
rules_forget_column(FactRelation *rel, FactColumn *col)
{
	ListCell   *lc;

	col->dropped = true;
	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (list_member_int(con->columns, col->attnum))
			con->dropped = true;
	}
	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		for (int i = 0; i < idx->ncolumns; i++)
			idx->dropped |= idx->columns[i] == col->attnum;
	}
}

bool
rules_has_rows(Judgement *j, List *tree)
{
	ListCell   *lc;

	foreach(lc, tree)
	{
		if (((FactRelation *) lfirst(lc))->heap_blocks > 0)
			return true;
	}
	return false;
}

void
rules_touch_root(Judgement *j, FactRelation *rel, const char *hint)
{
	FactRelation *root = rel;

	while (root != NULL && root->is_partition)
		root = facts_by_oid(j->facts, facts_parent(root));
	if (root != NULL && root != rel)
		rules_touch(j, root, hint);
}

void
rules_default_partition(Judgement *j, FactRelation *partition)
{
	FactRelation *parent = NULL;

	if (!OidIsValid(partition->oid) || !partition->is_partition || partition->fresh)
		return;
	parent = facts_by_oid(j->facts, facts_parent(partition));
	if (parent == NULL || get_default_partition_oid(parent->oid) != partition->oid)
		return;
	rules_touch(j, parent, NULL);
	parent->default_gone = true;
}

void
rules_change_owner(Judgement *j, FactRelation *rel, Oid owner)
{
	ListCell   *lc;

	facts_access(j->facts, rel);
	foreach(lc, rel->grants)
	{
		FactGrant  *grant = (FactGrant *) lfirst(lc);

		if (grant->role == rel->owner)
			grant->role = owner;
	}
	rel->owner = owner;
}

static char *
column_names(List *columns)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, columns)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 quote_identifier(((FactColumn *) lfirst(lc))->name));
	return buf.data;
}

void
rules_duplicates(Judgement *j, FactRelation *rel, List *columns, bool nulls_equal)
{
	bool		one = list_length(columns) == 1;
	char	   *names;

	if (rel->fresh || !facts_has_duplicates(rel, columns, nulls_equal))
		return;
	names = column_names(columns);
	rules_find(j, RULE_WOULD_FAIL, facts_name(rel), NoLock,
			   psprintf("%s %s of %s held the same %s more than once when %s last analyzed: a unique index on %s fails, and built CONCURRENTLY it is left behind INVALID.",
						one ? "Column" : "Columns", names, facts_name(rel),
						one ? "value" : "values", one ? "it was" : "they were", one ? "it" : "them"),
			   psprintf("SELECT %s, count(*) FROM %s GROUP BY %s HAVING count(*) > 1;",
						names, facts_name(rel), one ? "1" : names));
}

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
