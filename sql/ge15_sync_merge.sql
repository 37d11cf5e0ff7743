-- MERGE: one action may name the old column and another the new one.
-- a is the old name, b the new one.
\set ECHO none
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set ECHO all

CREATE TABLE t (id int PRIMARY KEY, a text, b text, x int);
SELECT test.pair('t', 'a', 'b');
CREATE TABLE s (id int, v text);
INSERT INTO s VALUES (1, 'one'), (2, 'two'), (3, 'three');

-- one INSERT action: exact, an explicit NULL too
MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.v);
MERGE INTO t USING (VALUES (4, NULL), (5, 'five')) s(id, v) ON t.id = s.id
	WHEN NOT MATCHED THEN INSERT (id, b) VALUES (s.id, s.v);
SELECT id, a, b FROM t ORDER BY id;

-- one UPDATE action, with an INSERT
MERGE INTO t USING (VALUES (1, 'upd'), (6, 'ins')) s(id, v) ON t.id = s.id
	WHEN MATCHED THEN UPDATE SET b = s.v
	WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.v);
SELECT id, a, b FROM t WHERE id IN (1, 6) ORDER BY id;

-- several actions, each naming another side: the values decide
MERGE INTO t USING (VALUES (1, 'by old'), (2, 'by new'), (7, 'ins old'), (8, 'ins new')) s(id, v) ON t.id = s.id
	WHEN MATCHED AND s.id = 1 THEN UPDATE SET a = s.v
	WHEN MATCHED THEN UPDATE SET b = s.v
	WHEN NOT MATCHED AND s.id = 7 THEN INSERT (id, a) VALUES (s.id, s.v)
	WHEN NOT MATCHED THEN INSERT (id, b) VALUES (s.id, s.v);
SELECT id, a, b FROM t WHERE id IN (1, 2, 7, 8) ORDER BY id;

-- not in agreement
MERGE INTO t USING (VALUES (3, 'o', 'n')) s(id, o, n) ON t.id = s.id
	WHEN MATCHED THEN UPDATE SET a = s.o, b = s.n;
SELECT id, a, b FROM t WHERE id = 3;
-- unrelated, and deleted
MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET x = 1;
SELECT id, a, b, x FROM t ORDER BY id;

-- partitioned, with moves
CREATE TABLE p (k int, a text, b text) PARTITION BY LIST (k);
CREATE TABLE p1 (b text, k int, a text);
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
SELECT test.pair('p', 'a', 'b');
INSERT INTO p (k, a) VALUES (1, 'first');
MERGE INTO p USING (VALUES (1, 'moved')) s(k, v) ON p.k = s.k WHEN MATCHED THEN UPDATE SET k = 2, b = s.v;
MERGE INTO p USING (VALUES (2, 'moved'), (9, 'new')) s(k, v) ON p.k = s.k
	WHEN MATCHED THEN UPDATE SET k = 1
	WHEN NOT MATCHED THEN INSERT (k, b) VALUES (2, s.v);
SELECT tableoid::regclass, k, a, b FROM p ORDER BY k;

SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM (SELECT a, b FROM t UNION ALL SELECT a, b FROM p) u;
