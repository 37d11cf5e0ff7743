/*-------------------------------------------------------------------------
 *
 * batches.c
 *		Walks over all rows of a table, in short transactions.
 *
 * By ranges (range.c), of blocks up to where the table ended when the walk began, as
 * rows written later were written through the trigger.  Where the walk is stands in
 * the small table, in the transaction of the batch.  A row that somebody has locked
 * is left for the next pass.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "column/carry.h"
#include "core/expression.h"
#include "core/guc.h"
#include "core/names.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/guc.h"

static char *
number(int64 value)
{
	return psprintf(INT64_FORMAT, value);
}

/* All tables that have rows: the table itself, or its partitions. */
static char *
leaves(const Script *script)
{
	return psprintf("SELECT coalesce(p.relid, r)::oid AS part FROM (SELECT %s::regclass) x(r) "
					"LEFT JOIN LATERAL (SELECT relid FROM pg_partition_tree(r) WHERE isleaf) p ON true "
					"WHERE (SELECT relkind FROM pg_class WHERE oid = coalesce(p.relid, r)) <> 'p'",
					quote_literal_cstr(script->table));
}

/* How far the walk through "part" goes: its blocks; of what has none, about its rows. */
static char *
extent(void)
{
	return psprintf("(SELECT CASE WHEN a.amhandler = 'heap_tableam_handler'::regproc THEN pg_relation_size(c.oid) / %d ELSE greatest(c.reltuples, 1)::bigint END\n"
					"			FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam WHERE c.oid = part)", BLCKSZ);
}

/* What a plain role can see that speaks against going on; zdm_hold is NULL if nothing does. */
static char *
holds(void)
{
	const char *query = guc_hold_when;
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"			SELECT CASE\n"
		"				WHEN {slot} > 0 AND EXISTS (SELECT FROM pg_replication_slots\n"
		"					WHERE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > {slot}) THEN 'a replication slot keeps back more than {slot_mb} MB of WAL'\n"
		"				WHEN EXISTS (SELECT FROM pg_stat_replication WHERE replay_lag > interval '{lag} ms') THEN 'a standby is more than {lag} ms behind'\n"
		"				END INTO zdm_hold;\n"
		"			IF zdm_hold IS NULL AND to_regproc('pg_catalog.aurora_replica_status') IS NOT NULL THEN\n"
		"				EXECUTE 'SELECT ''a reader of Aurora is more than {lag} ms behind'' FROM pg_catalog.aurora_replica_status() WHERE replica_lag_in_msec > {lag} LIMIT 1' INTO zdm_hold;\n"
		"			END IF;\n",
		"slot", number((int64) guc_max_slot_wal * 1024 * 1024), "slot_mb", number(guc_max_slot_wal),
		"lag", number(guc_max_replica_lag));
	if (query != NULL && query[0] != '\0')
		PUT(&buf,
			"			IF zdm_hold IS NULL THEN\n"
			"				EXECUTE 'SELECT CASE WHEN (' || {query} || ') IS NOT FALSE THEN ''zdm.hold_when'' END' INTO zdm_hold;\n"
			"			END IF;\n", "query", sql_dollar_quoted(query));
	return buf.data;
}

/* SET and WHERE of the UPDATE, over the alias t. */
static void
read_fill(const Script *script, const Step *step, char **assignments, char **condition)
{
	char	   *column;

	if (fill_args(step) != NULL)
	{
		*assignments = fill_assignments(fill_args(step));
		*condition = fill_condition(fill_args(step));
		return;
	}
	column = script_column(script, true, false, "t.");
	if (script->up_can_fail)
	{
		/* the trigger computes it, and lets the row through where that fails */
		*assignments = psprintf("%s = NULL", script->new_name);
		*condition = psprintf("%s IS NULL", column);
		return;
	}
	*assignments = psprintf("%s = %s", script->new_name, script_value(script, true, false, "t."));
	*condition = script_differ(column, script_value(script, true, false, "t."));
}

