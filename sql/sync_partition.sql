-- Partitioned tables: routing, moves, partitions attached later.
-- a is the old name, b the new one.
\set ECHO none
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set ECHO all

CREATE TABLE p (k int, s int, a text, b text, x int, PRIMARY KEY (k, s)) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
-- columns in another order, with a gap, and a level more
CREATE TABLE p2 (b text, gone int, x int, s int NOT NULL, k int NOT NULL, a text) PARTITION BY RANGE (s);
ALTER TABLE p2 DROP gone;
CREATE TABLE p2a (gone text, a text, b text, s int NOT NULL, x int, k int NOT NULL);
ALTER TABLE p2a DROP gone;
ALTER TABLE p2 ATTACH PARTITION p2a FOR VALUES FROM (0) TO (10);
CREATE TABLE p2b PARTITION OF p2 FOR VALUES FROM (10) TO (20);
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
INSERT INTO p VALUES (1, 5, 'before', NULL), (11, 5, 'before', NULL);

SELECT test.pair('p', 'a', 'b');
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc ORDER BY tgrelid::regclass::text COLLATE "C";

-- routed, old only, new only and neither
INSERT INTO p (k, s, a) VALUES (2, 0, 'old'), (12, 0, 'old'), (12, 10, 'old');
INSERT INTO p (k, s, b) VALUES (3, 0, 'new'), (13, 0, 'new'), (13, 10, 'new');
INSERT INTO p (k, s) VALUES (4, 0), (14, 0), (14, 10);
-- straight into a partition
INSERT INTO p2 (k, s, b) VALUES (15, 0, 'new');
INSERT INTO p2a (k, s, a) VALUES (16, 0, 'old');
SELECT tableoid::regclass, k, s, a, b FROM p WHERE k NOT IN (1, 11) ORDER BY k, s;

-- updates in place
UPDATE p SET a = 'upd old' WHERE k IN (2, 12);
UPDATE p SET b = 'upd new' WHERE k IN (3, 13);
UPDATE p2b SET b = 'upd new, straight' WHERE k = 14;
SELECT tableoid::regclass, k, s, a, b FROM p WHERE k NOT IN (1, 11) ORDER BY k, s;

-- moves to another partition, with and without a change, before the backfill
UPDATE p SET k = k + 17 WHERE k = 2 RETURNING tableoid::regclass, a, b;
UPDATE p SET k = 5, a = 'moved old' WHERE k = 12 AND s = 10 RETURNING tableoid::regclass, a, b;
UPDATE p SET k = 6, b = 'moved new' WHERE k = 13 AND s = 10 RETURNING tableoid::regclass, a, b;
UPDATE p SET k = 17 WHERE k = 1 RETURNING tableoid::regclass, a, b;
UPDATE p SET s = 15, x = 1 WHERE k = 11 RETURNING tableoid::regclass, a, b;
WITH w AS (INSERT INTO p (k, s, b) VALUES (7, 0, 'cte new')), v AS (INSERT INTO p (k, s, a) VALUES (8, 0, 'cte old'))
	UPDATE p SET k = 9 WHERE k = 6 RETURNING tableoid::regclass, a, b;
-- a lossy pair keeps what was written, across a move
SELECT test.set_pair('p', 'down = ''lower($0)''');
UPDATE p SET b = 'MiXeD' WHERE k = 3;
UPDATE p SET k = 18 WHERE k = 3 RETURNING tableoid::regclass, a, b;
SELECT test.set_pair('p', 'down = NULL');
UPDATE p SET a = 'plain' WHERE k = 18 RETURNING a, b;

-- conflicts
INSERT INTO p (k, s, a) VALUES (4, 0, 'oc') ON CONFLICT (k, s) DO UPDATE SET a = EXCLUDED.a RETURNING a, b;
INSERT INTO p (k, s, b) VALUES (14, 0, 'oc') ON CONFLICT (k, s) DO UPDATE SET b = EXCLUDED.b RETURNING a, b;

-- a partition made, and one attached with its rows, while the pair is in force
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30);
CREATE TABLE p4 (b text, a text, x int, k int NOT NULL, s int NOT NULL);
INSERT INTO p4 (a, k, s) VALUES ('brought along', 30, 0);
ALTER TABLE p ATTACH PARTITION p4 FOR VALUES FROM (30) TO (40);
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc ORDER BY tgrelid::regclass::text COLLATE "C";
INSERT INTO p (k, s, a) VALUES (20, 0, 'old'), (31, 0, 'old');
INSERT INTO p (k, s, b) VALUES (21, 0, 'new'), (32, 0, 'new');
UPDATE p SET x = 1 WHERE k = 30;
SELECT tableoid::regclass, k, a, b FROM p WHERE k >= 20 ORDER BY k;
-- with a trigger of its own that would fire last
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN NEW.a := lower(NEW.a); RETURN NEW; END';
CREATE TABLE p5 (LIKE p);
CREATE TRIGGER "~~~" BEFORE INSERT ON p5 FOR EACH ROW EXECUTE FUNCTION tidy();
ALTER TABLE p ATTACH PARTITION p5 FOR VALUES FROM (40) TO (50);
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc ORDER BY tgrelid::regclass::text COLLATE "C";
INSERT INTO p (k, s, a) VALUES (40, 0, 'OLD') RETURNING a, b;
-- a trigger that is made on a partition
CREATE TRIGGER "~~~~zz" BEFORE INSERT ON p3 FOR EACH ROW EXECUTE FUNCTION tidy();
INSERT INTO p (k, s, a) VALUES (22, 0, 'OLD') RETURNING a, b;
-- detached: its columns are no longer ours
ALTER TABLE p DETACH PARTITION p5;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'p5'::regclass AND tgfoid = 'zdm.sync'::regproc;

SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM p;
SELECT test.trigger_sql('p', true) AS drop_trigger \gexec
SELECT count(*) FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc;

-- a pair of one partition alone
SELECT test.set_pair('p', 'new_attnum = NULL');
SELECT test.pair('p2a', 'a', 'b');
INSERT INTO p (k, s, a) VALUES (16, 1, 'leaf'), (9, 9, 'not this');
SELECT tableoid::regclass, a, b FROM p WHERE a IN ('leaf', 'not this') ORDER BY a;

-- the default of the table inserted into, which the partition has not
CREATE TABLE q (k int, a text DEFAULT 'old default', b text DEFAULT 'new default') PARTITION BY LIST (k);
CREATE TABLE q1 (b text, a text, k int);
ALTER TABLE q ATTACH PARTITION q1 FOR VALUES IN (1);
SELECT test.pair('q', 'a', 'b');
INSERT INTO q (k) VALUES (1) RETURNING a, b;
INSERT INTO q (k, a) VALUES (1, 'old') RETURNING a, b;
INSERT INTO q1 (k) VALUES (1) RETURNING a, b;
