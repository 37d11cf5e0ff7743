/*-------------------------------------------------------------------------
 *
 * assert.c
 *		Queries whose rows say what is in the way.
 *
 * Each row is an SQLSTATE, a message and what the table's row is called; and a hint,
 * if the verb has one.  run/look.c makes an error of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/expression.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

/* Rows that are named. */
#define EXAMPLES "10"

static const Field fields[] = {
	FIELD(AssertArgs, relation, OID),
	FIELD(AssertArgs, sqlstate, TEXT),
	FIELD(AssertArgs, message, TEXT),
	FIELD(AssertArgs, row, EXPRESSION),
	FIELD(AssertArgs, hint, TEXT),
	FIELD(AssertArgs, violation, EXPRESSION),
};

static const Fields args = FIELDS(AssertArgs, fields);

static const Field problem_fields[] = {
	FIELD(Problem, condition, EXPRESSION),
	FIELD(Problem, sqlstate, TEXT),
	FIELD(Problem, message, TEXT),
};

static const Fields problem = FIELDS(Problem, problem_fields);

static const Field rows_fields[] = {
	FIELD(AssertRowsArgs, relation, OID),
	FIELD(AssertRowsArgs, value, EXPRESSION),
	FIELD(AssertRowsArgs, column, TEXT),
	FIELD(AssertRowsArgs, row, EXPRESSION),
	FIELD_OF(AssertRowsArgs, problems, STRUCTS, &problem),
	FIELD(AssertRowsArgs, names_errors, BOOL),
};

static const Fields rows_args = FIELDS(AssertRowsArgs, rows_fields);

static const Field unique_fields[] = {
	FIELD(AssertUniqueArgs, relation, OID),
	FIELD(AssertUniqueArgs, value, EXPRESSION),
	FIELD(AssertUniqueArgs, column, TEXT),
	FIELD(AssertUniqueArgs, message, TEXT),
	FIELD(AssertUniqueArgs, keys, EXPRESSIONS),
	FIELD(AssertUniqueArgs, predicate, EXPRESSION),
	FIELD(AssertUniqueArgs, nulls_not_distinct, BOOL),
};

static const Fields unique_args = FIELDS(AssertUniqueArgs, unique_fields);

static const Field referenced_fields[] = {
	FIELD(AssertReferencedArgs, relation, OID),
	FIELD(AssertReferencedArgs, value, EXPRESSION),
	FIELD(AssertReferencedArgs, column, TEXT),
	FIELD(AssertReferencedArgs, message, TEXT),
	FIELD(AssertReferencedArgs, columns, EXPRESSIONS),
	FIELD(AssertReferencedArgs, references, OID),
	FIELD(AssertReferencedArgs, refcolumns, EXPRESSIONS),
	FIELD(AssertReferencedArgs, plain, BOOL),
};

static const Fields referenced_args = FIELDS(AssertReferencedArgs, referenced_fields);

static char *
sql(const Making *making, const void *data)
{
	const AssertArgs *given = data;

	return psprintf("SELECT '%s', %s, %s%s%s FROM %s WHERE %s LIMIT " EXAMPLES, given->sqlstate,
					sql_literal(given->message), sql_expression(making, given->row, given->relation),
					given->hint ? ", " : "", given->hint ? sql_literal(given->hint) : "",
					sql_table(making, given->relation),
					sql_expression(making, given->violation, given->relation));
}

/* The table, with the new values beside its columns if they are not there yet. */
static char *
from(const Making *making, Oid relid, List *value, const char *column)
{
	if (value == NIL)
		return sql_table(making, relid);
	return psprintf("%s, LATERAL (SELECT %s) AS zdm_new(%s)", sql_table(making, relid),
					sql_expression(making, value, relid), column);
}

/* CASE WHEN ... END of the problems' codes, or of their messages. */
static char *
choose(const Making *making, const AssertRowsArgs *rows, bool messages)
{
	StringInfoData buf;
	ListCell   *lc;

	if (rows->problems == NIL)
		return pstrdup("''");
	initStringInfo(&buf);
	appendStringInfoString(&buf, "CASE");
	foreach(lc, rows->problems)
	{
		Problem    *one = lfirst(lc);

		appendStringInfo(&buf, " WHEN %s THEN %s", sql_expression(making, one->condition, rows->relation),
						 sql_literal(messages ? one->message : one->sqlstate));
	}
	appendStringInfoString(&buf, " END");
	return buf.data;
}