static char *
batch_query(const char *assignments, const char *condition)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"WITH todo AS MATERIALIZED (SELECT t.ctid AS id FROM ONLY " RANGE_PART " t\n"
		"		WHERE " RANGE_ROWS " AND ({condition})),\n"
		"	got AS MATERIALIZED (SELECT t.ctid AS id FROM ONLY " RANGE_PART " t\n"
		"		WHERE t.ctid = ANY (ARRAY(SELECT id FROM todo)) FOR NO KEY UPDATE SKIP LOCKED),\n"
		"	done AS (UPDATE ONLY " RANGE_PART " t SET {assignments}\n"
		"		WHERE t.ctid = ANY (ARRAY(SELECT id FROM got)) RETURNING 1)\n"
		"SELECT (SELECT count(*) FROM todo), (SELECT count(*) FROM done)",
		"condition", condition, "assignments", assignments);
	return buf.data;
}

char *
batches_fill(const Script *script, const Step *step, int after)
{
	char	   *assignments;
	char	   *condition;
	StringInfoData body;

	read_fill(script, step, &assignments, &condition);
	older_look(psprintf("UPDATE t SET %s WHERE %s", assignments, condition));
	initStringInfo(&body);
	PUT(&body,
		"DECLARE\n"
		"	zdm_part record;\n"
		"	zdm_size bigint := 16;     -- blocks a batch, or rows by key\n"
		"	zdm_before oid;\n"
		"{declarations}"
		"	zdm_upto bigint;\n"
		"	zdm_todo bigint;\n"
		"	zdm_done bigint;\n"
		"	zdm_begun timestamptz;\n"
		"	zdm_ms double precision;\n"
		"	zdm_looked timestamptz := '-infinity';\n"
		"	zdm_said timestamptz := clock_timestamp();\n"
		"	zdm_hold text;\n"
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;  -- all is done, or has been taken back\n"
		"	END IF;\n"
		"	IF {after} <> 0 AND NOT EXISTS (SELECT FROM {state} WHERE step = {after} AND part = 0) THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'what comes before has not been done',\n"
		"			HINT = 'Run the files again, in their order.';\n"
		"	END IF;\n"
		"	-- also partitions that have come since an earlier run\n"
		"	INSERT INTO {state} (step, part, next, upto)\n"
		"		SELECT {number}, part, 0, {extent} FROM ({leaves}) l\n"
		"		ON CONFLICT DO NOTHING;\n"
		"	DELETE FROM {state} s WHERE step = {number} AND part <> 0 AND NOT EXISTS (SELECT FROM pg_class WHERE oid = s.part);\n"
		"	COMMIT;\n"
		"	LOOP\n"
		"		IF clock_timestamp() > zdm_looked + interval '1 second' THEN\n"
		"{holds}"
		"			zdm_looked := clock_timestamp();\n"
		"			IF zdm_hold IS NOT NULL THEN\n"
		"				RAISE NOTICE 'holding: %', zdm_hold;\n"
		"				COMMIT;\n"
		"				PERFORM pg_sleep(2);\n"
		"				COMMIT;\n"
		"				CONTINUE;\n"
		"			END IF;\n"
		"		END IF;\n"
		"		SELECT * INTO zdm_part FROM {state} WHERE step = {number} AND part <> 0 AND next < upto ORDER BY part LIMIT 1;\n"
		"		EXIT WHEN NOT FOUND;\n"
		"		zdm_size := CASE WHEN zdm_part.part IS DISTINCT FROM zdm_before THEN 16 ELSE zdm_size END;\n"
		"		zdm_before := zdm_part.part;\n"
		"{kind}"
		"		zdm_upto := least(zdm_part.next + zdm_size, zdm_part.upto);\n"
		"		zdm_begun := clock_timestamp();\n"
		"{next}"
		"		EXECUTE replace(replace({query}, '" RANGE_PART "', zdm_part.part::regclass::text), '" RANGE_ROWS "', zdm_range)\n"
		"			INTO zdm_todo, zdm_done;\n"
		"		-- by key it ends where there are no more rows, however many were expected\n"
		"		UPDATE {state} SET next = CASE WHEN NOT zdm_by_key THEN zdm_upto WHEN zdm_read < zdm_size THEN upto ELSE least(next + zdm_read, upto - 1) END,\n"
		"			last = CASE WHEN zdm_by_key THEN zdm_last END, rows = rows + zdm_done, missed = missed + zdm_todo{but}\n"
		"			WHERE step = {number} AND part = zdm_part.part;\n"
		"		-- {again}: once more, from the beginning\n"
		"		UPDATE {state} SET next = 0, last = NULL, missed = 0, upto = {extent} WHERE step = {number} AND part = zdm_part.part AND next >= upto AND missed > 0;\n"
		"		IF FOUND THEN\n"
		"			COMMIT;\n"
		"			PERFORM pg_sleep(1);\n"
		"		END IF;\n"
		"		COMMIT;\n"
		"		zdm_ms := 1000 * extract(epoch FROM clock_timestamp() - zdm_begun);\n"
		"		zdm_size := greatest(1, least(8192, zdm_size * 2, zdm_size * {batch_time} / greatest(zdm_ms, 0.1)));\n"
		"		IF clock_timestamp() > zdm_said + interval '5 seconds' THEN\n"
		"			RAISE NOTICE '% %%', (SELECT round(100.0 * sum(next) / greatest(sum(upto), 1), 1) FROM {state} WHERE step = {number} AND part <> 0);\n"
		"			zdm_said := clock_timestamp();\n"
		"		END IF;\n"
		"		PERFORM pg_sleep({rest} * zdm_ms / 1000);\n"
		"		COMMIT;\n"
		"	END LOOP;\n"
		"	INSERT INTO {state} (step) VALUES ({number}) ON CONFLICT DO NOTHING;\n"
		"	COMMIT;\n"
		"	RAISE NOTICE '% rows filled in', (SELECT sum(rows) FROM {state} WHERE step = {number});\n"
		"END",
		"state", script->state, "state_literal", quote_literal_cstr(script->state),
		"number", number(step->number), "after", number(after), "extent", extent(),
		"leaves", leaves(script), "holds", holds(), "declarations", range_declarations(),
		"kind", range_kind(script, "		"), "next", range_next(script, "		", "zdm_part.next", "zdm_upto", "zdm_part.last"),
		/* without a trigger rows go on coming: a pass that finds none is the last */
		"but", fill_args(step) ? "" : " - zdm_done",
		"again", fill_args(step) ? "until a pass finds no row" : "rows that somebody had locked",
		"query", sql_dollar_quoted(batch_query(assignments, condition)),
		"batch_time", number(guc_batch_time), "rest", psprintf("%g", guc_batch_rest));
	return body.data;
}

