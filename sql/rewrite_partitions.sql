-- A partitioned table is written anew leaf by leaf, as one migration.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA rewrite_partitions;
SET search_path = rewrite_partitions, public;
CREATE TABLE p (id int, a int, b text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (1001);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1001) TO (3001) PARTITION BY RANGE (id);
CREATE TABLE p2a PARTITION OF p2 FOR VALUES FROM (1001) TO (2001);
-- its columns have other numbers
CREATE TABLE p2b (gone int, b text, a int, id int NOT NULL);
ALTER TABLE p2b DROP gone;
ALTER TABLE p2 ATTACH PARTITION p2b FOR VALUES FROM (2001) TO (3001);
CREATE INDEX p_a ON p (a);
INSERT INTO p SELECT i, i * 7919 % 3000, 'b' || i FROM generate_series(1, 3000) i;
CREATE TABLE before AS SELECT id, a, b FROM p;
CREATE TABLE was AS SELECT relid::regclass::text AS part, pg_relation_filenode(relid) AS file FROM pg_partition_tree('p') WHERE isleaf;
CREATE FUNCTION look(OUT anew text, OUT rows_differ bigint, OUT out_of_order bigint, OUT clustered text) LANGUAGE sql AS '
	SELECT (SELECT string_agg(part, '' '' ORDER BY part) FROM was WHERE pg_relation_filenode(to_regclass(part)) <> file),
	(SELECT count(*) FROM ((SELECT id, a, b FROM before EXCEPT SELECT id, a, b FROM p) UNION ALL (SELECT id, a, b FROM p EXCEPT SELECT id, a, b FROM before)) x),
	(SELECT count(*) FROM (SELECT a < lag(a) OVER (PARTITION BY tableoid ORDER BY ctid) AS wrong FROM p) x WHERE wrong),
	(SELECT string_agg(indexrelid::regclass::text, '' '' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indisclustered AND indexrelid::regclass::text LIKE ''p%'')';

SELECT step, statement, lock FROM zdm.plan('VACUUM FULL p') WHERE step < 7;
SELECT zdm.migrate('VACUUM FULL p') AS m \gset
SELECT unnest(notes) FROM zdm.migration WHERE id = :m;
CALL zdm.wait(:m);
SELECT * FROM look();
SELECT zdm.rewrite('p', 'a') AS m \gset
CALL zdm.wait(:m);
SELECT * FROM look();
SELECT statement FROM zdm.steps WHERE migration = :m AND action = 'copy';
SELECT zdm.migrate('CLUSTER p USING p_a') AS m \gset
CALL zdm.wait(:m);
SELECT * FROM look();
SELECT zdm.migrate('CLUSTER p2b USING p2b_pkey') AS m \gset
CALL zdm.wait(:m);
SELECT clustered FROM look();
-- of the whole, PostgreSQL only notes where partitions to come are to be
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_zdm_parts LOCATION '';
SELECT zdm.migrate('ALTER TABLE p SET TABLESPACE regress_zdm_parts') AS m \gset
CALL zdm.wait(:m);
SELECT count(*) FROM zdm.steps WHERE migration = :m;
SELECT relname, reltablespace > 0 AS there FROM pg_class WHERE relname IN ('p', 'p1', 'p2a') ORDER BY 1;
ALTER TABLE p SET TABLESPACE pg_default;
DROP TABLESPACE regress_zdm_parts;
-- each by itself
SELECT zdm.migrate('ALTER TABLE p2a SET UNLOGGED') AS m \gset
CALL zdm.wait(:m);
SELECT relname, relpersistence FROM pg_class WHERE relname IN ('p', 'p1', 'p2a') ORDER BY 1;
-- one at a time: the whole, or a part of it
BEGIN;
SELECT zdm.rewrite('p') AS m \gset
SAVEPOINT s;
SELECT zdm.rewrite('p1');
ROLLBACK TO s;
COMMIT;
CALL zdm.wait(:m);
SELECT rows_differ FROM look();
-- partitions that go before it is their turn
BEGIN;
SELECT zdm.rewrite('p') AS m \gset
SELECT zdm.pause(:m);
COMMIT;
ALTER TABLE p2 DETACH PARTITION p2b;
DROP TABLE p1;
SELECT zdm.resume(:m);
CALL zdm.wait(:m);
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT count(*) AS left_over FROM pg_class WHERE relname LIKE 'zdm\_%' AND relkind = 'r';
SELECT count(*) FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc;
SELECT count(*), sum(a) FROM p2b;
-- refused
CREATE TABLE empty (id int PRIMARY KEY) PARTITION BY HASH (id);
SELECT zdm.rewrite('empty');
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE TABLE q (id int, a int) PARTITION BY LIST (id);
CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1);
SELECT zdm.rewrite('q');
CREATE FOREIGN TABLE q2 PARTITION OF q FOR VALUES IN (2) SERVER nowhere;
SELECT zdm.rewrite('q');
SELECT zdm.migrate('CLUSTER p USING nosuch');
DROP SCHEMA rewrite_partitions CASCADE;
DROP FOREIGN DATA WRAPPER nowhere CASCADE;
