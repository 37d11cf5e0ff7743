--
-- DDL carried out by zdm.migrate(): what is there afterwards, and the way back.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
CREATE SCHEMA app;
SET search_path = app, public;
SET zdm.batch_rest = 0;
CREATE TABLE r (id int PRIMARY KEY);
INSERT INTO r SELECT i FROM generate_series(1, 100) i;
CREATE TABLE t (id int PRIMARY KEY, phone text, n int DEFAULT 1, rid int);
INSERT INTO t SELECT i, CASE WHEN i % 3 > 0 THEN 'p' || i END, i, i % 100 + 1 FROM generate_series(1, 5000) i;

CREATE FUNCTION shape(r regclass) RETURNS SETOF text LANGUAGE sql AS $$
SELECT format('%I %s%s%s%s', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' NOT NULL' END,
	' DEFAULT ' || pg_get_expr(adbin, adrelid), CASE attidentity WHEN 'a' THEN ' IDENTITY' END)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = r AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = r AND contype <> 'n'
UNION ALL
SELECT concat(pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN ' INVALID' END)
FROM pg_index WHERE indrelid = r AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY 1
$$;

-- as it stands, with the names that the caller sees
SELECT zdm.migrate('CREATE TABLE plain (a int, b text)', label => 'create');
CALL zdm.wait('create', timeout => '1 min');
SELECT shape('app.plain');
SELECT zdm.migrate('COMMENT ON TABLE t IS ''100 %''', label => 'comment');
CALL zdm.wait('comment', timeout => '1 min');
SELECT obj_description('t'::regclass);
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN bare int, ADD COLUMN seven int NOT NULL DEFAULT 7', label => 'add');
CALL zdm.wait('add', timeout => '1 min');

-- the same again is the same; another under the same label is not
SET client_min_messages = notice;
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN bare int, ADD COLUMN seven int NOT NULL DEFAULT 7', label => 'add');
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN other int', label => 'add');
SET client_min_messages = warning;

