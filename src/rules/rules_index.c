/*-------------------------------------------------------------------------
 *
 * rules_index.c
 *		CREATE INDEX, REINDEX, VACUUM FULL, CLUSTER, REFRESH.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_opclass.h"
#include "commands/defrem.h"
#include "core/names.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "facts/facts_query.h"
#include "rules/rules.h"
#include "rules/rules_work.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

static bool
has_option(List *options, const char *name)
{
	bool		value = false;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, name) == 0)
			value = defGetBoolean(option);
	}
	return value;
}

static void
concurrently_in_block(Judgement *j, const char *command, FactRelation *rel)
{
	if (!j->facts->in_block)
		return;
	rules_find(j, RULE_WOULD_FAIL, facts_name(rel), NoLock,
			   psprintf("%s cannot run inside a transaction block or a function.", command),
			   pstrdup("Run it by itself, outside a transaction block."));
}

static void
index_element(FactRelation *rel, FactIndex *idx, int i, IndexElem *elem)
{
	FactColumn *col = elem->name ? facts_column(rel, elem->name) : NULL;
	Oid			type = InvalidOid;

	if (col != NULL)
	{
		idx->columns[i] = col->attnum;
		type = col->type;
		if (i < idx->nkeys)
			idx->collations[i] = col->collation;
	}
	else if (elem->expr != NULL && facts_types_known(rel))
	{
		Node	   *expr = facts_analyze(rel, elem->expr, EXPR_KIND_INDEX_EXPRESSION);

		idx->exprs = lappend(idx->exprs, expr);
		type = exprType(expr);
		if (i < idx->nkeys)
			idx->collations[i] = exprCollation(expr);
	}
	if (i >= idx->nkeys || !OidIsValid(type))
		return;
	if (elem->collation != NIL)
		idx->collations[i] = get_collation_oid(elem->collation, false);
	idx->opclasses[i] = ResolveOpClass(elem->opclass, type, "index", idx->am);
}

/* The index as the statement would make it. */
static FactIndex *
read_index(FactRelation *rel, IndexStmt *stmt)
{
	FactIndex  *idx = palloc0(sizeof(FactIndex));
	int			i = 0;
	ListCell   *lc;

	idx->am = get_index_am_oid(stmt->accessMethod, false);
	idx->name = stmt->idxname ? pstrdup(stmt->idxname) : NULL;
	idx->unique = stmt->unique;
	idx->valid = idx->immediate = idx->fresh = true;
	idx->nkeys = list_length(stmt->indexParams);
	idx->ncolumns = idx->nkeys + list_length(stmt->indexIncludingParams);
	idx->columns = palloc0(sizeof(AttrNumber) * idx->ncolumns);
	idx->opclasses = palloc0(sizeof(Oid) * idx->nkeys);
	idx->collations = palloc0(sizeof(Oid) * idx->nkeys);
	foreach(lc, stmt->indexParams)
		index_element(rel, idx, i++, (IndexElem *) lfirst(lc));
	foreach(lc, stmt->indexIncludingParams)
		index_element(rel, idx, i++, (IndexElem *) lfirst(lc));
	if (stmt->whereClause != NULL && facts_types_known(rel))
		idx->predicate = make_ands_implicit((Expr *) facts_analyze(rel, stmt->whereClause,
																   EXPR_KIND_INDEX_PREDICATE));
	if (idx->name == NULL)
		idx->name = rules_index_name(rel, names_joined(names_of_elements(list_concat_copy(stmt->indexParams, stmt->indexIncludingParams))), "idx", false);
	return idx;
}

/* Of a table that a text makes not all columns may be known. */
static bool
lacks_column(FactRelation *rel, const IndexStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, rel->fresh ? NIL : list_concat_copy(stmt->indexParams, stmt->indexIncludingParams))
	{
		IndexElem  *elem = lfirst_node(IndexElem, lc);

		if (elem->name != NULL && facts_column(rel, elem->name) == NULL)
			return true;
	}
	return false;
}

