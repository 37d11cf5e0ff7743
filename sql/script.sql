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
SELECT * FROM zdm.script(4711);
SELECT * FROM zdm.script(NULL::bigint);
RESET ROLE;
CREATE ROLE regress_script_other;
GRANT USAGE ON SCHEMA shop TO regress_script_other;
SET ROLE regress_script_other;
SELECT * FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint');
RESET ROLE;
-- what has no plain form is said in its place, to who reads the file and to who runs it
SET ROLE regress_script_owner;
ALTER TABLE shop.orders ADD COLUMN loud text GENERATED ALWAYS AS (upper(note)) STORED;
SELECT file, regexp_replace(substring(body, '^(-- The change.*?)\n\n'), 'PostgreSQL \d+', 'PostgreSQL N') AS top, substring(body, 'RAISE feature_not_supported USING MESSAGE = ''zdm[^;]*') AS raised
FROM zdm.script('ALTER TABLE shop.orders RENAME COLUMN note TO remark');
SELECT file, substring(body, 'There are no files[^:]*') FROM zdm.script('VACUUM FULL shop.item');
ALTER TABLE shop.orders DROP COLUMN loud;

-- a table by two names; partitions; what stands beside no table
CREATE TABLE shop.log (id int, at date) PARTITION BY RANGE (id);
CREATE TABLE shop.log1 PARTITION OF shop.log FOR VALUES FROM (0) TO (10);
CREATE INDEX item_order ON shop.item (order_id);
CREATE TABLE shop.gone (id int);
CREATE TYPE shop.mood AS ENUM ('fine', 'bad');
CREATE MATERIALIZED VIEW shop.sums AS SELECT count(*) AS n FROM shop.item;
CREATE UNIQUE INDEX ON shop.sums (n);
SET search_path = shop;
SELECT d.ddl, string_agg(file, ' ' ORDER BY file) FROM (VALUES ('ALTER TABLE shop.orders RENAME TO bookings'), ('ALTER TABLE shop.log DETACH PARTITION shop.log1'),
	('DROP INDEX shop.item_order'), ('REINDEX INDEX shop.item_order'), ('REFRESH MATERIALIZED VIEW shop.sums'), ('DROP MATERIALIZED VIEW shop.sums'),
	('DROP TABLE shop.gone'), ('ALTER TYPE shop.mood RENAME VALUE ''bad'' TO ''ill'''), ('DROP TYPE shop.mood'), ('ALTER TABLE shop.item SET (fillfactor = 80)')) d(ddl), zdm.script(d.ddl) GROUP BY d.ddl ORDER BY 1;
RESET search_path;

-- for a server of another version NOT NULL comes by what that has
SELECT target, substring(body, 'ADD CONSTRAINT \w+ [^;]*') ~ 'NOT NULL order_id NOT VALID' AS by_constraint, body ~ 'CHECK \(order_id IS NOT NULL\) NOT VALID' AS by_check,
	body ~ format('server_version_num''\)::int / 10000 <> %s ', target) AS says
FROM generate_series(14, 18) target, zdm.script('ALTER TABLE shop.item ALTER COLUMN order_id SET NOT NULL', target => target) WHERE file = '10_expand.sql';
SELECT target, body ~ 'ADD CONSTRAINT \w+ NOT NULL id_zdm\d+ NOT VALID' AS by_constraint, body ~ 'ADD CONSTRAINT \w+ CHECK \(id_zdm\d+ IS NOT NULL\) NOT VALID' AS by_check
FROM generate_series(17, 18) target, zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', target => target) WHERE file = '20_backfill.sql';
SELECT target, body ~ 'security_invoker' AS invoker FROM generate_series(14, 15) target, zdm.script('ALTER TABLE shop.item RENAME TO items', target => target) WHERE file = '10_expand.sql';

-- styles
SELECT regexp_replace(file, '\d{14}', '<time>') AS file FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', style => 'flyway');
SELECT regexp_replace(file, '\d{14}', '<time>') AS file FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', style => 'liquibase');
SELECT file FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', style => 'markdown');
SELECT DISTINCT body FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', style => 'flyway') WHERE file LIKE '%.conf';
SELECT string_agg(heading[1], '' ORDER BY n) FROM zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', style => 'markdown'), regexp_matches(body, '\n##? [^\n]*', 'g') WITH ORDINALITY m(heading, n);
-- psql's own commands stand in its style only
SELECT s.style, bool_or(body ~ '(?n)^\\|\\gexec|\\gset') AS commands FROM (VALUES ('psql'), ('flyway'), ('liquibase'), ('markdown')) s(style),
	zdm.script('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint', style => s.style) GROUP BY s.style ORDER BY s.style;
-- CONCURRENTLY is alone in its changeset, between settings
SELECT substring(statement, '\n(\w+ \w+ ?\w*)') AS statement FROM zdm.script('CREATE INDEX ON shop.orders (note)', style => 'liquibase'),
	regexp_split_to_table(body, '\n--changeset') s, regexp_split_to_table(s, '\nzdm_next') WITH ORDINALITY x(statement, n) WHERE s ~ 'CREATE INDEX CONCURRENTLY' ORDER BY n;
-- a line that Liquibase would read as its own
SELECT count(*) FROM zdm.script(E'ALTER TABLE shop.item SET (fillfactor = 80\n--rollback x\n)', style => 'liquibase');
RESET ROLE;
DROP SCHEMA shop CASCADE;
DROP ROLE regress_script_owner, regress_script_other;
