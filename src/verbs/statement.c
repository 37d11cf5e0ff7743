/*-------------------------------------------------------------------------
 *
 * statement.c
 *		A statement as it stands.
 *
 * Its names and constants are read as the session read them that stated it: by
 * its search_path, and by its formats if it has constants that depend on them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field fields[] = {
	FIELD(StatementArgs, has_path, BOOL),
	FIELD(StatementArgs, path, TEXTS),
	FIELD(StatementArgs, formats, TEXTS),
	FIELD(StatementArgs, text, TEXT),
	FIELD(StatementArgs, made_index, OID),
	FIELD(StatementArgs, made_not_null, OID),
	FIELD(StatementArgs, column, TEXT),
};

static const Fields args = FIELDS(StatementArgs, fields);

/* What it has made while the table was its transaction's own. */
static char *
opposite(const Making *making, const StatementArgs *statement)
{
	if (OidIsValid(statement->made_index))
		return psprintf("DROP INDEX %s", sql_table(making, statement->made_index));
	if (OidIsValid(statement->made_not_null))
		return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL",
						sql_table(making, statement->made_not_null), sql_name(statement->column));
	return pstrdup("");
}

static char *
sql(const Making *making, const void *data)
{
	const StatementArgs *statement = data;
	/* in a script, for its transaction alone */
	const char *set = making->flavour == FLAVOUR_SCRIPT ? "SET LOCAL" : "SET";
	StringInfoData buf;
	ListCell   *lc;

	if (making->back)
		return opposite(making, statement);
	initStringInfo(&buf);
	if (statement->has_path)
	{
		appendStringInfo(&buf, "%s search_path TO ", set);
		foreach(lc, statement->path)
			appendStringInfo(&buf, "%s%s", lc == list_head(statement->path) ? "" : ", ", quote_identifier(lfirst(lc)));
		appendStringInfoString(&buf, statement->path == NIL ? "'';\n" : ";\n");
	}
	for (int i = 0; i < list_length(statement->formats); i += 2)
		appendStringInfo(&buf, "%s %s TO %s;\n", set, (char *) list_nth(statement->formats, i),
						 quote_literal_cstr(list_nth(statement->formats, i + 1)));
	appendStringInfoString(&buf, statement->text);
	return buf.data;
}

const Verb verb_statement = {.name = "statement", .args = &args, .sql = sql};
