/*-------------------------------------------------------------------------
 *
 * view_properties.c
 *		What a view has beside its query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/view_properties.h"
#include "core/target.h"

/* Statements, one per row, that give a view made anew what it had; $6: MAINTAIN can be given. */
static const char *const properties[] = {
	"SELECT 'ALTER ' || $5 || ' ' || $2 || ' OWNER TO ' || $3 FROM pg_class WHERE oid = $1 AND relowner <> $4",
	/* default privileges may have given what was not there */
	"SELECT 'REVOKE ALL ON ' || $2 || ' FROM ' || g.name FROM "
	"(SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS name "
	" FROM pg_class c, LATERAL (SELECT grantee FROM pg_default_acl d, aclexplode(d.defaclacl) WHERE d.defaclobjtype = 'r' AND grantee <> c.relowner "
	"   UNION ALL SELECT c.relowner WHERE c.relacl IS NOT NULL) x WHERE c.oid = $1 AND $2 <> '' AND $3 <> '' AND $4 <> 0) g",
	"SELECT 'GRANT ' || x.privilege_type || ' ON ' || $2 || ' TO ' || CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END "
	"|| CASE WHEN x.is_grantable AND x.grantee <> c.relowner THEN ' WITH GRANT OPTION' ELSE '' END "
	"FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = $1 AND $3 <> '' AND $4 <> 0 AND ($6 OR x.privilege_type <> 'MAINTAIN') "
	"ORDER BY x.grantee = c.relowner DESC, 1",
	"SELECT 'GRANT ' || x.privilege_type || ' (' || quote_ident(a.attname) || ') ON ' || $2 || ' TO ' "
	"|| CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END "
	"FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = $1 AND $3 <> '' AND $4 <> 0 ORDER BY a.attnum, 1",
	"SELECT 'ALTER ' || $5 || ' ' || $2 || ' ALTER COLUMN ' || quote_ident(a.attname) || ' SET DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) "
	"FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = $1 AND $3 <> '' AND $4 <> 0",
	"SELECT rtrim(pg_get_ruledef(oid), ';') FROM pg_rewrite WHERE ev_class = $1 AND rulename <> '_RETURN' AND $2 <> '' AND $3 <> '' AND $4 <> 0 ORDER BY rulename",
	"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND $2 <> '' AND $3 <> '' AND $4 <> 0 ORDER BY tgname",
	"SELECT 'COMMENT ON ' || CASE WHEN objsubid = 0 THEN $5 || ' ' || $2 ELSE 'COLUMN ' || $2 || '.' || "
	"(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1 AND attnum = objsubid) END || ' IS ' || quote_literal(description) "
	"FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = $1 AND $3 <> '' AND $4 <> 0 ORDER BY objsubid",
	"SELECT 'COMMENT ON ' || o.kind || ' ' || quote_ident(o.name) || ' ON ' || $2 || ' IS ' || quote_literal(d.description) FROM "
	"(SELECT oid, 'RULE', rulename, tableoid FROM pg_rewrite WHERE ev_class = $1 "
	" UNION ALL SELECT oid, 'TRIGGER', tgname, tableoid FROM pg_trigger WHERE tgrelid = $1) o(oid, kind, name, class) "
	"JOIN pg_description d ON d.classoid = o.class AND d.objoid = o.oid WHERE $3 <> '' AND $4 <> 0 AND $5 <> '' ORDER BY 1",
	"SELECT 'SECURITY LABEL FOR ' || quote_ident(l.provider) || ' ON ' || CASE WHEN l.objsubid = 0 THEN $5 || ' ' || $2 ELSE 'COLUMN ' || $2 || '.' || "
	"(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1 AND attnum = l.objsubid) END || ' IS ' || quote_literal(l.label) "
	"FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = $1 AND $3 <> '' AND $4 <> 0 ORDER BY l.objsubid, l.provider",
};

List *
view_properties(Oid maker, const ViewProperties *view)
{
	List	   *statements = NIL;

	for (int i = 0; i < lengthof(properties); i++)
	{
		QuerySession session;
		uint64		n;

		query_begin_printing(&session, view->oid);
		n = QUERY(properties[i], arg_oid(view->oid), arg_text(view->name), arg_text(view->owner),
				  arg_oid(maker), arg_text(view->kind), arg_bool(target_has_maintain()));
		for (uint64 row = 0; row < n; row++)
			statements = lappend(statements, query_text(row, 1));
		query_end(&session);
	}
	return statements;
}

void
view_append_properties(StringInfo sql, const Column *old, const ViewProperties *view)
{
	ListCell   *lc;

	foreach(lc, view_properties(old->owner, view))
		sql_statement(sql, "%s", (char *) lfirst(lc));
}
