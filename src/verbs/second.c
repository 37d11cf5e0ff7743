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
#include "catalog/query.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "core/expression.h"
#include "core/names.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field computed_fields[] = {
	FIELD(ComputedColumn, name, TEXT),
	FIELD(ComputedColumn, type, TEXT),
	FIELD(ComputedColumn, expression, EXPRESSION),
};

static const Fields computed_column = FIELDS(ComputedColumn, computed_fields);

static const Field converted_fields[] = {
	FIELD(ConvertedColumn, name, TEXT),
	FIELD(ConvertedColumn, type, TEXT),
	FIELD(ConvertedColumn, toastable, BOOL),
	FIELD(ConvertedColumn, mapped, BOOL),
	FIELD(ConvertedColumn, exact, BOOL),
	FIELD(ConvertedColumn, up, TEXT),
	FIELD(ConvertedColumn, up_resolution, TEXT),
	FIELD(ConvertedColumn, down, TEXT),
	FIELD(ConvertedColumn, down_resolution, TEXT),
	FIELD(ConvertedColumn, readable, TEXT),
	FIELD(ConvertedColumn, sequences, OIDS),
};

static const Fields converted_column = FIELDS(ConvertedColumn, converted_fields);

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
	FIELD(SecondArgs, new_shape, BOOL),
	FIELD(SecondArgs, columns, TEXTS),
	FIELD_OF(SecondArgs, layout, STRUCT, &partition_layout_fields),
	FIELD_OF(SecondArgs, computed, STRUCTS, &computed_column),
	FIELD_OF(SecondArgs, converted, STRUCT, &converted_column),
	FIELD(SecondArgs, splits, BOOL),
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

/* The names of the columns in their new order; "" for the one that they have. */
static char *
column_list(const SecondArgs *second)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, second->columns)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", quote_identifier(lfirst(lc)));
	return buf.data;
}

char *
second_part_name(const SecondArgs *second, int n)
{
	const LayoutPart *part = list_nth(second->layout->parts, n);

	if (!second->splits)
		return partition_layout_part_name(part);
	/* one of them may have the name of the partition that is split */
	return sql_qualified(second->namespace, names_make(second->hidden, psprintf("_%d", n + 1)));
}

char *
second_like_rel_name(const SecondArgs *second, Oid like)
{
	return names_make(second->hidden, psprintf("_%u", like));
}

char *
second_like_name(const SecondArgs *second, Oid namespace, Oid like)
{
	return sql_qualified(namespace, second_like_rel_name(second, like));
}

/* What a partition of a partitioned table's like is one of; what is gone by then is shown as that. */
static char *
like_parent(const SecondArgs *second, const LayoutPart *part)
{
	Oid			namespace = get_rel_namespace(part->above);

	if (!OidIsValid(part->above))
		return hidden(second);
	return OidIsValid(namespace) ? second_like_name(second, namespace, part->above) : pstrdup("<dropped>");
}

/* A partitioned table like the first one, with the column of the new type. */
static char *
like_sql(const SecondArgs *second)
{
	const ConvertedColumn *converted = second->converted;
	char	   *columns = QUERY_ONCE_TEXT("SELECT string_agg(format('%I %s', attname, CASE WHEN attname = $2 THEN $3 ELSE format_type(atttypid, atttypmod) END), ', ' ORDER BY attnum) "
										  "FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped",
										  arg_oid(second->relation), arg_text(converted->name), arg_text(converted->type));
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	sql_statement(&buf, "CREATE TABLE %s (%s) PARTITION BY %s", hidden(second), columns != NULL ? columns : "<dropped>",
				  partition_layout_key_sql(second->layout, second->relation, true));
	foreach(lc, second->layout->parts)
	{
		const LayoutPart *part = lfirst(lc);

		sql_statement(&buf, "CREATE TABLE %s PARTITION OF %s %s%s%s", second_like_name(second, part->namespace, part->like),
					  like_parent(second, part), part->bound, part->by != NULL ? " PARTITION BY " : "", part->by != NULL ? part->by : "");
	}
	return buf.data;
}

