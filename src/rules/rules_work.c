/*-------------------------------------------------------------------------
 *
 * rules_work.c
 *		What several families of rules share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_constraint.h"
#include "commands/defrem.h"
#include "facts/facts_catalog.h"
#include "rules/rules_work.h"
#include "utils/builtins.h"
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

/* Has the text dropped what the table has of that name? */
static bool
is_given_up(FactRelation *rel, const char *name)
{
	ListCell   *lc;

	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (con->dropped && strcmp(con->name, name) == 0)
			return true;
	}
	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		if (idx->dropped && strcmp(idx->name, name) == 0)
			return true;
	}
	return false;
}

/* The plain name of what it is for, if it is to be had; else the catalog is asked for another one. */
static bool
is_plain_name(FactRelation *rel, const char *name)
{
	return !OidIsValid(rel->oid) || !OidIsValid(get_namespace_oid(rel->schema, true)) || is_given_up(rel, name);
}

char *
rules_constraint_name(FactRelation *rel, const char *columns, const char *label)
{
	char	   *name = makeObjectName(rel->name, columns, label);

	return is_plain_name(rel, name) ? name :
		ChooseConstraintName(rel->name, columns, label, get_namespace_oid(rel->schema, false), NIL);
}

char *
rules_index_name(FactRelation *rel, const char *columns, const char *label, bool constraint)
{
	char	   *name = makeObjectName(rel->name, columns, label);

	return is_plain_name(rel, name) ? name :
		ChooseRelationName(rel->name, columns, label, get_namespace_oid(rel->schema, false), constraint);
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