char *
batches_no_new_parts(const Script *script, int step)
{
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"DECLARE\n"
		"	zdm_late text;\n"
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	SELECT string_agg(part::regclass::text, ', ') INTO zdm_late FROM ({leaves}) l\n"
		"		WHERE NOT EXISTS (SELECT FROM {state} s WHERE s.step = {number} AND s.part = l.part);\n"
		"	IF zdm_late IS NOT NULL THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'partitions have come since they were filled in: ' || zdm_late,\n"
		"			HINT = 'Run {backfill} and {verify} again.';\n"
		"	END IF;\n"
		"END",
		"backfill", style_file(script, PART_BACKFILL), "verify", style_file(script, PART_VERIFY),
		"state", script->state, "state_literal", quote_literal_cstr(script->state),
		"leaves", leaves(script), "number", number(step));
	return body.data;
}

/* Holds for a row that is wrong. */
static char *
is_wrong(const Script *script, ScriptPart part)
{
	bool		switched = part != PART_VERIFY;
	char	   *new = script_column(script, true, switched, "t.");
	char	   *old = script_column(script, false, switched, "t.");

	if (!switched || script->pair->up == NULL)
		return script_differ(new, script_value(script, true, switched, "t."));
	/* the old side is empty where down could give nothing: only the way back minds that */
	return psprintf("CASE WHEN %s IS NULL THEN %s WHEN %s THEN %s ELSE false END", old,
					part == PART_REVERT ? psprintf("%s IS NOT NULL", new) : "false",
					script_differ(old, script_value(script, false, switched, "t.")),
					script_differ(new, script_value(script, true, switched, "t.")));
}