/* The partitioned table and its partitions. */
static char *
partitioned_sql(const Making *making, const SecondArgs *second)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	sql_statement(&buf, "CREATE TABLE %s (LIKE %s) PARTITION BY %s", hidden(second), sql_table(making, second->relation),
				  partition_layout_key_sql(second->layout, second->relation, making->flavour == FLAVOUR_SHOWN));
	foreach(lc, second->layout->parts)
	{
		const LayoutPart *part = lfirst(lc);

		sql_statement(&buf, "CREATE TABLE %s PARTITION OF %s %s", second_part_name(second, foreach_current_index(lc)),
					  hidden(second), part->bound);
	}
	return buf.data;
}

char *
second_computed_sql(const SecondArgs *second, const ComputedColumn *column, const char *table, bool missing_ok)
{
	char	   *expression = expression_sql(column->expression, second->relation, missing_ok);

	if (column->type == NULL)
		return psprintf("ALTER TABLE %s ALTER COLUMN %s SET EXPRESSION AS (%s)", table, quote_identifier(column->name), expression);
	return psprintf("ALTER TABLE %s ADD COLUMN %s %s GENERATED ALWAYS AS (%s) STORED", table, quote_identifier(column->name),
					column->type, expression);
}

#define JUDGES \
	"SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_attribute a JOIN pg_depend d " \
	"ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum " \
	"WHERE a.attrelid = $1 AND a.attname = $2 AND (d.classid = 'pg_constraint'::regclass " \
	"  OR d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = d.objid AND (i.indisunique OR i.indisexclusion))) " \
	"UNION ALL SELECT 'its NOT NULL' FROM pg_attribute WHERE attrelid = $1 AND attname = $2 AND attnotnull LIMIT 1"

char *
second_judges_column(Oid relid, const char *column)
{
	return QUERY_ONCE_TEXT(JUDGES, arg_oid(relid), arg_text(column));
}

/* The columns that can be written, with "value" for the one that is called "name". */
static char *
columns_with(const SecondArgs *second, const char *name, const char *value)
{
	char	   *names = QUERY_ONCE_TEXT("SELECT string_agg(CASE WHEN attname = $2 THEN $3 ELSE quote_ident(attname) END, ', ' ORDER BY attnum) "
										"FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
										arg_oid(second->relation), arg_text(name), arg_text(value));

	return names != NULL ? names : pstrdup("<dropped>");
}

static char *
written_columns(const SecondArgs *second)
{
	return columns_with(second, NULL, NULL);
}

/* The same, as the second table has them. */
static char *
made_columns(const SecondArgs *second)
{
	return second->converted == NULL ? written_columns(second) :
		columns_with(second, second->converted->name, second->converted->readable);
}

/* The same table, and then the columns that it computes. */
static char *
computing_sql(const Making *making, const SecondArgs *second)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	sql_statement(&buf, "CREATE TABLE %s (LIKE %s INCLUDING GENERATED)", hidden(second), sql_table(making, second->relation));
	foreach(lc, second->computed)
		sql_statement(&buf, "%s", second_computed_sql(second, lfirst(lc), hidden(second), making->flavour == FLAVOUR_SHOWN));
	return buf.data;
}

/* The same table, with the column of the new type. */
static char *
converting_sql(const Making *making, const SecondArgs *second)
{
	StringInfoData buf;

	initStringInfo(&buf);
	sql_statement(&buf, "CREATE TABLE %s (LIKE %s INCLUDING GENERATED)", hidden(second), sql_table(making, second->relation));
	sql_statement(&buf, "ALTER TABLE %s ALTER COLUMN %s TYPE %s USING NULL", hidden(second),
				  quote_identifier(second->converted->name), second->converted->type);
	return buf.data;
}

