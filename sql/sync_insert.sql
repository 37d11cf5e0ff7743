-- INSERT: which column of a pair the statement names, and what comes out.
-- a is the old name, b the new one.
\set ECHO none
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set ECHO all

CREATE TABLE t (id serial PRIMARY KEY, a text, b text, x int);
SELECT test.pair('t', 'a', 'b');
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 't'::regclass;

-- old only
INSERT INTO t (a) VALUES ('old') RETURNING a, b;
-- new only
INSERT INTO t (b) VALUES ('new') RETURNING a, b;
-- neither
INSERT INTO t (x) VALUES (1) RETURNING a, b;
INSERT INTO t DEFAULT VALUES RETURNING a, b;
-- both, in agreement
INSERT INTO t (a, b) VALUES ('same', 'same') RETURNING a, b;
INSERT INTO t (a, b) VALUES (NULL, NULL) RETURNING a, b;
-- an explicit NULL or DEFAULT is named, but a value beside it counts
INSERT INTO t (a) VALUES (NULL) RETURNING a, b;
INSERT INTO t (a, b) VALUES ('old', NULL) RETURNING a, b;
INSERT INTO t (a, b) VALUES (NULL, 'new') RETURNING a, b;
INSERT INTO t (a, b) VALUES ('old', DEFAULT) RETURNING a, b;
-- no column list: the first columns, as many as there are values
INSERT INTO t VALUES (DEFAULT, 'first') RETURNING a, b;
INSERT INTO t VALUES (DEFAULT, 'one', 'two') RETURNING a, b;
-- several rows, and rows of a query
INSERT INTO t (a) VALUES ('r1'), (NULL), ('r3') RETURNING a, b;
INSERT INTO t (b) SELECT 's' || g FROM generate_series(1, 3) g RETURNING a, b;

-- both, not in agreement
INSERT INTO t (a, b) VALUES ('old', 'new') RETURNING a, b;
SELECT test.set_pair('t', 'on_conflict = ''old''');
INSERT INTO t (a, b) VALUES ('old', 'new') RETURNING a, b;
SELECT test.set_pair('t', 'on_conflict = ''error''');
INSERT INTO t (a, b) VALUES ('old', 'new') RETURNING a, b;
INSERT INTO t (a, b) VALUES ('same', 'same') RETURNING a, b;
SELECT test.set_pair('t', 'on_conflict = ''new''');

-- prepared, with generic and custom plans
PREPARE old_only (text) AS INSERT INTO t (a) VALUES ($1) RETURNING a, b;
PREPARE new_only (text) AS INSERT INTO t (b) VALUES ($1) RETURNING a, b;
SET plan_cache_mode = force_generic_plan;
EXECUTE old_only ('p1');
EXECUTE new_only ('p2');
EXECUTE old_only ('p3');
RESET plan_cache_mode;

-- in functions, and after an error that was caught
CREATE FUNCTION write_both_ways() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t (a) VALUES ('f1');
	BEGIN
		INSERT INTO t (id, b) VALUES (1, 'duplicate');
	EXCEPTION WHEN unique_violation THEN
		INSERT INTO t (b) VALUES ('f2');
	END;
	INSERT INTO t (a) VALUES ('f3');
	EXECUTE 'INSERT INTO t (b) VALUES ($1)' USING 'f4';
END $$;
SELECT write_both_ways();
CREATE FUNCTION write_sql(text) RETURNS text LANGUAGE sql AS 'INSERT INTO t (b) VALUES ($1) RETURNING a';
SELECT write_sql('sql');
INSERT INTO t (a) SELECT write_sql('inner') || ', outer' RETURNING a, b;
SELECT a, b FROM t WHERE a LIKE 'f_' OR a LIKE '%inner%' ORDER BY id;

