/*-------------------------------------------------------------------------
 *
 * header.c
 *		What stands at the top of a file: for the reader, and for the server.
 *
 * Sizes and times are estimates from what the catalog knows, or from what the
 * call said of the server that the files are for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "core/target.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/guc.h"

static const char *const purposes[SCRIPT_PARTS] = {
	[PART_EXPAND] = "adds what is new beside what is there",
	[PART_BACKFILL] = "fills in the rows that are there, and builds what hangs on the new column",
	[PART_VERIFY] = "reads every row, and ends in an error if one is not right",
	[PART_CUTOVER] = "makes the new shape the authoritative one",
	[PART_CONTRACT] = "reads every row once more, then removes the old shape: this cannot be undone",
	[PART_REVERT] = "goes back to the old shape, from any point before 50, with all that was written since",
};

/* One text from the catalog, for a table. */
static char *
ask(const char *sql, Oid relid)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	result = QUERY(sql, arg_oid(relid)) > 0 ? query_text(0, 1) : NULL;
	query_end(&session);
	return result ? result : pstrdup("none");
}

/* A comment, however many lines the text has. */
static void
say(StringInfo buf, const char *text)
{
	appendStringInfoString(buf, "--   ");
	for (; *text; text++)
	{
		appendStringInfoChar(buf, *text == '\r' ? ' ' : *text);
		if (*text == '\n')
			appendStringInfoString(buf, "--     ");
	}
	appendStringInfoChar(buf, '\n');
}

/* What the rows take: time, WAL, disk. */
static void
say_fill(StringInfo buf, const Script *script, const ScriptEstimate *e)
{
	if (e->fill_seconds <= 0)
		return;
	say(buf, psprintf("filling in: about %s, with its rests (20 says how far it is)", estimate_time(e->fill_seconds)));
	say(buf, psprintf("its WAL: about %s, %s a second; up to %s more with full page images",
					  estimate_bytes(e->fill_wal), estimate_bytes(e->fill_wal / Max(e->fill_seconds, 1)), estimate_bytes(e->size)));
	say(buf, psprintf("its disk: up to %s until VACUUM, as each row that is written leaves a dead one", estimate_bytes(e->fill_disk)));
	say(buf, psprintf("user triggers that the batches fire, as any UPDATE does: %s",
					  ask("SELECT string_agg(quote_ident(tgname), ', ') FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D' AND (tgtype & 16) <> 0 AND tgattr = ''", script->subject)));
}

static void
say_sizes(StringInfo buf, const Script *script)
{
	ScriptEstimate e = estimate_make(script);

	appendStringInfoString(buf, "-- Table:\n");
	say(buf, script->table);
	say(buf, psprintf("size %s, about %.0f rows%s", estimate_bytes(e.size), e.rows,
					  e.writes >= 0 ? psprintf(", %.0f writes a second", e.writes) : ""));
	say(buf, psprintf("indexes: %s", ask("SELECT string_agg(format('%s (%s here)', indexrelid::regclass, pg_size_pretty(pg_relation_size(indexrelid))), ', ') FROM pg_index WHERE indrelid = $1", script->subject)));
	appendStringInfoString(buf, "-- Estimates, to tell minutes from days:\n");
	say_fill(buf, script, &e);
	if (e.builds > 0)
		say(buf, psprintf("indexes built CONCURRENTLY: %d, about %s and %s of disk", e.builds,
						  estimate_time(e.index_seconds), estimate_bytes(e.index_bytes)));
	say(buf, psprintf("each time that all rows are read: about %s", estimate_time(e.read_seconds)));
	if (e.writes > 0 && script->pair != NULL)
		say(buf, psprintf("applications write about %.0f rows through the trigger meanwhile, and %s of WAL a second more than before",
						  e.written_meanwhile, estimate_bytes(e.writers_wal)));
}

static void
say_locks(StringInfo buf, const Script *script)
{
	appendStringInfo(buf, "-- Locks: each is asked for in vain for at most %d ms at a time (zdm.lock_wait), then again after a pause.\n", guc_lock_wait);
	appendStringInfoString(buf, "--   What is strong changes the catalog only, and is had for milliseconds; what reads or builds lets readers and writers go on.\n");
}

static void
say_notes(StringInfo buf, const Script *script)
{
	ListCell   *lc;

	if (script->plan->notes == NIL)
		return;
	appendStringInfoString(buf, "-- Found on the server that made this script:\n");
	foreach(lc, script->plan->notes)
		say(buf, lfirst(lc));
}

static void
say_applications(StringInfo buf, const Script *script)
{
	if (script->pair == NULL)
		return;
	appendStringInfoString(buf, "-- What applications notice:\n");
	say(buf, "SELECT *, and INSERT and COPY without a column list, see one column more from 10 to 50, and the changed one comes last afterwards");
	say(buf, "a prepared statement that returns SELECT * fails once (0A000) when a column comes or goes, until it is prepared again");
	if (!script->exchanges)
		say(buf, psprintf("both names, %s and %s, can be read and written from 10 to 50", script->old_name, script->new_name));
	else
	{
		say(buf, psprintf("one name throughout, %s, which has its new type from 40 on; %s is nobody's to write", script->old_name, script->new_name));
		say(buf, "before 40, a value that the new type does not take goes through, and 30 names its row; after it, a value that the old type does not take goes through, and 90 names its row and does not go back");
	}
}

static void
say_reason(StringInfo buf, const Script *script)
{
	appendStringInfo(buf, "-- There are no files for this change: what it needs has no form in plain SQL of PostgreSQL %d.\n",
					 script->options.target);
	say(buf, script->reason->message);
	if (script->reason->detail)
		say(buf, script->reason->detail);
	if (script->reason->hint)
		say(buf, script->reason->hint);
	appendStringInfoChar(buf, '\n');
}

