--
-- A virtual generated column is there in an instant; a stored one needs a second table.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, n int);
INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i;
SELECT pg_relation_filenode('t') AS before \gset
SELECT step, phase, statement, lock, work FROM zdm.plan('ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) VIRTUAL');
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) VIRTUAL', label => 'virtual');
CALL zdm.wait('virtual', 'completed', '1 min');
SELECT sum(twice), pg_relation_filenode('t') = :before FROM t;
SELECT count(*) FROM zdm.plan('ALTER TABLE t ADD COLUMN thrice int GENERATED ALWAYS AS (n * 3) STORED');
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN thrice int GENERATED ALWAYS AS (n * 3) STORED, ADD COLUMN s serial');
-- beside a virtual one
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN thrice int GENERATED ALWAYS AS (n * 3) STORED', label => 'stored');
CALL zdm.wait('stored', 'ready', '1 min');
SELECT zdm.cutover('stored');
CALL zdm.wait('stored', 'switched', '1 min');
INSERT INTO t VALUES (1001, 5);
SELECT sum(twice), sum(thrice) FROM t;
SELECT zdm.revert('stored');
CALL zdm.wait('stored', 'reverted', '1 min');
SELECT count(*), sum(twice), sum(n) FROM t;
