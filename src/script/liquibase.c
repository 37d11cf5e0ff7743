/*-------------------------------------------------------------------------
 *
 * liquibase.c
 *		Style liquibase: formatted SQL, a changeset for each thing that is done.
 *
 * No changeset may run in a transaction of Liquibase's: blocks end theirs between two tries.
 * Each gives the session its settings and takes them away again, since a run may begin with
 * any.  Statements end with a word that is nowhere else: they are full of semicolons.
 *
 * What takes a step back is the rollback of its changeset, so that Liquibase goes the same
 * way as the file would that takes back all of them, from the last to the first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "script/script.h"

#define DELIMITER "zdm_next"

static const char *const about =
	"-- Liquibase runs each changeset outside a transaction, as it must be.\n"
	"--   To go on after a failure: mend what it names, and run liquibase update again. To go back, before 50: liquibase rollback, or rollback-count, as far as this file's first changeset.\n"
	"--   One liquibase update runs all files that it finds: release 40 when applications can do with the new shape, and 50 when there is no need to go back.\n";

typedef struct Changeset
{
	ScriptPart	part;
	int			step;			/* 0: none of the plan */
	char	   *title;
	List	   *statements;		/* char * */
	List	   *rollback;		/* char * */
} Changeset;

static Changeset *
add(List **sets, ScriptPart part, int step, char *title, List *statements)
{
	Changeset  *set = palloc0(sizeof(Changeset));

	set->part = part;
	set->step = step;
	set->title = title;
	set->statements = statements;
	*sets = lappend(*sets, set);
	return set;
}

/* What a part begins with. */
static void
add_beginning(List **sets, const Script *script, ScriptPart part)
{
	List	   *statements = list_make1(psprintf("DO %s", sql_dollar_quoted(header_check(script, part))));

	if (part == PART_EXPAND && script->reason == NULL)
		statements = lappend(statements, header_notes_table(script));
	add(sets, part, 0, pstrdup("Looks whether this is the server, and its turn"), statements);
}

/* Each statement by itself: CONCURRENTLY is alone in its changeset. */
static void
add_piece(List **sets, const Script *script, const ScriptPiece *piece)
{
	ListCell   *lc;

	foreach(lc, style_statements(script, piece))
		add(sets, piece->part, piece->step ? piece->step->number : 0, piece->title, list_make1(lfirst(lc)));
}

/* The first changeset of that step, or of the one that follows it; "fallback" if there is none. */
static Changeset *
set_of(List *sets, int step, Changeset *fallback)
{
	ListCell   *lc;

	foreach(lc, sets)
	{
		Changeset  *set = lfirst(lc);

		if (set->part < PART_CONTRACT && set->step != 0 && set->step >= step)
			return set;
	}
	return fallback;
}

/* The pieces of the way back, each to the changeset that it takes back. */
static void
add_rollbacks(List *sets, const Script *script)
{
	Changeset  *set = NULL;
	ListCell   *lc;

	foreach(lc, sets)
	{
		if (((Changeset *) lfirst(lc))->part < PART_CONTRACT)
			set = lfirst(lc);
	}
	foreach(lc, script->pieces)
	{
		ScriptPiece *piece = lfirst(lc);

		if (piece->part != PART_REVERT)
			continue;
		if (piece->step != NULL)
			set = set_of(sets, piece->step->number, set);
		else if (lc == list_last_cell(script->pieces))
			set = linitial(sets);	/* with the first, the notes go */
		set->rollback = list_concat(set->rollback, style_statements(script, piece));
	}
}

/* Would Liquibase read the line as its own? */
static bool
is_directive(const char *line)
{
	static const char *const words[] = {"changeset", "rollback", "comment", "precondition", "validchecksum",
	"ignorelines", "property", "liquibase"};

	line += strspn(line, " \t");
	if (strncmp(line, "--", 2) != 0 && strncmp(line, "/*", 2) != 0)
		return false;
	line += 2;
	line += strspn(line, " \t");
	for (int i = 0; i < lengthof(words); i++)
	{
		if (pg_strncasecmp(line, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

/* Line by line, behind a prefix. */
static void
put_lines(StringInfo buf, const char *prefix, const char *text)
{
	while (*text)
	{
		size_t		length = strcspn(text, "\n");

		if (is_directive(text))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("Liquibase would read a line of the change as its own"),
					 errdetail("It reads: %.*s", (int) length, text),
					 errhint("Leave the comment out, or use another style.")));
		appendStringInfo(buf, "%s%.*s\n", prefix, (int) length, text);
		text += length + (text[length] ? 1 : 0);
	}
}

/* The statements between the settings, each but the last behind the delimiter. */
static void
put_statements(StringInfo buf, const Script *script, const char *prefix, List *statements)
{
	ListCell   *lc;

	put_lines(buf, prefix, style_settings(script, false));
	foreach(lc, statements)
	{
		appendStringInfo(buf, "%s" DELIMITER "\n", prefix);
		put_lines(buf, prefix, lfirst(lc));
	}
	appendStringInfo(buf, "%s" DELIMITER "\n", prefix);
	put_lines(buf, prefix, style_settings(script, true));
}

static void
put_changeset(StringInfo buf, const Script *script, const Changeset *set, int number)
{
	appendStringInfo(buf, "\n--changeset zdm:%s_%s_%d_%d runInTransaction:false stripComments:false endDelimiter:" DELIMITER " rollbackEndDelimiter:" DELIMITER "\n"
					 "-- %s\n", script->stamp, script->word, (set->part + 1) * 10, number, set->title);
	put_statements(buf, script, "", set->statements);
	if (set->rollback != NIL)
		put_statements(buf, script, "--rollback ", set->rollback);
	else if (set->part < PART_CONTRACT)
		appendStringInfoString(buf, "--rollback empty\n");
}

static char *
part_text(const Script *script, List *sets, ScriptPart part)
{
	StringInfoData buf;
	int			number = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "--liquibase formatted sql\n\n--ignoreLines:start\n%s%s--ignoreLines:end\n",
					 part == PART_EXPAND && script->reason == NULL ? about : "", header_text(script, part));
	foreach(lc, sets)
	{
		Changeset  *set = lfirst(lc);

		if (set->part == part)
			put_changeset(&buf, script, set, ++number);
	}
	return buf.data;
}

static List *
write_files(const Script *script)
{
	List	   *sets = NIL;
	List	   *files = NIL;
	ListCell   *lc;

	for (int part = 0; part < PART_REVERT; part++)
	{
		if (!style_has_part(script, part))
			continue;
		add_beginning(&sets, script, part);
		foreach(lc, script->pieces)
		{
			if (((ScriptPiece *) lfirst(lc))->part == part)
				add_piece(&sets, script, lfirst(lc));
		}
	}
	add_rollbacks(sets, script);
	for (int part = 0; part < PART_REVERT; part++)
	{
		if (style_has_part(script, part))
			files = style_add_file(files, style_file(script, part), part_text(script, sets, part));
	}
	return files;
}

const ScriptStyle style_liquibase = {
	.name = "liquibase",
	.file = "{stamp}_{part}_{word}.sql",
	.back = "liquibase rollback",
	.how = ", whom Liquibase has to connect as.",
	.write = write_files,
};
