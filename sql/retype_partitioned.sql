--
-- A partitioned index is built anew by ALTER COLUMN TYPE, whatever the type: what the
-- server does without a rewrite on a plain table is none of that on this one.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = refuse;
SET zdm.guard_min_size = 0;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

SET zdm.guard = off;
CREATE TABLE ev (id int, code varchar(10), k varchar(10)) PARTITION BY RANGE (id);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (10);
CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
CREATE TABLE ev21 PARTITION OF ev2 FOR VALUES FROM (10) TO (20);
INSERT INTO ev SELECT i, 'code ' || i, 'k ' || i FROM generate_series(0, 19) i;
SET zdm.guard = refuse;
CREATE FUNCTION files() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s:%s', oid, relfilenode), ' ' ORDER BY oid) FROM pg_class
	WHERE relname ~ '^ev' AND relkind IN ('r', 'i') AND relname !~ '_zdm'
$$;

-- the plain table's way, as long as there is none
SELECT step, work FROM zdm.plan('ALTER TABLE ev ALTER COLUMN code TYPE varchar(20)');
ALTER TABLE ev ALTER COLUMN code TYPE varchar(20);
-- the index of a leaf alone is given its file again
SET zdm.guard = off;
CREATE INDEX own ON ev1 (id, code);
SET zdm.guard = refuse;
ALTER TABLE ev ALTER COLUMN code TYPE varchar(30);
SELECT rule FROM zdm.check('ALTER TABLE ev ALTER COLUMN code TYPE text');

-- of the table
SET zdm.guard = off;
DROP INDEX own;
CREATE INDEX ev_i ON ev (code);
SET zdm.guard = refuse;
SELECT rule, detail FROM zdm.check('ALTER TABLE ev ALTER COLUMN code TYPE text') WHERE rule = 'build' OR detail ~ 'index' ORDER BY 2;
ALTER TABLE ev ALTER COLUMN code TYPE text;
SELECT count(*), bool_or(work = 'changes the catalog only' AND statement ~ ' TYPE ') FROM zdm.plan('ALTER TABLE ev ALTER COLUMN code TYPE text');
-- of a partition that is partitioned
SET zdm.guard = off;
CREATE INDEX ev2_i ON ev2 (k) WHERE code <> 'x';
SET zdm.guard = refuse;
ALTER TABLE ev ALTER COLUMN k TYPE text;
SELECT count(*) FROM zdm.plan('ALTER TABLE ev ALTER COLUMN k TYPE text');
SET zdm.guard = off;
DROP INDEX ev2_i;
SET zdm.guard = refuse;

-- what the migration does builds none of them anew under a lock
SELECT files() AS before \gset
SELECT zdm.migrate('ALTER TABLE ev ALTER COLUMN code TYPE text') AS id \gset
CALL zdm.wait(:id);
SELECT zdm.cutover(:id);
CALL zdm.wait(:id);
SELECT word FROM string_to_table(files(), ' ') AS word WHERE split_part(word, ':', 1) IN (SELECT split_part(old, ':', 1) FROM string_to_table(:'before', ' ') AS old)
EXCEPT SELECT string_to_table(:'before', ' ');
SELECT atttypid::regtype FROM pg_attribute WHERE attrelid = 'ev21'::regclass AND attname = 'code';
SELECT code FROM ev WHERE id = 7;
SELECT zdm.contract(:id);
CALL zdm.wait(:id);
SELECT state FROM zdm.migrations;
SET zdm.guard = off;
DROP TABLE ev;
DROP FUNCTION files();
DROP EXTENSION pg_zdm CASCADE;
