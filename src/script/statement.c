/*-------------------------------------------------------------------------
 *
 * statement.c
 *		What a step of a plan runs, as plain SQL.
 *
 * Its names are those of today, of the server that the script is for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/script.h"

static void
put_assertion(StringInfo buf, const Assertion *assertion)
{
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"DECLARE\n"
		"	zdm_found text := ({query});\n"
		"BEGIN\n"
		"	IF zdm_found IS NOT NULL THEN\n"
		"		RAISE SQLSTATE '{sqlstate}' USING MESSAGE = {message} || zdm_found,\n"
		"			HINT = {hint};\n"
		"	END IF;\n"
		"END",
		"query", assertion->query, "sqlstate", assertion->sqlstate,
		"message", sql_literal(psprintf("%s: ", assertion->message)), "hint", sql_literal(assertion->hint));
	sql_statement(buf, "DO %s", sql_dollar_quoted(body.data));
}

/* What must hold, and then what is done. */
static char *
statements(const Step *step, bool back)
{
	char	   *sql = verb_sql(step, back, FLAVOUR_SCRIPT);
	StringInfoData buf;
	ListCell   *lc;

	older_look(sql);
	initStringInfo(&buf);
	foreach(lc, verb_asserts(step, back, FLAVOUR_SCRIPT))
		put_assertion(&buf, lfirst(lc));
	if (!verb_is(step, &verb_complete_index))
		sql_statement(&buf, "%s", sql);
	return buf.data;
}

char *
script_statement(const Step *step)
{
	return statements(step, false);
}

char *
script_undo(const Step *step)
{
	return statements(step, true);
}
