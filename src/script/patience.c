/*-------------------------------------------------------------------------
 *
 * patience.c
 *		The block that does one step, however long it has to wait for its locks.
 *
 * A request for a strong lock stands in front of all traffic behind it: so it
 * stands there for zdm.lock_wait at most, and between two tries the transaction
 * ends, so that nothing is held.  All that the step locks is acquired before the first
 * change; while one strong lock is held, the others are tried without waiting for
 * the first few times.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "core/guc.h"
#include "core/names.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Tries without standing in a queue, where several relations are locked. */
#define TRIES_NOWAIT 5

static char *
relation_list(List *relations)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, relations)
	{
		char		relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", names_relation(lfirst_oid(lc)));
	}
	return buf.data;
}

static void
put_locks(StringInfo buf, const ScriptBlock *block)
{
	char	   *relations = relation_list(block->relations);
	const char *mode = step_lock_name(block->lock);

	/* what is weaker keeps nobody waiting */
	if (block->lock < ShareLock || relations[0] == '\0')
		return;
	if (strchr(relations, ',') == NULL)
		PUT(buf, "			LOCK TABLE {relations} IN {mode} MODE;\n", "relations", relations, "mode", mode);
	else
		PUT(buf,
			"			IF zdm_try <= {tries} THEN\n"
			"				LOCK TABLE {relations} IN {mode} MODE NOWAIT;\n"
			"			ELSE\n"
			"				LOCK TABLE {relations} IN {mode} MODE;\n"
			"			END IF;\n",
			"relations", relations, "mode", mode, "tries", psprintf("%d", TRIES_NOWAIT));
}

static char *
literal_list(List *relations)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, relations)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 quote_literal_cstr(names_relation(lfirst_oid(lc))));
	return buf.data;
}

/* Notes of the step and of those that are done with it; or that they are taken away. */
static char *
notes(const Script *script, const ScriptBlock *block)
{
	StringInfoData buf;
	ListCell   *lc;

	if (block->last)
		return psprintf("DROP TABLE %s;", script->state);
	initStringInfo(&buf);
	if (block->undo)
		appendStringInfo(&buf, "DELETE FROM %s WHERE step IN (%d", script->state, block->number);
	else
		appendStringInfo(&buf, "INSERT INTO %s (step) VALUES (%d)", script->state, block->number);
	foreach(lc, block->also)
		appendStringInfo(&buf, block->undo ? ", %d" : ", (%d)", lfirst_int(lc));
	appendStringInfoString(&buf, block->undo ? ");" : ";");
	return buf.data;
}

void
patience_block(StringInfo buf, const Script *script, const ScriptBlock *block)
{
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"DECLARE\n"
		"	zdm_try int := 0;\n"
		"	zdm_who text;\n"
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;  -- all is done, or has been taken back\n"
		"	END IF;\n"
		"	IF {not}EXISTS (SELECT FROM {state} WHERE step = {number} AND part = 0) THEN\n"
		"		RETURN;  -- {why}\n"
		"	END IF;\n",
		"state", script->state, "state_literal", quote_literal_cstr(script->state),
		"number", psprintf("%d", block->number), "not", block->undo ? "NOT " : "",
		"why", block->undo ? "not done, or taken back already" : "done by an earlier run");
	if (block->after != 0)
		PUT(&body,
			"	IF NOT EXISTS (SELECT FROM {state} WHERE step = {after} AND part = 0) THEN\n"
			"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'what comes before has not been done',\n"
			"			HINT = 'Run the files again, in their order.';\n"
			"	END IF;\n",
			"state", script->state, "after", psprintf("%d", block->after));
	PUT(&body,
		"	LOOP\n"
		"		zdm_try := zdm_try + 1;\n"
		"		BEGIN\n"
		"			PERFORM set_config('lock_timeout', '{lock_wait}ms', true);\n",
		"lock_wait", psprintf("%d", guc_lock_wait));
	put_locks(&body, block);
	PUT(&body,
		"			EXECUTE {sql};\n"
		"			{notes}\n"
		"			EXIT;\n"
		"		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN\n"
		"			SELECT string_agg(format('pid %s (%s, %s, since %s)', a.pid, coalesce(a.usename, 'no user: autovacuum?'), a.application_name,\n"
		"				coalesce(a.xact_start::text, 'a time that this role may not see')), ', ')\n"
		"			INTO zdm_who FROM pg_stat_activity a\n"
		"			WHERE a.pid <> pg_backend_pid() AND EXISTS (SELECT FROM pg_locks l\n"
		"				WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation' AND l.mode <> ALL ({harmless})\n"
		"				AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())\n"
		"				AND l.relation IN (SELECT coalesce(p.relid, r) FROM unnest(ARRAY[{relations}]::regclass[]) r\n"
		"					LEFT JOIN LATERAL pg_partition_tree(r) p ON true));\n"
		"		END;\n"
		"		ROLLBACK;\n"
		"		IF zdm_try % 10 = 1 THEN\n"
		"			RAISE NOTICE 'step {number} waits for a lock, held by: %', coalesce(zdm_who, 'nobody any more');\n"
		"		END IF;\n"
		"		PERFORM pg_sleep(least(0.05 * 1.3 ^ least(zdm_try, 20), 5) * (0.5 + random() / 2));\n"
		"		ROLLBACK;\n"
		"	END LOOP;\n"
		"	COMMIT;\n"
		"END",
		"sql", sql_dollar_quoted(block->sql), "notes", notes(script, block),
		"relations", literal_list(block->relations),
		"harmless", block->lock == AccessExclusiveLock ? "'{}'" :
		block->lock < ShareLock ? "'{AccessShareLock,RowShareLock,RowExclusiveLock}'" : "'{AccessShareLock,RowShareLock}'",
		"number", psprintf("%d", block->number));
	appendStringInfo(buf, "-- %s\nDO %s;\n\n", block->title, sql_dollar_quoted(body.data));
}