-- modifying CTEs: rows fetched, not fetched, and two on the same table
WITH w AS (INSERT INTO t (a) VALUES ('cte1') RETURNING a, b) SELECT * FROM w;
WITH w AS (INSERT INTO t (b) VALUES ('cte2')) SELECT 1 AS one;
WITH w AS (INSERT INTO t (b) VALUES ('cte3')) INSERT INTO t (a) VALUES ('cte4');
WITH w AS (INSERT INTO t (b) VALUES ('cte5')) UPDATE t SET x = 5 WHERE a = 'cte4';
WITH w AS (UPDATE t SET a = 'cte4, updated' WHERE a = 'cte4') INSERT INTO t (b) VALUES ('cte6');
WITH w AS (INSERT INTO t DEFAULT VALUES) DELETE FROM t WHERE a = 'cte1';
SELECT a, b FROM t WHERE a LIKE 'cte%' OR b LIKE 'cte%' ORDER BY a;
-- each by what it names itself: an explicit NULL is a value, whatever the others name
CREATE TABLE ctes (x int, a text DEFAULT 'default', b text DEFAULT 'default');
SELECT test.pair('ctes', 'a', 'b');
WITH v AS (INSERT INTO ctes (b, x) VALUES (NULL, 1)), w AS (INSERT INTO ctes (a, x) VALUES ('w', 2)) INSERT INTO ctes (x) VALUES (3);
WITH v AS (INSERT INTO ctes (a, x) VALUES (NULL, 4)) INSERT INTO ctes (b, x) VALUES ('default', 5);
SELECT x, a, b FROM ctes ORDER BY x;

-- a cursor that stays open between writes
BEGIN;
DECLARE c CURSOR FOR SELECT write_sql('c' || g) FROM generate_series(1, 3) g;
FETCH c;
INSERT INTO t (a) VALUES ('between') RETURNING a, b;
FETCH c;
COMMIT;

-- ON CONFLICT
INSERT INTO t (id, a) VALUES (1, 'again') ON CONFLICT (id) DO NOTHING RETURNING a, b;
INSERT INTO t (id, a) VALUES (1, 'up1') ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a RETURNING a, b;
INSERT INTO t (id, b) VALUES (1, 'up2') ON CONFLICT (id) DO UPDATE SET b = EXCLUDED.b RETURNING a, b;
INSERT INTO t (id, a) VALUES (1, 'up3') ON CONFLICT (id) DO UPDATE SET b = EXCLUDED.b RETURNING a, b;
INSERT INTO t (id, b) VALUES (1, 'up4') ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a || '!' RETURNING a, b;
INSERT INTO t (id, b) VALUES (1, 'up5') ON CONFLICT (id) DO UPDATE SET x = 9 RETURNING a, b;

-- views: the columns are mapped; a default of the view is a value like any
CREATE VIEW v AS SELECT id, a AS va, b AS vb FROM t;
CREATE VIEW vv AS SELECT va AS vva, vb AS vvb FROM v;
INSERT INTO v (va) VALUES ('view old') RETURNING va, vb;
INSERT INTO vv (vvb) VALUES ('view new') RETURNING vva, vvb;
ALTER VIEW v ALTER vb SET DEFAULT 'from the view';
INSERT INTO v DEFAULT VALUES RETURNING va, vb;
INSERT INTO v (va) VALUES ('named') RETURNING va, vb;
CREATE VIEW w AS SELECT upper(a) AS a FROM t;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO t (a) VALUES (lower(NEW.a)); RETURN NEW; END';
CREATE TRIGGER instead INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION instead();
INSERT INTO w VALUES ('INSTEAD');
SELECT a, b FROM t WHERE a = 'instead';
DROP VIEW w, vv, v;

-- another trigger, whose name sorts after most, sees to the old column
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN NEW.a := coalesce(lower(trim(NEW.a)), ''filled''); RETURN NEW; END';
CREATE TRIGGER zz_tidy BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tidy();
INSERT INTO t (a) VALUES (' MiXed ') RETURNING a, b;
INSERT INTO t (x) VALUES (1) RETURNING a, b;
INSERT INTO t (b) VALUES ('named wins') RETURNING a, b;
-- one created later whose name sorts after ours
DROP TRIGGER zz_tidy ON t;
CREATE TRIGGER "~~tidy" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tidy();
INSERT INTO t (a) VALUES (' MiXed ') RETURNING a, b;
ALTER TRIGGER "~~tidy" ON t RENAME TO "öffner";
INSERT INTO t (a) VALUES (' MiXed ') RETURNING a, b;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 't'::regclass ORDER BY tgname;
DROP TRIGGER "öffner" ON t;

