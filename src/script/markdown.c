/*-------------------------------------------------------------------------
 *
 * markdown.c
 *		Style markdown: a runbook, to be read and carried out by hand.
 *
 * Whoever has it needs nothing else: each step says what it locks and for how long,
 * what is seen when it is done, and what to do when it is not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/guc.h"
#include "core/names.h"
#include "script/script.h"
#include "utils/builtins.h"

static const char *const headings[SCRIPT_PARTS] = {
	[PART_EXPAND] = "Part 10: expand",
	[PART_BACKFILL] = "Part 20: backfill",
	[PART_VERIFY] = "Part 30: verify",
	[PART_CUTOVER] = "Part 40: cutover",
	[PART_CONTRACT] = "Part 50: contract",
	[PART_REVERT] = "Part 90: the way back",
};

static const char *const before[SCRIPT_PARTS] = {
	[PART_EXPAND] = "Applications go on as they are.",
	[PART_BACKFILL] = "Applications go on as they are. It can be broken off and run again at any point.",
	[PART_VERIFY] = "Applications go on as they are. It ends in an error that names the first ten rows that are not right.",
	[PART_CUTOVER] = "Begin when part 30 has ended without an error.",
	[PART_CONTRACT] = "**After it there is no way back.**",
	[PART_REVERT] = "From any point before part 50, with all that was written since. Steps that were not done do nothing here.",
};

/* What has to be so before a part that applications notice. */
static const char *
condition_of(const Script *script, ScriptPart part)
{
	if (script->pair == NULL || (part != PART_CUTOVER && part != PART_CONTRACT))
		return "";
	if (!script->exchanges)
		return part == PART_CUTOVER ? " Applications may use either name before and after it." :
			" Begin when no application uses the old name any more.";
	if (part == PART_CUTOVER)
		return " From then on the column has its new type: all applications have to take it, drivers and their mappings too (one that reads an integer into 32 bits does not take a bigint).";
	return " Begin when all has gone well for as long as you want to be able to go back.";
}

/* The comments of a file's header, as paragraphs and lists. */
static void
put_header(StringInfo buf, const char *header)
{
	while (*header)
	{
		size_t		length = strcspn(header, "\n");

		if (strncmp(header, "--     ", 7) == 0)
			appendStringInfo(buf, "  %.*s\n", (int) length - 7, header + 7);
		else if (strncmp(header, "--   ", 5) == 0)
			appendStringInfo(buf, "- %.*s\n", (int) length - 5, header + 5);
		else if (strncmp(header, "-- ", 3) == 0)
			appendStringInfo(buf, "\n%.*s\n\n", (int) length - 3, header + 3);
		header += length + (header[length] ? 1 : 0);
	}
}

static void
put_sql(StringInfo buf, const char *sql)
{
	/* a fence longer than any in the text */
	const char *fence = strstr(sql, "```") ? "``````" : "```";

	appendStringInfo(buf, "%ssql\n%s;\n%s\n\n", fence, sql, fence);
}

/* What is locked, and for how long. */
static void
put_lock(StringInfo buf, const Script *script, const Step *step, bool undo)
{
	LOCKMODE	lock = undo ? step->undo_lock : step->lock;
	List	   *relations = undo && step->undo_relations ? step->undo_relations : step->relations;
	ScriptEstimate e = estimate_make(script);
	ListCell   *lc;

	appendStringInfo(buf, "Locks: %s", lock == NoLock ? "nothing that anybody waits for" : step_lock_name(lock));
	foreach(lc, relations)
		appendStringInfo(buf, "%s%s", lc == list_head(relations) ? " on " : ", ", names_relation(lfirst_oid(lc)));
	if (index_built_by(step) != NULL && !undo)
		appendStringInfo(buf, ". Readers and writers go on. About %s for each index", estimate_time(e.index_seconds / Max(e.builds, 1)));
	else if (step->action == ACTION_BACKFILL)
		appendStringInfo(buf, ". Rows for %d ms at a time; readers wait for none. About %s", guc_batch_time, estimate_time(e.fill_seconds));
	else if (lock >= ShareLock)
		appendStringInfo(buf, ", for milliseconds; asked for in vain for at most %d ms at a time", guc_lock_wait);
	else
		appendStringInfo(buf, ". Readers and writers go on. About %s if it reads the rows", estimate_time(e.read_seconds));
	appendStringInfoString(buf, ".\n\n");
	if (step->work != NULL && step->work[0] != '\0')
		appendStringInfo(buf, "Work: %s.\n\n", step->work);
	/* those of what is written otherwise here are about the extension */
	if (step->note != NULL && step->note[0] != '\0' && step->action != ACTION_BACKFILL &&
		step->action != ACTION_VERIFY && !verb_is(step, &verb_add_twin))
		appendStringInfo(buf, "Note: %s.\n\n", step->note);
}

/* What the block below is there to do, without all that it does to wait and to be run again. */
static void
put_purpose(StringInfo buf, const Step *step, bool undo)
{
	char	   *sql;

	if (step->action == ACTION_BACKFILL || step->action == ACTION_VERIFY || step->action == ACTION_LOOK)
		return;
	sql = verb_sql(step, undo, FLAVOUR_SCRIPT);
	appendStringInfo(buf, "Does%s:\n\n", verb_is(step, &verb_add_twin) ?
					 (undo ? ", and takes the trigger away" : ", with a trigger that keeps both columns in step from then on") :
					 verb_is(step, &verb_exchange) ? ", and has the trigger follow the other column" :
					 verb_is(step, &verb_drop_twin) ? ", and takes the trigger away" : "");
	/* indented: these are not to be typed */
	for (const char *line = sql; *line;)
	{
		size_t		length = strcspn(line, "\n");

		appendStringInfo(buf, "    %.*s\n", (int) length, line);
		line += length + (line[length] ? 1 : 0);
	}
	appendStringInfoChar(buf, '\n');
}

