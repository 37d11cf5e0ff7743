/*-------------------------------------------------------------------------
 *
 * dependent.c
 *		Triggers, policies, functions and publications that name a column which
 *		is replaced.
 *
 * PostgreSQL has their parse trees over column numbers.  Each is read as text
 * when the change is stated, and given again in the exchange, when the column's
 * name means the new column.  What can be altered in place is; only triggers
 * and published tables have to be dropped and made again, in the one
 * transaction that keeps everybody out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/names.h"
#include "plan/carry.h"
#include "utils/lsyscache.h"

static void
add_dependent(Column *column, const char *description, bool is_trigger, char *drop, char *create)
{
	ColumnDependent *dependent = palloc0(sizeof(ColumnDependent));

	dependent->description = pstrdup(description);
	dependent->is_trigger = is_trigger;
	dependent->drop = drop;
	dependent->create = create;
	column->dependents = lappend(column->dependents, dependent);
}

static const char *
firing(char enabled)
{
	switch (enabled)
	{
		case 'A':
			return "ENABLE ALWAYS";
		case 'R':
			return "ENABLE REPLICA";
		case 'D':
			return "DISABLE";
		default:
			return NULL;
	}
}

static void
load_trigger(Column *column, Oid trigger, const char *description)
{
	QuerySession session;
	char	   *table = names_template_relation(column->relid);
	StringInfoData sql;
	char	   *name;
	const char *enabled;

	if (get_rel_relkind(column->relid) == RELKIND_PARTITIONED_TABLE)
		column_refuse(description, column,
					  "Create the trigger again without naming the column (UPDATE OF, WHEN), first.");
	initStringInfo(&sql);
	query_begin(&session);
	QUERY("SELECT quote_ident(tgname), pg_get_triggerdef(oid), tgenabled::text, obj_description(oid, 'pg_trigger') "
		  "FROM pg_trigger WHERE oid = $1", arg_oid(trigger));
	name = names_escape(query_text(0, 1));
	enabled = firing(query_text(0, 3)[0]);
	carry_statement(&sql, "%s", names_escape(query_text(0, 2)));
	if (enabled != NULL)
		carry_statement(&sql, "ALTER TABLE %s %s TRIGGER %s", table, enabled, name);
	if (!query_null(0, 4))
		carry_statement(&sql, "COMMENT ON TRIGGER %s ON %s IS %s", name, table,
						carry_literal(query_text(0, 4)));
	query_end(&session);
	add_dependent(column, description, true, psprintf("DROP TRIGGER %s ON %s", name, table), sql.data);
}

static void
load_policy(Column *column, Oid policy, const char *description)
{
	QuerySession session;
	StringInfoData sql;
	Oid			relid;

	initStringInfo(&sql);
	query_begin(&session);
	QUERY("SELECT polrelid, quote_ident(polname), pg_get_expr(polqual, polrelid), "
		  "pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE oid = $1", arg_oid(policy));
	relid = query_oid(0, 1);
	appendStringInfo(&sql, "ALTER POLICY %s ON %s", names_escape(query_text(0, 2)),
					 names_template_relation(relid));
	if (!query_null(0, 3))
		appendStringInfo(&sql, " USING (%s)", names_escape(query_text(0, 3)));
	if (!query_null(0, 4))
		appendStringInfo(&sql, " WITH CHECK (%s)", names_escape(query_text(0, 4)));
	query_end(&session);
	if (relid != column->relid)
		column_refuse(description, column,
					  "Drop the policy of the other table first, and create it again afterwards.");
	add_dependent(column, description, false, NULL, sql.data);
}

/* A function with an SQL body; others are text to PostgreSQL. */
static void
load_function(Column *column, Oid function, const char *description)
{
	QuerySession session;
	char	   *sql;
	bool		may_replace;

	query_begin(&session);
	QUERY("SELECT pg_get_functiondef(oid), pg_has_role($2, proowner, 'USAGE') "
		  "AND has_schema_privilege($2, pronamespace, 'CREATE') FROM pg_proc WHERE oid = $1",
		  arg_oid(function), arg_oid(column->owner));
	sql = names_escape(query_text(0, 1));
	may_replace = query_bool(0, 2);
	query_end(&session);
	if (!may_replace)
		column_refuse(psprintf("%s, which the table's owner may not replace,", description), column,
					  "Give both the same owner, with CREATE on the function's schema, first.");
	add_dependent(column, description, false, NULL, sql);
}

static void
load_published(Column *column, Oid published, const char *description)
{
	QuerySession session;
	char	   *table = names_template_relation(column->relid);
	char	   *name;
	StringInfoData sql;
	bool		may_alter;

	initStringInfo(&sql);
	query_begin(&session);
	QUERY("SELECT quote_ident(p.pubname), pg_has_role($2, p.pubowner, 'USAGE'), "
		  "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM unnest(r.prattrs::int2[]) k(n) "
		  "  JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k.n), "
		  "pg_get_expr(r.prqual, r.prrelid) "
		  "FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.oid = $1",
		  arg_oid(published), arg_oid(column->owner));
	name = names_escape(query_text(0, 1));
	may_alter = query_bool(0, 2);
	carry_statement(&sql, "ALTER PUBLICATION %s ADD TABLE %s", name, table);
	if (!query_null(0, 3))
		appendStringInfo(&sql, " (%s)", names_escape(query_text(0, 3)));
	if (!query_null(0, 4))
		appendStringInfo(&sql, " WHERE (%s)", names_escape(query_text(0, 4)));
	query_end(&session);
	if (!may_alter)
		column_refuse(psprintf("%s, which the table's owner may not alter,", description), column,
					  "Publish the table without a column list or row filter while the migration runs.");
	add_dependent(column, description, false, psprintf("ALTER PUBLICATION %s DROP TABLE %s", name, table), sql.data);
}

bool
dependent_load(Column *column, const char *catalog, Oid object, const char *description)
{
	if (strcmp(catalog, "pg_trigger") == 0)
		load_trigger(column, object, description);
	else if (strcmp(catalog, "pg_policy") == 0)
		load_policy(column, object, description);
	else if (strcmp(catalog, "pg_proc") == 0)
		load_function(column, object, description);
	else if (strcmp(catalog, "pg_publication_rel") == 0)
		load_published(column, object, description);
	else
		return false;
	return true;
}

void
dependent_refuse_triggers(const Column *column)
{
	ListCell   *lc;

	foreach(lc, column->dependents)
	{
		ColumnDependent *dependent = lfirst(lc);

		if (dependent->is_trigger)
			column_refuse(psprintf("%s, which names it (UPDATE OF, WHEN),", dependent->description), column,
						  "Both columns will be written to meanwhile: create the trigger again without naming the column, first.");
	}
}

void
dependent_append_drop(StringInfo sql, const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->dependents)
	{
		ColumnDependent *dependent = lfirst(lc);

		if (dependent->drop != NULL)
			carry_statement(sql, "%s", dependent->drop);
	}
}

void
dependent_append_create(StringInfo sql, const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->dependents)
		carry_statement(sql, "%s", ((ColumnDependent *) lfirst(lc))->create);
}
