--
-- zdm.check(): DDL judged without being run.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET zdm.guard_min_size = '512kB';
CREATE TABLE orders (id int PRIMARY KEY, note text, qty int NOT NULL, code varchar(10));
INSERT INTO orders SELECT g, 'note', g, 'c' || g FROM generate_series(1, 50000) g;
CREATE TABLE small (id int PRIMARY KEY, n int);
ANALYZE;
CREATE FUNCTION verdict(ddl text) RETURNS TABLE (statement int, rule text, severity text, object text, lock text)
	LANGUAGE sql AS 'SELECT statement, rule, severity, object, lock FROM zdm.check(ddl)';

\x on
SELECT * FROM zdm.check('ALTER TABLE orders ALTER COLUMN code TYPE varchar(20)');
SELECT * FROM zdm.check('ALTER TABLE orders ALTER COLUMN qty TYPE bigint');
\x off

-- it follows the text
SELECT * FROM verdict('
	ALTER TABLE orders ADD CONSTRAINT proof CHECK (note IS NOT NULL) NOT VALID;
	ALTER TABLE orders VALIDATE CONSTRAINT proof;
	ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
	ALTER TABLE orders DROP CONSTRAINT proof') WHERE severity = 'unsafe';
SELECT * FROM verdict('
	ALTER TABLE orders ADD CONSTRAINT proof CHECK (note IS NOT NULL) NOT VALID;
	ALTER TABLE orders DROP CONSTRAINT proof;
	ALTER TABLE orders ALTER COLUMN note SET NOT NULL') WHERE severity = 'unsafe';
SELECT * FROM verdict('
	BEGIN;
	ALTER TABLE orders ADD CONSTRAINT proof CHECK (note IS NOT NULL) NOT VALID;
	ALTER TABLE orders VALIDATE CONSTRAINT proof;
	COMMIT') WHERE severity = 'unsafe';
SELECT * FROM verdict('
	CREATE TABLE fresh AS SELECT * FROM orders;
	ALTER TABLE fresh ALTER COLUMN qty TYPE bigint;
	ALTER TABLE fresh RENAME COLUMN note TO remark;
	DROP TABLE fresh');
SELECT * FROM verdict('
	BEGIN;
	ALTER TABLE orders RENAME COLUMN note TO remark;
	ALTER TABLE orders RENAME TO orders_base;
	CREATE VIEW orders AS SELECT *, remark AS note FROM orders_base;
	COMMIT') WHERE severity = 'unsafe';
SELECT * FROM verdict('
	BEGIN; SAVEPOINT a; ALTER TABLE orders ADD COLUMN x int; ROLLBACK TO a; UPDATE orders SET qty = 1; COMMIT')
	WHERE severity = 'unsafe';
SELECT * FROM verdict('
	BEGIN; ALTER TABLE orders ADD COLUMN x int; UPDATE orders SET x = 1; ROLLBACK; UPDATE orders SET qty = 1');
SELECT * FROM verdict('SET search_path = pg_catalog; ALTER TABLE orders ALTER COLUMN qty TYPE bigint;
	SET search_path = public; ALTER TABLE orders ALTER COLUMN qty TYPE bigint') WHERE severity = 'unsafe';
SHOW search_path;

-- code is followed, not run
CREATE SEQUENCE touched;
SELECT * FROM verdict($$DO 'BEGIN IF (SELECT count(*) FROM small) > 0 THEN DROP TABLE orders; END IF; CREATE INDEX ON orders (note); END'$$);
SELECT statement, rule, severity, detail FROM zdm.check($$DO 'BEGIN PERFORM nextval(''touched''); DROP TABLE orders; END'$$);
SELECT statement, rule, severity, detail FROM zdm.check($$DO 'BEGIN INSERT INTO small VALUES (1, 1); CREATE INDEX ON orders (note); END'$$) WHERE severity = 'unsafe' OR rule = 'not-judged';
SELECT count(*) FROM small;
SELECT last_value, is_called FROM touched;
CREATE FUNCTION change_it() RETURNS void LANGUAGE plpgsql AS 'BEGIN ALTER TABLE orders ALTER COLUMN qty TYPE bigint; END';
SELECT * FROM verdict('SELECT change_it()');
CREATE PROCEDURE change_and_commit() LANGUAGE plpgsql AS 'BEGIN ALTER TABLE orders ADD COLUMN x int; COMMIT; CREATE INDEX ON orders (x); END';
SELECT statement, rule, severity, detail FROM zdm.check('CALL change_and_commit()');

-- odd input
SELECT * FROM verdict('');
SELECT * FROM verdict(';;');
SELECT * FROM verdict('SELECT 1; VALUES (1)');
SELECT * FROM verdict('ALTER TABLE');
SELECT * FROM verdict(NULL);
SELECT * FROM verdict('ALTER TABLE nowhere ADD COLUMN x int; DROP TABLE IF EXISTS nowhere');
SELECT statement, rule, severity, detail FROM zdm.check('ALTER TABLE orders ADD COLUMN x no_such_type DEFAULT 1 CHECK (y > 0)');

-- it takes no lock that anyone could feel, and leaves nothing behind
BEGIN;
SELECT count(*) > 0 AS found FROM zdm.check('ALTER TABLE orders ALTER COLUMN qty TYPE bigint; DROP TABLE small; UPDATE orders SET qty = 1; DO ''BEGIN DELETE FROM orders; END''');
SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('orders'::regclass, 'small'::regclass);
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_trace;
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM verdict('DROP TABLE small') WHERE severity = 'unsafe';
ROLLBACK;
\d orders

-- a table that names itself is for PostgreSQL to refuse
SELECT count(*) FROM verdict('CREATE TABLE selfish (a int, LIKE selfish INCLUDING ALL); CREATE TABLE heir () INHERITS (heir)');