/* PostgreSQL refuses such an index itself, before it reads a row. */
static bool
is_volatile(FactRelation *rel, FactIndex *idx)
{
	ListCell   *lc;

	foreach(lc, list_concat_copy(idx->exprs, idx->predicate))
	{
		if (facts_is_volatile(rel->author, lfirst(lc)))
			return true;
	}
	return false;
}

/* Partitions without an index that PostgreSQL would attach to the new one. */
static List *
members_to_index(Judgement *j, FactRelation *rel, FactIndex *idx, bool recurse)
{
	List	   *build = NIL;
	ListCell   *lc;

	if (rel->kind != RELKIND_PARTITIONED_TABLE)
		return list_make1(rel);
	if (!recurse)
		return NIL;
	foreach(lc, facts_tree(j->facts, rel, true))
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		ListCell   *li;
		bool		found = !facts_has_storage(member);

		facts_detail(j->facts, member);
		foreach(li, member->indexes)
			found |= facts_index_matches(rel, idx, member, (FactIndex *) lfirst(li));
		if (!found)
			build = lappend(build, member);
	}
	return build;
}

/* What follows the word INDEX in the statement's text; NULL if that cannot be found. */
static const char *
after_index(const char *sql)
{
	for (const char *p = sql; *p; p++)
	{
		if (pg_strncasecmp(p, "index", 5) == 0)
			return p + 5;
	}
	return NULL;
}

static char *
concurrent_hint(Judgement *j, FactRelation *rel, IndexStmt *stmt)
{
	const char *rest = after_index(j->sql);

	if (rel->kind == RELKIND_PARTITIONED_TABLE)
		return psprintf("CREATE INDEX ... ON ONLY %s, then the same index CONCURRENTLY on each partition, and ALTER INDEX ... ATTACH PARTITION.",
						facts_name(rel));
	if (rest == NULL)
		return psprintf("CREATE %sINDEX CONCURRENTLY ... ON %s ...;",
						stmt->unique ? "UNIQUE " : "", facts_name(rel));
	return psprintf("CREATE %sINDEX CONCURRENTLY%s;", stmt->unique ? "UNIQUE " : "", rest);
}

static List *
key_columns(FactRelation *rel, FactIndex *idx)
{
	List	   *columns = NIL;

	for (int i = 0; i < idx->nkeys; i++)
	{
		FactColumn *col = facts_attribute(rel, idx->columns[i]);

		if (col == NULL)
			return NIL;
		columns = lappend(columns, col);
	}
	return columns;
}

void
rules_index(Judgement *j, Node *node)
{
	IndexStmt  *stmt = castNode(IndexStmt, node);
	FactRelation *rel = facts_find(j->facts, stmt->relation);
	FactIndex  *idx;
	List	   *build;
	ListCell   *lc;

	if (rel == NULL)
		return;
	facts_detail(j->facts, rel);
	if (stmt->concurrent)
		concurrently_in_block(j, "CREATE INDEX CONCURRENTLY", rel);
	rules_lock(j, rel, stmt->concurrent ? ShareUpdateExclusiveLock : ShareLock);
	if (stmt->idxname != NULL && facts_find_name(j->facts, rel->schema, stmt->idxname) != NULL)
	{
		if (!stmt->if_not_exists)
			rules_refused(j, rel, psprintf("Relation %s exists already.", quote_qualified_identifier(rel->schema, stmt->idxname)));
		return;
	}
	if (lacks_column(rel, stmt))
	{
		rules_refused(j, rel, psprintf("A column of the index is not there in %s.", facts_name(rel)));
		return;
	}
	idx = read_index(rel, stmt);
	if (is_volatile(rel, idx))
	{
		rules_refused(j, rel, pstrdup("Functions in an index must be marked IMMUTABLE."));
		return;
	}
	build = members_to_index(j, rel, idx, stmt->relation->inh);
	foreach(lc, build)
		rules_lock(j, (FactRelation *) lfirst(lc),
				   stmt->concurrent ? ShareUpdateExclusiveLock : ShareLock);
	if (build != NIL && !stmt->concurrent)
		rules_tree_work(j, WORK_INDEX, build, false,
						psprintf("build of an index on %s", facts_name(rel)),
						concurrent_hint(j, rel, stmt));
	if (stmt->unique && idx->predicate == NIL && idx->exprs == NIL)
		rules_duplicates(j, rel, key_columns(rel, idx), zdm_statement_nulls_not_distinct(stmt));
	foreach(lc, list_append_unique_ptr(build, rel))
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		member->indexes = lappend(member->indexes, idx);
	}
}

