--
-- Whose rights, whose names: expressions of a table run as its owner, in a
-- restricted operation, with a pinned search_path, whoever made the call; and
-- what belongs to the extension is nobody else's.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_zdm_mallory;
CREATE ROLE regress_zdm_eve;
CREATE SCHEMA mallory AUTHORIZATION regress_zdm_mallory;
SELECT current_user AS super \gset

--
-- a table whose functions try what they can
--
-- not SET ROLE, which mallory could undo
SET SESSION AUTHORIZATION regress_zdm_mallory;
CREATE TABLE mallory.heard (what text, who name, login name, search_path text, escalated text);
CREATE FUNCTION mallory.attack(what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	escalated text := 'no';
BEGIN
	BEGIN
		EXECUTE 'ALTER ROLE regress_zdm_mallory SUPERUSER';
		escalated := 'became superuser';
	EXCEPTION WHEN insufficient_privilege THEN
		escalated := 'no: ' || sqlstate;
	END;
	BEGIN
		EXECUTE 'RESET ROLE';
		escalated := escalated || ', reset role';
	EXCEPTION WHEN OTHERS THEN
		escalated := escalated || ', ' || sqlstate;
	END;
	INSERT INTO mallory.heard VALUES (what, current_user, session_user, current_setting('search_path'), escalated);
END
$$;
CREATE FUNCTION mallory.indexed(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mallory.attack('index expression');
	RETURN v;
END
$$;
CREATE FUNCTION mallory.predicate(v text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mallory.attack('index predicate');
	RETURN true;
END
$$;
CREATE FUNCTION mallory.checked(v text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mallory.attack('check');
	RETURN true;
END
$$;
CREATE FUNCTION mallory.standard() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN 'default of ' || current_user;
END
$$;
CREATE FUNCTION mallory.fired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mallory.attack('trigger ' || tg_op);
	RETURN new;
END
$$;
-- one column that is renamed, and another whose functions the backfill meets:
-- new row versions go into all indexes
CREATE TABLE mallory.trap (id int, a text DEFAULT mallory.standard(), other text, pad text,
	CHECK (mallory.checked(a)));
INSERT INTO mallory.trap SELECT i, 'a' || i, 'o' || i, repeat('x', 500) FROM generate_series(1, 100) i;
CREATE INDEX ON mallory.trap (mallory.indexed(a)) WHERE mallory.predicate(a);
CREATE INDEX ON mallory.trap (mallory.indexed(other)) WHERE mallory.predicate(other);
CREATE TRIGGER trap AFTER UPDATE ON mallory.trap FOR EACH ROW EXECUTE FUNCTION mallory.fired();
ALTER TABLE mallory.trap ENABLE ALWAYS TRIGGER trap;
TRUNCATE mallory.heard;
RESET SESSION AUTHORIZATION;
-- the superuser walks into it
SET search_path = mallory, public;
SELECT zdm.rename_column('trap', 'a', 'b', 'trap') AS m \gset
CALL zdm.wait(:m, timeout => '60s');
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, timeout => '60s');
SELECT zdm.contract(:m);
CALL zdm.wait(:m, timeout => '60s');
RESET search_path;
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT what, who, login = who AS is_session, search_path, escalated FROM mallory.heard GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2;
SELECT count(*) > 0 AS worker_ran_as_owner FROM mallory.heard WHERE what LIKE 'index%' AND who = 'regress_zdm_mallory';
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_zdm_mallory';
-- a default is the writer's business, as ever; what we add to it is not
CREATE TABLE mallory.plain (id int, a text DEFAULT mallory.standard());
ALTER TABLE mallory.plain OWNER TO regress_zdm_mallory;
SELECT zdm.rename_column('mallory.plain', 'a', 'b') AS m \gset
CALL zdm.wait(:m, timeout => '60s');
INSERT INTO mallory.plain (id) VALUES (1) RETURNING a = 'default of ' || :'super' AS by_writer, b = a AS in_step;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, timeout => '60s');
INSERT INTO mallory.plain (id) VALUES (2) RETURNING a = 'default of ' || :'super' AS by_writer, b = a AS in_step;

--
-- names that stand in front of others
--
-- functions, operators, tables in pg_temp and on the path of who calls
SET SESSION AUTHORIZATION regress_zdm_mallory;
CREATE FUNCTION mallory.lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM mallory.attack('shadow of lower'); RETURN $1; END $$;
CREATE FUNCTION mallory.ne(text, text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM mallory.attack('shadow of <>'); RETURN true; END $$;
CREATE OPERATOR mallory.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = mallory.ne);
CREATE TABLE mallory.victim (id int, a text DEFAULT lower('X') CHECK (a <> 'bad'));
INSERT INTO mallory.victim SELECT i, 'a' || i FROM generate_series(1, 100) i;
CREATE INDEX ON mallory.victim (lower(a)) WHERE a <> 'x';
TRUNCATE mallory.heard;
SET search_path = mallory, pg_catalog, pg_temp;
CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'temp' $$;
CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.attack('shadow of clock_timestamp'); RETURN NULL; END $$;
CREATE TEMPORARY TABLE pg_attribute (attrelid oid);
CREATE TEMPORARY TABLE pg_depend (objid oid);
CREATE TEMPORARY TABLE migration (id bigint);
CREATE FUNCTION mallory.format_type(oid, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.attack('shadow of format_type'); RETURN 'text'; END $$;
CREATE FUNCTION mallory.jsonb_object(text[], text[]) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.attack('shadow of jsonb_object'); RETURN NULL; END $$;
CREATE FUNCTION mallory.eq(bigint, bigint) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.attack('shadow of ='); RETURN true; END $$;
CREATE OPERATOR mallory.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = mallory.eq);
RESET SESSION AUTHORIZATION;
SELECT zdm.rename_column('mallory.victim', 'a', 'b', 'victim') AS m \gset
CALL zdm.wait('victim', timeout => '60s');
SELECT count(*) FROM zdm.verify('victim');
INSERT INTO mallory.victim (id) VALUES (1001) RETURNING a, b;
SELECT zdm.configure('victim', 'batch_rest', '2');
SELECT state FROM zdm.migrations WHERE label OPERATOR(pg_catalog.=) 'victim';
SELECT count(*) > 3 FROM zdm.steps WHERE label OPERATOR(pg_catalog.=) 'victim';
SELECT state FROM zdm.progress WHERE label OPERATOR(pg_catalog.=) 'victim';
SELECT zdm.cutover('victim');
CALL zdm.wait('victim', timeout => '60s');
SELECT zdm.contract('victim');
CALL zdm.wait('victim', timeout => '60s');
RESET search_path;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'mallory.victim'::regclass AND contype = 'c';
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'mallory.victim'::regclass;
SELECT count(*) FILTER (WHERE who = :'super'), count(*) FILTER (WHERE what LIKE 'shadow%') FROM mallory.heard;
DROP TABLE pg_temp.pg_attribute, pg_temp.pg_depend, pg_temp.migration;

--
-- what belongs to the extension
--
SELECT object, privilege FROM (
	SELECT c.oid::regclass::text AS object, p AS privilege, has_table_privilege('regress_zdm_eve', c.oid, p) AS has
	  FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
	 WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind IN ('r', 'v', 'p')) x WHERE has ORDER BY 1, 2;
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'zdm'::regnamespace 
   AND CASE WHEN relkind = 'S' THEN has_sequence_privilege('regress_zdm_eve', c.oid, 'USAGE, SELECT, UPDATE') END;
SELECT has_schema_privilege('regress_zdm_eve', 'zdm', 'USAGE'), has_schema_privilege('regress_zdm_eve', 'zdm', 'CREATE');
-- no function of ours runs with the rights of its owner by declaration
SELECT proname FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace AND (prosecdef OR prolang = (SELECT oid FROM pg_language WHERE lanname = 'internal'));
SELECT DISTINCT lanname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE pronamespace = 'zdm'::regnamespace AND prosqlbody IS NULL AND proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp'];
-- a view without security_barrier would leak rows to cheap functions
SELECT relname FROM pg_class WHERE relnamespace = 'zdm'::regnamespace AND relkind = 'v' AND NOT coalesce('security_barrier=true' = ANY (reloptions), false);
SET ROLE regress_zdm_eve;
SELECT count(*) FROM zdm.migrations;
SELECT count(*) FROM zdm.steps;
SELECT count(*) FROM zdm.progress;
SELECT count(*) FROM zdm.migration;
SELECT count(*) FROM zdm.pair;
UPDATE zdm.step SET args = '{"text": "ALTER ROLE regress_zdm_eve SUPERUSER"}';
INSERT INTO zdm.pair (migration, relid, old_attnum, new_name) VALUES (1, 1, 1, 'x');
SELECT zdm.verify('victim');
SELECT zdm.revert('trap');
CREATE FUNCTION zdm.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE zdm.mine (a int);
-- the trigger function on a table of one's own does nothing of note
RESET ROLE;
CREATE SCHEMA eve AUTHORIZATION regress_zdm_eve;
SET ROLE regress_zdm_eve;
CREATE TABLE eve.own (a int, b int);
CREATE TRIGGER t BEFORE INSERT ON eve.own FOR EACH ROW EXECUTE FUNCTION zdm.sync();
INSERT INTO eve.own VALUES (1, 2) RETURNING a, b;
CREATE TRIGGER u AFTER INSERT ON eve.own FOR EACH ROW EXECUTE FUNCTION zdm.sync();
INSERT INTO eve.own VALUES (1, 2) RETURNING a, b;
DROP TABLE eve.own;
SELECT zdm.sync();
RESET ROLE;
-- privileges on the table decide what is seen of it
SELECT zdm.rename_column('mallory.victim', 'b', 'c', 'seen') > 0;
CALL zdm.wait('seen', timeout => '60s');
SET ROLE regress_zdm_eve;
SELECT label FROM zdm.migrations;
RESET ROLE;
GRANT SELECT (id) ON mallory.victim TO regress_zdm_eve;
SET ROLE regress_zdm_eve;
SELECT label, state FROM zdm.migrations ORDER BY id;
SELECT count(*) > 0 FROM zdm.steps;
SELECT zdm.pause('seen');
RESET ROLE;
REVOKE ALL (id) ON mallory.victim FROM regress_zdm_eve;

--
-- a table that changes hands does not take the old owner's expressions to the new
--
ALTER TABLE mallory.victim OWNER TO regress_zdm_eve;
SELECT zdm.cutover('seen');
CALL zdm.wait('seen', 'failed', '60s');
SELECT error_state, error FROM zdm.migrations WHERE label = 'seen';
SET ROLE regress_zdm_mallory;
SELECT zdm.resume('seen');
RESET ROLE;
GRANT CREATE, USAGE ON SCHEMA mallory TO regress_zdm_eve;
GRANT INSERT ON mallory.heard TO regress_zdm_eve;
SET ROLE regress_zdm_eve;
SELECT zdm.resume('seen');
CALL zdm.wait('seen', 'switched', '60s');
SELECT zdm.contract('seen');
CALL zdm.wait('seen', 'completed', '60s');
RESET ROLE;
SELECT count(*) FROM mallory.heard WHERE who = :'super' AND what NOT LIKE 'trigger%' AND what <> 'check';

-- the event trigger of the extension, and dropping what it needs
SET ROLE regress_zdm_eve;
DROP EVENT TRIGGER zdm_keep_sync_last;
ALTER FUNCTION zdm.sync() SET search_path = 'eve';
DROP EXTENSION pg_zdm;
RESET ROLE;

DROP OWNED BY regress_zdm_mallory, regress_zdm_eve CASCADE;
DROP ROLE regress_zdm_mallory, regress_zdm_eve;
