-- zdm_test: what tests need inside the server; see zdm_test.c

--
-- Who runs what, as whom: see watch.c.
--
CREATE SCHEMA zdm_watch;
GRANT USAGE ON SCHEMA zdm_watch TO PUBLIC;

-- from here on, what sessions run belongs to this moment
CREATE FUNCTION zdm_watch.moment(name text) RETURNS void
	STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_moment';

-- what functions of schemas called canary* were opened (before they are run by the
-- executor) or run since, as whom; in this database
CREATE FUNCTION zdm_watch.heard(OUT moment text, OUT worker bool, OUT func oid, OUT who oid,
		OUT session oid, OUT restricted bool, OUT own bool, OUT ours bool, OUT pinned bool, OUT n bigint)
	RETURNS SETOF record
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_heard';

-- forget it
CREATE FUNCTION zdm_watch.forget() RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_forget';

-- a type modifier, and a value, of types that only C can make
CREATE FUNCTION zdm_watch.typmod_in(cstring[]) RETURNS int
	IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_typmod_in';
CREATE FUNCTION zdm_watch.typmod_out(int) RETURNS cstring
	IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_typmod_out';

CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

--
-- The pure decisions.
--
CREATE FUNCTION test.state_next(state text, failed_from text, event int) RETURNS text STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_state_next';
CREATE FUNCTION test.pace_next_blocks(blocks bigint, elapsed float8, target float8) RETURNS bigint STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_next_blocks';
CREATE FUNCTION test.pace_rows_due(rows int, phase int) RETURNS int STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_rows_due';
CREATE FUNCTION test.pace_phases_serve(phase int, rows bigint, kept bigint) RETURNS boolean STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_phases_serve';
CREATE FUNCTION test.pace_rest(elapsed float8, rested float8, ratio float8, wal bigint, rate bigint) RETURNS int STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_rest';
CREATE FUNCTION test.pace_stretch(best float8, elapsed float8, rows bigint) RETURNS float8 STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_stretch';
CREATE FUNCTION test.pace_at_once(workers int, ratio float8) RETURNS int STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_at_once';
CREATE FUNCTION test.stops_beyond(reading float8, "limit" float8, floor boolean, held boolean) RETURNS boolean STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_stops_beyond';
CREATE FUNCTION test.window_is_open(windows text, at timestamptz) RETURNS boolean STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_window_is_open';
CREATE FUNCTION test.window_opens(windows text, at timestamptz) RETURNS timestamptz STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_window_opens';

--
-- The sync trigger: pairs and triggers set up by hand, without a migration that does
-- anything.
--
CREATE FUNCTION test.expr_resolve(rel regclass, source text, target regtype, typmod int DEFAULT -1, new_name text DEFAULT NULL, new_type regtype DEFAULT 0)
	RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_expr_resolve';
CREATE FUNCTION test.expr_readable(regclass, text, int2)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_expr_readable';
CREATE FUNCTION test.expr_cast(regtype, int, regtype, int, boolean)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_expr_cast';
CREATE FUNCTION test.pair_invalidate(regclass)
	RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_pair_invalidate';
CREATE FUNCTION test.pairs_disagree(regclass, record)
	RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_pairs_disagree';
CREATE FUNCTION test.trigger_sql(regclass, boolean)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_trigger_sql';

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

--
-- Debug points: hold workers at one, let them go, wait until one is there; the
-- point's name with ":error", or a SQLSTATE, behind it makes them fail.  No snapshot
-- is held meanwhile: an index build would wait for it.
--
CREATE FUNCTION test.hold(point text) RETURNS void LANGUAGE sql AS
	$$ SELECT pg_advisory_lock(hashtextextended('zdm:' || point, 0)) $$;
CREATE FUNCTION test.release(point text) RETURNS void LANGUAGE sql AS
	$$ SELECT 1 / pg_advisory_unlock(hashtextextended('zdm:' || point, 0))::int $$;
CREATE PROCEDURE test.arrive(point text) LANGUAGE plpgsql AS $$
DECLARE
	key bigint := hashtextextended('zdm:' || point, 0);
BEGIN
	WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
	                  AND (classid::bigint << 32) | objid::bigint = key) LOOP
		PERFORM pg_sleep(0.01);
		COMMIT;
	END LOOP;
END $$;

--
-- Waiting for a state: of the latest migration, or of the one with this label,
-- without the lines of zdm.wait, which depend on time; and for what it waits for.
--
CREATE PROCEDURE test.await(state text) LANGUAGE plpgsql AS $$
DECLARE
	m bigint := (SELECT max(id) FROM zdm.migration);
BEGIN
	CALL zdm.wait(m, state, '60s');
END $$;
CREATE PROCEDURE test.await(label text, until text) LANGUAGE plpgsql AS $$
DECLARE
	before text := current_setting('client_min_messages');
BEGIN
	PERFORM set_config('client_min_messages', 'warning', false);
	CALL zdm.wait(label, until, '60s');
	PERFORM set_config('client_min_messages', before, false);
END $$;
CREATE FUNCTION test.waits_for(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM zdm.progress WHERE waiting_for LIKE what) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
