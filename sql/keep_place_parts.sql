-- A column of a partitioned table that is not in its key gets another type and keeps its place.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA place;
SET search_path = place, public;
CREATE TABLE ev (id int, at date, n int DEFAULT 5 CHECK (n < 1000000), note text, ref int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2024-02-01') PARTITION BY LIST (id);
CREATE TABLE ev_1a PARTITION OF ev_1 FOR VALUES IN (1, 2, 3);
CREATE TABLE ev_1b PARTITION OF ev_1 DEFAULT;
CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') WITH (fillfactor = 70);
CREATE INDEX by_n ON ev (n DESC) WHERE n > 10;
CREATE VIEW shows AS SELECT at, n FROM ev WHERE n < 100;
INSERT INTO ev SELECT i, date '2024-01-01' + i % 60, i, 'x', i FROM generate_series(1, 3000) i;

CREATE FUNCTION shape() RETURNS TABLE (line text) LANGUAGE sql AS $$
	SELECT concat_ws(' ', c.oid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE c.relnamespace = 'place'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND c.relname <> ALL ('{was,rows}')
	UNION ALL SELECT concat_ws(' ', c.relname, c.reloptions, pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid)) FROM pg_class c WHERE c.relnamespace = 'place'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ('{was,rows}')
	UNION ALL SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'place'::regnamespace
	UNION ALL SELECT concat_ws(' ', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.conislocal, k.coninhcount) FROM pg_constraint k WHERE k.connamespace = 'place'::regnamespace AND k.contype <> 'n' $$;
CREATE TABLE was AS SELECT * FROM shape();
CREATE TABLE rows AS SELECT * FROM ev;

SELECT zdm.change_column_type('ev', 'n', 'bigint', label => 'n', keep_place => true);
SELECT kind, note FROM zdm.migrations, unnest(notes) note WHERE label = 'n' AND note ~ 'partition|view';
CALL test.await('n', 'ready');
-- one that comes before the cutover begins it anew
CREATE TABLE ev_3 PARTITION OF ev FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
INSERT INTO ev VALUES (9000, '2024-03-05', 1, 'new', 2);
UPDATE ev SET at = '2024-02-09', n = 8 WHERE id = 77;
SELECT zdm.cutover('n');
CALL test.await('n', 'switched');
SELECT w.line AS was, n.line AS "is" FROM was w FULL JOIN shape() n USING (line) WHERE (w.line IS NULL OR n.line IS NULL) AND n.line IS DISTINCT FROM 'ev_3' AND coalesce(n.line, '') !~ '^(zdm_|ev_3|CREATE.* zdm_|CREATE.* ev_3)' ORDER BY 1, 2;
SELECT pg_typeof(n), count(*) FROM shows GROUP BY 1;
SELECT tableoid::regclass::text COLLATE "C", count(*) FROM ev GROUP BY 1 ORDER BY 1;
UPDATE ev SET n = n + 1, at = at + 31 WHERE id = 2 RETURNING tableoid::regclass, *;
DELETE FROM ev WHERE id = 9000;
SELECT count(*) FROM zdm.verify('n');
SELECT zdm.revert('n');
CALL test.await('n', 'reverted');
SELECT w.line AS was, n.line AS "is" FROM was w FULL JOIN shape() n USING (line) WHERE (w.line IS NULL OR n.line IS NULL) AND coalesce(n.line, '') !~ '^(ev_3|CREATE.* ev_3)' ORDER BY 1, 2;
(TABLE rows EXCEPT TABLE ev) UNION ALL (TABLE ev EXCEPT TABLE rows) ORDER BY 1, 2;

-- by expressions that read other columns too, which a column of the partition key's may not
SELECT zdm.change_column_type('ev', 'note', 'int', up => 'length(note) + id', down => $$repeat('x', note - id)$$, label => 'note', keep_place => true);
CALL test.await('note', 'ready');
INSERT INTO ev VALUES (7777, '2024-01-03', 4, NULL), (7778, '2024-02-03', 4, 'xxxx'), (7779, '2024-02-03', 4, 'y');
UPDATE ev SET id = id + 10000 WHERE id = 56;
SELECT count(*) FROM zdm.verify('note');
SELECT zdm.cutover('note');
CALL test.await('note', 'switched');
SELECT * FROM ev WHERE id IN (1, 7777, 7778, 7779, 10056) ORDER BY id;
UPDATE ev SET note = note + 1 WHERE id = 1;
SELECT zdm.revert('note');
CALL test.await('note', 'reverted');
SELECT * FROM ev WHERE id IN (1, 7777, 7778, 7779, 10056) ORDER BY id;
SELECT zdm.change_column_type('ev', 'note', 'int', up => 'length(note) + id', label => 'again', down => $$repeat('x', note - id)$$, keep_place => true);
CALL test.await('again', 'ready');
SELECT zdm.cutover('again');
CALL test.await('again', 'switched');
SELECT zdm.contract('again');
CALL test.await('again', 'completed');
SELECT attnum, attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'ev'::regclass AND attnum > 0;
SELECT count(*), sum(note - id) FROM ev;
SELECT relname FROM pg_class WHERE relname ~ '^zdm_';
-- a partition that comes may be partitioned by the column itself: then rows are found by it
CREATE TABLE by (id int, at int, n int, PRIMARY KEY (id, at, n)) PARTITION BY RANGE (at);
CREATE TABLE by_1 PARTITION OF by FOR VALUES FROM (0) TO (100);
INSERT INTO by SELECT i, i, i FROM generate_series(1, 50) i;
SELECT zdm.change_column_type('by', 'n', 'bigint', label => 'by', keep_place => true);
CALL test.await('by', 'ready');
SELECT converted[array_upper(converted, 1)] FROM zdm.second;
CREATE TABLE by_2 (LIKE by, PRIMARY KEY (id, at, n)) PARTITION BY LIST (n);
CREATE TABLE by_2a PARTITION OF by_2 FOR VALUES IN (1, 2, 3);
CREATE TABLE by_2b PARTITION OF by_2 DEFAULT;
SET zdm.guard = off;
ALTER TABLE by ATTACH PARTITION by_2 FOR VALUES FROM (100) TO (200);
RESET zdm.guard;
INSERT INTO by VALUES (7, 150, 2), (8, 151, 9);
UPDATE by SET n = 3 WHERE id = 8 AND at = 151;
SELECT zdm.cutover('by');
CALL test.await('by', 'switched');
SELECT converted[array_upper(converted, 1)] FROM zdm.second;
UPDATE by SET n = 77 WHERE id = 7 AND at = 150;
SELECT count(*) FROM zdm.verify('by');
SELECT zdm.revert('by');
CALL test.await('by', 'reverted');
SELECT tableoid::regclass, * FROM by WHERE at > 99 ORDER BY id;

-- what needs no second table is done in place
SELECT zdm.change_column_type('ev', 'ref', 'oid', label => 'oid', keep_place => true);
CALL test.await('oid', 'completed');
SELECT action, regexp_replace(statement, '\s+', ' ', 'g') FROM zdm.steps WHERE migration = (SELECT id FROM zdm.migrations WHERE label = 'oid');
SET client_min_messages = error;
DROP SCHEMA place CASCADE;
