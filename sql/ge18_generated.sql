--
-- Virtual generated columns over a column that changes its type or its name:
-- they take the new column's values from cutover on, and nothing is rewritten.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time

CREATE TABLE t (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2), "a %" text GENERATED ALWAYS AS ('n%' || n) VIRTUAL);
INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;
CREATE VIEW v AS SELECT twice FROM t;
CREATE FUNCTION expressions(r regclass) RETURNS SETOF text LANGUAGE sql AS $$
SELECT concat_ws(' ', a.attname, a.attgenerated, pg_get_expr(adbin, adrelid)) FROM pg_attrdef d JOIN pg_attribute a ON attrelid = adrelid AND attnum = adnum WHERE adrelid = r ORDER BY a.attname
$$;
SELECT * FROM expressions('t');
SELECT pg_relation_filenode('t') AS file \gset
SELECT zdm.change_column_type('t', 'n', 'bigint', label => 'forth');
CALL zdm.wait('forth', 'ready', '1 minute');
SELECT zdm.cutover('forth');
CALL zdm.wait('forth', 'switched', '1 minute');
SELECT * FROM expressions('t');
INSERT INTO t VALUES (11, 11);
UPDATE t SET n = 100 WHERE id = 1;
SELECT sum(n), sum(twice), max("a %") FROM t;
SELECT zdm.revert('forth');
CALL zdm.wait('forth', 'reverted', '1 minute');
SELECT * FROM expressions('t');
SELECT sum(n), sum(twice), (SELECT sum(twice) FROM v), max("a %") FROM t;
SELECT zdm.rename_column('t', 'n', 'number', 'rename');
CALL zdm.wait('rename', 'ready', '1 minute');
UPDATE t SET number = 200 WHERE id = 1;
SELECT twice FROM t WHERE id = 1;
SELECT zdm.cutover('rename');
CALL zdm.wait('rename', 'switched', '1 minute');
SELECT * FROM expressions('t');
UPDATE t SET n = 300 WHERE id = 1;
SELECT twice FROM t WHERE id = 1;
SELECT zdm.contract('rename');
CALL zdm.wait('rename', 'completed', '1 minute');
SELECT * FROM expressions('t');
SELECT sum(number), sum(twice), (SELECT sum(twice) FROM v), max("a %") FROM t;
SELECT pg_relation_filenode('t') = :file AS same_file;

-- partitions have the expression of their table
CREATE TABLE p (k int, n int, g int GENERATED ALWAYS AS (n + 1)) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 (g int GENERATED ALWAYS AS (n + 1), gone int, n int, k int);
ALTER TABLE p2 DROP COLUMN gone;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT i, i FROM generate_series(1, 19) i;
SELECT zdm.change_column_type('p', 'n', 'bigint', label => 'p');
CALL zdm.wait('p', 'ready', '1 minute');
SELECT zdm.cutover('p');
CALL zdm.wait('p', 'switched', '1 minute');
SELECT zdm.contract('p');
CALL zdm.wait('p', 'completed', '1 minute');
SELECT sum(n), sum(g) FROM p;
SELECT * FROM expressions('p2');

-- what PostgreSQL would not do, or would read the table for
\set VERBOSITY terse
ALTER TABLE t ADD CHECK (id > 0);
SELECT zdm.change_column_type('t', 'number', 'numeric');
CREATE TABLE not_null (n int, g int NOT NULL GENERATED ALWAYS AS (n + 1));
SELECT zdm.rename_column('not_null', 'n', 'm');
CREATE TABLE published (id int PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n + 1));
CREATE PUBLICATION zdm_published FOR TABLE published;
SELECT zdm.rename_column('published', 'n', 'm');
DROP PUBLICATION zdm_published;
CREATE TABLE alone (k int, n int, g int GENERATED ALWAYS AS (n + 1)) PARTITION BY RANGE (k);
CREATE TABLE alone1 (k int, n int, g int GENERATED ALWAYS AS (n + 2));
ALTER TABLE alone ATTACH PARTITION alone1 FOR VALUES FROM (0) TO (10);
SELECT zdm.rename_column('alone', 'n', 'm');
SELECT count(*) FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted');
