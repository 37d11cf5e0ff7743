--
-- Ways around the guard that are none.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET zdm.guard = refuse;
SET zdm.guard_min_size = '64kB';
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET zdm.guard = refuse;
ALTER DATABASE :"db" SET zdm.guard_min_size = '64kB';
CREATE ROLE regress_evade_mallory;
CREATE SCHEMA mal AUTHORIZATION regress_evade_mallory;
SET SESSION AUTHORIZATION regress_evade_mallory;
CREATE TABLE mal.big (id int, t text);
INSERT INTO mal.big SELECT g, repeat('x', 1000) FROM generate_series(1, 1000) g;
ANALYZE mal.big;

-- the size is a superuser's to set
SET zdm.guard_min_size = '1TB';
SELECT set_config('zdm.guard_min_size', '1TB', false);
ALTER ROLE regress_evade_mallory SET zdm.guard_min_size = '1TB';
CREATE FUNCTION mal.sized() RETURNS void LANGUAGE plpgsql SET zdm.guard_min_size = '1TB'
	AS 'BEGIN ALTER TABLE mal.big ALTER id TYPE bigint; END';
ALTER TABLE mal.big ALTER id TYPE bigint;

-- the elements of CREATE SCHEMA are judged as they are alone
CREATE TABLE mal.p (id int, k int) PARTITION BY LIST (k);
CREATE TABLE mal.rest PARTITION OF mal.p DEFAULT;
INSERT INTO mal.p SELECT g, 5 FROM generate_series(1, 20000) g;
CREATE TABLE mal.p1 PARTITION OF mal.p FOR VALUES IN (1);
RESET SESSION AUTHORIZATION;
CREATE SCHEMA more CREATE TABLE p1 PARTITION OF mal.p FOR VALUES IN (1);
SELECT severity, rule, object FROM zdm.check('CREATE SCHEMA more CREATE TABLE p1 PARTITION OF mal.p FOR VALUES IN (1)');
SELECT zdm.migrate('CREATE SCHEMA more CREATE TABLE p1 PARTITION OF mal.p FOR VALUES IN (1)');
CREATE SCHEMA more
	CREATE TABLE t (id int PRIMARY KEY)
	CREATE TABLE u (id int REFERENCES t)
	CREATE INDEX ON t (id)
	CREATE VIEW v AS SELECT * FROM t
	CREATE SEQUENCE s;
SELECT count(*) FROM pg_class WHERE relnamespace = 'more'::regnamespace AND relkind IN ('r', 'v', 'S');

-- what a worker runs is not judged; what the functions in it run is
CREATE TABLE mal.one (id int, x int);
INSERT INTO mal.one VALUES (1, NULL);
ALTER TABLE mal.one OWNER TO regress_evade_mallory;
SET SESSION AUTHORIZATION regress_evade_mallory;
CREATE FUNCTION mal.ddl() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE mal.big ALTER id TYPE bigint;
	RETURN 1;
END $$;
CREATE FUNCTION mal.small_ddl() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE mal.made (id int);
	RETURN 1;
END $$;
SELECT zdm.backfill('mal.one', 'x = mal.ddl()', 'x IS NULL') AS id \gset
CALL zdm.wait(:id);
SELECT state, error_state FROM zdm.migrations WHERE id = :id;
SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'mal.big'::regclass AND attname = 'id';
SELECT zdm.revert(:id);
CALL zdm.wait(:id);
SELECT zdm.backfill('mal.one', 'x = mal.small_ddl()', 'x IS NULL') AS id \gset
CALL zdm.wait(:id);
SELECT state FROM zdm.migrations WHERE id = :id;
SELECT count(*) FROM mal.made;
-- its own rewriting statements pass
SELECT zdm.change_column_type('mal.big', 'id', 'bigint') AS id \gset
CALL zdm.wait(:id);
SELECT zdm.cutover(:id);
CALL zdm.wait(:id);
SELECT zdm.contract(:id);
CALL zdm.wait(:id);
SELECT state FROM zdm.migrations WHERE id = :id;

-- who may raise the size, does not do so unseen
\c -
\set VERBOSITY terse
SET client_min_messages = log;
SET zdm.guard_min_size = '1GB';
BEGIN;
ALTER TABLE mal.big ALTER id TYPE int;
ROLLBACK;
BEGIN;
CREATE TABLE mal.little (id int);
ROLLBACK;
