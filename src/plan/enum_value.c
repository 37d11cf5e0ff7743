/*-------------------------------------------------------------------------
 *
 * enum_value.c
 *		The plan of ALTER TYPE ... RENAME VALUE.
 *
 * A value is renamed in an instant, in every row, index and expression at once,
 * but cannot be known by two names, as a column can: from that instant on,
 * whoever says the old one fails.  So the migration rests at once, as a drop
 * does, and only contract renames.
 *
 * Where applications must be able to say both for a while, the new value has to
 * stand beside the old one first, while applications and rows move to it; and as
 * PostgreSQL never takes a value away, the old one goes by way of a new type.
 * That is several migrations, with deployments between them, and of as many
 * tables as use the type: no single plan.  A note says which statements they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/plain.h"
#include "catalog/query.h"
#include "core/names.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "plan/plan.h"
#include "utils/builtins.h"
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

/* How both values can be used for a while, as statements to type. */
static char *
both_ways(Oid type, const AlterEnumStmt *stmt)
{
	char	   *name = format_type_be_qualified(type);
	char	   *old = quote_literal_cstr(stmt->oldVal);
	char	   *new = quote_literal_cstr(stmt->newVal);
	char	   *new_type = name[strlen(name) - 1] == '"' ?
		psprintf("%s_new\"", pnstrdup(name, strlen(name) - 1)) : psprintf("%s_new", name);
	StringInfoData columns;
	StringInfoData moves;
	StringInfoData changes;

	initStringInfo(&columns);
	initStringInfo(&moves);
	initStringInfo(&changes);
	append_columns(type, new_type, stmt, &columns, &moves, &changes);
	return psprintf("Columns of the type: %s.  If applications must be able to say both %s and %s for a while, "
					"revert this and let both values be:\n"
					"SELECT zdm.migrate(%s);\n"
					"-- deploy applications that read both and write %s, then\n"
					"%s"
					"Then, to be rid of %s, change to a type without it; cut over and contract each:\n"
					"CREATE TYPE %s AS ENUM (%s);\n"
					"CREATE CAST (%s AS %s) WITH INOUT AS ASSIGNMENT;\n"
					"CREATE CAST (%s AS %s) WITH INOUT AS ASSIGNMENT;%s",
					columns.len > 0 ? columns.data : "none", old, new,
					quote_literal_cstr(psprintf("ALTER TYPE %s ADD VALUE %s AFTER %s", name, new, old)),
					new, moves.data, old, new_type, new_labels(type, stmt), name, new_type, new_type, name,
					changes.data);
}

/* Another migration's expressions may name the value. */
static void
refuse_harm(Change *change)
{
	ListCell   *lc;

	foreach(lc, ddl_judge(change)->findings)
	{
		Finding    *finding = lfirst(lc);

		if (strcmp(finding->rule, RULE_MIGRATION) == 0)
			ddl_refuse(finding);
	}
}

static void
make(MigrationPlan *plan, Change *change)
{
	AlterEnumStmt *stmt = castNode(AlterEnumStmt, change->stmt);
	Oid			type = typenameTypeId(NULL, makeTypeNameFromNameList(stmt->typeName));

	refuse_harm(change);
	plain_try(change);
	plan_note(plan, "%s", both_ways(type, stmt));
	plan_step(plan, &verb_rename_value, &(RenameValueArgs) {
		.type = type, .from = stmt->oldVal, .to = stmt->newVal,
	}, &(Step) {
		.phase = "contract", .work = CATALOG_ONLY,
		.note = "from then on the old value is unknown, and the new one known, everywhere at once; "
		"taken back by another rename",
	});
}

const PlanKind plan_rename_enum_value = {
	.name = "rename_enum_value",
	.make = make,
	.one_shape = true,
};
