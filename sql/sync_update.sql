-- UPDATE: which side of a pair changed, and what comes out.
-- a is the old name, b the new one.
\set ECHO none
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set ECHO all

CREATE TABLE t (id int PRIMARY KEY, a text, b text, x int);
INSERT INTO t VALUES (1, 'early', NULL, 0), (2, 'late', NULL, 0), (3, NULL, NULL, 0);
SELECT test.pair('t', 'a', 'b');

-- rows that the backfill has not reached: neither changed, derived
UPDATE t SET x = 1 WHERE id = 1 RETURNING a, b;
UPDATE t SET x = 1 WHERE id = 3 RETURNING a, b;
-- nor does naming the new column and leaving it as it is lose the old value
UPDATE t SET b = upper(b) WHERE id = 2 RETURNING a, b;

-- old only, new only, to a value and to NULL
UPDATE t SET a = 'old' WHERE id = 1 RETURNING a, b;
UPDATE t SET b = 'new' WHERE id = 1 RETURNING a, b;
UPDATE t SET a = NULL WHERE id = 1 RETURNING a, b;
UPDATE t SET b = 'new' WHERE id = 1 RETURNING a, b;
UPDATE t SET b = NULL WHERE id = 1 RETURNING a, b;
UPDATE t SET a = 'old' WHERE id = 1 RETURNING a, b;
UPDATE t SET a = DEFAULT WHERE id = 1 RETURNING a, b;
-- both, in agreement
UPDATE t SET a = 'same', b = 'same' WHERE id = 1 RETURNING a, b;
-- both, not in agreement
UPDATE t SET a = 'old', b = 'new' WHERE id = 1 RETURNING a, b;
SELECT test.set_pair('t', 'on_conflict = ''old''');
UPDATE t SET a = 'old', b = 'newer' WHERE id = 1 RETURNING a, b;
SELECT test.set_pair('t', 'on_conflict = ''error''');
UPDATE t SET a = 'older', b = 'newer' WHERE id = 1 RETURNING a, b;
UPDATE t SET a = 'older', b = b WHERE id = 1 RETURNING a, b;
UPDATE t SET a = 'same', b = 'same' WHERE id = 1 RETURNING a, b;
SELECT test.set_pair('t', 'on_conflict = ''new''');
-- named, with the value that it has
UPDATE t SET a = a, b = b WHERE id = 1 RETURNING a, b;
UPDATE t SET b = b WHERE id = 1 RETURNING a, b;
UPDATE t SET a = 'swapped', x = 2 WHERE id = 1 RETURNING a, b;
-- joins, sub-selects, row assignment, current of
UPDATE t SET (x, b) = (SELECT 7, 'row') WHERE id = 1 RETURNING a, b;
UPDATE t SET a = s.v FROM (VALUES (1, 'joined'), (2, 'joined too')) s(id, v) WHERE s.id = t.id RETURNING t.id, a, b;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t WHERE id = 2 FOR UPDATE;
FETCH c;
UPDATE t SET b = 'current' WHERE CURRENT OF c RETURNING a, b;
COMMIT;
-- through a view, and in a modifying CTE that nobody reads
CREATE VIEW v AS SELECT id, b AS vb FROM t;
UPDATE v SET vb = 'view' WHERE id = 1;
WITH w AS (UPDATE t SET a = 'cte' WHERE id = 2) SELECT 1 AS one;
SELECT id, a, b FROM t ORDER BY id;
DROP VIEW v;

-- another trigger changes the old column, the new one, or the one not named
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN NEW.a := lower(trim(NEW.a)); RETURN NEW; END';
CREATE TRIGGER zz_tidy BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION tidy();
UPDATE t SET a = ' MiXed ' WHERE id = 1 RETURNING a, b;
UPDATE t SET b = ' MiXed ' WHERE id = 1 RETURNING a, b;
UPDATE t SET x = 3 WHERE id = 1 RETURNING a, b;
DROP TRIGGER zz_tidy ON t;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN NEW.b := ''stamped''; RETURN NEW; END';
CREATE TRIGGER "~~stamp" BEFORE UPDATE OF x ON t FOR EACH ROW EXECUTE FUNCTION stamp();
UPDATE t SET x = 4 WHERE id = 1 RETURNING a, b;
UPDATE t SET x = 4, a = 'the statement wins' WHERE id = 1 RETURNING a, b;
DROP TRIGGER "~~stamp" ON t;
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM t;

