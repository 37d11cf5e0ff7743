-- Stored generated columns come to a table that has rows: a second table computes them, takes
-- the name, gives it back and takes it again.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA gen;
SET search_path = gen, public;

CREATE FUNCTION "twice %"(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE DOMAIN short AS text CHECK (length(VALUE) < 100);
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 10);
CREATE TABLE "Order's" (
	gone int,
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	parent int REFERENCES parent ON DELETE CASCADE,
	"a ""b" int NOT NULL DEFAULT 5,
	n int,
	name text COLLATE "C",
	kept int GENERATED ALWAYS AS (n + 1) STORED,
	CONSTRAINT positive CHECK (n > -5000)
) WITH (fillfactor = 90);
ALTER TABLE "Order's" DROP COLUMN gone;
INSERT INTO "Order's" (parent, "a ""b", n, name)
	SELECT i % 10 + 1, i, nullif(i % 100, 50), CASE WHEN i % 50 = 0 THEN (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 200) j) ELSE 'n' || i END
	FROM generate_series(1, 500) i;
CREATE INDEX by_name ON "Order's" (lower(name)) WHERE n > 3;
CREATE TABLE child (o bigint REFERENCES "Order's");
INSERT INTO child SELECT id FROM "Order's" WHERE id < 100;
CREATE VIEW v AS SELECT * FROM "Order's";
CREATE TABLE log (id bigint, a int, total int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO gen.log VALUES (NEW.id, NEW."a ""b", NEW.n); RETURN NULL; END$$;
CREATE TRIGGER note AFTER UPDATE ON "Order's" FOR EACH ROW WHEN (NEW.n > 1000) EXECUTE FUNCTION note();
CREATE ROLE zdm_gen_reader;
GRANT USAGE ON SCHEMA gen TO zdm_gen_reader;
GRANT SELECT ON "Order's" TO zdm_gen_reader;
ALTER TABLE "Order's" ENABLE ROW LEVEL SECURITY;
CREATE POLICY large ON "Order's" FOR SELECT TO zdm_gen_reader USING (n > 10);
COMMENT ON COLUMN "Order's".n IS 'a number';
CREATE TABLE was AS SELECT oid, relname FROM pg_class WHERE relname = 'Order''s';

-- mistakes are found at the call
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * nobody) STORED$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (kept * 2) STORED$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * random()) STORED$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN n int GENERATED ALWAYS AS (n * 2) STORED$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total serial GENERATED ALWAYS AS (n * 2) STORED$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total date GENERATED ALWAYS AS (n * 2) STORED$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * 2) STORED NOT NULL$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * 2) STORED, ADD COLUMN other serial$$);
SELECT zdm.migrate($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * 2) STORED$$, up => '1');
CREATE TABLE no_key (a int);
INSERT INTO no_key VALUES (1);
SELECT zdm.migrate('ALTER TABLE no_key ADD COLUMN b int GENERATED ALWAYS AS (a * 2) STORED');
CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p DEFAULT;
SELECT zdm.migrate('ALTER TABLE p ADD COLUMN b int GENERATED ALWAYS AS (id * 2) STORED') AS m \gset
CALL zdm.wait(:m);
SELECT count(*) FROM pg_attribute WHERE attrelid = 'p1'::regclass AND attname = 'b';
INSERT INTO p VALUES (1);
SELECT zdm.migrate('ALTER TABLE p ADD COLUMN c int GENERATED ALWAYS AS (id * 2) STORED');
SELECT zdm.migrate('ALTER TABLE p1 ADD COLUMN c int GENERATED ALWAYS AS (id * 2) STORED');

-- what it would do, and what the guard tells who would
\x on
SELECT step, phase, statement, lock, work FROM zdm.plan($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * "a ""b") STORED, ADD "t %" short GENERATED ALWAYS AS (left(name, 10)) STORED$$);
SET zdm.guard_min_size = 0;
SELECT rule, hint FROM zdm.check($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * 2) STORED$$) WHERE severity = 'unsafe';
SELECT rule, hint FROM zdm.check('ALTER TABLE p ADD COLUMN total int GENERATED ALWAYS AS (id * 2) STORED') WHERE severity = 'unsafe';
RESET zdm.guard_min_size;
\x off
SELECT body ~ 'there is no script for a table that gets another shape' AS said FROM zdm.script($$ALTER TABLE "Order's" ADD COLUMN total int GENERATED ALWAYS AS (n * 2) STORED$$) WHERE file = '10_expand.sql';

