/*-------------------------------------------------------------------------
 *
 * sql.c
 *		What the SQL of a step is made of: names as they are now, quoted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"

static bool
missing_ok(const Making *making)
{
	return making->flavour == FLAVOUR_SHOWN;
}

char *
sql_table(const Making *making, Oid relid)
{
	return names_of_relation(relid, missing_ok(making));
}

char *
sql_column(const Making *making, Oid relid, AttrNumber attnum)
{
	return names_of_attribute(relid, attnum, missing_ok(making));
}

char *
sql_column_or(const Making *making, Oid relid, AttrNumber attnum, const char *name)
{
	return attnum != InvalidAttrNumber ? sql_column(making, relid, attnum) : sql_name(name);
}

char *
sql_index(const Making *making, Oid relid, const char *name)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relid));

	if (schema == NULL)
		return psprintf("%s.%s", names_of_relation(relid, missing_ok(making)), quote_identifier(name));
	return quote_qualified_identifier(schema, name);
}

char *
sql_sync_trigger(const Making *making, Oid relid)
{
	char	   *name = names_sync_trigger(relid, missing_ok(making));

	return name != NULL ? name : get_rel_name(relid) == NULL ? sql_table(making, relid) : pstrdup("<dropped>");
}

char *
sql_expression(const Making *making, List *expression, Oid relid)
{
	return expression_sql(expression, relid, missing_ok(making));
}

char *
sql_name(const char *name)
{
	return pstrdup(quote_identifier(name));
}

char *
sql_literal(const char *value)
{
	return quote_literal_cstr(value);
}

char *
sql_qualified(Oid namespace, const char *name)
{
	return quote_qualified_identifier(get_namespace_name(namespace), name);
}

char *
sql_dollar_quoted(const char *text)
{
	char	   *tag = pstrdup("$zdm$");

	for (int i = 1; strstr(text, tag) != NULL; i++)
		tag = psprintf("$zdm%d$", i);
	return psprintf("%s\n%s\n%s", tag, text, tag);
}

char *
sql_schema(const Making *making, Oid namespace)
{
	char	   *name = get_namespace_name(namespace);

	if (name == NULL && !missing_ok(making))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema with OID %u no longer exists", namespace)));
	return name != NULL ? sql_name(name) : pstrdup("<dropped>");
}

char *
sql_own_name(int64 migration, const char *base)
{
	return names_make(base, psprintf("_zdm" INT64_FORMAT, migration));
}

void
sql_statement(StringInfo sql, const char *fmt,...)
{
	StringInfoData statement;

	initStringInfo(&statement);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&statement, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&statement, needed);
	}
	if (statement.len > 0)
		appendStringInfo(sql, "%s%s", sql->len > 0 ? ";\n" : "", statement.data);
}

bool
sql_exists(const Making *making, Oid relid)
{
	return missing_ok(making) || get_rel_name(relid) != NULL;
}

bool
sql_is_partition(const Making *making, Oid relid, Oid root)
{
	/* one whose detaching has begun has no ancestors any more */
	return missing_ok(making) || list_member_oid(get_partition_ancestors(relid), root);
}

bool
sql_is_member(const Making *making, Oid relid, Oid root)
{
	return !OidIsValid(root) || relid == root || sql_is_partition(making, relid, root);
}
