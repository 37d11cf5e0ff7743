-- What the tests of the sync trigger share: pairs and triggers set up by hand,
-- without a migration that does anything.  \i test/lib/sync.sql

CREATE EXTENSION pg_zdm;
CREATE SCHEMA test;

CREATE FUNCTION test.expr_resolve(rel regclass, source text, target regtype, typmod int DEFAULT -1, new_name text DEFAULT NULL, new_type regtype DEFAULT 0)
	RETURNS text LANGUAGE c AS 'pg_zdm', 'zdm_debug_expr_resolve';
CREATE FUNCTION test.expr_readable(regclass, text, int2)
	RETURNS text LANGUAGE c STRICT AS 'pg_zdm', 'zdm_debug_expr_readable';
CREATE FUNCTION test.expr_cast(regtype, int, regtype, int, boolean)
	RETURNS text LANGUAGE c STRICT AS 'pg_zdm', 'zdm_debug_expr_cast';
CREATE FUNCTION test.pair_invalidate(regclass)
	RETURNS void LANGUAGE c STRICT AS 'pg_zdm', 'zdm_debug_pair_invalidate';
CREATE FUNCTION test.pairs_disagree(regclass, record)
	RETURNS int LANGUAGE c STRICT AS 'pg_zdm', 'zdm_debug_pairs_disagree';
CREATE FUNCTION test.trigger_sql(regclass, boolean)
	RETURNS text LANGUAGE c STRICT AS 'pg_zdm', 'zdm_debug_trigger_sql';

-- A pair in force, of a migration of its own, and the trigger if there is none.
CREATE FUNCTION test.pair(rel regclass, old_name name, new_name name, up text DEFAULT NULL, down text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	m bigint;
BEGIN
	INSERT INTO zdm.migration (kind, relid, relation, owner, definition, settings)
		VALUES ('test', rel, rel::text, (SELECT relowner FROM pg_class WHERE oid = rel), '{}', '{}')
		RETURNING id INTO m;
	INSERT INTO zdm.pair (migration, relid, old_attnum, new_name, new_attnum, up, down, past)
		SELECT m, rel, o.attnum, $3, n.attnum, $4, $5, pg_current_snapshot() FROM pg_attribute o, pg_attribute n
		WHERE o.attrelid = rel AND o.attname = $2 AND n.attrelid = rel AND n.attname = $3;
	PERFORM test.pair_invalidate(rel);
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgfoid = 'zdm.sync'::regproc) THEN
		EXECUTE test.trigger_sql(rel, false);
	END IF;
END $$;

-- Change the pairs of a table: test.set_pair('t', 'authoritative = ''new''')
CREATE FUNCTION test.set_pair(rel regclass, assignments text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('UPDATE zdm.pair SET %s WHERE relid = %s', assignments, rel::oid);
	PERFORM test.pair_invalidate(rel);
END $$;

-- Run a statement and show its error as one line.
CREATE FUNCTION test.try(statement text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	context text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN state || ' ' || message || coalesce(' | ' || nullif(detail, ''), '')
		|| coalesce(' | ' || substring(context from 'computing [^\n]*'), '');
END $$;
