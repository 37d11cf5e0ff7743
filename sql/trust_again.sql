--
-- The trigger, the table's name and the sequences are looked at again when it counts.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

--
-- the trigger: ours by what it is, and nobody else's is dropped
--
CREATE TABLE c (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (100);
CREATE TABLE c2 PARTITION OF c FOR VALUES FROM (100) TO (200);
INSERT INTO c SELECT g, g FROM generate_series(1, 150) g;
CREATE TRIGGER aaa BEFORE INSERT ON c1 FOR EACH ROW WHEN (false) EXECUTE FUNCTION zdm.sync();
SELECT zdm.rename_column('c', 'a', 'b');
DROP TRIGGER aaa ON c1;
-- left by a restored dump
CREATE TRIGGER bbb BEFORE INSERT OR UPDATE ON c FOR EACH ROW EXECUTE FUNCTION zdm.sync();
SELECT zdm.rename_column('c', 'a', 'b');
DROP TRIGGER bbb ON c;
SELECT zdm.rename_column('c', 'a', 'b', label => 'c') AS m \gset
CALL zdm.wait('c', 'ready', '60s');
-- disabled on one partition while somebody writes
ALTER TABLE c2 DISABLE TRIGGER "~zdm_sync";
UPDATE c SET a = 1000 WHERE id IN (1, 101);
SELECT id, a, b FROM c WHERE id IN (1, 101) ORDER BY 1;
SELECT zdm.cutover('c');
CALL zdm.wait('c', 'failed', '60s');
SELECT error_state, error, error_hint FROM zdm.migrations WHERE label = 'c';
SET zdm.guard = refuse;
ALTER TABLE c2 ENABLE TRIGGER "~zdm_sync";
ALTER TABLE public.c2 ENABLE ALWAYS TRIGGER "~zdm_sync";
SET zdm.guard = off;
SELECT zdm.resume('c');
CALL zdm.wait('c', 'switched', '60s');
SELECT id, a, b FROM c WHERE id IN (1, 101) ORDER BY 1;
-- before contract
ALTER TABLE c DISABLE TRIGGER "~zdm_sync";
SELECT zdm.contract('c');
ALTER TABLE c1 ENABLE ALWAYS TRIGGER "~zdm_sync";
ALTER TABLE c2 ENABLE ALWAYS TRIGGER "~zdm_sync";
ALTER TABLE c ENABLE ALWAYS TRIGGER "~zdm_sync";
SELECT zdm.contract('c');
CALL zdm.wait('c', 'completed', '60s');
SELECT id, b FROM c WHERE id IN (1, 101) ORDER BY 1;
-- dropped
CREATE TABLE d (id int PRIMARY KEY, a int);
INSERT INTO d SELECT g, g FROM generate_series(1, 10) g;
SELECT zdm.rename_column('d', 'a', 'b', label => 'd') AS m \gset
CALL zdm.wait('d', 'ready', '60s');
DROP TRIGGER "~zdm_sync" ON d;
UPDATE d SET a = 1000 WHERE id = 1;
SELECT zdm.cutover('d');
CALL zdm.wait('d', 'failed', '60s');
SELECT error, error_hint FROM zdm.migrations WHERE label = 'd';
SELECT substring(error_hint FROM '^(.*;) then') FROM zdm.migrations WHERE label = 'd' \gexec
SELECT zdm.resume('d');
CALL zdm.wait('d', 'switched', '60s');
SELECT a, b FROM d WHERE id = 1;

--
-- the table under its name
--
CREATE TABLE acc (id int PRIMARY KEY, v int);
INSERT INTO acc SELECT g, g FROM generate_series(1, 10) g;
SELECT zdm.change_column_type('acc', 'id', 'bigint', label => 'acc') AS m \gset
CALL zdm.wait('acc', 'ready', '60s');
BEGIN;
CREATE TABLE acc__tmp (LIKE acc);
ALTER TABLE acc RENAME TO acc__backup;
ALTER TABLE acc__tmp RENAME TO acc;
COMMIT;
SELECT zdm.cutover('acc');
-- a harmless rename
DROP TABLE acc;
SELECT zdm.cutover('acc');
CALL zdm.wait('acc', 'switched', '60s');
CREATE TABLE acc (id int);
SELECT zdm.contract('acc');
SELECT zdm.revert('acc');
CALL zdm.wait('acc', 'reverted', '60s');

--
-- sequences that cannot go back
--
CREATE TABLE span (id serial PRIMARY KEY, v int);
SELECT setval('span_id_seq', 2147483645);
SELECT zdm.change_column_type('span', 'id', 'bigint', label => 's') AS m \gset
CALL zdm.wait('s', 'ready', '60s');
SELECT zdm.cutover('s');
CALL zdm.wait('s', 'switched', '60s');
BEGIN;
INSERT INTO span (v) SELECT g FROM generate_series(1, 20) g;
ROLLBACK;
SELECT zdm.revert('s');
SELECT state FROM zdm.migrations WHERE label = 's';
INSERT INTO span (id, v) VALUES (7, 7);
SELECT setval('span_id_seq', (SELECT coalesce(max(id), 1) FROM span));
ALTER SEQUENCE span_id_seq MAXVALUE 5000000000;
SELECT zdm.revert('s');
ALTER SEQUENCE public.span_id_seq MAXVALUE 2147483647;
SELECT zdm.revert('s');
CALL zdm.wait('s', 'reverted', '60s');
INSERT INTO span (v) VALUES (8) RETURNING id;
SELECT seqtypid::regtype, seqmax FROM pg_sequence WHERE seqrelid = 'span_id_seq'::regclass;
-- those that do not follow the type are said at the call
CREATE SEQUENCE free_seq AS int;
CREATE TABLE free (id int PRIMARY KEY DEFAULT nextval('free_seq'));
CREATE TABLE owned (id serial PRIMARY KEY);
SELECT zdm.change_column_type('free', 'id', 'bigint') > 0, zdm.change_column_type('owned', 'id', 'bigint') > 0;
SELECT relation, note FROM zdm.migrations, unnest(notes) note WHERE note LIKE '%default calls%';
-- so is one of a column that has the type already; nothing is said of a second column that never comes
CREATE TABLE wide (id bigint PRIMARY KEY);
CREATE SEQUENCE wide_id_seq AS int OWNED BY wide.id;
ALTER TABLE wide ALTER id SET DEFAULT nextval('wide_id_seq');
SELECT zdm.change_column_type('wide', 'id', 'bigint') AS m \gset
SELECT notes FROM zdm.migrations WHERE id = :m;