static const char *
what_to_see(const ScriptPiece *piece)
{
	const Step *step = piece->step;

	if (piece->body == NULL)
		return "No error. `pg_stat_progress_create_index` shows how far a build is. After an error or a break: run this step again, from its first statement.";
	if (step != NULL && piece->part != PART_REVERT && step->action == ACTION_BACKFILL)
		return "Every five seconds a NOTICE with the percentage, or with what it holds for; at the end the number of rows. Broken off, it goes on from there.";
	if (step == NULL || step->action == ACTION_VERIFY || step->action == ACTION_LOOK)
		return "No error. An error names what is in the way (rows by their keys, partitions by their names), and what to do with it.";
	return "No error, usually at once. While it waits, a NOTICE names who holds the lock: end that session's transaction, or let it be. After a break: run it again.";
}

static void
put_piece(StringInfo buf, const Script *script, const ScriptPiece *piece, int number)
{
	ListCell   *lc;

	appendStringInfo(buf, "### %d.%d %s\n\n", piece->part == PART_REVERT ? 90 : (piece->part + 1) * 10, number, piece->title);
	if (piece->step != NULL)
	{
		put_lock(buf, script, piece->step, piece->part == PART_REVERT);
		put_purpose(buf, piece->step, piece->part == PART_REVERT);
	}
	foreach(lc, style_statements(script, piece))
		put_sql(buf, lfirst(lc));
	appendStringInfo(buf, "See: %s\n\n", what_to_see(piece));
}

static void
put_part(StringInfo buf, const Script *script, ScriptPart part)
{
	int			number = 0;
	ListCell   *lc;

	appendStringInfo(buf, "## %s\n\n%s%s\n\n### %d.0 Begin\n\nIn the session that carries out this part, and again in each new one:\n\n",
					 headings[part], before[part], condition_of(script, part), part == PART_REVERT ? 90 : (part + 1) * 10);
	put_sql(buf, style_settings(script, false));
	put_sql(buf, psprintf("DO %s", sql_dollar_quoted(header_check(script, part))));
	if (part == PART_EXPAND && script->reason == NULL)
	{
		appendStringInfoString(buf, "What is done is noted in a small table, which goes at the end:\n\n");
		put_sql(buf, header_notes_table(script));
	}
	foreach(lc, script->pieces)
	{
		ScriptPiece *piece = lfirst(lc);

		if (piece->part == part)
			put_piece(buf, script, piece, ++number);
	}
}

static void
put_preparation(StringInfo buf, const Script *script)
{
	appendStringInfoString(buf,
						   "## Before you begin\n\n"
						   "- [ ] Connect directly, not through a pooler that shares sessions, with a client that commits each statement by itself (psql: no `\\set AUTOCOMMIT off`; no button that wraps all in a transaction).\n");
	appendStringInfo(buf, "- [ ] The role owns %s and what else is named under Locks, and has CREATE on the schema.\n", script->table);
	appendStringInfo(buf, "- [ ] The server is PostgreSQL %d.\n", script->options.target);
	appendStringInfoString(buf,
						   "- [ ] There is room on the disk, for the archive and for each replication slot, as estimated above.\n"
						   "- [ ] No transaction is open for hours: `SELECT pid, usename, application_name, xact_start FROM pg_stat_activity WHERE xact_start < now() - interval '10 minutes'`.\n"
						   "- [ ] Nobody changes the schema of the table until part 50 has ended.\n"
						   "- [ ] Each statement below is run by itself, in the order in which it stands; each may be run again. What stands under Does is for you to read, and is in the statement below it.\n"
						   "- A part is done when its last step has ended without an error; the next may begin at once or days later. Parts 10, 20, 30, 40 and 50 are run in this order, part 90 only to go back.\n"
						   "- A message that speaks of a file means the part, and one that speaks of a step has the number that stands behind the word Step in a heading.\n\n");
}

static void
put_checklist(StringInfo buf, const Script *script)
{
	appendStringInfoString(buf, "## Checklist\n\n");
	for (int part = 0; part < PART_REVERT; part++)
	{
		if (style_has_part(script, part))
			appendStringInfo(buf, "- [ ] %s: begun at ______, ended at ______, by ______\n", headings[part]);
	}
	appendStringInfo(buf, "- [ ] Nothing is left: `SELECT to_regclass(%s)` gives NULL\n", quote_literal_cstr(script->state));
}

static List *
write_files(const Script *script)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "# Runbook: %s of %s\n", script->change->kind, script->table);
	put_header(&buf, header_text(script, SCRIPT_PARTS));
	if (script->reason == NULL)
	{
		appendStringInfoChar(&buf, '\n');
		put_preparation(&buf, script);
		for (int part = 0; part < SCRIPT_PARTS; part++)
		{
			if (style_has_part(script, part))
				put_part(&buf, script, part);
		}
		put_checklist(&buf, script);
	}
	return style_add_file(NIL, psprintf("runbook_%s.md", script->word), buf.data);
}

const ScriptStyle style_markdown = {
	.name = "markdown",
	.file = "part {number}",
	.back = "part {number}",
	.how = ".",
	.write = write_files,
};
