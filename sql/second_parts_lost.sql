--
-- A partition of the hidden table that somebody takes away or empties: its rows are
-- copied again before the cutover, and no row of the table is lost by it.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE TABLE t (id int PRIMARY KEY, n text);
INSERT INTO t SELECT i, 'n' || i FROM generate_series(1, 250) i;
CREATE TABLE whole AS SELECT * FROM t;

-- detached, and empty in its place
SELECT zdm.partition_table('t', 'range(id)', partitions => ARRAY['t_a for values from (0) to (100)', 't_b for values from (100) to (10000)']) AS m \gset
CALL zdm.wait(:m);
SELECT format('zdm_%s_t', :m) AS hidden \gset
ALTER TABLE :hidden DETACH PARTITION t_a;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM (TABLE whole EXCEPT TABLE t) d;
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
DROP TABLE IF EXISTS t_a;

-- dropped
SELECT zdm.partition_table('t', 'range(id)', partitions => ARRAY['t_a for values from (0) to (100)', 't_b for values from (100) to (10000)']) AS m \gset
CALL zdm.wait(:m);
DROP TABLE t_a;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM (TABLE whole EXCEPT TABLE t) d;
SELECT zdm.revert(:m);
CALL zdm.wait(:m);

-- one that has come, has got a row and has gone before anybody has looked
SELECT zdm.partition_table('t', 'range(id)', partitions => ARRAY['t_a for values from (0) to (100)', 't_b for values from (100) to (10000)']) AS m \gset
CALL zdm.wait(:m);
SELECT format('zdm_%s_t', :m) AS hidden \gset
CREATE TABLE t_c PARTITION OF :hidden FOR VALUES FROM (20000) TO (30000);
INSERT INTO t VALUES (20000, 'n20000');
ALTER TABLE :hidden DETACH PARTITION t_c;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT n FROM t WHERE id = 20000;
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
DROP TABLE t_c;
DELETE FROM t WHERE id = 20000;

-- truncated
SELECT zdm.partition_table('t', 'range(id)', partitions => ARRAY['t_a for values from (0) to (100)', 't_b for values from (100) to (10000)']) AS m \gset
CALL zdm.wait(:m);
TRUNCATE t_a;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM (TABLE whole EXCEPT TABLE t) d;

-- the other way round: the hidden table has the partitions
SELECT zdm.contract(:m);
CALL zdm.wait(:m);
SELECT zdm.unpartition_table('t', 'u');
CALL zdm.wait('u');
SELECT zdm.cutover('u');
CALL zdm.wait('u');
DROP TABLE t_a;
INSERT INTO t VALUES (300, 'n300');
SELECT zdm.revert('u');
CALL zdm.wait('u');
SELECT state, error, error_hint FROM zdm.migrations WHERE label = 'u';
SELECT count(*), count(*) FILTER (WHERE id < 100) FROM t;
-- what is missing is made again, and it goes on
SELECT format('zdm_%s_t', id) AS hidden FROM zdm.migrations WHERE label = 'u' \gset
CREATE TABLE t_a PARTITION OF :hidden FOR VALUES FROM (0) TO (100);
SELECT zdm.resume('u');
CALL zdm.wait('u');
SELECT state, error FROM zdm.migrations WHERE label = 'u';
SELECT count(*) FROM (TABLE whole EXCEPT TABLE t) d;
SELECT tableoid::regclass::text, count(*) FROM t GROUP BY 1 ORDER BY 1;

-- on the way on there is nothing to compare, and no row is lost
SELECT zdm.unpartition_table('t', 'v');
CALL zdm.wait('v');
SELECT zdm.cutover('v');
CALL zdm.wait('v');
DROP TABLE t_a;
SELECT zdm.contract('v');
CALL zdm.wait('v');
SELECT state, error FROM zdm.migrations WHERE label = 'v';
SELECT count(*) FROM t;
DROP TABLE t, whole;
DROP TABLE IF EXISTS t_a, t_b;
DROP EXTENSION pg_zdm CASCADE;