char *
batches_look(const Script *script, ScriptPart part, int mark, int after)
{
	char	   *wrong = is_wrong(script, part);
	char	   *key = expression_sql(fit_row_name(script->plan->relid), script->plan->relid, false);
	StringInfoData body;
	const char *hint;

	initStringInfo(&body);
	hint = part == PART_REVERT ? "Give these rows values that the old type takes, then run this file again." :
		psprintf("Mend these rows, then run %s and this file again.", style_file(script, PART_BACKFILL));
	PUT(&body,
		"DECLARE\n"
		"	zdm_part record;\n"
		"	zdm_row record;\n"
		"	zdm_from bigint;\n"
		"	zdm_upto bigint;\n"
		"	zdm_size bigint;\n"
		"{declarations}"
		"	zdm_begun timestamptz;\n"
		"	zdm_ms double precision;\n"
		"	zdm_rows bigint := 0;\n"
		"	zdm_wrong bigint := 0;\n"
		"	zdm_failed boolean;\n"
		"	zdm_bad boolean;\n"
		"	zdm_keys text[] := ARRAY[]::text[];\n"
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	IF NOT EXISTS (SELECT FROM {state} WHERE step = {after} AND part = 0) THEN\n"
		"		{otherwise}\n"
		"	END IF;\n"
		"	DELETE FROM {state} WHERE step = {mark};\n"
		"	COMMIT;\n"
		"	FOR zdm_part IN SELECT part FROM ({leaves}) l ORDER BY part LOOP\n"
		"{kind}"
		"		zdm_from := 0;\n"
		"		zdm_size := 128;\n"
		"		zdm_last := NULL;\n"
		"		LOOP\n"
		"			EXIT WHEN NOT zdm_by_key AND zdm_from >= pg_relation_size(zdm_part.part) / {block};\n"
		"			zdm_upto := zdm_from + zdm_size;\n"
		"			zdm_begun := clock_timestamp();\n"
		"			zdm_failed := false;\n"
		"{next}"
		"			EXIT WHEN zdm_by_key AND zdm_read = 0;\n"
		"			BEGIN\n"
		"				FOR zdm_row IN EXECUTE replace(replace({count}, '" RANGE_PART "', zdm_part.part::regclass::text), '" RANGE_ROWS "', zdm_range) LOOP\n"
		"					zdm_rows := zdm_rows + zdm_row.rows;\n"
		"					zdm_wrong := zdm_wrong + zdm_row.wrong;\n"
		"					zdm_keys := zdm_keys || zdm_row.keys;\n"
		"				END LOOP;\n"
		"			EXCEPTION WHEN data_exception OR integrity_constraint_violation OR raise_exception THEN\n"
		"				zdm_failed := true;  -- some row's value cannot be computed: which?\n"
		"			END;\n"
		"			IF zdm_failed THEN\n"
		"				FOR zdm_row IN EXECUTE replace(replace({rows}, '" RANGE_PART "', zdm_part.part::regclass::text), '" RANGE_ROWS "', zdm_range) LOOP\n"
		"					BEGIN\n"
		"						EXECUTE replace({one}, '" RANGE_PART "', zdm_part.part::regclass::text) INTO zdm_bad USING zdm_row.id;\n"
		"					EXCEPTION WHEN data_exception OR integrity_constraint_violation OR raise_exception THEN\n"
		"						zdm_bad := true;\n"
		"					END;\n"
		"					zdm_rows := zdm_rows + 1;\n"
		"					IF zdm_bad THEN\n"
		"						zdm_wrong := zdm_wrong + 1;\n"
		"						zdm_keys := zdm_keys || zdm_row.key;\n"
		"					END IF;\n"
		"				END LOOP;\n"
		"			END IF;\n"
		"			zdm_keys := zdm_keys[1:10];\n"
		"			zdm_from := zdm_upto;\n"
		"			COMMIT;\n"
		"			zdm_ms := 1000 * extract(epoch FROM clock_timestamp() - zdm_begun);\n"
		"			zdm_size := greatest(1, least(65536, zdm_size * 2, zdm_size * 200 / greatest(zdm_ms, 0.1)));\n"
		"		END LOOP;\n"
		"	END LOOP;\n"
		"	IF zdm_wrong > 0 THEN\n"
		"{lenient}"
		"		RAISE integrity_constraint_violation USING\n"
		"			MESSAGE = format('%s of %s rows {what}', zdm_wrong, zdm_rows),\n"
		"			DETAIL = 'Among them: ' || array_to_string(zdm_keys, ', '),\n"
		"			HINT = {hint};\n"
		"	END IF;\n"
		"	INSERT INTO {state} (step) VALUES ({mark});\n"
		"	COMMIT;\n"
		"	RAISE NOTICE '% rows read: none differs', zdm_rows;\n"
		"END",
		"state", script->state, "state_literal", quote_literal_cstr(script->state),
		"after", number(after), "mark", number(mark), "block", number(BLCKSZ), "leaves", leaves(script),
		"declarations", range_declarations(), "kind", range_kind(script, "		"),
		"next", range_next(script, "			", "zdm_from", "zdm_upto", "zdm_last"),
		"otherwise", part == PART_REVERT ? "RETURN;  -- not switched: nothing to lose" :
		"RAISE object_not_in_prerequisite_state USING MESSAGE = 'what comes before has not been done', HINT = 'Run the files again, in their order.';",
		"count", sql_dollar_quoted(psprintf("SELECT count(*) AS rows, count(*) FILTER (WHERE (%s)) AS wrong, coalesce((array_agg(%s) FILTER (WHERE (%s)))[1:10], ARRAY[]::text[]) AS keys FROM ONLY " RANGE_PART " t WHERE " RANGE_ROWS,
									   wrong, key, wrong)),
		"rows", sql_dollar_quoted(psprintf("SELECT t.ctid AS id, %s AS key FROM ONLY " RANGE_PART " t WHERE " RANGE_ROWS, key)),
		"one", sql_dollar_quoted(psprintf("SELECT (%s) FROM ONLY " RANGE_PART " t WHERE t.ctid = $1", wrong)),
		"what", part == PART_REVERT ? "cannot go back: the old column has no value for them" : "differ",
		/* who cannot go back can go on */
		"lenient", part != PART_REVERT ? "" :
		psprintf("		EXECUTE %s;\n		COMMIT;\n", sql_dollar_quoted(keep_function(script, KEEP_SWITCHED))),
		"hint", quote_literal_cstr(hint));
	return body.data;
}

