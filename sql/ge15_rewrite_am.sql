-- SET ACCESS METHOD: the table is written anew by it, with what depends on it
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE ACCESS METHOD zdm_heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD zdm_heap3 TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE t (id int PRIMARY KEY, a int, big text);
INSERT INTO t SELECT i, -i, repeat(md5(i::text), 200) FROM generate_series(1, 300) i;
CREATE TABLE before AS TABLE t;
CREATE FUNCTION look(OUT am name, OUT toast_am name, OUT depends_on text, OUT rows_differ bigint) LANGUAGE sql AS '
	SELECT (SELECT amname FROM pg_am a JOIN pg_class c ON c.relam = a.oid WHERE c.oid = ''t''::regclass),
	(SELECT amname FROM pg_am a JOIN pg_class c ON c.relam = a.oid WHERE c.oid = (SELECT reltoastrelid FROM pg_class WHERE oid = ''t''::regclass)),
	(SELECT string_agg(amname, '', '') FROM pg_depend JOIN pg_am ON refobjid = pg_am.oid WHERE classid = ''pg_class''::regclass AND objid = ''t''::regclass AND refclassid = ''pg_am''::regclass),
	(SELECT count(*) FROM ((TABLE before EXCEPT TABLE t) UNION ALL (TABLE t EXCEPT TABLE before)) x)';
SELECT zdm.migrate('ALTER TABLE t SET ACCESS METHOD zdm_heap2') AS m \gset
CALL zdm.wait(:m);
SELECT * FROM look();
DROP ACCESS METHOD zdm_heap2;
SELECT zdm.migrate('ALTER TABLE t SET ACCESS METHOD zdm_heap3, SET UNLOGGED') AS m \gset
SELECT statement FROM zdm.steps WHERE migration = :m AND step = 1;
CALL zdm.wait(:m);
SELECT * FROM look();
-- written anew as it is
SELECT zdm.rewrite('t', 'a') AS m \gset
CALL zdm.wait(:m);
SELECT * FROM look();
DROP ACCESS METHOD zdm_heap2;
SELECT zdm.migrate('ALTER TABLE t SET ACCESS METHOD heap', label => 'back') AS m \gset
CALL zdm.wait(:m);
SELECT * FROM look();
SELECT zdm.migrate('ALTER TABLE t SET ACCESS METHOD heap', label => 'back') = :m AS same;
SELECT zdm.migrate('ALTER TABLE t SET ACCESS METHOD nosuch');
SELECT zdm.migrate('ALTER TABLE t SET ACCESS METHOD btree');
-- gone before it is its turn
BEGIN;
SELECT zdm.migrate('ALTER TABLE t SET ACCESS METHOD zdm_heap3') AS m \gset
DROP ACCESS METHOD zdm_heap3;
COMMIT;
CALL zdm.wait(:m, timeout => '1min');
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
SELECT * FROM look();
