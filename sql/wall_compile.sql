--
-- An expression that cannot be compiled is as harmless to writers as one that
-- cannot be computed: functions that have lost what they call.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE SCHEMA app;

-- a default whose function finds what it calls by the writer's path only
CREATE FUNCTION app.helper() RETURNS text LANGUAGE sql STABLE AS $$SELECT 'd'::text$$;
SET search_path = app, public;
CREATE FUNCTION app.standard() RETURNS text LANGUAGE sql STABLE AS $$SELECT helper()$$;
CREATE TABLE app.r (id int PRIMARY KEY, a text DEFAULT app.standard());
INSERT INTO r (id) SELECT g FROM generate_series(1, 3) g;
ALTER FUNCTION app.standard() SET search_path = app;
SELECT zdm.rename_column('r', 'a', 'b', 'standard') > 0;
CALL zdm.wait('standard', timeout => '60s');
ALTER FUNCTION app.standard() RESET search_path;
INSERT INTO r (id, a) VALUES (11, 'x');
INSERT INTO r (id, b) VALUES (12, 'y');
INSERT INTO r (id) VALUES (13);
INSERT INTO r (id, a, b) VALUES (14, 'z', 'z');
UPDATE r SET a = 'u' WHERE id = 1;
SELECT id, a, b FROM r ORDER BY id;
SELECT zdm.cutover('standard') IS NOT NULL;
CALL zdm.wait('standard', timeout => '60s');
INSERT INTO r (id, a) VALUES (21, 'x');
INSERT INTO r (id, b) VALUES (22, 'y');
INSERT INTO r (id) VALUES (23);
SELECT id, a, b FROM r WHERE id > 20 ORDER BY id;
SELECT zdm.contract('standard') IS NOT NULL;
CALL zdm.wait('standard', timeout => '60s');
SELECT state FROM zdm.migrations WHERE label = 'standard';
RESET search_path;

-- down and up, whose inner function is gone
CREATE FUNCTION app.inner_down(text) RETURNS int LANGUAGE sql STABLE AS $$SELECT right($1, -1)::int$$;
CREATE FUNCTION app.back(text) RETURNS int LANGUAGE sql STABLE AS $$SELECT app.inner_down($1)$$;
CREATE FUNCTION app.inner_up(int) RETURNS text LANGUAGE sql STABLE AS $$SELECT 'v' || $1$$;
CREATE FUNCTION app.forth(int) RETURNS text LANGUAGE sql STABLE AS $$SELECT app.inner_up($1)$$;
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1), (2, 2);
SELECT zdm.change_column_type('t', 'a', 'text', up => 'app.forth(a)', down => 'app.back(a)', label => 'inner') > 0;
CALL zdm.wait('inner', timeout => '60s');
DROP FUNCTION app.inner_down(text);
INSERT INTO t (id, a) VALUES (3, 3);
-- what the new application writes does need it
\set VERBOSITY terse
INSERT INTO t (id, a_zdm2) VALUES (4, 'v4');
DROP FUNCTION app.inner_up(int);
INSERT INTO t (id, a) VALUES (5, 5);
UPDATE t SET a = 33 WHERE id = 3;
SELECT id, a, a_zdm2 FROM t ORDER BY id;
SELECT key, sqlstate, message FROM zdm.misfit ORDER BY id;
-- made anew, all is as before, in this session too
CREATE FUNCTION app.inner_up(int) RETURNS text LANGUAGE sql STABLE AS $$SELECT 'v' || $1$$;
CREATE FUNCTION app.inner_down(text) RETURNS int LANGUAGE sql STABLE AS $$SELECT right($1, -1)::int$$;
INSERT INTO t (id, a) VALUES (6, 6);
INSERT INTO t (id, a_zdm2) VALUES (7, 'v7');
SELECT zdm.cutover('inner') IS NOT NULL;
CALL zdm.wait('inner', 'switched', timeout => '60s');
SELECT id, a, a_zdm2 FROM t ORDER BY id;
-- and now it is the way back that does not count
DROP FUNCTION app.inner_down(text);
INSERT INTO t (id, a) VALUES (8, 'v8');
SELECT id, a, a_zdm2 FROM t WHERE id = 8;
