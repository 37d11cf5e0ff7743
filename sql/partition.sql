--
-- ATTACH PARTITION and DETACH PARTITION: all that they would read or build under
-- a strong lock is read and built before.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
CREATE SCHEMA app;
SET search_path = app;

CREATE TABLE r (id int PRIMARY KEY);
INSERT INTO r SELECT i FROM generate_series(1, 100) i;
CREATE TABLE p (id int NOT NULL, k int REFERENCES r ON DELETE CASCADE, v text CHECK (v <> ''), PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE INDEX p_v ON p (v, lower(v)) WHERE k > 3;
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (1000);
CREATE TABLE rest PARTITION OF p DEFAULT;
INSERT INTO p SELECT i, i % 100 + 1, 'v' || i FROM generate_series(1, 999) i;
INSERT INTO p SELECT i, i % 100 + 1, 'v' || i FROM generate_series(90001, 90100) i;

-- its columns are in another order
CREATE TABLE n (v text CONSTRAINT p_v_check CHECK (v <> ''), gone int, k int, id int NOT NULL);
ALTER TABLE n DROP COLUMN gone;
INSERT INTO n SELECT 'n' || i, i % 100 + 1, i FROM generate_series(1000, 1999) i;

CREATE FUNCTION part(r regclass) RETURNS SETOF text LANGUAGE sql SET search_path = app AS $$
SELECT concat_ws(' ', conname, pg_get_constraintdef(oid), CASE WHEN conparentid <> 0 THEN 'inherited' END, CASE WHEN NOT convalidated THEN 'NOT VALID' END)
FROM pg_constraint WHERE conrelid = r AND contype <> 'n'
UNION ALL
SELECT concat_ws(' ', pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'INVALID' END, 'part of ' || inhparent::regclass)
FROM pg_index LEFT JOIN pg_inherits ON inhrelid = indexrelid WHERE indrelid = r
ORDER BY 1
$$;

\x on
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION n FOR VALUES FROM (1000) TO (2000)');
\x off

-- what PostgreSQL would refuse is refused at once
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION nowhere FOR VALUES FROM (1000) TO (2000)');
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1000) TO (2000)');
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION n FOR VALUES FROM (500) TO (2000)');
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION n FOR VALUES FROM (1000) TO (1000)');
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION n FOR VALUES IN (1)');
SELECT * FROM zdm.plan('ALTER TABLE r ATTACH PARTITION n FOR VALUES IN (1)');
CREATE TABLE other (id int NOT NULL, k int);
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION other FOR VALUES FROM (1000) TO (2000)');
ALTER TABLE other ADD v bigint;
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION other FOR VALUES FROM (1000) TO (2000)');
ALTER TABLE other ALTER v TYPE text;
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION other FOR VALUES FROM (1000) TO (2000)');
ALTER TABLE other ADD CONSTRAINT p_v_check CHECK (v <> ''), ALTER id DROP NOT NULL, ADD PRIMARY KEY (k);
\set VERBOSITY sqlstate
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION other FOR VALUES FROM (1000) TO (2000)');
\set VERBOSITY terse
ALTER TABLE other ALTER id SET NOT NULL;
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION other FOR VALUES FROM (1000) TO (2000)');
DROP TABLE other;
CREATE TEMP TABLE other (LIKE p);
\set VERBOSITY sqlstate
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION other FOR VALUES FROM (1000) TO (2000)');
\set VERBOSITY terse
DROP TABLE other;

-- a row of the new partition in the default one: found before anything is changed there
INSERT INTO p VALUES (1500, 1, 'in the way');
SELECT zdm.migrate('ALTER TABLE p ATTACH PARTITION n FOR VALUES FROM (1000) TO (2000)', label => 'attach');
CALL zdm.wait('attach', timeout => '1 min');
SELECT error FROM zdm.migrations WHERE label = 'attach';
INSERT INTO p VALUES (1501, 1, 'nobody is refused');
-- the way back leaves nothing
SELECT zdm.revert('attach');
CALL zdm.wait('attach', 'reverted', '1 min');
SELECT part('n');
SELECT part('rest');
DELETE FROM p WHERE id IN (1500, 1501);

-- nothing is read under the last step's locks
SELECT zdm.migrate('ALTER TABLE p ATTACH PARTITION n FOR VALUES FROM (1000) TO (2000)', label => 'attach again');
CALL zdm.wait('attach again', timeout => '1 min');
SELECT part('n');
SELECT part('rest');
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'n'::regclass;
SELECT count(*), sum(id) FROM p;
SELECT zdm.migrate('ALTER TABLE p ATTACH PARTITION n FOR VALUES FROM (1000) TO (2000)', label => 'attach again');

-- what is proved already is one step
CREATE TABLE ready (LIKE p INCLUDING ALL, FOREIGN KEY (k) REFERENCES r ON DELETE CASCADE, CHECK (id >= 2000 AND id < 3000));
ALTER TABLE rest ADD CHECK (id < 2000 OR id >= 3000);
SELECT statement, lock FROM zdm.plan('ALTER TABLE p ATTACH PARTITION ready FOR VALUES FROM (2000) TO (3000)');