/* A query whose rows say what is in the way. */
char *
batches_query(const Script *script, const Step *step)
{
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"DECLARE\n"
		"	zdm_row record;\n"
		"	zdm_rows text;\n"
		"	zdm_state text;\n"
		"	zdm_problem text;\n"
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	IF EXISTS (SELECT FROM {state} WHERE step = {number} AND part = 0) THEN\n"
		"		RETURN;  -- done by an earlier run\n"
		"	END IF;\n"
		"	BEGIN\n"
		"		FOR zdm_row IN EXECUTE {query} LOOP\n"
		"			zdm_state := coalesce(zdm_state, zdm_row.state);\n"
		"			zdm_problem := coalesce(zdm_problem, zdm_row.problem);\n"
		"			zdm_rows := concat_ws(', ', zdm_rows, zdm_row.key);\n"
		"		END LOOP;\n"
		"	EXCEPTION WHEN data_exception THEN\n"
		"		RAISE WARNING 'the value of some row cannot be computed (%): {verify} will name it', SQLERRM;\n"
		"	END;\n"
		"	IF zdm_problem IS NOT NULL THEN\n"
		"		RAISE EXCEPTION USING ERRCODE = zdm_state, MESSAGE = zdm_problem, DETAIL = 'Among the rows: ' || zdm_rows,\n"
		"			HINT = 'Mend them, then run this file again.';\n"
		"	END IF;\n"
		"	INSERT INTO {state} (step) VALUES ({number});\n"
		"END",
		"state", script->state, "state_literal", quote_literal_cstr(script->state),
		"number", number(step->number), "verify", style_file(script, PART_VERIFY),
		"query", sql_dollar_quoted(psprintf("SELECT * FROM (%s) q(state, problem, key)", script_statement(step))));
	return body.data;
}
