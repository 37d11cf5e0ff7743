/*-------------------------------------------------------------------------
 *
 * toplevel.c
 *		A step that PostgreSQL runs in no transaction.
 *
 * Its note comes after it, in another transaction: a run that was broken off in
 * between does it once more.  An index that was left invalid is dropped first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/names.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* The index's qualified name; it stands in its table's schema. */
static char *
qualified_index(const ScriptBlock *block, const char *index)
{
	Oid			schema = get_rel_namespace(linitial_oid(block->relations));

	return quote_qualified_identifier(get_namespace_name(schema), index);
}

static void
put_index(StringInfo buf, const ScriptBlock *block, const char *index)
{
	char	   *name = qualified_index(block, index);

	PUT(buf,
		"SELECT {drop}\n"
		"  FROM pg_index WHERE indexrelid = to_regclass({name}) AND NOT indisvalid \\gexec\n"
		"SELECT {create} WHERE to_regclass({name}) IS NULL \\gexec\n",
		"drop", quote_literal_cstr(psprintf("DROP INDEX CONCURRENTLY %s", name)),
		"name", quote_literal_cstr(name), "create", sql_dollar_quoted(block->sql));
}

#define DROP_INDEX "DROP INDEX CONCURRENTLY "
#define IF_EXISTS "IF EXISTS "

/* What was broken off, or done and not noted, must do no harm when it is done again. */
static void
put_repeatable(StringInfo buf, const ScriptBlock *block)
{
	const char *sql = block->sql;
	ListCell   *lc;

	if (strncmp(sql, "REINDEX ", 8) == 0)
	{
		foreach(lc, block->relations)
			PUT(buf,
				"SELECT 'DROP INDEX CONCURRENTLY ' || i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid\n"
				"  WHERE i.indrelid = to_regclass({table}) AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)\\d*$' \\gexec\n",
				"table", quote_literal_cstr(names_relation(lfirst_oid(lc))));
	}
	if (strncmp(sql, DROP_INDEX, strlen(DROP_INDEX)) == 0 &&
		strncmp(sql + strlen(DROP_INDEX), IF_EXISTS, strlen(IF_EXISTS)) != 0)
		sql = psprintf(DROP_INDEX IF_EXISTS "%s", sql + strlen(DROP_INDEX));
	appendStringInfo(buf, "%s;\n", sql);
}

void
toplevel_block(StringInfo buf, const Script *script, const ScriptBlock *block, const char *index)
{
	PUT(buf,
		"-- {title}\n"
		"SELECT {not}EXISTS (SELECT FROM {state} WHERE step = {number} AND part = 0) AS zdm_todo \\gset\n"
		"\\if :zdm_todo\n",
		"title", block->title, "not", block->undo ? "" : "NOT ", "state", script->state,
		"number", psprintf("%d", block->number));
	if (index != NULL && strncmp(block->sql, DROP_INDEX, strlen(DROP_INDEX)) != 0)
		put_index(buf, block, index);
	else
		put_repeatable(buf, block);
	if (block->undo)
		PUT(buf, "DELETE FROM {state} WHERE step = {number};\n", "state", script->state,
			"number", psprintf("%d", block->number));
	else
		PUT(buf, "INSERT INTO {state} (step) VALUES ({number});\n", "state", script->state,
			"number", psprintf("%d", block->number));
	appendStringInfoString(buf, "\\endif\n\n");
}
