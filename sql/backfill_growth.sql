-- A backfill leaves the table about as large as it found it, and its indexes too.
CREATE EXTENSION pg_zdm;
CREATE SCHEMA s;
SET search_path = s, zdm;
SET client_min_messages = warning;

CREATE TABLE plain (id int PRIMARY KEY, a text, filler text);
INSERT INTO plain SELECT i, 'value ' || i, repeat('x', 60) FROM generate_series(1, 100000) i;
CREATE INDEX plain_filler ON plain (filler, id);
VACUUM (ANALYZE, FREEZE) plain;

-- some rows a page, and one with hardly a row to fill
CREATE TABLE wide (id int PRIMARY KEY, a int, filler text);
ALTER TABLE wide ALTER filler SET STORAGE PLAIN;
INSERT INTO wide SELECT i, i, repeat('x', 1500) FROM generate_series(1, 4000) i;
CREATE TABLE sparse (id int PRIMARY KEY, a int);
INSERT INTO sparse SELECT i, CASE WHEN i % 1000 = 0 THEN i END FROM generate_series(1, 100000) i;

-- what an autovacuum's snapshot keeps alive could not be used again meanwhile
ALTER TABLE plain SET (autovacuum_enabled = off);
ALTER TABLE wide SET (autovacuum_enabled = off);
ALTER TABLE sparse SET (autovacuum_enabled = off);
CREATE TABLE size AS SELECT oid, relname, pg_relation_size(oid) AS bytes
	FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind IN ('r', 'i');

SELECT rename_column('plain', 'a', 'b', 'plain') AS plain, rename_column('wide', 'a', 'b', 'wide') AS wide,
	rename_column('sparse', 'a', 'b', 'sparse') AS sparse \gset
CALL zdm.wait('plain', 'ready', '600 s');
CALL zdm.wait('wide', 'ready', '600 s');
CALL zdm.wait('sparse', 'ready', '600 s');

-- each at most a third larger; all at once, a table would be twice as large
SELECT s.relname, pg_relation_size(s.oid) < s.bytes * 4 / 3 + 8192 * 4 AS small
  FROM size s JOIN pg_class c USING (oid) ORDER BY s.relname;
SELECT count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM plain;
SELECT count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM wide;
SELECT count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM sparse;

