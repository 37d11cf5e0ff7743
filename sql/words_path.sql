--
-- What is computed with the pinned search_path is planned so at the call: an index, a
-- CHECK, a default, a fill, an assignment, and what hangs on the table already.  And
-- what asks who or where the session is, is not computed by a worker.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
CREATE SCHEMA app;
SET search_path = app, public;
CREATE FUNCTION inner_one(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT lower($1)$$;
CREATE FUNCTION outer_one(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT inner_one($1)$$;
-- not one that the planner opens
CREATE FUNCTION definer(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$SELECT inner_one($1)$$;
CREATE FUNCTION whole(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$SELECT inner_one($1) <> ''$$;
CREATE FUNCTION initial() RETURNS text LANGUAGE sql STABLE AS $$SELECT inner_one('D')$$;
CREATE TABLE t (id int PRIMARY KEY, a text, b text);
INSERT INTO t SELECT g, 'A' || g, CASE WHEN g > 5 THEN 'b' END FROM generate_series(1, 10) g;
SELECT zdm.migrate('CREATE INDEX ON t (outer_one(a))');
\set VERBOSITY terse
SELECT zdm.migrate('CREATE INDEX ON t (a) WHERE whole(a)');
SELECT zdm.migrate('ALTER TABLE t ADD CHECK (whole(a))');
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN c text DEFAULT initial()');
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN c text DEFAULT initial() || random()');
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN c text CHECK (whole(c))');
SELECT zdm.set_not_null('t', 'b', 'outer_one(a)');
SELECT zdm.backfill('t', 'b = definer(a)', 'b IS NULL');
SELECT zdm.backfill('t', 'b = ''x''', 'whole(a)');
SELECT zdm.plan('CREATE INDEX ON t (outer_one(a))');
SELECT count(*) FROM zdm.migrations;
-- a default for writers alone is theirs to compute
SELECT zdm.migrate('ALTER TABLE t ALTER a SET DEFAULT initial()', label => 'default') > 0 AS stated;
CALL zdm.wait('default', 'completed', '15 seconds');
INSERT INTO t (id) VALUES (11) RETURNING a;
-- what hangs on the table
CREATE TABLE u (id int PRIMARY KEY, a text, b text);
CREATE FUNCTION of_index(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT lower($1)$$;
CREATE INDEX u_i ON u (of_index(b));
CREATE OR REPLACE FUNCTION of_index(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT inner_one($1)$$;
SELECT zdm.rename_column('u', 'a', 'a2');
SELECT zdm.backfill('u', 'a = ''x''');
DROP INDEX u_i;
ALTER TABLE u ADD CONSTRAINT u_c CHECK (whole(a));
SELECT zdm.change_column_type('u', 'a', 'varchar(100)', up => 'a', down => 'a');
SELECT zdm.rename_column('u', 'a', 'a2');
-- with the remedy that the hint gives
\set VERBOSITY default
SELECT zdm.backfill('u', 'b = ''x''');
ALTER FUNCTION app.whole(pg_catalog.text) SET search_path = app, public;
SELECT zdm.rename_column('u', 'a', 'a2', 'u') > 0 AS stated;
CALL zdm.wait('u', 'ready', '15 seconds');
-- who and where: the worker is somebody else
SELECT zdm.backfill('t', 'b = current_user', 'b IS NULL');
\set VERBOSITY terse
SELECT zdm.backfill('t', 'b = ''x''', 'a = current_setting(''app.x'', true)');
SELECT zdm.set_not_null('t', 'b', 'session_user::text');
-- but the time is the same, and settings that a value depends on are those of the call
SET extra_float_digits = -10;
SELECT zdm.backfill('t', 'b = (1.1::float8 * 1.1 + id * 0)::text', 'b IS NULL', label => 'float') > 0 AS stated;
RESET extra_float_digits;
CALL zdm.wait('float', 'completed', '15 seconds');
SELECT DISTINCT b FROM t;
