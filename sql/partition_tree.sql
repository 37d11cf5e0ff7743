--
-- Indexes and keys of partitioned tables: partition by partition, while
-- partitions come and go.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET zdm.batch_rest = 0;

CREATE TABLE p (id int, k int, v text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (1000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (3000) PARTITION BY RANGE (id);
CREATE TABLE p21 PARTITION OF p2 FOR VALUES FROM (1000) TO (2000);
CREATE TABLE p22 PARTITION OF p2 FOR VALUES FROM (2000) TO (3000);
INSERT INTO p SELECT i, i, 'v' || i FROM generate_series(1, 2999) i;

CREATE FUNCTION tree(i regclass) RETURNS SETOF text LANGUAGE sql AS $$
SELECT concat_ws(' ', repeat('  ', level) || relid::regclass, indrelid::regclass,
	CASE WHEN NOT indisvalid THEN 'INVALID' END, pg_get_constraintdef(c.oid))
FROM pg_partition_tree(i) JOIN pg_index ON indexrelid = relid LEFT JOIN pg_constraint c ON conindid = relid AND contype IN ('p', 'u')
ORDER BY relid::text COLLATE "C"
$$;

-- what is to be done
SELECT * FROM zdm.plan('ALTER TABLE p ADD UNIQUE (id, k) INCLUDE (v) WITH (fillfactor = 70) DEFERRABLE');
SELECT statement, lock FROM zdm.plan('ALTER TABLE p ADD CONSTRAINT pk PRIMARY KEY (id)') WHERE statement LIKE '%PRIMARY KEY%';
SELECT statement, lock FROM zdm.plan('CREATE UNIQUE INDEX ON p (id DESC) WHERE id > 0');

-- what PostgreSQL would refuse
SELECT * FROM zdm.plan('ALTER TABLE p ADD UNIQUE (k)');
SELECT * FROM zdm.plan('ALTER TABLE p ADD CONSTRAINT x PRIMARY KEY (k)');
SELECT * FROM zdm.plan('CREATE UNIQUE INDEX ON p (k) INCLUDE (id)');
SELECT * FROM zdm.plan('ALTER TABLE p ADD COLUMN u int UNIQUE');
CREATE TABLE e (id int) PARTITION BY RANGE ((id + 1));
SELECT * FROM zdm.plan('ALTER TABLE e ADD UNIQUE (id)');
CREATE TABLE own (id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE own1 (id int CONSTRAINT "its own" PRIMARY KEY);
ALTER TABLE own ATTACH PARTITION own1 FOR VALUES FROM (1) TO (10);
CREATE TABLE own2 PARTITION OF own FOR VALUES FROM (10) TO (20);
\set VERBOSITY default
SELECT * FROM zdm.plan('ALTER TABLE own ADD PRIMARY KEY (id)');
\set VERBOSITY terse
-- as the hint says
ALTER TABLE own2 ADD PRIMARY KEY (id);
SELECT statement, note FROM zdm.plan('ALTER TABLE own ADD PRIMARY KEY (id)');
SELECT zdm.migrate('ALTER TABLE own ADD PRIMARY KEY (id)', label => 'own');
CALL zdm.wait('own', timeout => '1 min');
SELECT tree('own_pkey');

-- keys
SELECT zdm.migrate('ALTER TABLE p ADD UNIQUE (id, k) INCLUDE (v) DEFERRABLE', label => 'unique');
CALL zdm.wait('unique', timeout => '1 min');
SELECT tree('p_id_k_v_key');
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO p VALUES (1, 1, 'twice');
DELETE FROM p WHERE id = 1 AND v = 'v1';
ROLLBACK;
SELECT zdm.migrate('ALTER TABLE p ADD CONSTRAINT pk PRIMARY KEY (id)', label => 'key');
CALL zdm.wait('key', timeout => '1 min');
SELECT tree('pk');
SELECT attrelid::regclass, attnotnull FROM pg_attribute WHERE attname = 'id' AND attrelid IN (SELECT relid FROM pg_partition_tree('p')) ORDER BY 1;
CREATE TABLE refers (id int REFERENCES p (id));
DROP TABLE refers;
SELECT zdm.migrate('ALTER TABLE p DROP CONSTRAINT pk', label => 'drop key');
CALL zdm.wait('drop key', timeout => '1 min');

-- duplicates in one partition: nothing is left behind on the way back
INSERT INTO p VALUES (2500, -1);
SELECT zdm.migrate('ALTER TABLE p ADD CONSTRAINT pk PRIMARY KEY (id)', label => 'duplicate');
CALL zdm.wait('duplicate', timeout => '1 min');
SELECT zdm.revert('duplicate');
CALL zdm.wait('duplicate', 'reverted', '1 min');
SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('p'));
SELECT conrelid::regclass, conname FROM pg_constraint WHERE conrelid IN (SELECT relid FROM pg_partition_tree('p')) AND contype = 'p';
SELECT attnotnull FROM pg_attribute WHERE attrelid = 'p'::regclass AND attname = 'id';
-- mended it goes on
SELECT zdm.migrate('CREATE UNIQUE INDEX p_id ON p (id)', label => 'unique index');
CALL zdm.wait('unique index', timeout => '1 min');
DELETE FROM p WHERE k = -1;
SELECT zdm.resume('unique index');
CALL zdm.wait('unique index', timeout => '1 min');
SELECT tree('p_id');
-- and from its end, too
SELECT zdm.revert('unique index');
CALL zdm.wait('unique index', 'reverted', '1 min');

-- stated, and then other partitions than the plan knows
CREATE TABLE late2 (id int NOT NULL, k int, v text);
INSERT INTO late2 SELECT i, i, 'late' || i FROM generate_series(5000, 5100) i;
BEGIN;
SELECT zdm.migrate('CREATE INDEX p_k ON p (k, lower(v))', label => 'changing') > 0;
SELECT zdm.migrate('ALTER TABLE p ADD CONSTRAINT p_v UNIQUE (id, v)', label => 'changing key') > 0;
SELECT zdm.pause('changing'), zdm.pause('changing key');
COMMIT;
SET zdm.guard = off;
CREATE TABLE late1 PARTITION OF p FOR VALUES FROM (4000) TO (5000);
INSERT INTO late1 SELECT i, i, 'late' || i FROM generate_series(4000, 4100) i;
ALTER TABLE p ATTACH PARTITION late2 FOR VALUES FROM (5000) TO (6000);
CREATE TABLE late3 PARTITION OF p FOR VALUES FROM (6000) TO (7000) PARTITION BY RANGE (id);
CREATE TABLE late31 PARTITION OF late3 FOR VALUES FROM (6000) TO (6500);
CREATE TABLE late23 PARTITION OF p2 DEFAULT;
DROP TABLE p21;
ALTER TABLE p DETACH PARTITION p1;
SELECT zdm.resume('changing'), zdm.resume('changing key');
CALL zdm.wait('changing', timeout => '1 min');
CALL zdm.wait('changing key', timeout => '1 min');
SELECT tree('p_k');
SELECT tree('p_v');
SELECT step, statement, state FROM zdm.steps WHERE label = 'changing key' ORDER BY step;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'p1'::regclass ORDER BY 1;

-- the same of the index of a column that is renamed
CREATE PROCEDURE come_and_go(what text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM zdm.rename_column('s', 'a', 'b', what), zdm.pause(what);
	COMMIT;
	DROP TABLE s2;
	ALTER TABLE s DETACH PARTITION s3;
	CREATE TABLE s2 PARTITION OF s FOR VALUES FROM (200) TO (400);
	INSERT INTO s SELECT i, 'v' || i FROM generate_series(200, 399) i;
	PERFORM zdm.resume(what);
	COMMIT;
END
$$;
CREATE TABLE s (id int, a text NOT NULL) PARTITION BY RANGE (id);
CREATE INDEX s_a ON s (a, lower(a));
CREATE TABLE s1 PARTITION OF s FOR VALUES FROM (0) TO (200);
CREATE TABLE s2 PARTITION OF s FOR VALUES FROM (200) TO (300);
CREATE TABLE s3 PARTITION OF s FOR VALUES FROM (300) TO (400);
INSERT INTO s SELECT i, 'v' || i FROM generate_series(0, 399) i;
CALL come_and_go('rename');
CALL zdm.wait('rename', 'ready', '1 min');
SELECT zdm.revert('rename');
CALL zdm.wait('rename', 'reverted', '1 min');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('s')) ORDER BY 1;
DROP TABLE s2, s3;
CREATE TABLE s2 PARTITION OF s FOR VALUES FROM (200) TO (300);
CREATE TABLE s3 PARTITION OF s FOR VALUES FROM (300) TO (400);
CALL come_and_go('again');
CALL zdm.wait('again', 'ready', '1 min');
SELECT zdm.cutover('again');
CALL zdm.wait('again', 'switched', '1 min');
SELECT zdm.contract('again');
CALL zdm.wait('again', 'completed', '1 min');
SELECT tree('s_a');
SELECT count(b) FROM s;

-- a foreign key: what has come is given its own before the whole has it
CREATE TABLE r (id int PRIMARY KEY);
INSERT INTO r SELECT i FROM generate_series(1, 100) i;
CREATE TABLE g (id int, k int) PARTITION BY RANGE (id);
CREATE TABLE g1 PARTITION OF g FOR VALUES FROM (0) TO (100);
CREATE TABLE g2 PARTITION OF g FOR VALUES FROM (100) TO (200);
CREATE TABLE g3 PARTITION OF g FOR VALUES FROM (200) TO (300);
INSERT INTO g SELECT i, i % 100 + 1 FROM generate_series(0, 299) i;
CREATE TABLE g4 (id int, k int) PARTITION BY LIST (k);
CREATE TABLE g41 PARTITION OF g4 DEFAULT;
INSERT INTO g4 SELECT i, i % 100 + 1 FROM generate_series(300, 399) i;
BEGIN;
SELECT zdm.migrate('ALTER TABLE g ADD FOREIGN KEY (k) REFERENCES r ON DELETE CASCADE', label => 'fk') > 0;
SELECT zdm.pause('fk');
COMMIT;
DROP TABLE g1;
ALTER TABLE g DETACH PARTITION g2;
ALTER TABLE g ATTACH PARTITION g4 FOR VALUES FROM (300) TO (400);
CREATE TABLE g1 PARTITION OF g FOR VALUES FROM (0) TO (100);
SELECT zdm.resume('fk');
CALL zdm.wait('fk', timeout => '1 min');
SELECT statement FROM zdm.steps WHERE label = 'fk' ORDER BY step;
SELECT conrelid::regclass, conname, convalidated, conparentid <> 0 FROM pg_constraint
WHERE contype = 'f' AND confrelid = 'r'::regclass ORDER BY 1;

-- names that are cut to the same
CREATE TABLE q (id int, k int) PARTITION BY LIST (id);
CREATE TABLE a_partition_with_a_name_that_is_as_long_as_names_can_be_000001 PARTITION OF q FOR VALUES IN (1);
CREATE TABLE a_partition_with_a_name_that_is_as_long_as_names_can_be_000002 PARTITION OF q FOR VALUES IN (2);
SELECT zdm.migrate('CREATE INDEX ON q (k)', label => 'long names');
CALL zdm.wait('long names', timeout => '1 min');
SELECT tree('q_k_idx');
-- nothing below, and itself alone
CREATE TABLE empty (id int) PARTITION BY LIST (id);
SELECT zdm.migrate('ALTER TABLE empty ADD PRIMARY KEY (id)', label => 'empty');
CALL zdm.wait('empty', timeout => '1 min');
SELECT tree('empty_pkey');
SELECT zdm.migrate('CREATE INDEX q_only ON ONLY q (id)', label => 'only');
CALL zdm.wait('only', timeout => '1 min');
SELECT tree('q_only');

SELECT label, state FROM zdm.migrations WHERE state <> 'completed' ORDER BY id;
SELECT relname FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace = 'public'::regnamespace;
