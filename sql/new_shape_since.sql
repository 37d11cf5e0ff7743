-- What was added to the table with a default, which rows from before do not have in them: as the partition key, and beside it.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE TABLE k (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s text);
INSERT INTO k (s) SELECT 's' || g FROM generate_series(1, 20) g;
ALTER TABLE k ADD COLUMN region text NOT NULL DEFAULT 'eu', ADD COLUMN n int DEFAULT 7;
INSERT INTO k (s, region) SELECT 's' || g, 'us' FROM generate_series(1, 20) g;
SELECT zdm.partition_table('k', 'LIST (region)', ARRAY['k_eu FOR VALUES IN (''eu'')', 'k_us FOR VALUES IN (''us'')'], primary_key => 'id, region', label => 'k');
CALL test.await('k', 'ready');
UPDATE k SET s = s || 'x' WHERE id IN (3, 23);
UPDATE k SET region = 'us' WHERE id = 4;
DELETE FROM k WHERE id = 5;
SELECT zdm.cutover('k');
CALL test.await('k', 'switched');
SELECT * FROM zdm.verify('k');
UPDATE k SET region = 'us' WHERE id = 6;
UPDATE k SET s = s || 'y' WHERE id = 7;
DELETE FROM k WHERE id = 8;
SELECT * FROM zdm.verify('k');
SELECT zdm.revert('k');
CALL test.await('k', 'reverted');
SELECT region, n, count(*), sum(id) FROM k GROUP BY 1, 2 ORDER BY 1;
SELECT zdm.partition_table('k', 'LIST (region)', ARRAY['k_eu FOR VALUES IN (''eu'')', 'k_us FOR VALUES IN (''us'')'], primary_key => 'id, region', label => 'again');
CALL test.await('again', 'ready');
SELECT zdm.cutover('again');
CALL test.await('again', 'switched');
SELECT zdm.contract('again');
CALL test.await('again', 'completed');
SELECT tableoid::regclass, n, count(*), sum(id) FROM k GROUP BY 1, 2 ORDER BY 1;