static char *
make_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;
	StringInfoData buf;

	if (making->back)
		return psprintf("DROP TABLE %s", hidden(second));
	initStringInfo(&buf);
	if (second->layout != NULL && second->converted != NULL)
		return like_sql(second);
	if (second->layout != NULL)
		return partitioned_sql(making, second);
	if (second->converted != NULL)
		return converting_sql(making, second);
	if (second->columns != NIL)
		appendStringInfo(&buf, "CREATE %sTABLE %s AS SELECT %s FROM %s WITH NO DATA",
						 second->persistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "", hidden(second),
						 column_list(second), sql_table(making, second->relation));
	else if (second->computed != NIL)
		return computing_sql(making, second);
	else
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
	char	   *sql;

	if (second->computed != NIL || second->converted != NULL)
		return psprintf("INSERT INTO %s (%s) SELECT %s FROM %s", hidden(second), written_columns(second),
						made_columns(second), sql_table(making, second->relation));
	sql = psprintf("INSERT INTO %s SELECT %s FROM %s", hidden(second),
				   second->columns != NIL ? column_list(second) : "*", sql_table(making, second->relation));
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

	if (second->columns != NIL)
		return psprintf("SELECT %s FROM %s EXCEPT SELECT * FROM %s", column_list(second),
						sql_table(making, second->relation), hidden(second));
	if (second->computed != NIL || second->converted != NULL)
		return psprintf("SELECT %s FROM %s EXCEPT SELECT %s FROM %s", made_columns(second),
						sql_table(making, second->relation), written_columns(second), hidden(second));
	return psprintf("SELECT * FROM %s EXCEPT SELECT * FROM %s", sql_table(making, second->relation), hidden(second));
}

static char *
exchange_sql(const Making *making, const void *data)
{
	return psprintf("DROP TABLE %s", hidden(data));
}

static char *
analyze_sql(const Making *making, const void *data)
{
	return psprintf("ANALYZE %s", hidden(data));
}

/* By names, as they are on the way there and on the way back alike. */
static char *
exchange_tables_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;
	char	   *table = sql_table(making, second->relation);
	const char *name = name_or_dropped(get_rel_name(second->relation));
	char	   *aside = sql_own_name(making->migration, second->hidden);
	StringInfoData buf;

	/* once they have been exchanged, it is the hidden one that has this name */
	initStringInfo(&buf);
	sql_statement(&buf, "ALTER TABLE %s RENAME TO %s", hidden(second), sql_name(aside));
	sql_statement(&buf, "ALTER TABLE %s RENAME TO %s", table, sql_name(second->hidden));
	sql_statement(&buf, "ALTER TABLE %s RENAME TO %s", sql_qualified(second->namespace, aside), name);
	return buf.data;
}

/* As a person would, of partitions that have the names of the end from the beginning. */
static char *
exchange_partition_sql(const Making *making, const void *data)
{
	const SecondArgs *second = data;
	char	   *parent = sql_table(making, second->root);
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	sql_statement(&buf, "ALTER TABLE %s DETACH PARTITION %s", parent, sql_table(making, second->relation));
	sql_statement(&buf, "DROP TABLE %s", sql_table(making, second->relation));
	foreach(lc, second->layout->parts)
	{
		const LayoutPart *part = lfirst(lc);

		sql_statement(&buf, "CREATE TABLE %s PARTITION OF %s %s /* with the rows that were copied */",
					  sql_qualified(part->namespace, part->name), parent, part->bound);
	}
	sql_statement(&buf, "DROP TABLE %s", hidden(second));
	return buf.data;
}

/* What there is to do is done on the way back. */
static char *
refill_sql(const Making *making, const void *data)
{
	return !making->back ? pstrdup("") :
		psprintf("/* if it has missed anything: */ TRUNCATE %s; and all rows are copied back", hidden(data));
}

static char *
compare_first_sql(const Making *making, const void *data)
{
	return !making->back ? pstrdup("") : psprintf("/* every row is compared with that of */ TABLE %s", hidden(data));
}

static char *
drop_sql(const Making *making, const void *data)
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
const Verb verb_analyze_second = {
	.name = "analyze_second", .action = ACTION_ANALYZE, .args = &args, .sql = analyze_sql,
};
const Verb verb_exchange_tables = {
	.name = "exchange_tables", .action = ACTION_EXCHANGE, .args = &args, .sql = exchange_tables_sql,
};
const Verb verb_exchange_partition = {
	.name = "exchange_partition", .action = ACTION_EXCHANGE, .args = &args, .sql = exchange_partition_sql,
};
const Verb verb_refill_first = {.name = "refill_first", .action = ACTION_COPY, .args = &args, .sql = refill_sql};
const Verb verb_compare_first = {
	.name = "compare_first", .action = ACTION_COMPARE, .args = &args, .sql = compare_first_sql,
};
const Verb verb_drop_first = {.name = "drop_first", .action = ACTION_LEAVE, .args = &args, .sql = drop_sql};
