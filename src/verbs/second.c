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

#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field fields[] = {
	FIELD(SecondArgs, relation, OID),
	FIELD(SecondArgs, namespace, OID),
	FIELD(SecondArgs, hidden, TEXT),
};

static const Fields args = FIELDS(SecondArgs, fields);

static char *
hidden(const SecondArgs *second)
{
	return sql_qualified(second->namespace, second->hidden);
}

static char *
make_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;

	if (making->back)
		return psprintf("DROP TABLE %s", hidden(second));
	return psprintf("CREATE TABLE %s (LIKE %s)", hidden(second), sql_table(making, second->relation));
}

static char *
copy_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;

	return psprintf("INSERT INTO %s SELECT * FROM %s", hidden(second), sql_table(making, second->relation));
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
