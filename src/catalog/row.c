/*-------------------------------------------------------------------------
 *
 * row.c
 *		Rows of the extension's own tables as structs.
 *
 * The statements are put together from the list of columns each time: query.c
 * keeps their plans, by their text, so that this is all that a repetition costs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/row.h"
#include "core/errors.h"
#include "lib/stringinfo.h"

const char *
row_word(const RowWords *words, int value)
{
	Assert(value >= 0 && value < words->count);
	return *(const char *const *) ((const char *) words->words + value * words->stride);
}

int
row_word_value(const RowWords *words, const char *word)
{
	for (int i = 0; i < words->count; i++)
	{
		if (strcmp(row_word(words, i), word) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unrecognized value \"%s\" in a table of the extension", word)));
}

/* Those that are given, or those that are not, or all. */
typedef enum Which
{
	WHICH_ALL,
	WHICH_GIVEN,
	WHICH_MADE
} Which;

static bool
is_wanted(const RowColumn *column, Which which)
{
	return which == WHICH_ALL || column->given == (which == WHICH_GIVEN);
}

/* Their names, with commas between them. */
static char *
column_names(const RowTable *table, Which which)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < table->ncolumns; i++)
	{
		const RowColumn *column = &table->columns[i];

		if (is_wanted(column, which))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 column->column != NULL ? column->column : column->name);
	}
	return names.data;
}

char *
row_columns(const RowTable *table)
{
	return column_names(table, WHICH_ALL);
}

/* Column "number" of row "row" of the last result, into its field. */
static void
read_field(const RowColumn *column, void *field, uint64 row, int number)
{
	switch (column->kind)
	{
		case ROW_BOOL:
			*(bool *) field = query_bool(row, number);
			break;
		case ROW_ATTNUM:
			*(AttrNumber *) field = query_int2(row, number);
			break;
		case ROW_INT4:
			*(int32 *) field = query_int4(row, number);
			break;
		case ROW_INT8:
			*(int64 *) field = query_int8(row, number);
			break;
		case ROW_FLOAT8:
			*(double *) field = query_float8(row, number);
			break;
		case ROW_OID:
			*(Oid *) field = query_oid(row, number);
			break;
		case ROW_TEXT:
		case ROW_STRING:
		case ROW_JSONB:
			*(char **) field = query_text(row, number);
			break;
		case ROW_OIDS:
			*(List **) field = query_oids(row, number);
			break;
		case ROW_TEXTS:
			*(List **) field = query_texts(row, number);
			break;
		case ROW_WORD:
			*(int *) field = query_null(row, number) ? 0 :
				row_word_value(column->words, query_text(row, number));
			break;
	}
}

static void
read_fields(const RowTable *table, Which which, void *into, uint64 row)
{
	int			number = 1;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const RowColumn *column = &table->columns[i];

		if (is_wanted(column, which))
			read_field(column, (char *) into + column->offset, row, number++);
	}
}

void *
row_read(const RowTable *table, uint64 row)
{
	void	   *result = palloc0(table->size);

	read_fields(table, WHICH_ALL, result, row);
	return result;
}

static char *
select_sql(const RowTable *table, const char *rest)
{
	return psprintf("SELECT %s FROM %s %s", row_columns(table), table->name, rest);
}

List *
row_list(const RowTable *table, const char *rest, const QueryArg *args, int nargs)
{
	QuerySession session;
	List	   *rows = NIL;
	uint64		n;

	query_begin(&session);
	n = query_run(select_sql(table, rest), args, nargs);
	for (uint64 row = 0; row < n; row++)
		rows = lappend(rows, row_read(table, row));
	query_end(&session);
	return rows;
}

void *
row_first(const RowTable *table, const char *rest, const QueryArg *args, int nargs)
{
	QuerySession session;
	void	   *first = NULL;

	query_begin(&session);
	if (query_run(select_sql(table, rest), args, nargs) > 0)
		first = row_read(table, 0);
	query_end(&session);
	return first;
}

static QueryArg
field_arg(const RowColumn *column, const void *field)
{
	switch (column->kind)
	{
		case ROW_BOOL:
			return arg_bool(*(const bool *) field);
		case ROW_ATTNUM:
			return arg_int2(*(const AttrNumber *) field);
		case ROW_INT4:
			return arg_int4(*(const int32 *) field);
		case ROW_INT8:
			return arg_int8(*(const int64 *) field);
		case ROW_FLOAT8:
			return arg_float8(*(const double *) field);
		case ROW_OID:
			return arg_oid(*(const Oid *) field);
		case ROW_TEXT:
			return arg_text(*(char *const *) field);
		case ROW_STRING:
			return arg_text(*(char *const *) field ? *(char *const *) field : "");
		case ROW_JSONB:
			return arg_jsonb(*(char *const *) field);
		case ROW_OIDS:
			return arg_oids(*(List *const *) field);
		case ROW_TEXTS:
			return arg_texts(*(List *const *) field);
		case ROW_WORD:
			return arg_text(row_word(column->words, *(const int *) field));
	}
	pg_unreachable();
}

/* INSERT INTO table (given, ...) VALUES ($1, ...) RETURNING made, ... */
static char *
insert_sql(const RowTable *table, int given)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (%s) VALUES (", table->name, column_names(table, WHICH_GIVEN));
	for (int i = 1; i <= given; i++)
		appendStringInfo(&sql, "%s$%d", i > 1 ? ", " : "", i);
	appendStringInfoChar(&sql, ')');
	if (given < table->ncolumns)
		appendStringInfo(&sql, " RETURNING %s", column_names(table, WHICH_MADE));
	return sql.data;
}

void
row_insert(const RowTable *table, void *row)
{
	QueryArg   *args = palloc(sizeof(QueryArg) * table->ncolumns);
	int			given = 0;
	QuerySession session;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const RowColumn *column = &table->columns[i];

		if (column->given)
			args[given++] = field_arg(column, (char *) row + column->offset);
	}
	query_begin(&session);
	query_run(insert_sql(table, given), args, given);
	if (given < table->ncolumns)
		read_fields(table, WHICH_MADE, row, 0);
	query_end(&session);
}