-- an index that is dropped when its like is built goes there too; after the cutover, on the way back
CREATE FUNCTION indexes(part text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', indrelid::regclass, indexrelid::regclass) FROM pg_index WHERE indrelid::regclass::text ~ part ORDER BY 1 $$;
CREATE TABLE i (id int PRIMARY KEY, a int, b int UNIQUE, c int);
CREATE INDEX i_a ON i (a);
CREATE INDEX i_c ON i (c);
INSERT INTO i SELECT g, g, g, g FROM generate_series(1, 20) g;
SELECT zdm.rewrite('i', columns => '{c, b, a, id}', label => 'i');
CALL test.await('i', 'ready');
DROP INDEX i_c;
SELECT zdm.cutover('i');
CALL test.await('i', 'switched');
SELECT indexes('^i$');
DROP INDEX i_a;
ALTER TABLE i DROP CONSTRAINT i_b_key;
SELECT zdm.revert('i');
CALL test.await('i', 'reverted');
SELECT indexes('^i$');
TABLE i ORDER BY id LIMIT 1;
SELECT zdm.partition_table('i', 'HASH (id)', ARRAY['i_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'i_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)'], label => 'parts');
CALL test.await('parts', 'ready');
SELECT zdm.cutover('parts');
CALL test.await('parts', 'switched');
CREATE INDEX i_new ON i (c);
SELECT zdm.revert('parts');
CALL zdm.wait('parts', 'reverted', '60s');
SELECT replace(error_hint, id::text, 'ID') FROM zdm.migrations WHERE label = 'parts';
DROP INDEX i_new;
SELECT zdm.resume('parts');
CALL test.await('parts', 'reverted');
SELECT indexes('^i');

-- another owner since the cutover: what is filled anew on the way back is his
CREATE ROLE new_shape_a;
CREATE ROLE new_shape_b;
GRANT CREATE ON SCHEMA public TO new_shape_a, new_shape_b;
CREATE TABLE o (id int, day int, PRIMARY KEY (id, day));
INSERT INTO o SELECT g, g % 20 FROM generate_series(1, 100) g;
ALTER TABLE o OWNER TO new_shape_a;
SELECT zdm.partition_table('o', 'RANGE (day)', ARRAY['o_1 FOR VALUES FROM (0) TO (10)', 'o_2 FOR VALUES FROM (10) TO (20)'], label => 'o');
CALL test.await('o', 'ready');
SELECT zdm.cutover('o');
CALL test.await('o', 'switched');
ALTER TABLE o OWNER TO new_shape_b;
SELECT zdm.revert('o');
CALL test.await('o', 'reverted');
SELECT relname, relkind, relowner::regrole FROM pg_class WHERE relname ~ '^o(_[12]|_pkey)?$' ORDER BY 1;
SELECT count(*), sum(id) FROM o;
DROP TABLE o;
REVOKE ALL ON SCHEMA public FROM new_shape_a, new_shape_b;
DROP ROLE new_shape_a, new_shape_b;

-- what came or went meanwhile and is in the way is named, with what to type
CREATE SCHEMA since;
CREATE TABLE w (id int PRIMARY KEY, at date NOT NULL, n int);
INSERT INTO w SELECT g, date '2024-01-01' + g, g FROM generate_series(1, 20) g;
SELECT zdm.partition_table('w', 'RANGE (at)', every => '1 month', primary_key => 'id, at', label => 'w');
CALL test.await('w', 'ready');
CREATE TABLE w_child (w int REFERENCES w);
INSERT INTO w_child VALUES (3);
ALTER TABLE w SET SCHEMA since;
SELECT zdm.cutover('w');
CALL zdm.wait('w', 'switched', '60s');
SELECT error, replace(error_hint, id::text, 'ID') FROM zdm.migrations WHERE label = 'w';
ALTER TABLE since.w SET SCHEMA public;
SELECT zdm.resume('w');
CALL zdm.wait('w', 'switched', '60s');
SELECT error, replace(error_hint, id::text, 'ID') FROM zdm.migrations WHERE label = 'w';
ALTER TABLE w_child DROP CONSTRAINT w_child_w_fkey;
ALTER TABLE w DROP COLUMN at;
SELECT zdm.resume('w');
CALL zdm.wait('w', 'switched', '60s');
SELECT error, replace(error_hint, id::text, 'ID') FROM zdm.migrations WHERE label = 'w';
SELECT zdm.revert('w');
CALL test.await('w', 'reverted');
SELECT count(*) FROM w;

-- indexes that were rebuilt since the cutover, the key among them, are known by their likes
CREATE TABLE r (id int PRIMARY KEY, a int, b text);
CREATE INDEX r_b ON r (lower(b) DESC) WHERE a > 0;
INSERT INTO r SELECT g, g, 'b' || g FROM generate_series(1, 20) g;
SELECT zdm.rewrite('r', columns => '{b, a, id}', label => 'r');
CALL test.await('r', 'ready');
SELECT zdm.cutover('r');
CALL test.await('r', 'switched');
REINDEX INDEX CONCURRENTLY r_b;
REINDEX INDEX CONCURRENTLY r_pkey;
INSERT INTO r VALUES ('new', 21, 21);
UPDATE r SET a = -a WHERE id = 3;
DELETE FROM r WHERE id = 4;
SELECT zdm.revert('r');
CALL test.await('r', 'reverted');
SELECT indexes('^r$');
SELECT count(*), sum(a), sum(id), max(b) FROM r;

-- what somebody has made since, and that fits a text better than what was meant, is not called
CREATE SCHEMA app;
CREATE FUNCTION app.f(anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE TABLE c (id int PRIMARY KEY, a int DEFAULT app.f(1), CONSTRAINT c_f CHECK (app.f(a) > 0));
INSERT INTO c SELECT g, g FROM generate_series(1, 20) g;
CREATE VIEW c_view AS SELECT id, app.f(a) AS f FROM c;
SELECT zdm.rewrite('c', columns => '{a, id}', label => 'c');
CALL test.await('c', 'ready');
CREATE FUNCTION app.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 666';
SELECT zdm.cutover('c');
CALL zdm.wait('c', 'switched', '60s');
SELECT error, replace(error_hint, id::text, 'ID') FROM zdm.migrations WHERE label = 'c';
SELECT f FROM c_view WHERE id = 2;
DROP FUNCTION app.f(int);
SELECT zdm.resume('c');
CALL test.await('c', 'switched');
SELECT f FROM c_view WHERE id = 2;
SELECT format('zdm_%s_c', id) AS hidden FROM zdm.migrations WHERE label = 'c' \gset
SET zdm.guard = off;
DROP TABLE :hidden;
RESET zdm.guard;
SELECT * FROM zdm.verify('c');

-- nor does the key of partitions call it, before a row is routed by it
CREATE TABLE e (id int PRIMARY KEY, a int);
INSERT INTO e SELECT g, g FROM generate_series(1, 20) g;
BEGIN;
SELECT zdm.partition_table('e', 'HASH (app.f(a))', ARRAY['e_0 FOR VALUES WITH (MODULUS 1, REMAINDER 0)'], primary_key => '', label => 'e');
CREATE FUNCTION app.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
COMMIT;
CALL zdm.wait('e', 'ready', '60s');
SELECT error, replace(error_hint, id::text, 'ID') FROM zdm.migrations WHERE label = 'e';
DROP FUNCTION app.f(int);
SELECT zdm.resume('e');
CALL test.await('e', 'ready');

-- a column that had another name for a while: what was written then was not carried over
CREATE TABLE n (id int PRIMARY KEY, a int, b text);
INSERT INTO n SELECT g, g, 'b' || g FROM generate_series(1, 20) g;
SELECT zdm.rewrite('n', columns => '{b, a, id}', label => 'n');
CALL test.await('n', 'ready');
SET zdm.guard = off;
ALTER TABLE n RENAME b TO away;
UPDATE n SET a = -a WHERE id = 3;
ALTER TABLE n RENAME away TO b;
RESET zdm.guard;
SELECT zdm.cutover('n');
CALL test.await('n', 'switched');
SELECT sum(a), max(b) FROM n WHERE id = 3;
SET zdm.guard = off;
ALTER TABLE n RENAME b TO away;
UPDATE n SET a = -a WHERE id = 4;
DELETE FROM n WHERE id = 5;
ALTER TABLE n RENAME away TO b;
RESET zdm.guard;
SELECT zdm.revert('n');
CALL test.await('n', 'reverted');
SELECT count(*), sum(a) FROM n WHERE id IN (3, 4, 5);
