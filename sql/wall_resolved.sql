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
