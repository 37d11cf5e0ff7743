/*-------------------------------------------------------------------------
 *
 * second.c
 *		A table that is written anew beside itself.
 *
 * The worker does not run this SQL (run/second_table.c): it is what a person would
 * do, for who reads the plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field fields[] = {
	FIELD(SecondArgs, relation, OID),
	FIELD(SecondArgs, root, OID),
	FIELD(SecondArgs, namespace, OID),
	FIELD(SecondArgs, hidden, TEXT),
	FIELD(SecondArgs, tablespace, OID),
	FIELD(SecondArgs, persistence, CHAR),
	FIELD(SecondArgs, access_method, OID),
	FIELD(SecondArgs, index, OID),
	FIELD(SecondArgs, index_name, TEXT),
	FIELD(SecondArgs, order, EXPRESSION),
};

static const Fields args = FIELDS(SecondArgs, fields);

Oid
second_index(const SecondArgs *second)
{
	Oid			named;

	if (!OidIsValid(second->index) || IndexGetRelation(second->index, true) == second->relation)
		return second->index;
	named = get_relname_relid(second->index_name, get_rel_namespace(second->relation));
	return OidIsValid(named) && IndexGetRelation(named, true) == second->relation ? named : InvalidOid;
}

const SecondArgs *
second_args(const Step *step)
{
	return verb_of(step)->args == &args ? verb_args(step) : NULL;
}

bool
second_is_gone(const SecondArgs *second)
{
	return OidIsValid(second->root) && !list_member_oid(get_partition_ancestors(second->relation), second->root);
}

static char *
hidden(const SecondArgs *second)
{
	return sql_qualified(second->namespace, second->hidden);
}

/* A name of something that may be gone. */
static const char *
name_or_dropped(const char *name)
{
	return name != NULL ? quote_identifier(name) : "<dropped>";
}

static char *
make_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;
	StringInfoData buf;

	if (making->back)
		return psprintf("DROP TABLE %s", hidden(second));
	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE %sTABLE %s (LIKE %s)", second->persistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "",
					 hidden(second), sql_table(making, second->relation));
	if (OidIsValid(second->access_method))
		appendStringInfo(&buf, " USING %s", name_or_dropped(get_am_name(second->access_method)));
	if (OidIsValid(second->tablespace))
		appendStringInfo(&buf, " TABLESPACE %s", name_or_dropped(get_tablespace_name(second->tablespace)));
	return buf.data;
}

static char *
copy_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;
	char	   *sql = psprintf("INSERT INTO %s SELECT * FROM %s", hidden(second), sql_table(making, second->relation));

	if (second->order != NIL)
		return psprintf("%s ORDER BY %s", sql, sql_expression(making, second->order, second->relation));
	if (OidIsValid(second->index))
		return psprintf("%s /* in the order of index %s */", sql,
						name_or_dropped(get_rel_name(second_index(second))));
	return sql;
}

static char *
index_sql(const Making *making, const void *data)
{
	return psprintf("REINDEX TABLE CONCURRENTLY %s", hidden(data));
}

static char *
compare_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;

	return psprintf("SELECT * FROM %s EXCEPT SELECT * FROM %s", sql_table(making, second->relation), hidden(second));
}

static char *
exchange_sql(const Making *making, const void *data)
{
	return psprintf("DROP TABLE %s", hidden(data));
}

const Verb verb_make_second = {
	.name = "make_second", .action = ACTION_SECOND, .args = &args, .sql = make_sql,
};
const Verb verb_copy_rows = {.name = "copy_rows", .action = ACTION_COPY, .args = &args, .sql = copy_sql};
const Verb verb_build_second_indexes = {
	.name = "build_second_indexes", .action = ACTION_INDEX, .args = &args, .sql = index_sql,
};
const Verb verb_compare_rows = {
	.name = "compare_rows", .action = ACTION_COMPARE, .args = &args, .sql = compare_sql,
};
const Verb verb_exchange_storage = {
	.name = "exchange_storage", .action = ACTION_EXCHANGE, .args = &args, .sql = exchange_sql,
};
