/*-------------------------------------------------------------------------
 *
 * flyway.c
 *		Style flyway: versioned migrations, each with its configuration beside it.
 *
 * None of them may run in Flyway's transaction: blocks end theirs between two tries.
 * A migration that has failed is run again from its beginning, and one that has ended
 * never is: so a statement that refuses a transaction has a migration of its own.  The
 * way back has no version, and is not run by Flyway.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/script.h"

#define OUTSIDE "executeInTransaction=false\nplaceholderReplacement=false\n"

static const char *const about =
	"-- Flyway runs these files outside a transaction, as the .conf beside each says; so:\n"
	"--   flyway.postgresql.transactional.lock=false must be set: by default Flyway holds its lock in a transaction that stays open, and CREATE INDEX CONCURRENTLY waits for that transaction for ever.\n"
	"--   flyway.mixed is not needed. A file that failed is noted as failed: mend what it names, then flyway repair, and flyway migrate runs it again from its beginning, which does no harm.\n"
	"--   One flyway migrate runs all files that it finds: release those from 40 on when no old application runs any more, and 50 when there is no need to go back.\n";

/* What is being written: the files of a part. */
typedef struct Writing
{
	const Script *script;
	ScriptPart	part;
	int			number;			/* of the file within its part */
	StringInfoData body;		/* of the file; empty: not begun */
	List	   *files;
} Writing;

static void
put(Writing *writing, const char *statement)
{
	appendStringInfo(&writing->body, "%s;\n\n", statement);
}

static void
begin_file(Writing *writing)
{
	const Script *script = writing->script;

	if (writing->body.len > 0)
		return;
	if (writing->part == PART_EXPAND && writing->number == 0 && script->reason == NULL)
		appendStringInfoString(&writing->body, about);
	appendStringInfoString(&writing->body, header_text(script, writing->part));
	put(writing, style_settings(script, false));
	put(writing, psprintf("DO %s", sql_dollar_quoted(header_check(script, writing->part))));
	if (writing->part == PART_EXPAND && writing->number == 0 && script->reason == NULL)
		put(writing, header_notes_table(script));
}

/* The first of a part has the part's name, and those behind it a number more. */
static char *
file_name(const Writing *writing)
{
	char	   *name = style_file(writing->script, writing->part);
	char	   *rest = strstr(name, "__");

	return writing->number == 0 ? name :
		psprintf("%.*s.%d%s", (int) (rest - name), name, writing->number, rest);
}

static void
end_file(Writing *writing)
{
	char	   *name = file_name(writing);

	if (writing->body.len == 0)
		return;
	put(writing, style_settings(writing->script, true));
	writing->files = style_add_file(writing->files, name, writing->body.data);
	if (writing->part != PART_REVERT)
		writing->files = style_add_file(writing->files, psprintf("%s.conf", name), OUTSIDE);
	writing->number++;
	initStringInfo(&writing->body);
}

static void
write_piece(Writing *writing, const ScriptPiece *piece)
{
	bool		alone = piece->body == NULL && piece->part != PART_REVERT;
	ListCell   *lc;

	if (alone)
		end_file(writing);
	begin_file(writing);
	appendStringInfo(&writing->body, "-- %s\n", piece->title);
	foreach(lc, style_statements(writing->script, piece))
		put(writing, lfirst(lc));
	if (alone)
		end_file(writing);
}

static List *
write_files(const Script *script)
{
	Writing		writing = {.script = script};
	ListCell   *lc;

	for (int part = 0; part < SCRIPT_PARTS; part++)
	{
		if (!style_has_part(script, part))
			continue;
		writing.part = part;
		writing.number = 0;
		initStringInfo(&writing.body);
		begin_file(&writing);
		foreach(lc, script->pieces)
		{
			if (((ScriptPiece *) lfirst(lc))->part == part)
				write_piece(&writing, lfirst(lc));
		}
		end_file(&writing);
	}
	return writing.files;
}

const ScriptStyle style_flyway = {
	.name = "flyway",
	.file = "V{stamp}.{number}__{name}_{word}.sql",
	.back = "{part}_{word}.sql",
	.how = ", whom Flyway has to connect as.",
	.write = write_files,
};
