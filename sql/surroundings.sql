--
-- What surrounds a migration and must not change its result: settings of the
-- session that states it, names of full length, rights, tables that go away.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE PROCEDURE whole_way(m bigint) LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	CALL zdm.wait(m, 'ready', '60s');
	PERFORM zdm.cutover(m);
	COMMIT;
	CALL zdm.wait(m, 'switched', '60s');
	PERFORM zdm.contract(m);
	COMMIT;
	CALL zdm.wait(m, 'completed', '60s');
END
$$;

-- a date in a default means the same to the worker
CREATE TABLE d (id int, a date DEFAULT '2020-02-01', i interval DEFAULT '-1 day 2 hours');
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';
SELECT zdm.rename_column('d', 'a', 'b') AS m \gset
SELECT zdm.rename_column('d', 'i', 'j') AS n \gset
CREATE TABLE e (a int);
SELECT zdm.change_column_type('e', 'a', 'date', '''01/02/2020''::date + a', 'a - ''01/02/2020''::date') AS e \gset
RESET datestyle;
RESET intervalstyle;
CALL zdm.wait(:e, 'ready', '60s');
INSERT INTO e VALUES (1);
CALL whole_way(:e);
SELECT a = '2020-02-02' AS right_day FROM e;
CALL zdm.wait(:m, 'ready', '60s');
CALL zdm.wait(:n, 'ready', '60s');
CALL whole_way(:m);
CALL whole_way(:n);
SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
 WHERE adrelid = 'd'::regclass ORDER BY attname;

-- nor does a setting of the database or of a session change how strings and arrays are read
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET standard_conforming_strings = off;
ALTER DATABASE :"db" SET array_nulls = off;
ALTER DATABASE :"db" SET xmloption = document;
CREATE TABLE strings (id int, a text DEFAULT '\d' CHECK (a <> '\D'), arr text[] DEFAULT '{NULL}', u text);
CREATE VIEW strings_view AS SELECT a, a || '\' AS s FROM strings;
INSERT INTO strings VALUES (1);
\c
SET zdm.guard = off;
SET client_min_messages = error;
SHOW standard_conforming_strings;
SELECT zdm.rename_column('strings', 'a', 'b') AS a \gset
SELECT zdm.rename_column('strings', 'arr', 'arr2') AS arr \gset
SELECT zdm.change_column_type('strings', 'u', 'varchar', $$replace(u, '\\', '/')$$, 'u');
SELECT zdm.migrate($$ALTER TABLE strings ALTER u SET DEFAULT '\\'$$);
SELECT zdm.plan($$ALTER TABLE strings ALTER u SET DEFAULT '\\'$$);
SELECT zdm.backfill('strings', $$u = '\\'$$);
SELECT zdm.set_not_null('strings', 'u', $$'\\'$$);
SET standard_conforming_strings = on;
SELECT zdm.change_column_type('strings', 'u', 'varchar', $$replace(u, '\', '/')$$, $$replace(u, '/', '\')$$) AS u \gset
RESET standard_conforming_strings;
CALL zdm.wait(:a, 'ready', '60s');
CALL zdm.wait(:arr, 'ready', '60s');
CALL zdm.wait(:u, 'ready', '60s');
INSERT INTO strings (id, u) VALUES (2, '\\');
\set VERBOSITY terse
INSERT INTO strings (id, b) VALUES (3, '\\D');
\set VERBOSITY default
CALL whole_way(:a);
CALL whole_way(:arr);
CALL whole_way(:u);
INSERT INTO strings (id, u) VALUES (4, DEFAULT);
SELECT id, b, arr2, arr2[1] IS NULL AS is_null, u FROM strings ORDER BY id;
TABLE strings_view;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'strings'::regclass AND contype = 'c';
ALTER DATABASE :"db" RESET standard_conforming_strings;
ALTER DATABASE :"db" RESET array_nulls;
ALTER DATABASE :"db" RESET xmloption;
\c
SET zdm.guard = off;
SET client_min_messages = warning;

-- who may not write is told so in the words of the call
SELECT zdm.rename_column('strings', 'b', 'a', 'readers') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
SET default_transaction_read_only = on;
SELECT zdm.rename_column('strings', 'b', 'c');
SELECT zdm.migrate('CREATE INDEX ON strings (b)');
SELECT count(*) FROM zdm.verify(:m);
CALL zdm.wait(:m, 'ready', '60s');
RESET default_transaction_read_only;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '60s');
CALL zdm.wait(:m, 'reverting', '60s');

-- two names that differ in their last byte only
CREATE TABLE n (id int, a int);
SELECT repeat('x', 62) AS x \gset
CREATE INDEX :"x" ON n (a) WHERE id > 0;
SELECT format('CREATE INDEX %I ON n (a)', :'x' || c) FROM unnest('{a,b}'::text[]) c \gexec
SELECT format('ALTER TABLE n ADD CONSTRAINT %I CHECK (a > %s)', :'x' || c, ascii(c)) FROM unnest('{c,d}'::text[]) c \gexec
SELECT zdm.rename_column('n', 'a', 'b') AS m \gset
CALL whole_way(:m);
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'n'::regclass ORDER BY 1;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'n'::regclass AND contype = 'c' ORDER BY 1;

-- an owner who may not create in the table's schema is told at the call
CREATE ROLE regress_zdm_owner;
CREATE SCHEMA s;
GRANT USAGE ON SCHEMA s TO regress_zdm_owner;
CREATE TABLE s.t (id int, a int, c int);
CREATE INDEX ON s.t (a);
ALTER TABLE s.t OWNER TO regress_zdm_owner;
SET ROLE regress_zdm_owner;
SELECT zdm.rename_column('s.t', 'a', 'b');
SELECT zdm.rename_column('s.t', 'c', 'd') AS m \gset
CALL whole_way(:m);
RESET ROLE;
GRANT CREATE ON SCHEMA s TO regress_zdm_owner;
SET ROLE regress_zdm_owner;
SELECT zdm.rename_column('s.t', 'a', 'b') AS m \gset
CALL whole_way(:m);
RESET ROLE;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 's.t'::regclass;
DROP SCHEMA s CASCADE;
DROP ROLE regress_zdm_owner;

-- the other end of a foreign key goes away: back and forth are open all the same
CREATE TABLE p (id serial PRIMARY KEY);
CREATE TABLE c (pid int REFERENCES p);
SELECT zdm.change_column_type('p', 'id', 'bigint') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
DROP TABLE c;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '60s');
CREATE TABLE c (pid int REFERENCES p);
SELECT zdm.change_column_type('p', 'id', 'bigint') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
DROP TABLE c;
CALL whole_way(:m);
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'p'::regclass AND attname = 'id';

-- an index of that name, of another table, is not taken for a finished one
SELECT max(id) + 1 AS next FROM zdm.migrations \gset
CREATE TABLE i (a int);
CREATE INDEX i_a ON i (a);
CREATE TABLE j (a int);
SELECT format('CREATE INDEX i_a_zdm%s ON j (a)', :next) \gexec
SELECT zdm.rename_column('i', 'a', 'b') AS m \gset
CALL zdm.wait(:m, 'failed', '60s');
SELECT error_state, regexp_replace(error, '\d+', 'N') FROM zdm.migrations WHERE id = :m;
DROP TABLE j;
SELECT zdm.resume(:m);
CALL whole_way(:m);
