-- zdm.script(): which files there are, what stands in them, and what is refused
CREATE EXTENSION pg_zdm;
CREATE ROLE regress_script_owner;
CREATE SCHEMA shop AUTHORIZATION regress_script_owner;
SET ROLE regress_script_owner;
CREATE TABLE shop.orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL DEFAULT 'x' CHECK (note <> ''), total numeric(8,2));
CREATE TABLE shop.item (id int PRIMARY KEY, order_id int REFERENCES shop.orders);

SELECT file FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint');
SELECT file FROM zdm.script('ALTER TABLE shop.orders RENAME COLUMN note TO remark');
-- what the catalog alone can do is one statement
SELECT file, substring(body, E'EXECUTE \\$zdm\\$\n(ALTER TABLE [^\n]*)') FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN total TYPE numeric(10,2)');

-- nothing of ours is called, and nothing was done
SELECT count(*) FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint') WHERE body ~ '\mzdm\.[a-z_]+\(';
SELECT count(*) FROM zdm.migrations;
SELECT attname FROM pg_attribute WHERE attrelid = 'shop.orders'::regclass AND attnum > 0;

-- the same change has the same names, another one others
CREATE TEMP TABLE names AS
SELECT ddl, min(substring(body, 'zdm_state_\d+')) AS name FROM (VALUES (1, 'ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint'),
	(2, 'ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint'), (3, 'ALTER TABLE shop.orders RENAME COLUMN note TO remark')) d(n, ddl), zdm.script(ddl) GROUP BY n, ddl;
SELECT count(DISTINCT name) FROM names;
DROP TABLE names;

-- changes in one shape
SELECT string_agg(file, ' ' ORDER BY file) FROM zdm.script('CREATE INDEX ON shop.orders (note)');
SELECT string_agg(file, ' ' ORDER BY file) FROM zdm.script('ALTER TABLE shop.item ADD COLUMN made timestamptz DEFAULT clock_timestamp()');
SELECT string_agg(file, ' ' ORDER BY file) FROM zdm.script('ALTER TABLE shop.item DROP COLUMN order_id');

-- settings and estimates are written into the files
BEGIN;
SET LOCAL zdm.lock_wait = '77ms';
SET LOCAL zdm.on_conflict = 'error';
SELECT body ~ 'lock_timeout'', ''77ms''' AS lock_wait, body ~ 'integrity_constraint_violation' AS on_conflict, body ~ 'size 2048 GB, about 5000000000 rows, 300 writes a second' AS estimates
FROM zdm.script('ALTER TABLE shop.orders RENAME COLUMN note TO remark', size => '2 TB', rows => 5000000000, writes_per_second => 300) WHERE file = '10_expand.sql';
ROLLBACK;
SELECT substring(body, 'filling in: [^(\n]*') AS filling, substring(body, 'its WAL: about [^\n]*') AS wal, substring(body, 'its disk: [^\n]*') AS disk,
	substring(body, 'indexes built[^\n]*') AS indexes, substring(body, 'each time[^\n]*') AS read, substring(body, 'applications write[^\n]*') AS writers
FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', size => '2 TB', rows => 5000000000, writes_per_second => 300) WHERE file = '10_expand.sql';
-- what is not given follows from what is
SELECT substring(body, 'size [^\n]*') FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', rows => 1000000) WHERE file = '10_expand.sql';
SELECT substring(body, 'size [^\n]*') FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', size => '100 MB') WHERE file = '10_expand.sql';

-- of a migration that has just been stated
BEGIN;
SELECT file, length(body) > 500 AS text FROM zdm.script(zdm.change_column_type('shop.orders', 'total', 'text', up => 'total::text || ''%s $1''', down => 'total::numeric'));
ROLLBACK;
BEGIN;
SELECT count(*) FROM zdm.script(zdm.rename_column('shop.orders', 'note', 'remark'));
ROLLBACK;
BEGIN;
SELECT count(*) FROM zdm.script(zdm.migrate('ALTER TABLE shop.item ALTER COLUMN order_id TYPE bigint'));
ROLLBACK;

-- what a constant of up holds is no column
SELECT substring(body, 'NEW.total_zdm\d+ := ([^\n]*)') FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN total TYPE text', up => 'note || ''$1 ''''$2'' || total', down => '0') WHERE file = '10_expand.sql';

-- refusals
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', target => 13);
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', style => 'yaml');
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', rows => -1);
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', writes_per_second => -5);
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', size => 'huge');
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', size => '-1 MB');
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN nothing TYPE bigint');
SELECT * FROM zdm.script('DROP INDEX shop.orders_pkey');
SELECT * FROM zdm.script('ALTER TABLE shop.orders RENAME TO bookings');
SELECT * FROM zdm.script(4711);
SELECT * FROM zdm.script(NULL::bigint);
RESET ROLE;
CREATE ROLE regress_script_other;
GRANT USAGE ON SCHEMA shop TO regress_script_other;
SET ROLE regress_script_other;
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint');
RESET ROLE;
-- a stored generated column over a renamed one has no plain form
SET ROLE regress_script_owner;
ALTER TABLE shop.orders ADD COLUMN loud text GENERATED ALWAYS AS (upper(note)) STORED;
SELECT * FROM zdm.script('ALTER TABLE shop.orders RENAME COLUMN note TO remark');
RESET ROLE;
DROP SCHEMA shop CASCADE;
DROP ROLE regress_script_owner, regress_script_other;
