/*-------------------------------------------------------------------------
 *
 * patience.c
 *		The block that does one step, however long it has to wait for its locks.
 *
 * A request for a strong lock stands in front of all traffic behind it: so it
 * stands there for zdm.lock_wait at most, and between two tries the transaction
 * ends, so that nothing is held.  All that the step locks is locked before the
 * first change, table by table, and nobody is waited for while a strong lock is
 * held: of several, one is waited for (the one that was not to be had the last time),
 * and the others must be free at once.
 *
 * Before that comes a lock that keeps neither readers nor writers out, and may
 * be waited for: an autovacuum gives way to it, but not to a request of milliseconds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/guc.h"
#include "script/script.h"
#include "utils/builtins.h"

/* Tries without standing in any queue. */
#define TRIES_NOWAIT 5

/* An autovacuum gives way after deadlock_timeout, which is a second; and what is weak may wait. */
#define WEAK_WAIT_MS 3000

/* For what is locked besides, in milliseconds. */
#define SURPRISE_MS 5

static bool
is_strong(const ScriptBlock *block)
{
	return block->lock >= ShareLock && block->relations != NIL;
}

static char *
literal_list(List *names)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", quote_literal_cstr(lfirst(lc)));
	return buf.data;
}

/* What is locked, with partitions and children: those whom the role may lock by themselves. */
static char *
locked_query(const ScriptBlock *block)
{
	return psprintf("WITH RECURSIVE tree(id) AS (SELECT to_regclass(r)::oid FROM unnest(ARRAY[%s]) r\n"
					"				UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = id)\n"
					"				SELECT c.oid, c.oid::regclass AS name, c.relkind, c.relowner::regrole AS owner FROM tree JOIN pg_class c ON c.oid = id\n"
					"				WHERE relkind IN ('r', 'p', 'v') AND has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')",
					literal_list(block->relations));
}

/*
 * A view cannot be locked without what it reads: whose it is already is a change of
 * nothing, under the same lock.
 */
static void
put_locks(StringInfo buf, const ScriptBlock *block)
{
	if (!is_strong(block))
	{
		PUT(buf, "			PERFORM set_config('lock_timeout', '{ms}ms', true);  -- keeps nobody out\n",
			"ms", psprintf("%d", block->lock == NoLock || block->relations == NIL ? guc_lock_wait : Max(guc_lock_wait, WEAK_WAIT_MS)));
		return;
	}
	PUT(buf,
		"			-- keeps nobody out, but an autovacuum gives way to it\n"
		"			PERFORM set_config('lock_timeout', '{weak}ms', true);\n"
		"			FOR zdm_rel IN {locked} AND relkind <> 'v' ORDER BY c.oid LOOP\n"
		"				EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', zdm_rel.name);\n"
		"			END LOOP;\n"
		"			-- one is waited for, while nothing strong is held\n"
		"			PERFORM set_config('lock_timeout', '{lock_wait}ms', true);\n"
		"			zdm_waits := zdm_try > {tries};\n"
		"			FOR zdm_rel IN {locked} ORDER BY c.oid IS DISTINCT FROM zdm_missed, c.oid LOOP\n"
		"				zdm_at := zdm_rel.oid;\n"
		"				EXECUTE format(CASE WHEN zdm_rel.relkind = 'v' AND zdm_waits THEN 'ALTER VIEW %1$s OWNER TO %2$s'\n"
		"					WHEN zdm_waits THEN 'LOCK TABLE ONLY %1$s IN {mode} MODE'\n"
		"					ELSE 'LOCK TABLE ONLY %1$s IN {mode} MODE NOWAIT' END, zdm_rel.name, zdm_rel.owner);\n"
		"				zdm_waits := false;\n"
		"			END LOOP;\n"
		"			zdm_at := NULL;\n"
		"			PERFORM set_config('lock_timeout', '{surprise}ms', true);\n",
		"weak", psprintf("%d", Max(guc_lock_wait, WEAK_WAIT_MS)), "lock_wait", psprintf("%d", guc_lock_wait),
		"locked", locked_query(block), "tries", psprintf("%d", TRIES_NOWAIT),
		"mode", step_lock_name(block->lock), "surprise", psprintf("%d", Min(guc_lock_wait, SURPRISE_MS)));
}

