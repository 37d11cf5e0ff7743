/*-------------------------------------------------------------------------
 *
 * psql.c
 *		Style psql: a file for each part, with commands of psql where they help.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/script.h"
#include "utils/builtins.h"

static void
put_settings(StringInfo buf, const Script *script)
{
	List	   *settings = header_settings(script);

	appendStringInfoString(buf, "\\set ON_ERROR_STOP on\n");
	for (int i = 0; i + 1 < list_length(settings); i += 2)
	{
		const char *name = list_nth(settings, i);
		const char *value = list_nth(settings, i + 1);

		/* a list is no string */
		appendStringInfo(buf, "SET %s = %s;\n", quote_identifier(name),
						 strcmp(name, "search_path") == 0 ? value : quote_literal_cstr(value));
	}
	appendStringInfoChar(buf, '\n');
}

static char *
part_text(const Script *script, ScriptPart part)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, header_text(script, part));
	put_settings(&buf, script);
	appendStringInfo(&buf, "DO %s;\n\n", sql_dollar_quoted(header_check(script, part)));
	if (part == PART_EXPAND && script->reason == NULL)
		appendStringInfo(&buf, "-- What is done, and how far the batches are; goes with the last file\n%s;\n\n",
						 header_notes_table(script));
	/* statements alone look at the notes, which may not be there */
	if (part == PART_REVERT)
		PUT(&buf,
			"SELECT to_regclass({state}) IS NOT NULL AS zdm_begun \\gset\n"
			"\\if :zdm_begun\n\n", "state", quote_literal_cstr(script->state));
	foreach(lc, script->pieces)
	{
		ScriptPiece *piece = lfirst(lc);

		if (piece->part != part)
			continue;
		appendStringInfo(&buf, "-- %s\n", piece->title);
		if (piece->body != NULL)
			appendStringInfo(&buf, "DO %s;\n\n", sql_dollar_quoted(piece->body));
		else
			appendStringInfo(&buf, "%s\n", toplevel_psql(script, piece));
	}
	if (part == PART_REVERT)
		appendStringInfoString(&buf, "\\endif\n");
	return buf.data;
}

static List *
write_files(const Script *script)
{
	List	   *files = NIL;

	for (int part = 0; part < SCRIPT_PARTS; part++)
	{
		if (style_has_part(script, part))
			files = style_add_file(files, style_file(script, part), part_text(script, part));
	}
	return files;
}

const ScriptStyle style_psql = {
	.name = "psql",
	.file = "{part}.sql",
	.back = "{part}.sql",
	.how = ":\n--   psql -X -v ON_ERROR_STOP=1 -f FILE, in the order of their numbers, each again after a failure at any line.",
	.own_lock = true,
	.write = write_files,
};
