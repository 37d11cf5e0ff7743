/*-------------------------------------------------------------------------
 *
 * enum_value.c
 *		ALTER TYPE ... RENAME VALUE: refused, with the way instead.
 *
 * A value can be renamed in an instant, but not be known by two names, as a
 * column can: from that instant on, whoever says the old one fails.  So the new
 * value has to stand beside the old one first, while applications and rows move
 * to it; and as PostgreSQL never takes a value away, the old one goes by way of
 * a new type.  That is several migrations, with deployments between them, and of
 * as many tables as use the type: no single plan.  What can be done is to say
 * which statements they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_enum.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "plan/plain.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

/* Columns of the type, or of arrays of it, in tables that a migration can be of. */
#define COLUMNS_SQL \
	"SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname::text, a.atttypid <> $1 " \
	"FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace " \
	"WHERE a.atttypid IN ($1, (SELECT typarray FROM pg_type WHERE oid = $1)) AND NOT a.attisdropped " \
	"AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' ORDER BY 1, a.attnum"

/* The other values, in their order, with the new one in the place of the old. */
static char *
new_labels(Oid type, const AlterEnumStmt *stmt)
{
	QuerySession session;
	char	   *labels;

	query_begin(&session);
	QUERY("SELECT string_agg(quote_literal(CASE WHEN enumlabel = $2 THEN $3 ELSE enumlabel END), ', ' ORDER BY enumsortorder) "
		  "FROM pg_enum WHERE enumtypid = $1",
		  arg_oid(type), arg_text(stmt->oldVal), arg_text(stmt->newVal));
	labels = query_text(0, 1);
	query_end(&session);
	return labels;
}

/* The statement that moves a column's rows to the new value. */
static char *
backfill_call(const char *table, const char *column, bool is_array, const AlterEnumStmt *stmt)
{
	char	   *old = quote_literal_cstr(stmt->oldVal);
	char	   *new = quote_literal_cstr(stmt->newVal);
	const char *name = quote_identifier(column);
	char	   *assignment = is_array ?
		psprintf("%s = array_replace(%s, %s, %s)", name, name, old, new) : psprintf("%s = %s", name, new);
	char	   *condition = is_array ? psprintf("%s = ANY (%s)", old, name) : psprintf("%s = %s", name, old);

	return psprintf("SELECT zdm.backfill(%s, %s, %s);", quote_literal_cstr(table),
					quote_literal_cstr(assignment), quote_literal_cstr(condition));
}

/* The statements for each column: to move its rows, and to give it a new type. */
static void
append_columns(Oid type, const char *new_type, const AlterEnumStmt *stmt,
			   StringInfo names, StringInfo moves, StringInfo changes)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY(COLUMNS_SQL, arg_oid(type));
	for (uint64 row = 0; row < n; row++)
	{
		char	   *table = query_text(row, 1);
		char	   *column = query_text(row, 2);
		bool		is_array = query_bool(row, 3);

		appendStringInfo(names, "%s%s (%s)", row > 0 ? ", " : "", table, quote_identifier(column));
		appendStringInfo(moves, "%s\n", backfill_call(table, column, is_array, stmt));
		appendStringInfo(changes, "\nSELECT zdm.change_column_type(%s, %s, %s);",
						 quote_literal_cstr(table), quote_literal_cstr(column),
						 quote_literal_cstr(is_array ? psprintf("%s[]", new_type) : new_type));
	}
	query_end(&session);
}

static void
check_label(Oid type, const char *label)
{
	if (!type_is_enum(type))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not an enum", format_type_be(type))));
	if (!SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(label)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not an existing enum label", label)));
}

void
enum_refuse_rename(const AlterEnumStmt *stmt)
{
	Oid			type = typenameTypeId(NULL, makeTypeNameFromNameList(stmt->typeName));
	char	   *name = format_type_be_qualified(type);
	char	   *old = quote_literal_cstr(stmt->oldVal);
	char	   *new = quote_literal_cstr(stmt->newVal);
	char	   *new_type = format_type_be_qualified(type);
	StringInfoData columns;
	StringInfoData moves;
	StringInfoData changes;

	check_label(type, stmt->oldVal);
	new_type = new_type[strlen(new_type) - 1] == '"' ?
		psprintf("%s_new\"", pnstrdup(new_type, strlen(new_type) - 1)) : psprintf("%s_new", new_type);
	initStringInfo(&columns);
	initStringInfo(&moves);
	initStringInfo(&changes);
	append_columns(type, new_type, stmt, &columns, &moves, &changes);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() does not rename a value of an enum"),
			 errdetail("Applications that say %s would fail the moment it is called %s.%s%s%s", old, new,
					   columns.len > 0 ? " Columns of the type: " : "", columns.data, columns.len > 0 ? "." : ""),
			 errhint("First let both values be, and move to the new one:\n"
					 "SELECT zdm.migrate(%s);\n"
					 "-- deploy applications that read both and write %s, then\n"
					 "%s"
					 "Then, to be rid of %s, change to a type without it; cut over and contract each:\n"
					 "CREATE TYPE %s AS ENUM (%s);\n"
					 "CREATE CAST (%s AS %s) WITH INOUT AS ASSIGNMENT;\n"
					 "CREATE CAST (%s AS %s) WITH INOUT AS ASSIGNMENT;%s",
					 quote_literal_cstr(psprintf("ALTER TYPE %s ADD VALUE %s AFTER %s", name, new, old)),
					 new, moves.data, old, new_type, new_labels(type, stmt), name, new_type, new_type, name,
					 changes.data)));
}