/* Notes of the step and of those that are done with it; or that they are taken away. */
static char *
notes(const Script *script, const ScriptBlock *block)
{
	StringInfoData buf;
	ListCell   *lc;

	if (block->only_if != NULL)
		return pstrdup("");
	if (block->last)
		return psprintf("			DROP TABLE %s;\n", script->state);
	initStringInfo(&buf);
	if (block->undo)
		appendStringInfo(&buf, "			DELETE FROM %s WHERE step IN (%d", script->state, block->number);
	else
		appendStringInfo(&buf, "			INSERT INTO %s (step) VALUES (%d)", script->state, block->number);
	foreach(lc, block->also)
		appendStringInfo(&buf, block->undo ? ", %d" : ", (%d)", lfirst_int(lc));
	appendStringInfoString(&buf, block->undo ? ");\n" : ";\n");
	return buf.data;
}

/* Is there anything to do? */
static void
put_beginning(StringInfo buf, const Script *script, const ScriptBlock *block)
{
	PUT(buf,
		"DECLARE\n"
		"	zdm_try int := 0;\n"
		"	zdm_rel record;\n"
		"	zdm_at oid;\n"
		"	zdm_missed oid;\n"
		"	zdm_waits boolean;\n"
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
		PUT(buf,
			"	IF NOT EXISTS (SELECT FROM {state} WHERE step = {after} AND part = 0) THEN\n"
			"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'what comes before has not been done',\n"
			"			HINT = 'Run the files again, in their order.';\n"
			"	END IF;\n",
			"state", script->state, "after", psprintf("%d", block->after));
	if (block->only_if != NULL)
		PUT(buf,
			"	IF NOT ({condition}) THEN\n"
			"		RETURN;\n"
			"	END IF;\n",
			"condition", block->only_if);
}

/* Who holds what the step waits for. */
static void
put_blockers(StringInfo buf, const ScriptBlock *block)
{
	PUT(buf,
		"			SELECT string_agg(format('pid %s (%s, %s, since %s)', a.pid, coalesce(a.usename, 'no user: autovacuum?'), a.application_name,\n"
		"				coalesce(a.xact_start::text, 'a time that this role may not see')), ', ')\n"
		"			INTO zdm_who FROM pg_stat_activity a\n"
		"			WHERE a.pid <> pg_backend_pid() AND EXISTS (SELECT FROM pg_locks l\n"
		"				WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation' AND l.mode <> ALL ({harmless})\n"
		"				AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())\n"
		"				AND l.relation IN (WITH RECURSIVE tree(id) AS (SELECT to_regclass(r)::oid FROM unnest(ARRAY[{relations}]::text[]) r\n"
		"					UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = id) SELECT id FROM tree));\n",
		"relations", literal_list(block->relations),
		"harmless", block->lock == AccessExclusiveLock ? "'{}'" :
		block->lock < ShareLock ? "'{AccessShareLock,RowShareLock,RowExclusiveLock}'" : "'{AccessShareLock,RowShareLock}'");
}

char *
patience_body(const Script *script, const ScriptBlock *block)
{
	StringInfoData body;

	initStringInfo(&body);
	put_beginning(&body, script, block);
	appendStringInfoString(&body,
						   "	LOOP\n"
						   "		zdm_try := zdm_try + 1;\n"
						   "		BEGIN\n");
	put_locks(&body, block);
	if (block->sql[0] != '\0')
		PUT(&body, "			EXECUTE {sql};\n", "sql", sql_dollar_quoted(block->sql));
	PUT(&body,
		"{notes}"
		"			EXIT;\n"
		"		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN\n"
		"			zdm_missed := zdm_at;\n",
		"notes", notes(script, block));
	put_blockers(&body, block);
	PUT(&body,
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
		"number", psprintf("%d", block->number));
	return body.data;
}
