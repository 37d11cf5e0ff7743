/*-------------------------------------------------------------------------
 *
 * view.c
 *		The view through which a table has two names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "core/target.h"
#include "utils/builtins.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field fields[] = {
	FIELD(ViewArgs, relation, OID),
	FIELD(ViewArgs, old_namespace, OID),
	FIELD(ViewArgs, old_name, TEXT),
	FIELD(ViewArgs, new_namespace, OID),
	FIELD(ViewArgs, new_name, TEXT),
	FIELD(ViewArgs, columns, INTS),
	FIELD(ViewArgs, invoker, BOOL),
};

static const Fields args = FIELDS(ViewArgs, fields);

/* Statements, one per row, that give view $2 what may be done to table $1; $3: MAINTAIN can be given. */
static const char *const privileges[] = {
	/* default privileges may have given what the table does not give */
	"SELECT format('REVOKE ALL ON %s FROM %s', $2::text, g.name) FROM "
	"(SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS name "
	" FROM pg_class c, LATERAL (SELECT a.grantee FROM pg_default_acl d, aclexplode(d.defaclacl) a WHERE d.defaclobjtype = 'r' "
	"   AND (d.defaclrole = c.relowner) AND a.grantee <> c.relowner "
	"   UNION ALL SELECT c.relowner WHERE c.relacl IS NOT NULL) x WHERE c.oid = $1) g ORDER BY g.name",
	"SELECT format('GRANT %s ON %s TO %s%s', string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type), $2::text, "
	"CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, "
	"CASE WHEN x.is_grantable AND x.grantee <> c.relowner THEN ' WITH GRANT OPTION' END) "
	"FROM pg_class c, (SELECT DISTINCT a.grantee, a.privilege_type, a.is_grantable FROM pg_class r, aclexplode(r.relacl) a WHERE r.oid = $1 AND ($3 OR a.privilege_type <> 'MAINTAIN')) x "
	"WHERE c.oid = $1 GROUP BY x.grantee, x.is_grantable, c.relowner ORDER BY x.grantee = c.relowner DESC, x.grantee, x.is_grantable",
	"SELECT format('GRANT %s (%I) ON %s TO %s%s', x.privilege_type, a.attname, $2::text, "
	"CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, "
	"CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END) "
	"FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = $1 AND NOT a.attisdropped ORDER BY a.attnum, 1",
};

static void
append_privileges(StringInfo sql, Oid relid, const char *view)
{
	for (int i = 0; i < lengthof(privileges); i++)
	{
		QuerySession session;
		uint64		n;

		query_begin(&session);
		n = QUERY(privileges[i], arg_oid(relid), arg_text(view), arg_bool(target_has_maintain()));
		for (uint64 row = 0; row < n; row++)
			sql_statement(sql, "%s", query_text(row, 1));
		query_end(&session);
	}
}

/* The view while it has the new name. */
static char *
early_name(const ViewArgs *view)
{
	return sql_qualified(view->new_namespace, view->new_name);
}

static char *
create_sql(const Making *making, const void *data)
{
	const ViewArgs *view = data;
	StringInfoData buf;
	ListCell   *lc;

	if (making->back)
		return psprintf("DROP VIEW IF EXISTS %s", early_name(view));
	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE VIEW %s%s AS\n  SELECT ", early_name(view),
					 view->invoker ? " WITH (security_invoker = true)" : "");
	foreach(lc, view->columns)
		appendStringInfo(&buf, "%s%s", lc == list_head(view->columns) ? "" : ", ",
						 sql_column(making, view->relation, (AttrNumber) lfirst_int(lc)));
	appendStringInfo(&buf, "\n  FROM %s", sql_table(making, view->relation));
	append_privileges(&buf, view->relation, early_name(view));
	return buf.data;
}

/* The table goes from one place to the other, and the view the other way. */
static char *
exchange_sql(const Making *making, const void *data)
{
	const ViewArgs *view = data;
	Oid			from_namespace = making->back ? view->new_namespace : view->old_namespace;
	Oid			to_namespace = making->back ? view->old_namespace : view->new_namespace;
	const char *from = making->back ? view->new_name : view->old_name;
	const char *to = making->back ? view->old_name : view->new_name;
	char	   *aside = sql_own_name(making->migration, to);
	/* a script is made while the table has its first name, and undoes what has given it the other */
	char	   *table = making->flavour == FLAVOUR_SCRIPT ? sql_qualified(from_namespace, from) :
		sql_table(making, view->relation);
	StringInfoData buf;

	initStringInfo(&buf);
	sql_statement(&buf, "ALTER VIEW %s RENAME TO %s", sql_qualified(to_namespace, to), sql_name(aside));
	if (to_namespace != from_namespace)
	{
		sql_statement(&buf, "ALTER TABLE %s SET SCHEMA %s", table, sql_schema(making, to_namespace));
		sql_statement(&buf, "ALTER VIEW %s SET SCHEMA %s", sql_qualified(to_namespace, aside),
					  sql_schema(making, from_namespace));
	}
	else
		sql_statement(&buf, "ALTER TABLE %s RENAME TO %s", table, sql_name(to));
	sql_statement(&buf, "ALTER VIEW %s RENAME TO %s", sql_qualified(from_namespace, aside), sql_name(from));
	return buf.data;
}

static char *
drop_sql(const Making *making, const void *data)
{
	const ViewArgs *view = data;

	return psprintf("DROP VIEW %s", sql_qualified(view->old_namespace, view->old_name));
}

char *
view_made_by(const Step *step)
{
	return early_name(verb_args(step));
}

const Verb verb_create_view = {.name = "create_view", .args = &args, .sql = create_sql};
const Verb verb_exchange_names = {.name = "exchange_names", .args = &args, .sql = exchange_sql};
const Verb verb_drop_view = {.name = "drop_view", .args = &args, .sql = drop_sql};
