--
-- A batch is short wherever it is: rows are locked until it commits.  Blocks
-- with nothing to do, which are gone through faster and faster, come first here,
-- and then rows that take long.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
	'DECLARE i int; BEGIN FOR i IN 1 .. 20000 LOOP NULL; END LOOP; RETURN n; END';
CREATE TABLE mine (id int, a int, filler text) WITH (autovacuum_enabled = off);
INSERT INTO mine SELECT i, NULL, repeat('x', 200) FROM generate_series(1, 100000) i;
CREATE TABLE pair (id int, a text, filler text) WITH (autovacuum_enabled = off);
INSERT INTO pair SELECT i, i, repeat('x', 200) FROM generate_series(1, 100000) i;
DELETE FROM mine WHERE id <= 98000;
DELETE FROM pair WHERE id <= 98000;
VACUUM mine, pair;

SET zdm.batch_rest = 0;
SELECT zdm.backfill('mine', 'a = slow(id)', 'a IS NULL', label => 'mine');
SELECT zdm.change_column_type('pair', 'a', 'int', 'slow(a::int)', label => 'pair');
CALL zdm.wait('mine', 'completed', '2 min');
CALL zdm.wait('pair', 'ready', '2 min');

-- so many rows were locked at a time
SELECT max(rows) < 1000 FROM (SELECT count(*) AS rows FROM mine GROUP BY xmin::text) x;
SELECT max(rows) < 1000 FROM (SELECT count(*) AS rows FROM pair GROUP BY xmin::text) x;
SELECT count(*) FROM mine WHERE a = id;
SELECT count(*) FROM pair WHERE a_zdm2 = id;
SELECT zdm.revert('pair');
CALL zdm.wait('pair', 'reverted', '1 min');
