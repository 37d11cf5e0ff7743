/*-------------------------------------------------------------------------
 *
 * toplevel.c
 *		A step that PostgreSQL runs in no transaction.
 *
 * Its note comes after it, in another transaction: a run that was broken off in
 * between does it once more.  What that left behind goes first: an invalid index, or
 * what REINDEX has made of one.
 *
 * psql can ask before whether there is anything to do.  SQL alone cannot: there each
 * of these statements does no harm when it is done again before the next step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define DROP_INDEX "DROP INDEX CONCURRENTLY "
#define IF_EXISTS "IF EXISTS "
#define DETACH " CONCURRENTLY"
#define INDEX_WORDS "INDEX CONCURRENTLY "

static bool
begins(const char *sql, const char *word)
{
	return strncmp(sql, word, strlen(word)) == 0;
}

/* Does it build the index, rather than drop it? */
static bool
builds(const ScriptPiece *piece)
{
	return piece->index != NULL && !begins(piece->alone->sql, DROP_INDEX);
}

/* The index's qualified name; it stands in its table's schema. */
static char *
qualified_index(const ScriptPiece *piece)
{
	Oid			schema = get_rel_namespace(linitial_oid(piece->step->relations));

	return quote_qualified_identifier(get_namespace_name(schema), piece->index);
}

static char *
is_invalid(const char *index)
{
	return psprintf("EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid)",
					quote_literal_cstr(index));
}

/* The indexes that a broken REINDEX has left on the tables, as rows of one column. */
static char *
leftovers(const ScriptBlock *block)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, block->relations)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", quote_literal_cstr(lfirst(lc)));
	return psprintf("SELECT i.indexrelid::regclass AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid\n"
					"  WHERE i.indrelid IN (SELECT to_regclass(r) FROM unnest(ARRAY[%s]) r) AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)\\d*$'",
					buf.data);
}

/* DROP INDEX does no harm if there is none. */
static char *
repeatable_drop(const char *sql)
{
	if (begins(sql, DROP_INDEX) && !begins(sql + strlen(DROP_INDEX), IF_EXISTS))
		return psprintf(DROP_INDEX IF_EXISTS "%s", sql + strlen(DROP_INDEX));
	return pstrdup(sql);
}

static char *
note(const Script *script, const ScriptBlock *block)
{
	if (block->undo)
		return psprintf("DELETE FROM %s WHERE step = %d", script->state, block->number);
	return psprintf("INSERT INTO %s (step) VALUES (%d) ON CONFLICT DO NOTHING", script->state, block->number);
}

/* A partition that is attached, or whose detaching was broken off. */
static char *
is_attached(const Step *step, bool pending)
{
	const PartitionArgs *args = verb_args(step);

	return psprintf("EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s)%s)",
					quote_literal_cstr(quote_qualified_identifier(get_namespace_name(get_rel_namespace(args->partition)),
																  get_rel_name(args->partition))),
					pending ? " AND inhdetachpending" : "");
}

static char *
finalize(const ScriptBlock *block)
{
	return psprintf("%.*s FINALIZE", (int) (strlen(block->sql) - strlen(DETACH)), block->sql);
}

