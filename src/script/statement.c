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

/* Has the index come to be valid, with those of all partitions? */
static char *
check_index(const Script *script, const char *query)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"BEGIN\n"
		"	IF ({query}) IS NOT TRUE THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the index is not valid: partitions have come since the script was made',\n"
		"			HINT = 'Go back with 90_revert.sql, and make the script anew.';\n"
		"	END IF;\n"
		"END", "query", query);
	return psprintf("DO %s", sql_dollar_quoted(buf.data));
}

char *
script_statement(const Script *script, const Step *step)
{
	char	   *sql = verb_sql(step, false, FLAVOUR_SCRIPT);

	return verb_is(step, &verb_complete_index) ? check_index(script, sql) : sql;
}

char *
script_undo(const Script *script, const Step *step)
{
	return verb_sql(step, true, FLAVOUR_SCRIPT);
}