-- there: three columns in one copy, one of them of a function of one's own
\set ddl 'ALTER TABLE "Order''s" ADD COLUMN total int GENERATED ALWAYS AS (n * "a ""b") STORED, ADD "t %" short COLLATE "POSIX" GENERATED ALWAYS AS (left(name, 10)) STORED, ADD COLUMN IF NOT EXISTS t2 int GENERATED ALWAYS AS ("twice %"(n)) STORED'
SELECT zdm.migrate(:'ddl', label => 'total') AS m \gset
CALL zdm.wait(:m);
SELECT state, kind, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM zdm.migration, unnest(notes) x WHERE id = :m AND x LIKE 'column "%is there, with its value%';
SELECT format('gen.%I', 'zdm_' || :m || '_Order''s') AS hidden \gset
UPDATE "Order's" SET n = n + 1000 WHERE id % 7 = 0;
UPDATE "Order's" SET n = NULL WHERE id % 31 = 0;
DELETE FROM "Order's" WHERE id % 5 = 0 AND id >= 100;
INSERT INTO "Order's" (parent, n, name) VALUES (3, 7, 'early') RETURNING id;
SELECT * FROM zdm.verify(:m);
SELECT (SELECT count(*) FROM :hidden) = (SELECT count(*) FROM "Order's") AS all_there,
	count(*) FILTER (WHERE total IS DISTINCT FROM n * "a ""b" OR "t %" COLLATE "C" IS DISTINCT FROM left(name, 10) OR t2 IS DISTINCT FROM n * 2) AS wrong FROM :hidden;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
\d "Order's"
\d child
SELECT col_description('"Order''s"'::regclass, attnum) FROM pg_attribute WHERE attrelid = '"Order''s"'::regclass AND attname = 'n';
SELECT count(*), sum(total), sum(t2), count("t %"), count(*) FILTER (WHERE total IS DISTINCT FROM n * "a ""b" OR "t %" COLLATE "C" IS DISTINCT FROM left(name, 10)) AS wrong FROM "Order's";
INSERT INTO "Order's" (parent, n, name) VALUES (3, 7, 'late') RETURNING id, total, "t %", t2, kept;
UPDATE "Order's" SET n = 2000 - n WHERE id % 11 = 0 AND n IS NOT NULL;
DELETE FROM parent WHERE id = 9 AND NOT EXISTS (SELECT FROM child);
SELECT count(*) = (SELECT count(*) FROM "Order's") AS all_there, count(*) FILTER (WHERE kept IS DISTINCT FROM n + 1) AS wrong FROM :hidden;
SELECT * FROM zdm.verify(:m);
SELECT count(*) FROM v;
SELECT count(*) FROM log;
SET ROLE zdm_gen_reader;
SELECT count(total) > 0 AS seen, count(*) FILTER (WHERE n <= 10) AS hidden FROM "Order's";
RESET ROLE;
-- the same label is the same migration
SELECT zdm.migrate(:'ddl', label => 'total') = :m AS same;