static char *
rows_sql(const Making *making, const void *data)
{
	const AssertRowsArgs *rows = data;
	StringInfoData conditions;
	ListCell   *lc;

	initStringInfo(&conditions);
	foreach(lc, rows->problems)
		appendStringInfo(&conditions, " OR %s",
						 sql_expression(making, ((Problem *) lfirst(lc))->condition, rows->relation));
	/* more than all are NULL: never, but to know it the value has to be computed */
	return psprintf("SELECT %s, %s, %s FROM %s WHERE num_nulls(%s) > 1%s LIMIT " EXAMPLES,
					choose(making, rows, false), choose(making, rows, true),
					sql_expression(making, rows->row, rows->relation),
					from(making, rows->relation, rows->value, rows->column), rows->column, conditions.data);
}

static List *
are_not_null(List *expressions)
{
	List	   *conditions = NIL;
	ListCell   *lc;

	foreach(lc, expressions)
		conditions = lappend(conditions, expression_format("%e IS NOT NULL", lfirst(lc)));
	return conditions;
}

static char *
joined(const Making *making, List *expressions, const char *separator, Oid relid)
{
	return sql_expression(making, expression_join(expressions, separator), relid);
}

static char *
unique_sql(const Making *making, const void *data)
{
	const AssertUniqueArgs *unique = data;
	char	   *list = joined(making, unique->keys, ", ", unique->relation);
	List	   *conditions = unique->predicate == NIL ? NIL :
		list_make1(expression_format("(%e)", unique->predicate));

	if (!unique->nulls_not_distinct)
		conditions = list_concat(conditions, are_not_null(unique->keys));
	return psprintf("SELECT '23505', %s, concat('key (', concat_ws(', ', %s), ') of ', count(*), ' rows') "
					"FROM %s%s%s GROUP BY %s HAVING count(*) > 1 ORDER BY %s LIMIT " EXAMPLES,
					sql_literal(unique->message), list,
					from(making, unique->relation, unique->value, unique->column),
					conditions != NIL ? " WHERE " : "", joined(making, conditions, " AND ", unique->relation),
					list, list);
}

/* EXCEPT compares by the types' own equality, whichever schema that is in. */
static char *
referenced_sql(const Making *making, const void *data)
{
	const AssertReferencedArgs *key = data;
	StringInfoData names;
	char	   *query;

	if (key->plain && (!sql_exists(making, key->relation) || !sql_exists(making, key->references)))
		return pstrdup("");
	query = psprintf("SELECT %s FROM %s WHERE %s EXCEPT SELECT %s FROM %s",
					 joined(making, key->columns, ", ", key->relation),
					 from(making, key->relation, key->value, key->column),
					 joined(making, are_not_null(key->columns), " AND ", key->relation),
					 joined(making, key->refcolumns, ", ", key->references),
					 sql_table(making, key->references));
	if (key->plain)
		return psprintf("SELECT '23503', %s, x::text FROM (%s) x LIMIT " EXAMPLES,
						sql_literal(key->message), query);
	initStringInfo(&names);
	for (int i = 1; i <= list_length(key->columns); i++)
		appendStringInfo(&names, "%sk%d", i > 1 ? ", " : "", i);
	return psprintf("SELECT '23503', %s, concat('key (', concat_ws(', ', %s), ')') "
					"FROM (%s) AS x(%s) ORDER BY %s LIMIT " EXAMPLES,
					sql_literal(key->message), names.data, query, names.data, names.data);
}

static bool
follow(void *data, Oid relid, AttrNumber from, AttrNumber to)
{
	AssertReferencedArgs *key = data;
	bool		found = false;

	if (key->relation == relid)
		found |= expression_follow_all(key->columns, from, to);
	if (key->references == relid)
		found |= expression_follow_all(key->refcolumns, from, to);
	return found;
}

char *
assert_expression(const Step *step)
{
	const AssertRowsArgs *rows;

	if (!verb_is(step, &verb_assert_rows))
		return NULL;
	rows = verb_args(step);
	return rows->names_errors ? expression_sql(rows->value, rows->relation, false) : NULL;
}

const Verb verb_assert = {.name = "assert", .action = ACTION_LOOK, .args = &args, .sql = sql};
const Verb verb_assert_rows = {
	.name = "assert_rows", .action = ACTION_LOOK, .args = &rows_args, .sql = rows_sql,
};
const Verb verb_assert_unique = {
	.name = "assert_unique", .action = ACTION_LOOK, .args = &unique_args, .sql = unique_sql,
};
const Verb verb_assert_referenced = {
	.name = "assert_referenced", .action = ACTION_LOOK, .args = &referenced_args, .sql = referenced_sql,
	.follow = follow,
};
