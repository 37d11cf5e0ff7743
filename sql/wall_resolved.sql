--
-- What an expression calls is found once, when the change is stated: an overload,
-- an operator or a cast made later changes nothing, and no writer fails by it.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_resolved_victim;
CREATE ROLE regress_resolved_mallory;
CREATE SCHEMA vic AUTHORIZATION regress_resolved_victim;
CREATE SCHEMA util;
GRANT USAGE, CREATE ON SCHEMA util TO PUBLIC;
CREATE FUNCTION util.clean(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'clean ' || $1::text$$;
CREATE FUNCTION util.plus(text, anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1 || ' plus ' || $2::text$$;
CREATE OPERATOR util.|+| (LEFTARG = text, RIGHTARG = anyelement, FUNCTION = util.plus);
CREATE TYPE util.grade AS ENUM ('low', 'high');
CREATE TABLE log (who text);
GRANT INSERT ON log TO PUBLIC;

SET SESSION AUTHORIZATION regress_resolved_victim;
CREATE TABLE vic.f (id int PRIMARY KEY, a text);
CREATE TABLE vic.o (id int PRIMARY KEY, a text);
CREATE TABLE vic.c (id int PRIMARY KEY, a util.grade);
INSERT INTO vic.f VALUES (1, 'x');
SELECT zdm.change_column_type('vic.f', 'a', 'varchar', up => 'util.clean(a)', down => 'substr(util.clean(a), 13)', label => 'f') > 0;
SELECT zdm.change_column_type('vic.o', 'a', 'varchar', up => 'a OPERATOR(util.|+|) id', down => $$split_part(a, ' ', 1)$$, label => 'o') > 0;
-- no cast from the enum to text but by their output: one made later would be taken
SELECT zdm.change_column_type('vic.c', 'a', 'text', label => 'c') > 0;
CALL zdm.wait('f', timeout => '60s');
CALL zdm.wait('o', timeout => '60s');
CALL zdm.wait('c', timeout => '60s');
RESET SESSION AUTHORIZATION;

-- what matches better
SET SESSION AUTHORIZATION regress_resolved_mallory;
CREATE FUNCTION util.clean(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'mallory as ' || current_user; END$$;
CREATE FUNCTION util.clean(varchar) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'mallory as ' || current_user; END$$;
CREATE FUNCTION util.plus(text, int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'mallory as ' || current_user; END$$;
CREATE OPERATOR util.|+| (LEFTARG = text, RIGHTARG = int, FUNCTION = util.plus);
RESET SESSION AUTHORIZATION;
CREATE FUNCTION util.graded(util.grade) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'cast as ' || current_user; END$$;
CREATE CAST (util.grade AS text) WITH FUNCTION util.graded(util.grade) AS ASSIGNMENT;
INSERT INTO vic.f (id, a) VALUES (2, 'y');
INSERT INTO vic.f (id, a_zdm1) VALUES (3, 'z');
INSERT INTO vic.o (id, a) VALUES (1, 'y');
INSERT INTO vic.c (id, a) VALUES (1, 'high');
-- in a session that has never written
\c -
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
UPDATE vic.f SET a = 'yy' WHERE id = 2;
INSERT INTO vic.f (id, a) VALUES (4, 'w');
SELECT id, a, a_zdm1 FROM vic.f ORDER BY id;
INSERT INTO vic.o (id, a) VALUES (2, 'x');
SELECT id, a, a_zdm2 FROM vic.o ORDER BY id;
INSERT INTO vic.c (id, a) VALUES (2, 'low');
SELECT id, a, a_zdm3 FROM vic.c ORDER BY id;
-- cutover, verification and the way back go by the same
SELECT zdm.cutover('f') IS NOT NULL;
CALL zdm.wait('f', 'switched', '60s');
SELECT zdm.cutover('c') IS NOT NULL;
CALL zdm.wait('c', 'switched', '60s');
INSERT INTO vic.f (id, a) VALUES (5, 'clean v');
SELECT zdm.revert('f') IS NOT NULL;
CALL zdm.wait('f', timeout => '60s');
SELECT zdm.contract('c') IS NOT NULL;
CALL zdm.wait('c', timeout => '60s');
SELECT label, state, error FROM zdm.migrations ORDER BY id;
SELECT id, a FROM vic.f ORDER BY id;
SELECT id, a FROM vic.c ORDER BY id;
SELECT count(*) FROM zdm.misfit;

-- the owner's own function is his to replace
CREATE OR REPLACE FUNCTION util.plus(text, anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1 || ' and ' || $2::text$$;
INSERT INTO vic.o (id, a) VALUES (3, 'r');
SELECT id, a_zdm2 FROM vic.o WHERE id = 3;

-- what only one session has is refused at the call
CREATE DOMAIN pg_temp.mine AS text;
SELECT zdm.change_column_type('vic.f', 'a', 'varchar', up => 'a::pg_temp.mine', down => 'a');

-- another cluster's objects, as after pg_upgrade: by their names
UPDATE zdm.pair SET up_resolution = regexp_replace(up_resolution, '^\("[^"]*"', '("1\\ 1"') WHERE new_name = 'a_zdm2';
\c -
SET zdm.guard = off;
\set SHOW_CONTEXT never
INSERT INTO vic.o (id, a) VALUES (4, 'other');
SELECT id, a, a_zdm2 FROM vic.o WHERE id = 4;
SELECT key, message FROM zdm.misfit;
DROP FUNCTION util.plus(text, int) CASCADE;
\c -
INSERT INTO vic.o (id, a) VALUES (5, 'by name');
SELECT id, a, a_zdm2 FROM vic.o WHERE id = 5;

--
-- What PostgreSQL must be given as text, an index or a CHECK say, may call only what
-- there was when it was stated: the statement is not run, and the error names both.
--
\pset footer off
SET client_min_messages = warning;
CREATE SCHEMA late;
GRANT USAGE, CREATE ON SCHEMA late TO PUBLIC;
CREATE FUNCTION late.f(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1::text$$;
CREATE FUNCTION late.plus(text, anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1$$;
CREATE OPERATOR late.|+| (LEFTARG = text, RIGHTARG = anyelement, FUNCTION = late.plus);
CREATE TYPE late.grade AS ENUM ('low');
CREATE FUNCTION late.graded(late.grade) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'cast as ' || current_user; END$$;
-- what matches better, or not at all
CREATE TABLE attack (kind text PRIMARY KEY, made text, gone text);
INSERT INTO attack VALUES
	('overload', $$CREATE FUNCTION late.f(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1 / 0; END'$$, 'DROP FUNCTION late.f(text)'),
	('operator', $$CREATE FUNCTION late.plus(text, int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1 / 0; END'; CREATE OPERATOR late.|+| (LEFTARG = text, RIGHTARG = int, FUNCTION = late.plus)$$,
		'DROP OPERATOR late.|+| (text, int); DROP FUNCTION late.plus(text, int)'),
	('cast', 'CREATE CAST (late.grade AS text) WITH FUNCTION late.graded(late.grade)', 'DROP CAST (late.grade AS text)'),
	('harmless', 'CREATE FUNCTION late.f(date, int) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT NULL::text$$; CREATE FUNCTION late.f(date) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT NULL::text$$',
		'DROP FUNCTION late.f(date, int); DROP FUNCTION late.f(date)');
-- until the migration rests, or is held by the query
CREATE PROCEDURE rest(label text, what text) LANGUAGE plpgsql AS $$
DECLARE
	m zdm.migrations;
	holds text;
BEGIN
	LOOP
		SELECT * INTO m FROM zdm.migrations x WHERE x.label = rest.label;
		SELECT waiting_for INTO holds FROM zdm.progress p WHERE p.id = m.id AND waiting_for LIKE '%hold_when%';
		EXIT WHEN m.state IN ('failed', 'ready', 'switched', 'completed', 'reverted') OR holds IS NOT NULL;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE INFO '%', concat_ws(' / ', what || ' ' || m.state, coalesce(holds, replace(m.error, E'\n', ' / ')), replace(m.error_hint, m.id::text, 'N'));
END
$$;
-- Stated, and before a worker comes each of these is made in turn, until none is left.
CREATE PROCEDURE attack(label text, sql text, VARIADIC kinds text[]) LANGUAGE plpgsql AS $$
DECLARE
	a attack;
BEGIN
	FOREACH a.kind IN ARRAY kinds LOOP
		SELECT * INTO a FROM attack WHERE kind = a.kind;
		IF a.kind = kinds[1] THEN
			SET LOCAL SESSION AUTHORIZATION regress_resolved_victim;
			EXECUTE sql;
			PERFORM zdm.pause(label);
			RESET SESSION AUTHORIZATION;
		END IF;
		COMMIT;
		EXECUTE a.made;
		COMMIT;
		PERFORM zdm.resume(label);
		COMMIT;
		CALL rest(label, format('%s, %s', label, a.kind));
		EXECUTE a.gone;
		COMMIT;
	END LOOP;
	PERFORM zdm.resume(attack.label) FROM zdm.migrations m WHERE m.label = attack.label AND state = 'failed';
	COMMIT;
	CALL zdm.wait(label, 'completed', timeout => '60s');
END
$$;
SET SESSION AUTHORIZATION regress_resolved_victim;
CREATE TABLE vic.w (id int PRIMARY KEY, a text, n text, x text, g late.grade DEFAULT 'low');
INSERT INTO vic.w (id, a) SELECT i, 'a' || i FROM generate_series(1, 3) i;
RESET SESSION AUTHORIZATION;
CALL attack('index', format('SELECT zdm.migrate(%L, label => %L)', 'CREATE INDEX we ON vic.w ((late.f(a) || (a OPERATOR(late.|+|) id)))', 'index'), 'overload', 'operator', 'harmless');
CALL attack('predicate', format('SELECT zdm.migrate(%L, label => %L)', 'CREATE INDEX wp ON vic.w (id) WHERE late.f(a) || (a OPERATOR(late.|+|) id) IS NOT NULL', 'predicate'), 'overload', 'operator', 'harmless');
CALL attack('check', format('SELECT zdm.migrate(%L, label => %L)', 'ALTER TABLE vic.w ADD CONSTRAINT c CHECK (late.f(a) || (a OPERATOR(late.|+|) id) || g::text IS NOT NULL)', 'check'), 'overload', 'operator', 'cast', 'harmless');
CALL attack('default', format('SELECT zdm.migrate(%L, label => %L)', $$ALTER TABLE vic.w ADD COLUMN d text DEFAULT late.f('d'::text) || ('d'::text OPERATOR(late.|+|) 1) || 'low'::late.grade::text$$, 'default'), 'overload', 'operator', 'cast', 'harmless');
CALL attack('set default', format('SELECT zdm.migrate(%L, label => %L)', $$ALTER TABLE vic.w ALTER x SET DEFAULT late.f('d'::text)$$, 'set default'), 'overload', 'harmless');
CALL attack('fill', format('SELECT zdm.set_not_null(%L, %L, %L, %L)', 'vic.w', 'n', 'late.f(a) || (a OPERATOR(late.|+|) id) || g::text', 'fill'), 'overload', 'operator', 'cast', 'harmless');
CALL attack('assignment', format('SELECT zdm.backfill(%L, %L, %L, label => %L)', 'vic.w', 'x = late.f(a) || (a OPERATOR(late.|+|) id) || g::text', 'x IS NULL', 'assignment'), 'overload', 'operator', 'cast', 'harmless');
CALL attack('condition', format('SELECT zdm.backfill(%L, %L, %L, label => %L)', 'vic.w', $$x = 'c'$$, $$x <> 'c' AND late.f(a) || (a OPERATOR(late.|+|) id) || g::text IS NOT NULL$$, 'condition'), 'overload', 'operator', 'cast', 'harmless');
SET zdm.hold_when = $$SELECT late.f('h'::text) || ('h'::text OPERATOR(late.|+|) 1) || 'low'::late.grade::text IS NULL$$;
CALL attack('hold', format('SELECT zdm.backfill(%L, %L, %L, label => %L)', 'vic.w', $$x = 'h'$$, $$x <> 'h'$$, 'hold'), 'overload');
CALL attack('hold operator', format('SELECT zdm.backfill(%L, %L, %L, label => %L)', 'vic.w', $$x = 'i'$$, $$x <> 'i'$$, 'hold operator'), 'operator');
CALL attack('hold cast', format('SELECT zdm.backfill(%L, %L, %L, label => %L)', 'vic.w', $$x = 'j'$$, $$x <> 'j'$$, 'hold cast'), 'cast');
RESET zdm.hold_when;
-- of another cluster, as after pg_upgrade: by name
INSERT INTO attack SELECT 'upgrade', $$UPDATE zdm.migration SET known[1] = '1 1' WHERE label = 'upgrade'; $$ || made, gone FROM attack WHERE kind = 'overload';
CALL attack('upgrade', format('SELECT zdm.migrate(%L, label => %L)', 'ALTER TABLE vic.w ADD CONSTRAINT u CHECK (late.f(a) || g::text IS NOT NULL)', 'upgrade'), 'upgrade', 'operator');
SELECT label, state, error FROM zdm.migrations WHERE id > 3 ORDER BY id;
SELECT * FROM vic.w ORDER BY id;

-- a name given to what there was by another one; what was meant has gone; or is another one of the same name
CREATE FUNCTION late.known(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1::text$$;
CREATE FUNCTION late.known_too(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1$$;
CREATE FUNCTION late.both(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1::text$$;
CREATE FUNCTION late.both(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1$$;
CREATE FUNCTION late.same(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1$$;
CREATE PROCEDURE stop(label text, sql text, made text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL SESSION AUTHORIZATION regress_resolved_victim;
	EXECUTE sql;
	PERFORM zdm.pause(label);
	RESET SESSION AUTHORIZATION;
	COMMIT;
	EXECUTE made;
	COMMIT;
	PERFORM zdm.resume(label);
	COMMIT;
	CALL rest(label, label);
	PERFORM zdm.revert(label);
	COMMIT;
	CALL zdm.wait(label, 'reverted', timeout => '60s');
END
$$;
CALL stop('renamed', format('SELECT zdm.migrate(%L, label => %L)', 'ALTER TABLE vic.w ADD CONSTRAINT r CHECK (late.known(a) IS NOT NULL)', 'renamed'), 'ALTER FUNCTION late.known_too(text) RENAME TO known');
CALL stop('gone', format('SELECT zdm.migrate(%L, label => %L)', 'ALTER TABLE vic.w ADD CONSTRAINT r CHECK (late.both(a) IS NOT NULL)', 'gone'), 'DROP FUNCTION late.both(text)');
CALL stop('anew', format('SELECT zdm.migrate(%L, label => %L)', 'ALTER TABLE vic.w ADD CONSTRAINT r CHECK (late.same(a) IS NOT NULL)', 'anew'),
	'DROP FUNCTION late.same(text); CREATE FUNCTION late.same(text) RETURNS text LANGUAGE sql IMMUTABLE AS $f$SELECT $1$f$');