-- back: what is about the columns that go is named
CREATE VIEW totals AS SELECT id, total FROM "Order's";
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
DROP VIEW totals;
SELECT zdm.resume(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT c.oid = w.oid AS same FROM was w JOIN pg_class c USING (relname);
\d "Order's"
SELECT count(*), sum(n), sum(kept) FROM "Order's";
INSERT INTO "Order's" (parent, n, name) VALUES (3, 8, 'back') RETURNING id, kept;
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';
SELECT tgname FROM pg_trigger WHERE tgname LIKE 'zdm\_%';

-- a row of which it cannot be computed goes through, and the cutover stops at it
SELECT zdm.migrate('ALTER TABLE "Order''s" ADD COLUMN share int GENERATED ALWAYS AS (100 / "a ""b") STORED', label => 'share') AS m \gset
CALL zdm.wait(:m);
UPDATE "Order's" SET "a ""b" = 0 WHERE id = 1;
INSERT INTO "Order's" (parent, "a ""b") VALUES (4, 0) RETURNING id AS bad \gset
SELECT direction, relation, key LIKE 'row (id)=(%' AS key, sqlstate, message FROM zdm.misfit WHERE migration = :m;
SELECT relation, key, new_value FROM zdm.verify(:m) WHERE key = '(id)=(1)';
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, regexp_replace(error, 'zdm_[0-9]+_', 'zdm_N_') FROM zdm.migrations WHERE id = :m;
UPDATE "Order's" SET "a ""b" = 3 WHERE id IN (1, :bad);
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'switched');
SELECT share FROM "Order's" WHERE id IN (1, :bad);
UPDATE "Order's" SET "a ""b" = 0 WHERE id = 1;		-- as always in PostgreSQL
CREATE INDEX ON "Order's" (share);
SELECT zdm.contract(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*), count(*) FILTER (WHERE share IS DISTINCT FROM 100 / "a ""b") AS wrong FROM "Order's";
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';
SELECT zdm.migrate('ALTER TABLE "Order''s" ADD COLUMN share int GENERATED ALWAYS AS (100 / "a ""b") STORED', label => 'share') = :m AS same;
-- and what hangs on it comes afterwards
SELECT zdm.migrate('ALTER TABLE "Order''s" ALTER share SET NOT NULL') AS m \gset
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;

-- rows that there are, of which it cannot be computed, are named; nothing has changed
CREATE TABLE r (id int PRIMARY KEY, n int);
INSERT INTO r SELECT i, i - 50 FROM generate_series(1, 100) i;
SELECT zdm.migrate('ALTER TABLE r ADD COLUMN share int GENERATED ALWAYS AS (100 / n) STORED') AS m \gset
CALL zdm.wait(:m);
SELECT state, regexp_replace(error, 'zdm_[0-9]+_', 'zdm_N_') FROM zdm.migrations WHERE id = :m;
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
\d r
-- a function that comes since and fits better is not called
CREATE FUNCTION pick(bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
BEGIN;
SELECT zdm.migrate('ALTER TABLE r ADD COLUMN picked int GENERATED ALWAYS AS (gen.pick(n)) STORED') AS m \gset
CREATE FUNCTION pick(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';
COMMIT;
CALL zdm.wait(:m);
-- a value that is not what its expression gives differs
SELECT count(*) FROM zdm.verify(:m);
CREATE OR REPLACE FUNCTION pick(bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 3';
SELECT count(*) FROM zdm.verify(:m);
CREATE OR REPLACE FUNCTION pick(bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT DISTINCT picked FROM r;
SELECT zdm.contract(:m);
CALL zdm.wait(:m);

-- a row that is written while indexes are built is copied again before all are compared, and named
CREATE TABLE w (id int PRIMARY KEY, n int);
INSERT INTO w SELECT i, i FROM generate_series(1, 100) i;
CREATE INDEX ON w (n);
SELECT test.hold('second-before-index');
SELECT zdm.migrate('ALTER TABLE w ADD COLUMN share int GENERATED ALWAYS AS (100 / n) STORED') AS m \gset
CALL test.arrive('second-before-index');
INSERT INTO w VALUES (101, 0);
SELECT test.release('second-before-index');
CALL zdm.wait(:m);
SELECT state, regexp_replace(error, 'zdm_[0-9]+_', 'zdm_N_') FROM zdm.migrations WHERE id = :m;
UPDATE w SET n = 20 WHERE id = 101;
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT share FROM w WHERE id = 101;
-- what the first table has missed it is given on the way back; what was said of the new column goes with it
COMMENT ON COLUMN w.share IS 'of hundred';
GRANT SELECT (share) ON w TO pg_monitor;
TRUNCATE w;
INSERT INTO w SELECT i, i + 1 FROM generate_series(1, 50) i;
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*), sum(n) FROM w;
\d w

-- in the transaction that makes the table it is done at once
BEGIN;
CREATE TABLE fresh (id int PRIMARY KEY, n int);
INSERT INTO fresh VALUES (1, 1);
SELECT zdm.migrate('ALTER TABLE fresh ADD COLUMN g int GENERATED ALWAYS AS (n * 2) STORED') AS m \gset
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT * FROM fresh;
COMMIT;

DROP SCHEMA gen CASCADE;
DROP ROLE zdm_gen_reader;