static void
say_running(StringInfo buf, const Script *script)
{
	appendStringInfo(buf, "-- To stop: break off whoever runs it, at any point; to go on: run the same again.\n"
					 "-- To go back: %s, at any point before %s has ended.\n"
					 "-- To watch: the notices; pg_stat_activity, pg_stat_progress_create_index, the lag of standbys, free disk.\n",
					 style_file(script, PART_REVERT), style_file(script, PART_CONTRACT));
}

static void
say_settings(StringInfo buf)
{
	appendStringInfoString(buf, "-- Settings that hold here, as of the session that made it: ");
	appendStringInfo(buf, "zdm.lock_wait %d ms, zdm.batch_time %d ms, zdm.batch_rest %g, zdm.max_replica_lag %d ms, zdm.max_slot_wal %d MB.\n",
					 guc_lock_wait, guc_batch_time, guc_batch_rest, guc_max_replica_lag, guc_max_slot_wal);
	appendStringInfoString(buf, "--   Not looked at, since a plain role cannot see it: free disk, the archiver, who holds old snapshots. No zdm.batch_window, zdm.not_before or zdm.backfill_workers.\n\n");
}

/* SCRIPT_PARTS: of all of them. */
char *
header_text(const Script *script, ScriptPart part)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "-- The change:\n");
	say(&buf, script->change->ddl ? script->change->ddl :
		psprintf("%s of %s", script->change->kind, script->table));
	if (script->reason != NULL)
	{
		say_reason(&buf, script);
		return buf.data;
	}
	if (part != SCRIPT_PARTS)
		appendStringInfo(&buf, "-- This file %s.\n", part == PART_CONTRACT && script->pair == NULL ?
						 "ends the change: after it there is no way back" : purposes[part]);
	appendStringInfo(&buf, "-- For PostgreSQL %d, without the extension; by the owner of the table, who needs CREATE on its schema%s\n",
					 script->options.target, script->options.style->how);
	if (part != PART_EXPAND && part != SCRIPT_PARTS)
	{
		appendStringInfoChar(&buf, '\n');
		return buf.data;
	}
	say_running(&buf, script);
	say_sizes(&buf, script);
	say_locks(&buf, script);
	say_applications(&buf, script);
	say_notes(&buf, script);
	say_settings(&buf);
	return buf.data;
}

/*
 * What the files rest on, whatever the role or the database is set to; what values are
 * written and read by follows, as the caller has it.  With row_security off, a query that
 * a policy would keep rows from is an error, and not a change that is done in part.
 */
static const char *const fixed_settings[] = {
	"search_path", "pg_catalog, pg_temp",
	"standard_conforming_strings", "on",
	"escape_string_warning", "off",
	"client_min_messages", "notice",
	"statement_timeout", "0",
	"lock_timeout", "0",
	"row_security", "off",
	"default_transaction_isolation", "read committed",
	"default_transaction_read_only", "off",
};

List *
header_settings(const Script *script)
{
	List	   *settings = NIL;

	for (int i = 0; i < lengthof(fixed_settings); i++)
		settings = lappend(settings, pstrdup(fixed_settings[i]));
	if (target_has_transaction_timeout())
		settings = lappend(lappend(settings, "transaction_timeout"), "0");
	return list_concat(settings, script->change->result_settings);
}

char *
header_check(const Script *script, ScriptPart part)
{
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"BEGIN\n"
		"	IF current_setting('server_version_num')::int / 10000 <> {target} THEN\n"
		"		RAISE feature_not_supported USING MESSAGE = format('this file is for PostgreSQL {target}, and the server is %s',\n"
		"			current_setting('server_version')), HINT = 'Make it with target => the major version of this server.';\n"
		"	END IF;\n",
		"target", psprintf("%d", script->options.target));
	if (script->options.style->own_lock)
		/* the session that ran the file before can take a moment to end */
		PUT(&body,
			"	FOR i IN REVERSE 50 .. 0 LOOP\n"
			"		EXIT WHEN pg_try_advisory_lock({number});\n"
			"		IF i = 0 THEN\n"
			"			RAISE lock_not_available USING MESSAGE = 'another session is running a file of this change';\n"
			"		END IF;\n"
			"		PERFORM pg_sleep(0.1);\n"
			"	END LOOP;\n",
			"number", psprintf(INT64_FORMAT, script->plan->migration));
	if (part == PART_CONTRACT || part == PART_REVERT)
		PUT(&body,
			"	IF to_regclass({state}) IS NULL THEN\n"
			"		RAISE NOTICE 'there is nothing to do: it has not been begun, or is done';\n"
			"	END IF;\n", "state", quote_literal_cstr(script->state));
	else if (part != PART_EXPAND)
		PUT(&body,
			"	IF to_regclass({state}) IS NULL THEN\n"
			"		RAISE object_not_in_prerequisite_state USING MESSAGE = '{expand} has not been run, or all is done';\n"
			"	END IF;\n", "state", quote_literal_cstr(script->state), "expand", style_file(script, PART_EXPAND));
	appendStringInfoString(&body, "END");
	return body.data;
}

char *
header_notes_table(const Script *script)
{
	return psprintf("CREATE TABLE IF NOT EXISTS %s (step int, part oid DEFAULT 0, next bigint, upto bigint, last text,\n"
					"	rows bigint DEFAULT 0, missed bigint DEFAULT 0, done timestamptz DEFAULT clock_timestamp(),\n"
					"	PRIMARY KEY (step, part)) USING heap", script->state);
}
