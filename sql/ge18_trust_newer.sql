--
-- What PostgreSQL 18 brought: NOT NULL that is NOT VALID is carried as it is and
-- validated rather than made again; what certainly fails is found at the call.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE TABLE n (id int PRIMARY KEY, v int, w int, k int);
INSERT INTO n VALUES (1, 1, 1, 1), (2, NULL, NULL, 2);
ALTER TABLE n ADD CONSTRAINT n_v NOT NULL v NOT VALID;
SELECT zdm.set_not_null('n', 'v', label => 'v');
CALL zdm.wait('v', 'completed', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'v';
UPDATE n SET v = 2 WHERE id = 2;
SELECT zdm.resume('v');
CALL zdm.wait('v', 'completed', '15 seconds');
ALTER TABLE n ADD CONSTRAINT n_w NOT NULL w NOT VALID, ADD CONSTRAINT n_k NOT NULL k NOT VALID;
SELECT zdm.rename_column('n', 'w', 'x', 'w');
SELECT zdm.change_column_type('n', 'k', 'bigint', label => 'k');
CALL zdm.wait('w', 'ready', '15 seconds');
CALL zdm.wait('k', 'ready', '15 seconds');
SELECT zdm.cutover('w'), zdm.cutover('k');
CALL zdm.wait('w', 'switched', '15 seconds');
CALL zdm.wait('k', 'switched', '15 seconds');
SELECT zdm.contract('w');
SELECT zdm.revert('k');
CALL zdm.wait('w', 'completed', '15 seconds');
CALL zdm.wait('k', 'reverted', '15 seconds');
SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conrelid = 'n'::regclass AND contype = 'n' ORDER BY conname;
INSERT INTO n VALUES (3, 3, 3, NULL);
-- a primary key needs no second NOT NULL either
CREATE TABLE pk (a int NOT NULL, b int);
INSERT INTO pk VALUES (1, 1);
ALTER TABLE pk ADD CONSTRAINT pk_b NOT NULL b NOT VALID;
SELECT zdm.migrate('ALTER TABLE pk ADD PRIMARY KEY (b)', label => 'pk');
CALL zdm.wait('pk', 'completed', '15 seconds');
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'pk'::regclass ORDER BY conname;
-- ADD COLUMN with what is NOT ENFORCED, beside a default that needs a backfill
SELECT zdm.migrate('ALTER TABLE pk ADD COLUMN u uuid DEFAULT gen_random_uuid() CONSTRAINT odd CHECK (u IS NULL) NOT ENFORCED', label => 'u');
CALL zdm.wait('u', 'completed', '15 seconds');
SELECT conname, conenforced FROM pg_constraint WHERE conrelid = 'pk'::regclass AND contype = 'c';

CREATE TABLE g (a int, b int, s int GENERATED ALWAYS AS (a + 1) STORED, v int GENERATED ALWAYS AS (b + 1) VIRTUAL, CONSTRAINT later CHECK (a > 0) NOT ENFORCED);
CREATE TABLE ref (id int PRIMARY KEY);
INSERT INTO g VALUES (1, 1);
SELECT zdm.migrate('ALTER TABLE g ADD COLUMN x int GENERATED ALWAYS AS (nothing) VIRTUAL');
SELECT zdm.migrate('ALTER TABLE g ADD COLUMN x int GENERATED ALWAYS AS (v + 1) VIRTUAL');
SELECT zdm.migrate('ALTER TABLE g ADD COLUMN x float GENERATED ALWAYS AS (random()) VIRTUAL');
SELECT zdm.migrate('ALTER TABLE g ADD COLUMN x int GENERATED ALWAYS AS (a) VIRTUAL UNIQUE');
SELECT zdm.migrate('CREATE INDEX ON g (v)');
SELECT zdm.migrate('ALTER TABLE g ADD UNIQUE (v)');
SELECT zdm.migrate('ALTER TABLE g ADD FOREIGN KEY (v) REFERENCES ref');
SELECT zdm.migrate('ALTER TABLE g ALTER v DROP EXPRESSION');
SELECT zdm.migrate('ALTER TABLE g ALTER v SET EXPRESSION AS (b + 2)');
SELECT zdm.migrate('ALTER TABLE g ALTER s SET EXPRESSION AS (nothing)');
SELECT zdm.migrate('ALTER TABLE g VALIDATE CONSTRAINT later');
SELECT count(*) FROM zdm.migrations WHERE state <> 'completed' AND state <> 'reverted';

\set VERBOSITY default
-- keys of partitioned tables, as plain DDL has them: NOT NULL is inherited by the partitions alone
CREATE SCHEMA plain;
CREATE SCHEMA stated;
CREATE PROCEDURE tables(schema text) LANGUAGE plpgsql AS $$BEGIN
	PERFORM set_config('search_path', schema, true);
	CREATE TABLE r (id int NOT NULL, k int, at int NOT NULL) PARTITION BY RANGE (at);
	CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10);
	CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20) PARTITION BY LIST (k);
	CREATE TABLE r21 PARTITION OF r2 (CONSTRAINT mine NOT NULL at) FOR VALUES IN (1);
	CREATE TABLE r22 (at int NOT NULL, id int NOT NULL, k int);
	ALTER TABLE r2 ATTACH PARTITION r22 FOR VALUES IN (2);
	INSERT INTO r SELECT g, 1 + g % 2, g FROM generate_series(0, 19) g;
	CREATE TABLE q (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (10);
	INSERT INTO q SELECT g, g FROM generate_series(0, 9) g;
END$$;
CALL tables('plain');
CALL tables('stated');
ALTER TABLE plain.r ADD PRIMARY KEY (id, at, k);
ALTER TABLE plain.q ALTER id TYPE bigint;
SELECT zdm.migrate('ALTER TABLE stated.r ADD PRIMARY KEY (id, at, k)', label => 'r_key') > 0;
SELECT zdm.change_column_type('stated.q', 'id', 'bigint', label => 'q_id') > 0;
CALL zdm.wait('r_key', 'completed', '1 minute');
CALL zdm.wait('q_id', 'ready', '1 minute');
SELECT zdm.cutover('q_id');
CALL zdm.wait('q_id', 'switched', '1 minute');
SELECT zdm.contract('q_id');
CALL zdm.wait('q_id', 'completed', '1 minute');
CREATE VIEW not_nulls AS
	SELECT connamespace::regnamespace::text AS schema, replace(conrelid::regclass::text, connamespace::regnamespace || '.', '') AS relation, conname, attname, conislocal, coninhcount
	FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
	WHERE contype = 'n' AND connamespace IN ('plain'::regnamespace, 'stated'::regnamespace);
SELECT relation, conname, attname, conislocal, coninhcount FROM not_nulls WHERE schema = 'stated' ORDER BY relation, attname;
SELECT relation, conname, attname, conislocal, coninhcount FROM not_nulls WHERE schema = 'plain'
	EXCEPT SELECT relation, conname, attname, conislocal, coninhcount FROM not_nulls WHERE schema = 'stated';
-- what is there is given back with the table's
ALTER TABLE stated.q DROP CONSTRAINT q_pkey, ALTER id DROP NOT NULL;
SELECT attrelid::regclass, attnotnull FROM pg_attribute WHERE attrelid IN ('stated.q'::regclass, 'stated.q1'::regclass) AND attname = 'id' ORDER BY 1;
-- nobody's but the owner's, and no more than that
SELECT zdm.inherit_not_null('stated.r1', (SELECT array_agg(oid) FROM pg_constraint));
SELECT count(*) FROM not_nulls WHERE conislocal AND coninhcount = 0 AND schema = 'stated';