-- foreign-key actions on either side
CREATE TABLE parent (k text PRIMARY KEY);
INSERT INTO parent VALUES ('p1'), ('p2'), ('p3'), ('p4');
CREATE TABLE child (id int PRIMARY KEY, a text REFERENCES parent ON UPDATE CASCADE ON DELETE SET NULL, b text);
SELECT test.pair('child', 'a', 'b');
INSERT INTO child (id, a) VALUES (1, 'p1'), (2, 'p2');
INSERT INTO child (id, b) VALUES (3, 'p3');
UPDATE parent SET k = 'p1 renamed' WHERE k = 'p1';
DELETE FROM parent WHERE k = 'p2';
TABLE child ORDER BY id;
ALTER TABLE child ADD FOREIGN KEY (b) REFERENCES parent ON UPDATE CASCADE ON DELETE SET NULL;
UPDATE parent SET k = 'p3 renamed' WHERE k = 'p3';
TABLE child ORDER BY id;
DELETE FROM parent WHERE k = 'p3 renamed';
ALTER TABLE child DROP CONSTRAINT child_a_fkey;
UPDATE child SET b = 'p4' WHERE id = 3;
UPDATE parent SET k = 'p4 renamed' WHERE k = 'p4';
TABLE child ORDER BY id;
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM child;

-- no lossy round trip: down loses the case, and an unrelated update keeps it
CREATE TABLE l (id int PRIMARY KEY, a text, b text, x int);
SELECT test.pair('l', 'a', 'b', NULL, 'lower($0)');
INSERT INTO l (id, b) VALUES (1, 'MiXeD'), (2, 'MiXeD');
UPDATE l SET x = 1 WHERE id = 1;
UPDATE l SET x = 2, a = a WHERE id = 1;
UPDATE l SET x = 3, a = 'mixed', b = 'MiXeD' WHERE id = 1;
UPDATE l SET a = 'changed' WHERE id = 2;
SELECT id, a, b, x, test.pairs_disagree('l', l) AS disagree FROM l ORDER BY id;

-- up reads another column, which changes
CREATE TABLE o (id int PRIMARY KEY, first text, last text, full_name text);
SELECT test.pair('o', 'last', 'full_name', '$2 || '' '' || $3', 'split_part($0, '' '', 2)');
INSERT INTO o (id, first, last) VALUES (1, 'Ada', 'Byron');
UPDATE o SET last = 'Lovelace' RETURNING first, last, full_name;
UPDATE o SET first = 'Augusta' RETURNING first, last, full_name;
UPDATE o SET full_name = 'Grace Hopper' RETURNING first, last, full_name;
UPDATE o SET first = 'Rear Admiral Grace' RETURNING first, last, full_name;

-- large values stay as they are, and where they are
CREATE TABLE big (id int PRIMARY KEY, a text, b text, x int);
ALTER TABLE big ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
INSERT INTO big (id, a) SELECT g, repeat('x', 100000) FROM generate_series(1, 5) g;
SELECT test.pair('big', 'a', 'b');
UPDATE big SET x = 1;
SELECT pg_relation_size(reltoastrelid) AS toast_size FROM pg_class WHERE oid = 'big'::regclass \gset
UPDATE big SET x = 2;
UPDATE big SET a = a, x = 3;
SELECT pg_relation_size(reltoastrelid) = :toast_size AS toast_untouched FROM pg_class WHERE oid = 'big'::regclass;
UPDATE big SET b = b || 'y' WHERE id < 3;
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ, sum(length(a)) AS length FROM big;

-- beside an identity and a generated column, with a column added later
CREATE TABLE gen (id int GENERATED ALWAYS AS IDENTITY, a int, b int, s int GENERATED ALWAYS AS (coalesce(b, 0) * 2) STORED);
INSERT INTO gen (a) VALUES (1), (2);
ALTER TABLE gen ADD later text DEFAULT 'later';
SELECT test.pair('gen', 'a', 'b');
INSERT INTO gen (a) VALUES (3) RETURNING *;
INSERT INTO gen (b) VALUES (4) RETURNING *;
UPDATE gen SET a = 10 WHERE id = 1 RETURNING *;
UPDATE gen SET b = 20 WHERE id = 2 RETURNING *;
UPDATE gen SET later = 'now' WHERE id = 3 RETURNING *;

-- after cutover the new side is the authoritative one
SELECT test.set_pair('t', 'authoritative = ''new''');
UPDATE t SET b = NULL WHERE id = 1 RETURNING a, b;
UPDATE t SET a = 'old still works' WHERE id = 1 RETURNING a, b;
UPDATE t SET b = 'new' WHERE id = 1 RETURNING a, b;

-- whatever session_replication_role
SET session_replication_role = replica;
UPDATE t SET a = 'replica' WHERE id = 1 RETURNING a, b;
INSERT INTO t (id, b) VALUES (10, 'replica') RETURNING a, b;
RESET session_replication_role;

-- the pair ends, then the trigger
DELETE FROM zdm.pair WHERE relid = 't'::regclass;
SELECT test.pair_invalidate('t');
UPDATE t SET a = 'alone' WHERE id = 1 RETURNING a, b;
