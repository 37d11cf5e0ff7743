--
-- State of the guard is its subtransaction's: an error that is caught ends what
-- was begun in it, and nothing around it.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET zdm.guard = refuse;
SET zdm.guard_min_size = '64kB';
CREATE TABLE small (c int);
INSERT INTO small VALUES (1);
CREATE TABLE wide (id int, t text);
INSERT INTO wide SELECT g, repeat('x', 1000) FROM generate_series(1, 1000) g;
ANALYZE wide;
CREATE FUNCTION plain(i int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT count(*) FROM wide WHERE t > i::text);
END $$;
CREATE FUNCTION caught(i int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
	RETURN (SELECT count(*) FROM wide WHERE t > i::text);
END $$;

-- what a judged statement runs is its own, also after an error in it was caught
BEGIN; ALTER TABLE small ALTER c TYPE text USING plain(c); ROLLBACK;
BEGIN; ALTER TABLE small ALTER c TYPE text USING caught(c); ROLLBACK;
DO $$
BEGIN
	ALTER TABLE small ADD COLUMN d int;
	BEGIN
		CREATE TABLE copied AS SELECT caught(1);
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
END $$;
-- and what comes after an error that ended it is not
BEGIN;
ALTER TABLE small ADD COLUMN e int;
SAVEPOINT a;
ALTER TABLE small ALTER c TYPE text USING (1 / (c - 1))::text;
ROLLBACK TO a;
SELECT count(*) FROM wide WHERE t > 'a';
ROLLBACK;

-- a value that went with its subtransaction is not a new one
CREATE TYPE mood AS ENUM ('sad');
CREATE TYPE food AS ENUM ('ok');
CREATE TABLE felt (f food DEFAULT 'ok');
BEGIN;
SAVEPOINT a;
ALTER TYPE mood ADD VALUE 'ok';
ROLLBACK TO a;
ALTER TABLE felt ALTER f SET DEFAULT 'ok';
COMMIT;
BEGIN;
SAVEPOINT a;
ALTER TYPE mood ADD VALUE 'ok';
RELEASE a;
ALTER TABLE felt ALTER f SET DEFAULT 'ok';
ROLLBACK;

-- the promise of a name that was taken back is no promise
BEGIN;
SAVEPOINT a;
CREATE VIEW seen AS SELECT * FROM felt;
ALTER TABLE felt RENAME TO renamed;
ROLLBACK TO a;
ALTER TABLE small ADD COLUMN g int;
COMMIT;
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
ALTER TABLE felt RENAME TO renamed;
RELEASE b;
RELEASE a;
COMMIT;

-- nor is a lock held that went with it
SET zdm.ddl_hold_timeout = '100ms';
BEGIN;
SAVEPOINT a;
ALTER TABLE wide ADD COLUMN x int;
ROLLBACK TO a;
SELECT pg_sleep(0.4);
COMMIT;
