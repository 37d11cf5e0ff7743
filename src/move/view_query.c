/*-------------------------------------------------------------------------
 *
 * view_query.c
 *		The queries of views, as text and read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/query.h"
#include "move/view_query.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "rewrite/prs2lock.h"
#include "storage/lockdefs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

List *
view_query_users(List *tables)
{
	QuerySession session;
	List	   *views;

	query_begin(&session);
	QUERY("SELECT array_agg(c.oid ORDER BY c.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class "
		  "WHERE r.rulename = '_RETURN' AND c.relkind IN ('v', 'm') AND " REFERS("r"), arg_oids(tables));
	views = query_oids(0, 1);
	query_end(&session);
	return views;
}

char *
view_query_text(Oid view)
{
	QuerySession session;
	char	   *text;

	query_begin_printing(&session, view);
	QUERY("SELECT rtrim(pg_get_viewdef($1), ';')", arg_oid(view));
	text = query_text(0, 1);
	query_end(&session);
	return text;
}

Query *
view_query_read(const char *text)
{
	RawStmt    *stmt = linitial_node(RawStmt, raw_parser(text, RAW_PARSE_DEFAULT));

	return parse_analyze_fixedparams(stmt, text, NULL, 0, NULL);
}

/* The column that is looked for, and the queries around, the innermost first. */
typedef struct Showing
{
	List	   *tables;
	const char *column;
	List	   *queries;
} Showing;

static bool shows(Node *node, void *context);

static bool
var_shows(const Var *var, Showing *showing)
{
	List	   *around = showing->queries;
	Query	   *query = list_nth_node(Query, around, var->varlevelsup);
	RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
	List	   *aliases = zdm_rte_aliases(rte);
	bool		found;

	if (rte->rtekind == RTE_RELATION)
		return list_member_oid(showing->tables, rte->relid) &&
			(var->varattno == 0 || var->varattno == get_attnum(rte->relid, showing->column));
	/* subqueries are looked at by themselves */
	if (aliases == NIL)
		return false;
	showing->queries = list_copy_tail(around, var->varlevelsup);
	found = shows(var->varattno > 0 ? list_nth(aliases, var->varattno - 1) : (Node *) aliases, showing);
	showing->queries = around;
	return found;
}

/* With USING, what a column of that name is of depends on both sides: which of the two it was is not all. */
static bool
entry_shows(RangeTblEntry *rte, Showing *showing)
{
	return (rte->rtekind == RTE_JOIN && rte->joinmergedcols > 0) || shows((Node *) rte->subquery, showing) || shows((Node *) rte->functions, showing) ||
		shows((Node *) rte->tablefunc, showing) || shows((Node *) rte->values_lists, showing);
}

/* All but the conditions, and what is sorted or grouped by and not given. */
static bool
query_shows(Query *query, Showing *showing)
{
	List	   *around = showing->queries;
	bool		found = false;
	ListCell   *lc;

	showing->queries = lcons(query, list_copy(around));
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		found = found || (!entry->resjunk && shows((Node *) entry->expr, showing));
	}
	foreach(lc, query->rtable)
		found = found || entry_shows(lfirst_node(RangeTblEntry, lc), showing);
	foreach(lc, query->cteList)
		found = found || shows(lfirst_node(CommonTableExpr, lc)->ctequery, showing);
	showing->queries = around;
	return found;
}

static bool
shows(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return var_shows((Var *) node, context);
	if (IsA(node, Query))
		return query_shows((Query *) node, context);
	return expression_tree_walker(node, shows, context);
}

/* Of a materialized view, too, which get_view_query() is not for: both have the one rule that is their query. */
static Node *
stored_query(Relation rel)
{
	for (int i = 0; rel->rd_rules != NULL && i < rel->rd_rules->numLocks; i++)
	{
		RewriteRule *rule = rel->rd_rules->rules[i];

		if (rule->event == CMD_SELECT)
			return linitial(rule->actions);
	}
	return NULL;
}

bool
view_query_shows(Oid view, List *tables, const char *column)
{
	Relation	rel = relation_open(view, AccessShareLock);
	Showing		showing = {.tables = tables, .column = column};
	bool		found = shows(stored_query(rel), &showing);

	relation_close(rel, NoLock);
	return found;
}
