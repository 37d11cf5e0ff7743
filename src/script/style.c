/*-------------------------------------------------------------------------
 *
 * style.c
 *		Styles of files: the table of them, and what they have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/script.h"
#include "utils/builtins.h"

static const ScriptStyle *const styles[] = {&style_psql, &style_flyway, &style_liquibase, &style_markdown};

/* Parts as files are called: from one to the next there is room. */
static const char *const parts[SCRIPT_PARTS] = {
	[PART_EXPAND] = "10_expand",
	[PART_BACKFILL] = "20_backfill",
	[PART_VERIFY] = "30_verify",
	[PART_CUTOVER] = "40_cutover",
	[PART_CONTRACT] = "50_contract",
	[PART_REVERT] = "90_revert",
};

const ScriptStyle *
style_find(const char *name)
{
	for (int i = 0; i < lengthof(styles); i++)
	{
		if (strcmp(styles[i]->name, name) == 0)
			return styles[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("style must be psql, flyway, liquibase or markdown"),
			 errdetail("It is \"%s\".", name),
			 errhint("Leave it out for files that psql runs.")));
}

char *
style_file(const Script *script, ScriptPart part)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf, part == PART_REVERT ? script->options.style->back : script->options.style->file,
		"part", parts[part], "stamp", script->stamp, "word", script->word,
		"number", pnstrdup(parts[part], 2), "name", parts[part] + strlen("10_"));
	return buf.data;
}

List *
style_add_file(List *files, char *name, char *body)
{
	ScriptFile *file = palloc(sizeof(ScriptFile));

	file->name = name;
	file->body = body;
	return lappend(files, file);
}

/* Each change begins with the first, though it may do nothing but note that it has begun. */
bool
style_has_part(const Script *script, ScriptPart part)
{
	ListCell   *lc;

	foreach(lc, script->pieces)
	{
		if (((ScriptPiece *) lfirst(lc))->part == part)
			return true;
	}
	return part == PART_EXPAND;
}

List *
style_statements(const Script *script, const ScriptPiece *piece)
{
	if (piece->body == NULL)
		return toplevel_statements(script, piece);
	return list_make1(psprintf("DO %s", sql_dollar_quoted(piece->body)));
}

/* What to type for the settings of a file, as one statement; "back" gives the session its own again. */
char *
style_settings(const Script *script, bool back)
{
	List	   *settings = header_settings(script);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT ");
	for (int i = 0; i + 1 < list_length(settings); i += 2)
	{
		const char *name = quote_literal_cstr(list_nth(settings, i));
		const char *kept = quote_literal_cstr(psprintf("zdm_kept.%s", (char *) list_nth(settings, i)));

		if (back)
			appendStringInfo(&buf, "%sset_config(%s, current_setting(%s), false)", i > 0 ? ",\n	" : "", name, kept);
		else
			appendStringInfo(&buf, "%sset_config(%s, current_setting(%s), false), set_config(%s, %s, false)",
							 i > 0 ? ",\n	" : "", kept, name, name, quote_literal_cstr(list_nth(settings, i + 1)));
	}
	return buf.data;
}
