--
-- Parallel workers evaluate what a user wrote as its owner, too.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_par_owner;
CREATE ROLE regress_par_writer;
GRANT CREATE, USAGE ON SCHEMA public TO regress_par_owner;
SELECT current_database() AS db \gset
-- before 16 it had another name
SELECT name AS forced FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
ALTER DATABASE :db SET :forced = on;
ALTER DATABASE :db SET min_parallel_table_scan_size = 0;
ALTER DATABASE :db SET min_parallel_index_scan_size = 0;
ALTER DATABASE :db SET parallel_setup_cost = 0;
\c -
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_par_owner;
CREATE FUNCTION mine(i bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF current_user <> 'regress_par_owner' THEN
		RAISE 'run as %', current_user;
	END IF;
	RETURN i;
END $$;
-- PostgreSQL itself computes an index's expression as whoever writes
CREATE FUNCTION plain(i bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1';
CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, w int);
INSERT INTO t SELECT g, g, g FROM generate_series(1, 20000) g;
GRANT SELECT, INSERT, UPDATE ON t TO regress_par_writer;
SELECT zdm.change_column_type('t', 'v', 'bigint', up => 'mine(v) * 2', down => '(mine(v) / 2)::int') AS m \gset
SELECT zdm.migrate('CREATE INDEX t_plain ON t (plain(w))') AS i \gset
CALL zdm.wait(:m, 'ready', '2 min');
CALL zdm.wait(:i, 'completed', '2 min');
-- a query that works in parallel beside, and a writer
SET SESSION AUTHORIZATION regress_par_writer;
SELECT count(*), sum(v) FROM t;
INSERT INTO t (id, v) VALUES (20001, 20001);
UPDATE t SET v = v + 1 WHERE id = 1;
SET SESSION AUTHORIZATION regress_par_owner;
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched', '2 min');
SET SESSION AUTHORIZATION regress_par_writer;
UPDATE t SET v = v + 2 WHERE id = 1;
SELECT v FROM t WHERE id IN (1, 20001) ORDER BY id;
SET SESSION AUTHORIZATION regress_par_owner;
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed', '2 min');
SELECT count(*), sum(v) FROM t;
SELECT indisvalid FROM pg_index WHERE indexrelid = 't_plain'::regclass;
SET enable_seqscan = off;
SELECT id FROM t WHERE plain(w) = 77;
RESET SESSION AUTHORIZATION;
ALTER DATABASE :db RESET :forced;
ALTER DATABASE :db RESET min_parallel_table_scan_size;
ALTER DATABASE :db RESET min_parallel_index_scan_size;
ALTER DATABASE :db RESET parallel_setup_cost;
DROP TABLE t;
DROP FUNCTION mine, plain;
REVOKE ALL ON SCHEMA public FROM regress_par_owner;
DROP ROLE regress_par_owner, regress_par_writer;
