--
-- What a migration in progress needs, and who may take it away: functions and
-- types that its expressions call and name, and views over the column.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA other;
CREATE FUNCTION cents(p numeric) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN round(p * 100); END';
CREATE FUNCTION price(c bigint) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN c / 100.0; END';
CREATE FUNCTION unused(c bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 1.0';
CREATE TABLE item (id int PRIMARY KEY, price numeric);
INSERT INTO item SELECT g, g FROM generate_series(1, 100) g;
CREATE VIEW dear AS SELECT id, price FROM item WHERE price > 50;
CREATE VIEW cheap AS SELECT id, price FROM item WHERE price < 10;
CREATE VIEW unrelated AS SELECT 1 AS one;
SELECT zdm.change_column_type('item', 'price', 'bigint', 'cents(price)', 'price(price)', 'item.price');
CALL zdm.wait('item.price', 'ready', '1 minute');

-- The guard says which migration.
SET zdm.guard = refuse;
\set VERBOSITY default
DROP FUNCTION cents(numeric);
\set VERBOSITY terse
DROP FUNCTION price(bigint) CASCADE;
CREATE OR REPLACE FUNCTION cents(p numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint';
ALTER FUNCTION cents(numeric) RENAME TO pennies;
ALTER FUNCTION cents(numeric) SET SCHEMA other;
ALTER FUNCTION price(bigint) VOLATILE;
ALTER ROUTINE price(bigint) STRICT;
DROP TRIGGER "~zdm_sync" ON item;
ALTER TABLE item DISABLE TRIGGER USER;
ALTER TABLE item ENABLE TRIGGER ALL;
ALTER FUNCTION unused(bigint) STABLE;
CREATE OR REPLACE FUNCTION unused(c bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2.0';
SELECT statement, rule, severity, object FROM zdm.check($$
	DROP FUNCTION cents(numeric);
	CREATE OR REPLACE FUNCTION price(c bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 1.0';
$$) WHERE rule = 'migration-in-progress';

-- Without it, PostgreSQL itself knows that the trigger depends on them.
SET zdm.guard = off;
DROP FUNCTION cents(numeric);
DROP FUNCTION price(bigint);
INSERT INTO item (id, price) VALUES (101, 7.25);
UPDATE item SET price = 8 WHERE id = 1;
SELECT id, price, price_zdm1 FROM item WHERE id IN (1, 101) ORDER BY id;

-- What the exchange of the columns moves has to be there.
SET zdm.guard = refuse;
\set VERBOSITY default
DROP VIEW cheap;
\set VERBOSITY terse
ALTER VIEW cheap RENAME TO low;
ALTER VIEW cheap SET SCHEMA other;
BEGIN;
DROP VIEW unrelated;
CREATE VIEW unrelated AS SELECT 1 AS one;
COMMIT;
SET zdm.guard = off;
SELECT zdm.cutover('item.price');
CALL zdm.wait('item.price', 'switched', '1 minute');
SELECT count(*) AS dear, pg_typeof(min(price)) FROM dear;
SELECT count(*) AS cheap, pg_typeof(min(price)) FROM cheap;
DROP FUNCTION price(bigint);
SELECT zdm.contract('item.price');
CALL zdm.wait('item.price', 'completed', '1 minute');

-- When it is over, nothing holds them.
SET zdm.guard = refuse;
BEGIN;
CREATE OR REPLACE FUNCTION cents(p numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint';
ROLLBACK;
DROP VIEW cheap;
SET zdm.guard = off;
DROP FUNCTION cents(numeric), price(bigint);
SELECT id, price FROM item WHERE id IN (1, 101) ORDER BY id;

-- Types that its expressions name, and their values.
CREATE TYPE size AS ENUM ('s', 'm', 'l');
CREATE TYPE color AS ENUM ('red', 'blue');
CREATE DOMAIN word AS text;
CREATE TABLE shirt (id int PRIMARY KEY, size size);
INSERT INTO shirt VALUES (1, 's'), (2, 'm');
SELECT zdm.change_column_type('shirt', 'size', 'text',
	$$CASE WHEN size = ANY ('{s,m}'::size[]) THEN 'small'::word ELSE 'large' END$$,
	$$CASE size WHEN 'small' THEN 's'::size ELSE 'l' END$$, 'shirt.size');
CALL zdm.wait('shirt.size', 'ready', '1 minute');
SET zdm.guard = refuse;
\set VERBOSITY default
ALTER TYPE size RENAME VALUE 's' TO 'small';
\set VERBOSITY terse
ALTER TYPE size RENAME TO extent;
ALTER TYPE size SET SCHEMA other;
ALTER DOMAIN word RENAME TO term;
SELECT zdm.migrate('ALTER TYPE size RENAME VALUE ''m'' TO ''medium''');
ALTER TYPE size ADD VALUE 'xl';
ALTER TYPE color SET SCHEMA other;
SELECT zdm.migrate('ALTER TYPE color RENAME VALUE ''red'' TO ''rouge''', label => 'colour') > 0;
SELECT zdm.revert('colour');
SHOW zdm.guard;
SELECT zdm.revert('shirt.size');
CALL zdm.wait('shirt.size', 'reverted', '1 minute');
SET zdm.guard = off;
ALTER TYPE size RENAME TO extent;
ALTER TYPE extent SET SCHEMA other;
SELECT * FROM shirt ORDER BY id;

-- What is done to a partition alone is done to the rows of the migration's table.
CREATE TABLE part (id int, price int DEFAULT 1) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE TABLE part11 PARTITION OF part1 FOR VALUES FROM (0) TO (10);
SELECT zdm.rename_column('part', 'price', 'cost', 'part') > 0;
CALL zdm.wait('part', 'ready', '1 minute');
SET zdm.guard = refuse;
\set VERBOSITY default
ALTER TABLE part11 DISABLE TRIGGER ALL;
\set VERBOSITY terse
ALTER TABLE part11 ENABLE TRIGGER USER;
ALTER TABLE part11 DISABLE TRIGGER "~zdm_sync";
ALTER TABLE part1 ALTER cost SET DEFAULT 2;
ALTER TABLE part11 ALTER price DROP DEFAULT;
ALTER TABLE part11 ALTER id SET DEFAULT 5;
ALTER TABLE part1 DETACH PARTITION part11;
ALTER TABLE part11 DISABLE TRIGGER ALL;
SELECT zdm.revert('part');
CALL zdm.wait('part', 'reverted', '1 minute');
ALTER TABLE part1 ALTER price SET DEFAULT 2;
