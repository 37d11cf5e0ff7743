--
-- What others have in common with a migration: its views, the privileges of its
-- columns, and the defaults of privileges.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_zdm_victim;
CREATE ROLE regress_zdm_mallory;
CREATE ROLE regress_zdm_column;
CREATE ROLE regress_zdm_reader;
CREATE SCHEMA vic AUTHORIZATION regress_zdm_victim;
CREATE SCHEMA mal AUTHORIZATION regress_zdm_mallory;
GRANT USAGE ON SCHEMA vic, mal TO PUBLIC;

--
-- A statement that reads or writes rows says what is in them, and stands in no
-- catalog: it is shown to who may read every row, and so is hold_when.
--
SET ROLE regress_zdm_victim;
CREATE TABLE vic.t (id int PRIMARY KEY, name text, x int, code text);
INSERT INTO vic.t VALUES (1, 'n1', NULL, 'c');
GRANT SELECT (id) ON vic.t TO regress_zdm_column;
GRANT SELECT ON vic.t TO regress_zdm_reader;
SET zdm.hold_when = 'SELECT ''sesame'' IS NULL';
SELECT zdm.backfill('vic.t', $$name = 'sesame'$$, $$name = 'n1'$$, label => 'assigned') > 0;
SELECT zdm.set_not_null('vic.t', 'x', $$length('sesame')$$, 'filled') > 0;
SELECT zdm.change_column_type('vic.t', 'code', 'varchar(40)', up => $$CASE code WHEN 'sesame' THEN 'open' ELSE code END$$, down => 'code', label => 'retyped') > 0;
RESET zdm.hold_when;
CALL zdm.wait('assigned', timeout => '60s');
CALL zdm.wait('filled', timeout => '60s');
CALL zdm.wait('retyped', timeout => '60s');
RESET ROLE;
CREATE FUNCTION pg_temp.told(OUT who name, OUT statements boolean, OUT by_view bigint, OUT by_function bigint, OUT by_settings bigint) LANGUAGE sql AS $$
	SELECT current_user, count(statement) > 0, count(*) FILTER (WHERE statement ~ 'sesame' OR undo ~ 'sesame'),
		count(*) FILTER (WHERE zdm.step_sql(migration, step, false) ~ 'sesame'),
		(SELECT count(*) FROM zdm.migrations WHERE settings::text ~ 'sesame') FROM zdm.steps $$;
SET ROLE regress_zdm_victim;
SELECT * FROM pg_temp.told();
SET ROLE regress_zdm_reader;
SELECT * FROM pg_temp.told();
SET ROLE regress_zdm_column;
SELECT * FROM pg_temp.told();
RESET ROLE;
-- a reader whose rows are filtered
ALTER TABLE vic.t ENABLE ROW LEVEL SECURITY;
SET ROLE regress_zdm_reader;
SELECT * FROM pg_temp.told();
RESET ROLE;

--
-- A GRANT is about its own table.  What somebody else's columns still lack is not made
-- up for in passing: it would wait for whoever is at work on them.
--
SET ROLE regress_zdm_mallory;
CREATE TABLE mal.t (id int PRIMARY KEY, a int);
SELECT zdm.rename_column('mal.t', 'a', 'b', 'renamed') > 0;
CALL zdm.wait('renamed', timeout => '60s');
RESET ROLE;
ALTER EVENT TRIGGER zdm_privileges_changed DISABLE;
GRANT SELECT (a) ON mal.t TO regress_zdm_column;
ALTER EVENT TRIGGER zdm_privileges_changed ENABLE ALWAYS;
BEGIN;
ALTER TABLE mal.t ALTER b SET STATISTICS 10;
PREPARE TRANSACTION 'regress_zdm_open';
SET lock_timeout = '100ms';
SET ROLE regress_zdm_victim;
GRANT INSERT ON vic.t TO regress_zdm_column;
RESET ROLE;
SELECT has_table_privilege('regress_zdm_column', 'vic.t', 'INSERT');
COMMIT PREPARED 'regress_zdm_open';
RESET lock_timeout;
CREATE VIEW privileges AS SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'mal.t'::regclass AND attname IN ('a', 'b') ORDER BY 1;
SELECT * FROM privileges;
-- one of the table itself makes up for it
GRANT UPDATE (b) ON mal.t TO regress_zdm_column;
SELECT * FROM privileges;
-- as a part of another statement, and in a savepoint
CREATE SCHEMA other GRANT INSERT (a) ON mal.t TO regress_zdm_column;
BEGIN;
SAVEPOINT s;
REVOKE SELECT (b) ON mal.t FROM regress_zdm_column;
RELEASE s;
COMMIT;
SELECT * FROM privileges;

--
-- Default privileges give nothing to anybody by what is made anew, and take nothing
-- from the owner.
--
SET ROLE regress_zdm_victim;
CREATE TABLE vic.m (id int PRIMARY KEY, a int);
INSERT INTO vic.m VALUES (1, 1);
CREATE VIEW vic.v AS SELECT a FROM vic.m;
CREATE MATERIALIZED VIEW vic.mv AS SELECT a FROM vic.m;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
SELECT zdm.change_column_type('vic.m', 'a', 'bigint', label => 'viewed') > 0;
CALL zdm.wait('viewed', timeout => '60s');
SELECT zdm.cutover('viewed');
CALL zdm.wait('viewed', 'switched', '60s');
SELECT * FROM vic.v, vic.mv;
REFRESH MATERIALIZED VIEW vic.mv;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC;
RESET ROLE;
SELECT relname, has_table_privilege('regress_zdm_column', oid, 'SELECT'), has_table_privilege(relowner, oid, 'SELECT'), has_table_privilege(relowner, oid, 'INSERT')
	FROM pg_class WHERE relnamespace = 'vic'::regnamespace AND relkind IN ('v', 'm') AND relname IN ('v', 'mv') ORDER BY 1;

DROP SCHEMA vic, mal, other CASCADE;
DROP VIEW IF EXISTS privileges;
DROP OWNED BY regress_zdm_victim, regress_zdm_mallory, regress_zdm_column, regress_zdm_reader;
DROP ROLE regress_zdm_victim, regress_zdm_mallory, regress_zdm_column, regress_zdm_reader;