char *
toplevel_psql(const Script *script, const ScriptPiece *piece)
{
	const ScriptBlock *block = piece->alone;
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"SELECT {not}EXISTS (SELECT FROM {state} WHERE step = {number} AND part = 0) AS zdm_todo \\gset\n"
		"\\if :zdm_todo\n",
		"not", block->undo ? "" : "NOT ", "state", script->state, "number", psprintf("%d", block->number));
	if (builds(piece))
	{
		char	   *name = qualified_index(piece);

		PUT(&buf,
			"SELECT {drop} WHERE {invalid} \\gexec\n"
			"SELECT {create} WHERE to_regclass({name}) IS NULL \\gexec\n",
			"drop", quote_literal_cstr(psprintf(DROP_INDEX "%s", name)), "invalid", is_invalid(name),
			"name", quote_literal_cstr(name), "create", sql_dollar_quoted(block->sql));
	}
	else if (verb_is(piece->step, &verb_detach_partition_concurrently))
		PUT(&buf,
			"SELECT {detach} WHERE {attached} AND NOT {pending} \\gexec\n"
			"SELECT {finalize} WHERE {pending} \\gexec\n",
			"detach", quote_literal_cstr(block->sql), "finalize", quote_literal_cstr(finalize(block)),
			"attached", is_attached(piece->step, false), "pending", is_attached(piece->step, true));
	else
	{
		if (verb_is(piece->step, &verb_reindex))
			PUT(&buf, "SELECT 'DROP INDEX CONCURRENTLY ' || name FROM ({left}) l \\gexec\n", "left", leftovers(block));
		PUT(&buf, "{sql};\n", "sql", repeatable_drop(block->sql));
	}
	PUT(&buf, "{note};\n\\endif\n", "note", note(script, block));
	return buf.data;
}

/* A block before the statement, which has to do with what a broken run left; nothing is noted. */
static char *
before(const Script *script, const ScriptBlock *block, const char *only_if, const char *sql)
{
	ScriptBlock first = *block;

	first.only_if = only_if;
	first.sql = sql;
	first.lock = AccessExclusiveLock;
	return psprintf("DO %s", sql_dollar_quoted(patience_body(script, &first)));
}

/*
 * DETACH CONCURRENTLY cannot be done a second time: without psql it is a plain one, which
 * changes the catalog only, in a block that waits for its locks.
 */
static char *
detach_body(const Script *script, const ScriptPiece *piece)
{
	ScriptBlock block = *piece->alone;
	StringInfoData sql;

	initStringInfo(&sql);
	PUT(&sql,
		"DO $zdm_detach$ BEGIN\n"
		"	IF {pending} THEN\n"
		"		{finalize};\n"
		"	ELSIF {attached} THEN\n"
		"		{detach};\n"
		"	END IF;\n"
		"END $zdm_detach$",
		"pending", is_attached(piece->step, true), "attached", is_attached(piece->step, false),
		"finalize", finalize(&block),
		"detach", psprintf("%.*s", (int) (strlen(block.sql) - strlen(DETACH)), block.sql));
	block.sql = sql.data;
	block.lock = AccessExclusiveLock;
	return patience_body(script, &block);
}

List *
toplevel_statements(const Script *script, const ScriptPiece *piece)
{
	const ScriptBlock *block = piece->alone;
	List	   *list = NIL;
	char	   *sql = repeatable_drop(block->sql);

	if (verb_is(piece->step, &verb_detach_partition_concurrently))
		return list_make1(psprintf("DO %s", sql_dollar_quoted(detach_body(script, piece))));
	if (builds(piece))
	{
		char	   *name = qualified_index(piece);
		char	   *words = strstr(sql, INDEX_WORDS) + strlen(INDEX_WORDS);

		list = lappend(list, before(script, block, is_invalid(name), psprintf("DROP INDEX %s", name)));
		sql = psprintf("%.*sIF NOT EXISTS %s", (int) (words - sql), sql, words);
	}
	else if (verb_is(piece->step, &verb_reindex))
		list = lappend(list, before(script, block, psprintf("EXISTS (%s)", leftovers(block)),
									psprintf("DO $zdm_left$ DECLARE r record; BEGIN FOR r IN %s LOOP EXECUTE 'DROP INDEX ' || r.name; END LOOP; END $zdm_left$",
											 leftovers(block))));
	list = lappend(list, sql);
	return lappend(list, psprintf("DO %s", sql_dollar_quoted(psprintf("BEGIN\n	IF to_regclass(%s) IS NOT NULL THEN\n		%s;\n	END IF;\nEND",
																	  quote_literal_cstr(script->state), note(script, block)))));
}
