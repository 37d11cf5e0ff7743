--
-- An error about a row names the row: what up cannot convert, what a fill or an
-- assignment cannot compute, up to ten of them.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never

-- by the key, in a table of several blocks; what is wrong with some is something else
CREATE TABLE n (id int, "Key" text, v text, PRIMARY KEY ("Key", id));
INSERT INTO n SELECT g, 'a', CASE WHEN g % 1000 = 7 THEN 'x' WHEN g = 4000 THEN 'y' ELSE g::text END
	FROM generate_series(1, 4500) g;
SELECT zdm.change_column_type('n', 'v', 'int', up => 'v::int', down => 'v::text', label => 'n') AS m \gset
\set VERBOSITY terse
CALL zdm.wait('n', 'ready', '15 seconds');
\set VERBOSITY default
SELECT split_part(error, E'\n', 1) AS error, ARRAY(SELECT m[1] FROM regexp_matches(error, '\("Key", id\)=\(a, (\d+)\)', 'g') m ORDER BY m) AS rows
	FROM zdm.migrations WHERE label = 'n';
-- nothing has been changed; mended, it goes on
SELECT attname FROM pg_attribute WHERE attrelid = 'n'::regclass AND attnum > 0 ORDER BY attnum;
UPDATE n SET v = '0' WHERE v IN ('x', 'y');
SELECT zdm.resume('n');
CALL zdm.wait('n', 'ready', '15 seconds');
-- ten are enough
CREATE TABLE ten (id int PRIMARY KEY, v text);
INSERT INTO ten SELECT g, 'x' FROM generate_series(1, 30) g;
SELECT zdm.change_column_type('ten', 'v', 'int', up => 'v::int', down => 'v::text', label => 'ten');
CALL zdm.wait('ten', 'ready', '15 seconds');
-- without a key, in the partition where it is; an up whose own error has a detail
CREATE TABLE p (k int, v text) PARTITION BY LIST (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 (v text, gone int, k int);
ALTER TABLE p2 DROP COLUMN gone;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2);
INSERT INTO p VALUES (1, '1'), (2, '2'), (2, '{');
SELECT zdm.change_column_type('p', 'v', 'json', up => 'v::json', down => 'v::text', label => 'p');
CALL zdm.wait('p', 'ready', '15 seconds');
-- assignments and fills; a unique key and a foreign key name what they always do
CREATE TABLE b (id int PRIMARY KEY, v text, w int CONSTRAINT small CHECK (w < 6), u int UNIQUE);
INSERT INTO b SELECT g, CASE WHEN g % 100 = 7 THEN 'x' ELSE '5' END FROM generate_series(1, 300) g;
SELECT zdm.backfill('b', 'w = v::int', label => 'b') AS m \gset
CALL zdm.wait('b', 'completed', '15 seconds');
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '15 seconds');
SELECT zdm.set_not_null('b', 'w', fill => 'CASE v WHEN ''x'' THEN 7 ELSE 5 END', label => 'nn') AS m \gset
CALL zdm.wait('nn', 'completed', '15 seconds');
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '15 seconds');
SELECT zdm.backfill('b', 'u = 1', label => 'u');
CALL zdm.wait('u', 'completed', '15 seconds');
SELECT regexp_replace(error, '\(u\).*', '(u)...') FROM zdm.migrations WHERE label = 'u';
-- what is in the default partition and belongs to a new one; a value is data in what we write
CREATE TABLE l (k text, v int) PARTITION BY LIST (k);
CREATE TABLE l_rest PARTITION OF l DEFAULT;
INSERT INTO l VALUES ('x$zdm$y', 1), ('other', 2), (NULL, 3), ('x$zdm$y', 4);
CREATE TABLE l_new (LIKE l);
SELECT zdm.migrate($z$ALTER TABLE l ATTACH PARTITION l_new FOR VALUES IN ('x$zdm$y', NULL)$z$, label => 'l') AS m \gset
CALL zdm.wait('l', 'completed', '15 seconds');
DELETE FROM l WHERE k IS DISTINCT FROM 'other';
SELECT zdm.resume('l');
CALL zdm.wait('l', 'completed', '15 seconds');
INSERT INTO l VALUES ('x$zdm$y', 1);
SELECT tableoid::regclass, * FROM l ORDER BY v;
