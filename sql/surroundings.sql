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

-- a template that does not end
SELECT zdm.render('%V{nothing');
SELECT zdm.render('%?{1}');
SELECT zdm.render('%V{pg_catalog.pg_class}');
