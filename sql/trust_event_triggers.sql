--
-- Event triggers neither hear of what is only tried, nor have a say in it; the
-- plan names those that the steps will meet.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE TABLE ddl_log (n int GENERATED ALWAYS AS IDENTITY, tag text);
CREATE TABLE t (id int PRIMARY KEY, b int, up int);
CREATE TABLE ref (id int PRIMARY KEY);
ALTER TABLE t ADD FOREIGN KEY (up) REFERENCES ref;
CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)) PARTITION BY LIST (b);
CREATE TABLE p1 (a int, b int NOT NULL, PRIMARY KEY (a, b));
CREATE FUNCTION norew() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no table rewrites here'; END$$;
CREATE FUNCTION need_pk() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c WHERE c.object_type = 'table'
		AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.objid AND i.indisprimary))
	THEN RAISE EXCEPTION 'every table needs a primary key'; END IF; END$$;
CREATE FUNCTION audit() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.ddl_log (tag) VALUES (tg_tag); END$$;
CREATE EVENT TRIGGER norew ON table_rewrite EXECUTE FUNCTION norew();
CREATE EVENT TRIGGER need_pk ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION need_pk();
CREATE EVENT TRIGGER audit ON ddl_command_start EXECUTE FUNCTION audit();
CREATE EVENT TRIGGER dropped ON sql_drop EXECUTE FUNCTION audit();
CREATE EVENT TRIGGER silent ON ddl_command_start EXECUTE FUNCTION norew();
ALTER EVENT TRIGGER silent DISABLE;
TRUNCATE ddl_log;
SELECT count(*) > 0 AS planned FROM zdm.plan('ALTER TABLE t ALTER b TYPE bigint');
SELECT count(*) > 0 AS planned FROM zdm.plan('ALTER TABLE t ALTER up TYPE bigint');
SELECT count(*) > 0 AS planned FROM zdm.plan('ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1)');
SELECT count(*) > 0 AS planned FROM zdm.plan('CREATE VIEW v AS SELECT 1');
BEGIN;	-- before a worker begins
SELECT zdm.change_column_type('t', 'b', 'bigint', label => 'b');
SELECT count(*) FROM ddl_log;
COMMIT;
SELECT note FROM zdm.migration, unnest(notes) note WHERE note LIKE 'event triggers%';
CALL zdm.wait('b', 'ready', '15 seconds');
SELECT tag, count(*) FROM ddl_log GROUP BY tag ORDER BY tag;
SELECT zdm.revert('b');
CALL zdm.wait('b', 'reverted', '15 seconds');
-- a plan can be read where nothing may be written
SET default_transaction_read_only = on;
SELECT count(*) > 0 AS planned FROM zdm.plan('ALTER TABLE t ALTER b TYPE bigint');
RESET default_transaction_read_only;
DROP EVENT TRIGGER norew;
DROP EVENT TRIGGER need_pk;
DROP EVENT TRIGGER audit;
DROP EVENT TRIGGER dropped;
DROP EVENT TRIGGER silent;
