--
-- What up and down read stays as it is while the migration lives.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
SET zdm.guard = refuse;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int, v int);
INSERT INTO t SELECT g, g, g, g, g FROM generate_series(1, 10) g;
SELECT zdm.change_column_type('t', 'v', 'bigint', up => 'v + a * 0', down => '(v - b * 0)::int') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
-- by DDL
ALTER TABLE t DROP COLUMN a;
ALTER TABLE t ALTER COLUMN b TYPE bigint;
ALTER TABLE t RENAME COLUMN a TO x;
-- by another migration
SELECT zdm.migrate('ALTER TABLE t DROP COLUMN a');
SELECT zdm.migrate('ALTER TABLE t DROP COLUMN b');
SELECT zdm.rename_column('t', 'a', 'x');
SELECT zdm.change_column_type('t', 'b', 'bigint');
-- what nobody reads goes, and what is read may be read by others too
BEGIN;
SET LOCAL zdm.guard = warn;
ALTER TABLE t DROP COLUMN c;
COMMIT;
SELECT zdm.migrate('CREATE INDEX t_a ON t (a)') AS i \gset
CALL zdm.wait(:i, 'completed', '60s');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched', '60s');
ALTER TABLE t DROP COLUMN b;
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed', '60s');
SET zdm.guard = off;
ALTER TABLE t DROP COLUMN a, DROP COLUMN b;
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v';
-- what a backfill of one's own, a fill and the CHECK of a new column read
SET zdm.guard = refuse;
CREATE TABLE r (id int PRIMARY KEY, a int, b int, c int, v int);
INSERT INTO r SELECT g, g, g, g FROM generate_series(1, 10) g;
BEGIN;
SELECT zdm.backfill('r', 'v = a', 'v IS NULL AND r.b < 5 AND "c" > 0') AS f \gset
SAVEPOINT stated;
SELECT zdm.change_column_type('r', 'a', 'bigint');
ROLLBACK TO stated;
SELECT zdm.rename_column('r', 'b', 'x');
ROLLBACK TO stated;
SELECT zdm.migrate('ALTER TABLE r DROP COLUMN c');
ROLLBACK TO stated;
SELECT zdm.change_column_type('r', 'id', 'bigint') IS NOT NULL AS beside;
ROLLBACK TO stated;
SELECT columns FROM zdm.migration WHERE id = :f;
ROLLBACK;
BEGIN;
SELECT zdm.set_not_null('r', 'v', 'a + b') AS n \gset
SELECT zdm.change_column_type('r', 'b', 'bigint');
ROLLBACK;
BEGIN;
SELECT zdm.migrate('ALTER TABLE r ADD COLUMN w int DEFAULT 9 CHECK (w > c)') AS w \gset
SELECT zdm.change_column_type('r', 'c', 'bigint');
ROLLBACK;
-- one that is at work on what a backfill would read
SELECT zdm.change_column_type('r', 'id', 'bigint') AS k \gset
CALL zdm.wait(:k, 'ready', '60s');
SELECT zdm.backfill('r', 'v = 0', 'v IS NULL AND id < 5');
SELECT zdm.backfill('r', 'v = a', 'a IS NOT NULL AND v IS NULL)');
SELECT zdm.revert(:k);
CALL zdm.wait(:k, 'reverted', '60s');