-- a row out of bounds
CREATE TABLE wrong (LIKE p INCLUDING ALL);
INSERT INTO wrong VALUES (5, 1, 'x');
SELECT zdm.migrate('ALTER TABLE p ATTACH PARTITION wrong FOR VALUES FROM (3000) TO (4000)', label => 'wrong');
CALL zdm.wait('wrong', timeout => '1 min');
SELECT error FROM zdm.migrations WHERE label = 'wrong';
DELETE FROM wrong;
SELECT zdm.resume('wrong');
CALL zdm.wait('wrong', timeout => '1 min');
SELECT part('wrong');

-- partitioned itself, of a partition; by hash; dates as everybody reads them
CREATE TABLE sub (id int NOT NULL, k int, v text CONSTRAINT p_v_check CHECK (v <> '')) PARTITION BY LIST (k);
CREATE TABLE sub1 PARTITION OF sub FOR VALUES IN (1);
CREATE TABLE sub2 PARTITION OF sub DEFAULT;
INSERT INTO sub SELECT i, 1 + i % 2, 'x' FROM generate_series(4000, 4100) i;
SELECT * FROM zdm.plan('ALTER TABLE p ATTACH PARTITION sub FOR VALUES FROM (4000) TO (5000)');
ALTER TABLE p DROP CONSTRAINT p_pkey;
SELECT zdm.migrate('ALTER TABLE p ATTACH PARTITION sub FOR VALUES FROM (4000) TO (5000)', label => 'sub');
CALL zdm.wait('sub', timeout => '1 min');
SELECT part('sub');
SELECT part('sub2');
CREATE TABLE sub3 (LIKE sub INCLUDING ALL);
INSERT INTO sub3 SELECT i, 3, 'x' FROM generate_series(4200, 4300) i;
SELECT zdm.migrate('ALTER TABLE sub ATTACH PARTITION sub3 FOR VALUES IN (3)', label => 'sub3');
CALL zdm.wait('sub3', timeout => '1 min');
SELECT part('sub3');
CREATE TABLE h (id int, at timestamptz) PARTITION BY HASH (id);
CREATE TABLE h0 (id int, at timestamptz);
SELECT zdm.migrate('ALTER TABLE h ATTACH PARTITION h0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', label => 'hash');
CALL zdm.wait('hash', timeout => '1 min');
SELECT replace(statement, 'h'::regclass::oid::text, 'OID') FROM zdm.steps WHERE label = 'hash' ORDER BY step;
CREATE TABLE d (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE d1 (at timestamptz NOT NULL);
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Tokyo';
SELECT zdm.migrate('ALTER TABLE d ATTACH PARTITION d1 FOR VALUES FROM (''02/01/2024 00:00'') TO (MAXVALUE)', label => 'dates');
CALL zdm.wait('dates', timeout => '1 min');
RESET datestyle;
SET timezone = 'UTC';
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'd1'::regclass;
CREATE TABLE d2 (at timestamptz NOT NULL);
SELECT zdm.migrate('ALTER TABLE d ATTACH PARTITION d2 DEFAULT', label => 'default');
CALL zdm.wait('default', timeout => '1 min');
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'd2'::regclass;

-- detached: CONCURRENTLY where that can be
SELECT statement, lock, note FROM zdm.plan('ALTER TABLE p DETACH PARTITION n');
SELECT statement, lock, note FROM zdm.plan('ALTER TABLE h DETACH PARTITION h0');
SELECT * FROM zdm.plan('ALTER TABLE h DETACH PARTITION n');
SELECT zdm.migrate('ALTER TABLE p DETACH PARTITION n', label => 'detach');
CALL zdm.wait('detach', timeout => '1 min');
SELECT zdm.migrate('ALTER TABLE h DETACH PARTITION h0', label => 'concurrently');
CALL zdm.wait('concurrently', timeout => '1 min');
SELECT statement, state FROM zdm.steps WHERE label = 'concurrently' ORDER BY step;
SELECT relname, relispartition FROM pg_class WHERE oid IN ('n'::regclass, 'h0'::regclass) ORDER BY 1;
SELECT part('n');
CREATE TABLE k (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE k1 PARTITION OF k FOR VALUES FROM (1) TO (10);
CREATE TABLE refers (id int REFERENCES k);
\set VERBOSITY default
SELECT * FROM zdm.plan('ALTER TABLE k DETACH PARTITION k1');
\set VERBOSITY terse

-- another owner
CREATE ROLE zdm_partition_owner;
ALTER TABLE k1 OWNER TO zdm_partition_owner;
CREATE TABLE k2 (id int PRIMARY KEY);
ALTER TABLE k2 OWNER TO zdm_partition_owner;
ALTER TABLE k OWNER TO zdm_partition_owner;
CREATE TABLE k3 (id int PRIMARY KEY);
\set VERBOSITY default
SELECT zdm.migrate('ALTER TABLE k ATTACH PARTITION k3 FOR VALUES FROM (10) TO (20)');
CREATE TABLE k4 PARTITION OF k FOR VALUES FROM (20) TO (30);
SELECT zdm.rename_column('k', 'id', 'ident');
\set VERBOSITY terse
DROP TABLE refers, k, k2;
DROP ROLE zdm_partition_owner;

SELECT label, state FROM zdm.migrations WHERE state <> 'completed';
SELECT conname FROM pg_constraint WHERE conname LIKE '%zdm%' AND connamespace = 'app'::regnamespace;
SELECT relname FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace = 'app'::regnamespace;
