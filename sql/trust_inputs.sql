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
