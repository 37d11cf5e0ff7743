--
-- The guard: statements that differ from harmless or harmful ones in a single
-- fact of the catalog.  Verdicts as measured on a live server.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET zdm.guard_min_size = '512kB';
SET zdm.guard = off;
SET client_min_messages = warning;
CREATE ROLE regress_zdm_app;
CREATE ROLE regress_zdm_other;
CREATE TABLE big (id int PRIMARY KEY, code varchar(10), qty int, at timestamp);
INSERT INTO big SELECT g, 'c' || g % 99, g % 7, '2024-01-01' FROM generate_series(1, 50000) g;
GRANT ALL ON big TO regress_zdm_app;
ANALYZE;
-- what zdm.check finds unsafe
CREATE FUNCTION judge(ddl text) RETURNS TABLE (statement int, rule text, object text)
	LANGUAGE sql AS $$ SELECT statement, rule, object FROM zdm.check(ddl) WHERE severity = 'unsafe' $$;

-- a default that clients may not compute
CREATE FUNCTION closed() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION open() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END';
REVOKE EXECUTE ON FUNCTION closed() FROM PUBLIC;
CREATE SEQUENCE hidden;
SELECT * FROM judge('ALTER TABLE big ADD COLUMN n int DEFAULT closed()');
SELECT * FROM judge('ALTER TABLE big ADD COLUMN n int DEFAULT open()');
SELECT * FROM judge('ALTER TABLE big ALTER COLUMN qty SET DEFAULT closed()');
SELECT * FROM judge('ALTER TABLE big ALTER COLUMN qty SET DEFAULT nextval(''hidden'')');
SELECT * FROM judge('BEGIN; CREATE SEQUENCE fresh; ALTER TABLE big ALTER COLUMN qty SET DEFAULT nextval(''fresh''); COMMIT');
SELECT * FROM judge('BEGIN; CREATE SEQUENCE fresh; GRANT USAGE ON SEQUENCE fresh TO regress_zdm_app;
	ALTER TABLE big ALTER COLUMN qty SET DEFAULT nextval(''fresh''); COMMIT');
SET zdm.guard = refuse;
\set VERBOSITY sqlstate
ALTER TABLE big ALTER COLUMN qty SET DEFAULT closed();
ALTER TABLE big ALTER COLUMN qty SET DEFAULT open();
\set VERBOSITY default
SET zdm.guard = off;
ALTER TABLE big ALTER COLUMN qty DROP DEFAULT;

-- a child that has the column already is not rewritten
CREATE TABLE parent (id int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT generate_series(1, 50000);
SELECT * FROM judge('ALTER TABLE parent ADD COLUMN n float8 DEFAULT random()');
ALTER TABLE child ADD COLUMN n float8;
SELECT * FROM judge('ALTER TABLE parent ADD COLUMN n float8 DEFAULT random()');

-- a rewrite of the referenced table checks the foreign key again; a relabelling does not
CREATE TABLE codes (code varchar(10) PRIMARY KEY);
INSERT INTO codes SELECT 'c' || g FROM generate_series(0, 98) g;
ALTER TABLE big ADD CONSTRAINT big_code FOREIGN KEY (code) REFERENCES codes;
SELECT * FROM judge('ALTER TABLE codes ALTER COLUMN code TYPE varchar(20)');
SELECT * FROM judge('ALTER TABLE codes ALTER COLUMN code TYPE varchar(8)');
ALTER TABLE big DROP CONSTRAINT big_code;

-- partitions that have the foreign key already are not gone through
CREATE TABLE tree (id int, code varchar(10)) PARTITION BY RANGE (id);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM (0) TO (100000);
INSERT INTO tree SELECT id, code FROM big;
ALTER TABLE tree_1 ADD FOREIGN KEY (code) REFERENCES codes;
SELECT * FROM judge('ALTER TABLE tree ADD FOREIGN KEY (code) REFERENCES codes (code)');
SELECT * FROM judge('ALTER TABLE tree ADD FOREIGN KEY (code) REFERENCES codes ON DELETE CASCADE');

-- a table made OF a type changes with the type
CREATE TYPE shape AS (a int, b int);
CREATE TABLE of_shape OF shape;
SELECT * FROM judge('ALTER TYPE shape ALTER ATTRIBUTE b TYPE bigint CASCADE');
INSERT INTO of_shape SELECT g, g FROM generate_series(1, 50000) g;
SELECT * FROM judge('ALTER TYPE shape ALTER ATTRIBUTE b TYPE bigint CASCADE');
SELECT * FROM judge('ALTER TYPE shape DROP ATTRIBUTE b CASCADE');
SELECT * FROM judge('ALTER TYPE shape ADD ATTRIBUTE c int CASCADE');

-- SET LOCAL ends with its transaction, any SET with what is rolled back
SET timezone = 'UTC';
SELECT * FROM judge('BEGIN; SET LOCAL timezone = ''Asia/Tokyo''; ALTER TABLE big ALTER COLUMN at TYPE timestamptz; COMMIT');
SELECT * FROM judge('BEGIN; SET LOCAL timezone = ''Asia/Tokyo''; COMMIT; ALTER TABLE big ALTER COLUMN at TYPE timestamptz');
SELECT * FROM judge('BEGIN; SAVEPOINT s; SET timezone = ''Asia/Tokyo''; ROLLBACK TO s; ALTER TABLE big ALTER COLUMN at TYPE timestamptz; COMMIT');
SELECT * FROM judge('BEGIN; SET timezone = ''Asia/Tokyo''; ROLLBACK; ALTER TABLE big ALTER COLUMN at TYPE timestamptz');
SELECT * FROM judge('BEGIN; SET timezone = ''Asia/Tokyo''; COMMIT; ALTER TABLE big ALTER COLUMN at TYPE timestamptz');
SELECT * FROM judge('SET LOCAL timezone = ''Asia/Tokyo''; ALTER TABLE big ALTER COLUMN at TYPE timestamptz');
SHOW timezone;

-- more rows than there are combinations of values
SELECT * FROM judge('CREATE UNIQUE INDEX CONCURRENTLY ON big (code, qty)');
SELECT * FROM judge('CREATE UNIQUE INDEX CONCURRENTLY ON big (code, id)');
SELECT detail, hint FROM zdm.check('CREATE UNIQUE INDEX CONCURRENTLY ON big (code, qty)') WHERE severity = 'unsafe';

-- what PostgreSQL runs in no transaction block fails there, whatever the size
CREATE TABLE small (id int);
SELECT * FROM judge('BEGIN; VACUUM small; COMMIT');
SELECT * FROM judge('VACUUM small');
SELECT * FROM judge('BEGIN; ANALYZE small; COMMIT');
SELECT * FROM judge('BEGIN; REINDEX TABLE small; COMMIT');
SELECT * FROM judge('BEGIN; REINDEX SCHEMA public; COMMIT') WHERE rule = 'would-fail';
SELECT * FROM judge('BEGIN; CREATE INDEX CONCURRENTLY IF NOT EXISTS big_pkey ON big (id); COMMIT');
SELECT * FROM judge('DO $do$ BEGIN EXECUTE ''ALTER SYSTEM SET work_mem = 64''; END $do$');

-- a materialized view whose query reads little
CREATE MATERIALIZED VIEW few AS SELECT * FROM big WHERE id = 5;
CREATE MATERIALIZED VIEW many AS SELECT count(*) FROM big;
CREATE MATERIALIZED VIEW made AS SELECT g FROM generate_series(1, 50000) g;
SELECT * FROM judge('REFRESH MATERIALIZED VIEW few');
SELECT * FROM judge('REFRESH MATERIALIZED VIEW many');
SELECT * FROM judge('REFRESH MATERIALIZED VIEW made');

-- ALL IN TABLESPACE takes in what its roles own
SELECT * FROM judge('ALTER TABLE ALL IN TABLESPACE pg_default OWNED BY regress_zdm_other SET TABLESPACE pg_global');
ALTER TABLE big OWNER TO regress_zdm_other;
SELECT * FROM judge('ALTER TABLE ALL IN TABLESPACE pg_default OWNED BY regress_zdm_other SET TABLESPACE pg_global');
ALTER TABLE big OWNER TO CURRENT_USER;

-- who takes the name of a table that gave it up was made for it
CREATE TABLE big_new (id int PRIMARY KEY, code varchar(10), qty int, at timestamp);
GRANT ALL ON big_new TO regress_zdm_app;
SELECT * FROM judge('BEGIN; ALTER TABLE big RENAME TO big_old; ALTER TABLE big_new RENAME TO big; COMMIT');
SELECT * FROM judge('BEGIN; ALTER TABLE big_new RENAME TO big_newer; COMMIT');
SET zdm.guard = refuse;
BEGIN;
ALTER TABLE big RENAME TO big_old;
ALTER TABLE big_new RENAME TO big;
COMMIT;

-- locks of what looks like nothing
SELECT object, lock FROM zdm.check('CREATE INDEX IF NOT EXISTS big_old_pkey ON big_old (id)');
SELECT object, lock FROM zdm.check('CREATE INDEX IF NOT EXISTS big_pkey ON big_old (id)');
CREATE TYPE mood AS ENUM ('well');
CREATE TABLE moods (m mood);
SELECT rule, object, lock FROM zdm.check('DROP TYPE mood CASCADE');

SET zdm.guard = off;
-- a policy that lets no row through is none; FORCE brings the owner under them
CREATE TABLE mine AS SELECT 1 AS id;
ALTER TABLE mine OWNER TO regress_zdm_app;
CREATE TABLE restored (id int);
ALTER TABLE restored OWNER TO regress_zdm_app;
CREATE TABLE ruled (id int);
GRANT ALL ON ruled TO regress_zdm_app;
SELECT * FROM judge('CREATE POLICY p ON ruled USING (false); ALTER TABLE ruled ENABLE ROW LEVEL SECURITY');
SELECT * FROM judge('CREATE POLICY p ON ruled USING (id > 0); ALTER TABLE ruled ENABLE ROW LEVEL SECURITY');
SELECT * FROM judge('CREATE POLICY p ON ruled USING (true) WITH CHECK (false); ALTER TABLE ruled ENABLE ROW LEVEL SECURITY');
CREATE POLICY p ON ruled USING (true);
ALTER TABLE ruled ENABLE ROW LEVEL SECURITY;
SELECT * FROM judge('ALTER POLICY p ON ruled USING (false)');
SELECT * FROM judge('CREATE POLICY r ON ruled AS RESTRICTIVE USING (false)');
SELECT * FROM judge('CREATE POLICY r ON ruled AS RESTRICTIVE USING (true)');
SELECT * FROM judge('ALTER TABLE mine ENABLE ROW LEVEL SECURITY');
SELECT * FROM judge('ALTER TABLE mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');

-- an owner who granted nothing to anyone is the application
SELECT * FROM judge('ALTER TABLE mine OWNER TO regress_zdm_other');
SELECT * FROM judge('ALTER TABLE restored OWNER TO regress_zdm_other');
SELECT * FROM judge('BEGIN; ALTER TABLE mine OWNER TO regress_zdm_other; GRANT ALL ON mine TO regress_zdm_app; COMMIT');
SELECT * FROM judge('REASSIGN OWNED BY regress_zdm_app TO regress_zdm_other');
SELECT * FROM judge('REASSIGN OWNED BY regress_zdm_other TO regress_zdm_app');
SELECT * FROM judge('ALTER TABLE mine ADD COLUMN n serial');
SELECT * FROM judge('ALTER TABLE ruled OWNER TO regress_zdm_other');

-- views: as whom they read, and what makes them writable
CREATE VIEW seen AS SELECT * FROM mine;
GRANT ALL ON seen TO regress_zdm_other;
SELECT * FROM judge('CREATE OR REPLACE VIEW seen AS SELECT * FROM mine WHERE id > 0');
CREATE VIEW sorts AS SELECT DISTINCT id FROM ruled;
GRANT ALL ON sorts TO regress_zdm_app;
CREATE RULE r AS ON INSERT TO sorts DO INSTEAD NOTHING;
SELECT * FROM judge('DROP RULE r ON sorts');
SELECT * FROM judge('BEGIN; DROP VIEW sorts; CREATE VIEW sorts AS SELECT id FROM ruled; GRANT ALL ON sorts TO regress_zdm_app; COMMIT');

-- ONLY, and what is so already
SELECT * FROM judge('TRUNCATE ONLY parent');
SELECT * FROM judge('TRUNCATE parent');
CREATE DOMAIN given AS int NOT NULL;
CREATE DOMAIN free AS int;
CREATE TABLE uses (g given, f free);
INSERT INTO uses SELECT g, g FROM generate_series(1, 50000) g;
SELECT * FROM judge('ALTER DOMAIN given SET NOT NULL');
SELECT * FROM judge('ALTER DOMAIN free SET NOT NULL');

-- code that uses an enum value which it added itself
SELECT * FROM judge('DO $do$ BEGIN ALTER TYPE mood ADD VALUE ''bad''; INSERT INTO moods VALUES (''bad''); END $do$');

-- partitions: an index without a constraint, a foreign key not validated, a leaf that is published
CREATE TABLE years (y int PRIMARY KEY, code varchar(10) REFERENCES codes) PARTITION BY RANGE (y);
CREATE TABLE year_1 (y int NOT NULL CHECK (y >= 1 AND y < 100000), code varchar(10));
INSERT INTO year_1 SELECT id, code FROM big_old;
CREATE UNIQUE INDEX year_1_y ON year_1 (y);
ALTER TABLE year_1 ADD CONSTRAINT year_1_code FOREIGN KEY (code) REFERENCES codes NOT VALID;
SELECT * FROM judge('ALTER TABLE years ATTACH PARTITION year_1 FOR VALUES FROM (1) TO (100000)');
ALTER TABLE year_1 ADD PRIMARY KEY USING INDEX year_1_y;
SELECT * FROM judge('ALTER TABLE years ATTACH PARTITION year_1 FOR VALUES FROM (1) TO (100000)');
ALTER TABLE year_1 VALIDATE CONSTRAINT year_1_code;
SELECT * FROM judge('ALTER TABLE years ATTACH PARTITION year_1 FOR VALUES FROM (1) TO (100000)');
CREATE TABLE log (id int) PARTITION BY RANGE (id);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10);
GRANT ALL ON log TO regress_zdm_app;
SELECT * FROM judge('CREATE PUBLICATION regress_zdm_pub FOR TABLE log_1');
SELECT * FROM judge('CREATE PUBLICATION regress_zdm_pub FOR TABLE log_1 WITH (publish = ''insert'')');
-- a partition's own name is counted on by nobody, also when it is detached first
SELECT * FROM judge('BEGIN; ALTER TABLE log DETACH PARTITION log_1; ALTER TABLE log_1 RENAME TO log_old; COMMIT');
SELECT * FROM judge('ALTER TABLE log DETACH PARTITION log_1; ALTER TABLE log_1 RENAME TO log_old');
SET zdm.guard = refuse;
BEGIN;
ALTER TABLE log DETACH PARTITION log_1;
ALTER TABLE log_1 RENAME TO log_old;
COMMIT;
SET zdm.guard = off;
-- an invalid index of a partition is attached as it is
CREATE TABLE many_rows (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE many_1 PARTITION OF many_rows FOR VALUES FROM (0) TO (100000);
INSERT INTO many_rows SELECT g, g FROM generate_series(1, 50000) g;
SELECT * FROM judge('CREATE INDEX ON many_rows (v)');
CREATE INDEX many_1_v ON ONLY many_1 (v);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'many_1_v'::regclass;
SELECT * FROM judge('CREATE INDEX ON many_rows (v)');

-- queries that are utility statements, and those that code runs
SELECT * FROM judge('BEGIN; ALTER TABLE big_old ADD COLUMN x int; EXPLAIN ANALYZE SELECT count(*) FROM big_old; COMMIT');
SELECT * FROM judge('BEGIN; ALTER TABLE big_old ADD COLUMN x int; EXPLAIN SELECT count(*) FROM big_old; COMMIT');

DROP EXTENSION pg_zdm;
DROP OWNED BY regress_zdm_app, regress_zdm_other CASCADE;
DROP TABLE big, big_old, parent, child, codes, tree, of_shape, small, moods, ruled, uses,
	years, year_1, log, log_old, many_rows CASCADE;
DROP FUNCTION judge(text), open(), closed();
DROP SEQUENCE hidden;
DROP TYPE shape, mood;
DROP DOMAIN given, free;
DROP ROLE regress_zdm_app, regress_zdm_other;
