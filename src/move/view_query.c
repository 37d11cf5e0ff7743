/*-------------------------------------------------------------------------
 *
 * view_query.c
 *		The queries of views, as text and read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "move/view_query.h"
#include "parser/parser.h"
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
