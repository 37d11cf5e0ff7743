--
-- The guard: what it refuses, with which words, and what it lets through.
-- The corpus (test/t/030_corpus.pl) asks for verdicts; here are messages,
-- modes, and the ways by which DDL can come in.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET zdm.guard_min_size = '512kB';
CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO customers SELECT g, 'name ' || g FROM generate_series(1, 20000) g;
CREATE TABLE orders (id int PRIMARY KEY, customer int, note text, qty int NOT NULL, code varchar(10));
INSERT INTO orders SELECT g, g % 1000 + 1, 'note', g, 'c' || g FROM generate_series(1, 50000) g;
CREATE TABLE small (id int PRIMARY KEY, n int);
INSERT INTO small SELECT g, g FROM generate_series(1, 10) g;
CREATE ROLE regress_zdm_app;
GRANT ALL ON customers, orders, small TO regress_zdm_app;
ANALYZE;
SET zdm.guard = refuse;
\set VERBOSITY default

-- one statement of each rule
ALTER TABLE orders ALTER COLUMN qty TYPE bigint;
ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
CREATE INDEX orders_note ON orders (note);
ALTER TABLE orders DROP COLUMN note;
ALTER TABLE orders RENAME COLUMN note TO remark;
BEGIN;
ALTER TABLE orders ADD COLUMN total int;
UPDATE orders SET total = qty;
ROLLBACK;
-- EXISTS and LIMIT read no further than the first row
BEGIN;
ALTER TABLE orders ALTER COLUMN note SET DEFAULT '';
SELECT EXISTS (SELECT 1 FROM orders WHERE qty > 0);
SELECT 1 AS one FROM orders LIMIT 1;
SELECT count(*) FROM orders;
ROLLBACK;
\set VERBOSITY sqlstate

-- what it knows that the text does not say
ALTER TABLE orders ALTER COLUMN code TYPE varchar(20);
ALTER TABLE orders ADD CONSTRAINT proof CHECK (note IS NOT NULL) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT proof;
ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT proof;
ALTER TABLE small ALTER COLUMN n TYPE bigint;
CREATE INDEX ON small (n);
ALTER TABLE no_such_table ALTER COLUMN n TYPE bigint;
ALTER TABLE orders ADD COLUMN broken int DEFAULT no_such_function();

-- a statement on its own answers at once, a transaction at its end
CREATE VIEW v AS SELECT id, note FROM orders;
GRANT ALL ON v TO regress_zdm_app;
DROP VIEW v;
BEGIN;
DROP VIEW v;
CREATE VIEW v AS SELECT id, note, qty FROM orders;
COMMIT;
\set VERBOSITY default
BEGIN;
DROP VIEW v;
CREATE VIEW v AS SELECT id, note, qty FROM orders;
COMMIT;
\set VERBOSITY sqlstate
BEGIN;
DROP VIEW v;
CREATE VIEW v AS SELECT id, note, qty FROM orders;
GRANT ALL ON v TO regress_zdm_app;
COMMIT;
BEGIN;
ALTER TABLE small ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON small USING (true);
COMMIT;
DROP POLICY p ON small;
ALTER TABLE small DISABLE ROW LEVEL SECURITY;

-- the ways in
DO $$ BEGIN CREATE INDEX ON orders (note); END $$;
DO $$ BEGIN EXECUTE format('ALTER TABLE %I ALTER COLUMN qty TYPE bigint', 'orders'); END $$;
DO $$ BEGIN IF false THEN DROP TABLE orders; END IF; END $$;
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE INDEX orders_note ON orders (note)';
SELECT f();
CREATE PROCEDURE pr() LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE orders ADD COLUMN x int; COMMIT; UPDATE orders SET x = 1; END $$;
CALL pr();
SET work_mem = '4MB' \; CREATE INDEX ON orders (note) \; SET work_mem = '4MB';
DO $$ BEGIN ALTER TABLE orders ALTER COLUMN qty TYPE bigint; EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'caught'; END $$;
BEGIN;
SELECT 1/0;
ALTER TABLE orders ALTER COLUMN qty TYPE bigint;
ROLLBACK;

-- savepoints give locks back
BEGIN;
SAVEPOINT a;
ALTER TABLE orders ADD COLUMN y int;
ROLLBACK TO a;
UPDATE orders SET code = code WHERE id > 0;
ROLLBACK;

-- the modes
\set VERBOSITY terse
SET zdm.guard = warn;
BEGIN;
CREATE INDEX orders_note ON orders (note);
ROLLBACK;
SET zdm.guard = off;
BEGIN;
CREATE INDEX orders_note ON orders (note);
ROLLBACK;
SET zdm.guard = refuse;
BEGIN;
SET LOCAL zdm.guard = off;
CREATE INDEX orders_note ON orders (note);
COMMIT;
DROP INDEX orders_note;

-- who may turn it off
SET ROLE regress_zdm_app;
SET zdm.guard = off;
SHOW zdm.guard;
RESET ROLE;

-- extension scripts are left alone, and so is a database without the extension
\set VERBOSITY default
DROP EXTENSION pg_zdm;
BEGIN;
CREATE INDEX orders_note ON orders (note);
ROLLBACK;
CREATE EXTENSION pg_zdm;

-- a migration in progress; nothing works on it, since it is rolled back
BEGIN;
SELECT zdm.rename_column('small', 'n', 'number') > 0 AS stated;
\set VERBOSITY terse
SAVEPOINT s;
ALTER TABLE small DROP COLUMN n;
ROLLBACK TO s;
ALTER TABLE small ADD COLUMN number int;
ROLLBACK TO s;
DROP TABLE small;
ROLLBACK TO s;
DROP EXTENSION pg_zdm;
ROLLBACK TO s;
ALTER TABLE zdm.migration ADD COLUMN x int;
ROLLBACK TO s;
ALTER TABLE small ADD COLUMN other int;
ROLLBACK;

-- nothing is done to an empty table, whatever size counts
SET zdm.guard_min_size = 0;
CREATE TABLE empty (id int, n int);
CREATE INDEX empty_n ON empty (n);
ALTER TABLE empty ALTER n SET NOT NULL;
SET zdm.guard = off;
DROP OWNED BY regress_zdm_app;
DROP ROLE regress_zdm_app;