static char *
reindex_command(const ReindexStmt *stmt)
{
	return stmt->kind == REINDEX_OBJECT_INDEX ? "INDEX" :
		stmt->kind == REINDEX_OBJECT_TABLE ? "TABLE" :
		stmt->kind == REINDEX_OBJECT_SCHEMA ? "SCHEMA" : "DATABASE";
}

/* Each index is locked for as long as it is built, and whoever plans a query of the view waits for it. */
static void
lock_indexes(Judgement *j, FactRelation *view)
{
	ListCell   *lc;

	foreach(lc, view->indexes)
	{
		FactRelation *index = facts_by_oid(j->facts, ((FactIndex *) lfirst(lc))->oid);

		if (index != NULL)
			rules_lock(j, index, AccessExclusiveLock);
	}
}

static void
judge_reindex_relation(Judgement *j, FactRelation *rel, ReindexStmt *stmt, bool concurrent)
{
	FactRelation *heap = rel;

	if (rel->kind == RELKIND_INDEX || rel->kind == RELKIND_PARTITIONED_INDEX)
		heap = facts_by_oid(j->facts, rel->heap);
	if (heap == NULL)
		return;
	rules_lock(j, heap, concurrent ? ShareUpdateExclusiveLock : ShareLock);
	if (concurrent)
		return;
	facts_detail(j->facts, heap);
	if (rel == heap && heap->indexes == NIL && heap->kind != RELKIND_PARTITIONED_TABLE)
		return;
	/* Writers, which a table has besides, wait for the lock on the table itself. */
	if (heap->kind == RELKIND_MATVIEW && rel == heap)
		lock_indexes(j, heap);
	else if (heap->kind == RELKIND_MATVIEW)
		rules_lock(j, rel, AccessExclusiveLock);
	rules_tree_work(j, WORK_INDEX, facts_tree(j->facts, heap, true), false,
					psprintf("rebuild of the indexes of %s", facts_name(heap)),
					psprintf("REINDEX %s CONCURRENTLY %s;", reindex_command(stmt),
							 stmt->relation ? facts_name(rel) : quote_identifier(stmt->name)));
}

void
rules_reindex(Judgement *j, Node *node)
{
	ReindexStmt *stmt = castNode(ReindexStmt, node);
	bool		concurrent = has_option(stmt->params, "concurrently");
	List	   *relations;
	ListCell   *lc;

	if (stmt->relation != NULL)
	{
		FactRelation *rel = facts_find(j->facts, stmt->relation);

		if (rel == NULL)
			return;
		if (concurrent)
			concurrently_in_block(j, "REINDEX CONCURRENTLY", rel);
		judge_reindex_relation(j, rel, stmt, concurrent);
		return;
	}
	if (stmt->kind == REINDEX_OBJECT_SYSTEM)
		return;
	j->one_by_one = true;
	relations = facts_in_schema(j->facts, stmt->kind == REINDEX_OBJECT_SCHEMA ?
								get_namespace_oid(stmt->name, true) : InvalidOid);
	foreach(lc, relations)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (rel->kind == RELKIND_RELATION || rel->kind == RELKIND_MATVIEW)
			judge_reindex_relation(j, rel, stmt, concurrent);
	}
}