-- NOT NULL, filled in
SELECT zdm.migrate('ALTER TABLE t ALTER phone SET NOT NULL', up => '''none '' || id', label => 'not null');
CALL zdm.wait('not null', timeout => '1 min');
SELECT count(*), count(*) FILTER (WHERE phone = 'none ' || id) FROM t;
SELECT zdm.set_not_null('t', 'n', label => 'not null n');
CALL zdm.wait('not null n', timeout => '1 min');
SELECT zdm.set_not_null('t', 'n', label => 'again');
CALL zdm.wait('again', timeout => '1 min');

-- NOT NULL where there are NULLs fails cleanly, and goes back
SELECT zdm.set_not_null('t', 'bare', label => 'nulls');
CALL zdm.wait('nulls', timeout => '1 min');
SELECT zdm.revert('nulls');
CALL zdm.wait('nulls', 'reverted', '1 min');

-- constraints
SELECT zdm.migrate('ALTER TABLE t ADD CHECK (n > 0)', label => 'check');
SELECT zdm.migrate('ALTER TABLE t ADD FOREIGN KEY (rid) REFERENCES r', label => 'fk');
SELECT zdm.migrate('ALTER TABLE t ADD CONSTRAINT t_n_unique UNIQUE (n) DEFERRABLE', label => 'unique');
CALL zdm.wait('check', timeout => '1 min');
CALL zdm.wait('fk', timeout => '1 min');
CALL zdm.wait('unique', timeout => '1 min');
SELECT shape('t');

-- a duplicate key ends it cleanly: it is named, and nothing is left behind
SELECT zdm.migrate('CREATE UNIQUE INDEX t_rid ON t (rid) WHERE id IN (1, 101)', label => 'duplicate');
CALL zdm.wait('duplicate', timeout => '1 min');
SELECT state, error FROM zdm.migrations WHERE label = 'duplicate';
SELECT zdm.revert('duplicate');
CALL zdm.wait('duplicate', 'reverted', '1 min');
-- mended, it goes on from there
SELECT zdm.migrate('ALTER TABLE t ADD CONSTRAINT t_seven UNIQUE (seven)', label => 'mended');
CALL zdm.wait('mended', timeout => '1 min');
UPDATE t SET seven = id;
SELECT zdm.resume('mended');
CALL zdm.wait('mended', timeout => '1 min');
SELECT zdm.migrate('ALTER TABLE t DROP CONSTRAINT t_seven', label => 'drop constraint');
CALL zdm.wait('drop constraint', timeout => '1 min');

-- a key, its columns not yet NOT NULL
CREATE TABLE nokey (a int, b int);
INSERT INTO nokey SELECT i, i FROM generate_series(1, 100) i;
SELECT zdm.migrate('ALTER TABLE nokey ADD PRIMARY KEY (b, a)', label => 'key');
CALL zdm.wait('key', timeout => '1 min');
SELECT shape('nokey');

-- indexes
SELECT zdm.migrate('CREATE INDEX ON t (lower(phone) text_pattern_ops DESC) WHERE n > 3', label => 'index');
CALL zdm.wait('index', timeout => '1 min');
SELECT zdm.migrate('REINDEX INDEX t_expr_idx', label => 'no such name');
SELECT zdm.migrate('REINDEX INDEX t_lower_idx', label => 'reindex');
CALL zdm.wait('reindex', timeout => '1 min');
SELECT shape('t');
SELECT zdm.migrate('DROP INDEX t_lower_idx', label => 'drop index');
CALL zdm.wait('drop index', timeout => '1 min');
SELECT to_regclass('t_lower_idx');

-- partitions: one index for each leaf, and one foreign key
CREATE TABLE p (id int, k int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (1000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (3000) PARTITION BY RANGE (id);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (1000) TO (2000);
INSERT INTO p SELECT i, i % 100 + 1 FROM generate_series(1, 1999) i;
SELECT zdm.migrate('CREATE INDEX p_k ON p (k)', label => 'partitioned index');
CALL zdm.wait('partitioned index', timeout => '1 min');
SELECT relid, level, indisvalid FROM pg_partition_tree('p_k') JOIN pg_index ON indexrelid = relid ORDER BY relid::text;
SELECT zdm.migrate('ALTER TABLE p ADD FOREIGN KEY (k) REFERENCES r', label => 'partitioned fk');
CALL zdm.wait('partitioned fk', timeout => '1 min');
SELECT conrelid::regclass, conname, convalidated, conparentid <> 0 FROM pg_constraint
WHERE contype = 'f' AND conrelid IN (SELECT relid FROM pg_partition_tree('p')) ORDER BY 1, 2;
SELECT zdm.migrate('ALTER TABLE p ALTER k SET NOT NULL', label => 'partitioned not null');
CALL zdm.wait('partitioned not null', timeout => '1 min');
SELECT attrelid::regclass, attnotnull FROM pg_attribute WHERE attname = 'k' AND attrelid IN (SELECT relid FROM pg_partition_tree('p')) ORDER BY 1;

-- columns with a value of their own in each row
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN u uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN s bigserial UNIQUE, ADD COLUMN f int REFERENCES r CHECK (f < n)', label => 'columns');
CALL zdm.wait('columns', timeout => '1 min');
-- in one pass for all of them
SELECT statement FROM zdm.steps WHERE label = 'columns' AND action = 'backfill';
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN i int GENERATED ALWAYS AS IDENTITY', label => 'identity');
CALL zdm.wait('identity', timeout => '1 min');
SELECT count(*), count(DISTINCT u), count(DISTINCT s), count(DISTINCT i), max(i) FROM t;
INSERT INTO t (id, phone, n) VALUES (5001, 'x', 5001) RETURNING s, i, f;
SELECT shape('t');

-- a column goes: first it may be omitted, then back, then for good
SELECT zdm.migrate('ALTER TABLE t DROP COLUMN phone', label => 'drop phone');
CALL zdm.wait('drop phone', timeout => '1 min');
SELECT state FROM zdm.migrations WHERE label = 'drop phone';
INSERT INTO t (id, n) VALUES (5002, 5002);
SELECT zdm.cutover('drop phone');
SELECT zdm.revert('drop phone');
CALL zdm.wait('drop phone', 'reverted', '1 min');
SELECT error FROM zdm.migrations WHERE label = 'drop phone';
UPDATE t SET phone = 'none' WHERE phone IS NULL;
SELECT zdm.resume('drop phone');
CALL zdm.wait('drop phone', 'reverted', '1 min');
SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'phone';
SELECT zdm.migrate('ALTER TABLE t DROP COLUMN phone', down => '''gone''', label => 'drop phone 2');
CALL zdm.wait('drop phone 2', timeout => '1 min');
INSERT INTO t (id, n) VALUES (5003, 5003) RETURNING phone;
SELECT zdm.contract('drop phone 2');
CALL zdm.wait('drop phone 2', 'completed', '1 min');
SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'phone';

-- a table goes; the same call afterwards answers with the same id
SELECT zdm.migrate('DROP TABLE plain', label => 'drop plain');
CALL zdm.wait('drop plain', timeout => '1 min');
SELECT state FROM zdm.migrations WHERE label = 'drop plain';
SELECT zdm.contract('drop plain');
CALL zdm.wait('drop plain', 'completed', '1 min');
SELECT to_regclass('plain');
SELECT zdm.migrate('DROP TABLE plain', label => 'drop plain') = id FROM zdm.migrations WHERE label = 'drop plain';

-- rolled back, it leaves nothing
BEGIN;
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN never int') > 0;
ROLLBACK;
SELECT count(*) FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted');

-- a materialized view, without keeping its readers out
CREATE MATERIALIZED VIEW mv AS SELECT id, n FROM t WHERE id <= 10 WITH NO DATA;
SELECT statement, lock, note FROM zdm.plan('REFRESH MATERIALIZED VIEW mv');
SELECT zdm.migrate('REFRESH MATERIALIZED VIEW mv', label => 'fill');
CALL zdm.wait('fill', timeout => '1 min');
SELECT count(*) FROM mv;
\set VERBOSITY default
SELECT zdm.migrate('REFRESH MATERIALIZED VIEW mv', label => 'refresh');
CREATE UNIQUE INDEX ON mv (id) WHERE id > 0;
SELECT zdm.migrate('REFRESH MATERIALIZED VIEW mv', label => 'refresh');
SELECT zdm.migrate('REFRESH MATERIALIZED VIEW mv WITH NO DATA', label => 'empty');
SELECT zdm.migrate('REFRESH MATERIALIZED VIEW t', label => 'empty');
\set VERBOSITY terse
CREATE UNIQUE INDEX ON mv (id);
UPDATE t SET n = 999999 WHERE id = 7;
SELECT statement, lock, note FROM zdm.plan('REFRESH MATERIALIZED VIEW mv');
BEGIN;
SELECT zdm.migrate('REFRESH MATERIALIZED VIEW mv', label => 'refresh') > 0;
COMMIT;
CALL zdm.wait('refresh', timeout => '1 min');
SELECT n FROM mv WHERE id = 7;
DROP MATERIALIZED VIEW mv;

-- what is left of it all on the tables
SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal;
SELECT relname FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace = 'app'::regnamespace;
SELECT conname FROM pg_constraint WHERE conname LIKE '%zdm%' AND connamespace = 'app'::regnamespace;