-- a trigger of another table writes here, and one of ours elsewhere
CREATE TABLE other (c text, d text);
SELECT test.pair('other', 'c', 'd');
CREATE FUNCTION write_other() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO other (d) VALUES (NEW.a); RETURN NEW; END';
CREATE TRIGGER a_before BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION write_other();
CREATE TRIGGER z_after AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION write_other();
INSERT INTO t (a) VALUES ('nested') RETURNING a, b;
TABLE other;
DROP TRIGGER a_before ON t;
DROP TRIGGER z_after ON t;

SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM t;

-- defaults: neither named, the authoritative side's decides
CREATE TABLE d (id serial, a text DEFAULT 'old default', b text DEFAULT 'new default');
SELECT test.pair('d', 'a', 'b');
INSERT INTO d DEFAULT VALUES RETURNING a, b;
INSERT INTO d (a) VALUES ('x') RETURNING a, b;
INSERT INTO d (b) VALUES ('y') RETURNING a, b;
INSERT INTO d (b) VALUES (NULL) RETURNING a, b;
SELECT test.set_pair('d', 'authoritative = ''new''');
INSERT INTO d DEFAULT VALUES RETURNING a, b;
INSERT INTO d (a) VALUES ('x') RETURNING a, b;
ALTER TABLE d ALTER a SET DEFAULT clock_timestamp()::text, ALTER b SET DEFAULT current_date::text;
INSERT INTO d DEFAULT VALUES RETURNING a = b AS same, b = current_date::text AS new_default;
INSERT INTO d (id) VALUES (1) RETURNING a = b AS same, b = current_date::text AS new_default;
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM d;

-- large values, quoted names, a dropped column, types by value and by length
CREATE TABLE "Wide Table" (gone int, "Old ""Name" text, "new%Name" text, i8 bigint, n8 bigint, nm name, nn name, u uuid, nu uuid, j jsonb, nj jsonb);
ALTER TABLE "Wide Table" DROP gone, ALTER "Old ""Name" SET STORAGE EXTERNAL;
SELECT test.pair('"Wide Table"', 'Old "Name', 'new%Name');
SELECT test.pair('"Wide Table"', 'i8', 'n8');
SELECT test.pair('"Wide Table"', 'nm', 'nn');
SELECT test.pair('"Wide Table"', 'u', 'nu');
SELECT test.pair('"Wide Table"', 'j', 'nj');
INSERT INTO "Wide Table" ("Old ""Name", n8, nm, nu, j)
	SELECT repeat('large ', 5000), g, 'n' || g, md5(g::text)::uuid, jsonb_build_object('k', repeat('v', 3000 * g))
	FROM generate_series(1, 3) g;
-- from one table's toast to another's
CREATE TABLE plain AS SELECT "Old ""Name" AS o FROM "Wide Table";
INSERT INTO "Wide Table" ("new%Name") SELECT o FROM plain;
DROP TABLE plain;
SELECT count(*) AS rows, count(*) FILTER (WHERE "Old ""Name" IS DISTINCT FROM "new%Name"
	OR i8 IS DISTINCT FROM n8 OR nm IS DISTINCT FROM nn OR u IS DISTINCT FROM nu OR j IS DISTINCT FROM nj) AS differ,
	sum(length("new%Name")) AS length FROM "Wide Table";

-- not a trigger
SELECT zdm.sync();
CREATE TRIGGER wrong AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION zdm.sync();
INSERT INTO d (a) VALUES ('x');
DROP TRIGGER wrong ON d;

-- gone, and nothing is left
SELECT test.trigger_sql('d', true) AS drop_trigger \gexec
SELECT tgname FROM pg_trigger WHERE tgrelid = 'd'::regclass;