static void
rewrite_in_place(Judgement *j, FactRelation *rel, const char *command)
{
	ListCell   *lc;

	foreach(lc, facts_tree(j->facts, rel, rel->kind == RELKIND_PARTITIONED_TABLE))
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		rules_lock(j, member, AccessExclusiveLock);
		if (!facts_has_storage(member))
			continue;
		rules_work(j, WORK_REWRITE, member, member->total_blocks,
				   psprintf("rewrite of %s by %s", facts_name(member), command),
				   rules_rewrite_hint(j, rel))->apart = psprintf("%s %s", command, facts_name(rel));
	}
}

void
rules_vacuum(Judgement *j, Node *node)
{
	VacuumStmt *stmt = castNode(VacuumStmt, node);
	ListCell   *lc;

	if (!stmt->is_vacuumcmd || !has_option(stmt->options, "full"))
		return;
	if (has_option(stmt->options, "analyze"))
		j->aside = pstrdup("-- ANALYZE by itself, when the table has been written anew");
	if (stmt->rels == NIL)
	{
		j->one_by_one = true;
		foreach(lc, facts_in_schema(j->facts, InvalidOid))
		{
			FactRelation *rel = (FactRelation *) lfirst(lc);

			if (rel->kind == RELKIND_RELATION || rel->kind == RELKIND_MATVIEW)
				rewrite_in_place(j, rel, "VACUUM FULL");
		}
		return;
	}
	foreach(lc, stmt->rels)
	{
		VacuumRelation *target = (VacuumRelation *) lfirst(lc);
		FactRelation *rel = target->relation ? facts_find(j->facts, target->relation) : NULL;

		if (rel != NULL)
			rewrite_in_place(j, rel, "VACUUM FULL");
	}
}

/* Was the table clustered before, so that a CLUSTER of everything takes it in? */
static bool
is_clustered(FactRelation *rel)
{
	return OidIsValid(rel->oid) && facts_has_clustered_index(rel);
}

void
rules_cluster(Judgement *j, Node *node)
{
	ClusterStmt *stmt = castNode(ClusterStmt, node);
	FactRelation *rel;
	ListCell   *lc;

	if (stmt->relation != NULL)
	{
		rel = facts_find(j->facts, stmt->relation);
		if (rel != NULL)
			rewrite_in_place(j, rel, "CLUSTER");
		return;
	}
	j->one_by_one = true;
	foreach(lc, facts_in_schema(j->facts, InvalidOid))
	{
		rel = (FactRelation *) lfirst(lc);
		if (rel->kind == RELKIND_RELATION && is_clustered(rel))
			rewrite_in_place(j, rel, "CLUSTER");
	}
}

void
rules_refresh(Judgement *j, Node *node)
{
	RefreshMatViewStmt *stmt = castNode(RefreshMatViewStmt, node);
	FactRelation *view = facts_find(j->facts, stmt->relation);

	if (view == NULL || view->kind != RELKIND_MATVIEW)
		return;
	rules_lock(j, view, stmt->concurrent ? ExclusiveLock : AccessExclusiveLock);
	if (stmt->skipData)
	{
		if (!view->fresh && view->populated)
			rules_find(j, RULE_BREAKS_CLIENTS, facts_name(view), AccessExclusiveLock,
					   psprintf("%s cannot be read until it is refreshed.", facts_name(view)),
					   psprintf("REFRESH MATERIALIZED VIEW CONCURRENTLY %s;", facts_name(view)));
		return;
	}
	/* What it holds today is about what will be written. */
	rules_work(j, WORK_QUERY, view, facts_matview_work(j->facts, view) + view->total_blocks,
			   psprintf("run of the query of %s", facts_name(view)),
			   psprintf("REFRESH MATERIALIZED VIEW CONCURRENTLY %s; (it needs a unique index on the view)",
						facts_name(view)));
}
