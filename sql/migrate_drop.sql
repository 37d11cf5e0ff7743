--
-- DROP by zdm.migrate(): each kind of object waits in ready and goes at
-- contract; what depends on it is named at the call.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE SCHEMA app;
SET search_path = app, public;
CREATE TABLE parent (id int PRIMARY KEY, a int, b int);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
CREATE VIEW v AS SELECT id, a FROM parent;
CREATE VIEW w AS SELECT id FROM v;
CREATE MATERIALIZED VIEW m AS SELECT id FROM w;
CREATE FUNCTION f(parent) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE mood AS ENUM ('glad');
CREATE TABLE moods (m mood, n int);
CREATE SEQUENCE s;
CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER tr BEFORE INSERT ON moods FOR EACH ROW EXECUTE FUNCTION tf();
CREATE POLICY po ON moods USING (true);
CREATE STATISTICS st ON m, n FROM moods;
CREATE DOMAIN d AS int;
CREATE SCHEMA empty;

-- what depends on it, as far as it goes, is said at the call
SELECT zdm.plan('DROP TABLE parent');
SELECT zdm.plan('DROP TABLE parent CASCADE');
SELECT zdm.plan('ALTER TABLE parent DROP COLUMN a');
SELECT zdm.plan('ALTER TABLE parent DROP COLUMN a CASCADE');
SELECT zdm.plan('ALTER TABLE parent DROP COLUMN b CASCADE');
SELECT zdm.plan('DROP VIEW v');
SELECT zdm.plan('DROP TYPE mood');
SELECT zdm.plan('DROP SCHEMA app');
SELECT zdm.plan('DROP FUNCTION tf()');
SELECT zdm.plan('DROP TABLE child CASCADE');
SELECT zdm.plan('DROP TABLE nothing');

-- of objects that go together, none is in the way of the other
SELECT zdm.migrate('DROP MATERIALIZED VIEW m', label => 'm');
CALL zdm.wait('m', 'ready', '1 min');
SELECT count(*) FROM m;
SELECT zdm.contract('m');
CALL zdm.wait('m', 'completed', '1 min');
SELECT zdm.migrate('DROP VIEW v, w', label => 'v, w');
SELECT zdm.migrate('DROP FUNCTION f(parent)', label => 'f');
CALL zdm.wait('v, w', 'ready', '1 min');
CALL zdm.wait('f', 'ready', '1 min');
SELECT zdm.contract('v, w'), zdm.contract('f');
CALL zdm.wait('v, w', 'completed', '1 min');
CALL zdm.wait('f', 'completed', '1 min');
SELECT lock FROM zdm.plan('DROP TABLE parent, child');
SELECT zdm.migrate('DROP TABLE parent, child', label => 'tables');
CALL zdm.wait('tables', 'ready', '1 min');
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1, 1);

-- what comes to depend on it meanwhile is not dropped with it
CREATE VIEW late AS SELECT id FROM child;
SELECT zdm.contract('tables');
CALL zdm.wait('tables', 'completed', '1 min');
SELECT error FROM zdm.migrations WHERE label = 'tables';
DROP VIEW late;
SELECT zdm.resume('tables');
CALL zdm.wait('tables', 'completed', '1 min');

-- each kind: nothing happens before contract, and it can be called off
CREATE TABLE drops (n int, statement text, object text);
INSERT INTO drops VALUES
	(1, 'DROP TRIGGER tr ON moods', '(SELECT oid FROM pg_trigger WHERE tgname = ''tr'')'),
	(2, 'DROP FUNCTION tf()', 'to_regprocedure(''tf()'')'),
	(3, 'DROP POLICY po ON moods', '(SELECT oid FROM pg_policy WHERE polname = ''po'')'),
	(4, 'DROP STATISTICS st', '(SELECT oid FROM pg_statistic_ext WHERE stxname = ''st'')'),
	(5, 'DROP TABLE moods', 'to_regclass(''moods'')'),
	(6, 'DROP TYPE mood', 'to_regtype(''mood'')'),
	(7, 'DROP DOMAIN d', 'to_regtype(''d'')'),
	(8, 'DROP SEQUENCE s', 'to_regclass(''s'')'),
	(9, 'DROP SCHEMA empty', 'to_regnamespace(''empty'')');
CREATE FUNCTION there(object text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	found boolean;
BEGIN
	EXECUTE 'SELECT ' || object || ' IS NOT NULL' INTO found;
	RETURN found;
END $$;
CREATE PROCEDURE one(what text, object text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM zdm.migrate(what, label => what || ', called off');
	COMMIT;
	CALL zdm.wait(what || ', called off', 'ready', '1 min');
	PERFORM zdm.revert(what || ', called off');
	COMMIT;
	CALL zdm.wait(what || ', called off', 'reverted', '1 min');
	PERFORM zdm.migrate(what, label => what);
	COMMIT;
	CALL zdm.wait(what, 'ready', '1 min');
	RAISE WARNING '%: there: %', what, there(object);
	PERFORM zdm.contract(what);
	COMMIT;
	CALL zdm.wait(what, 'completed', '1 min');
	RAISE WARNING '%: there: %', what, there(object);
END $$;
SELECT format('CALL one(%L, %L)', statement, object) FROM drops ORDER BY n \gexec
