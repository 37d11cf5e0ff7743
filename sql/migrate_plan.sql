--
-- What zdm.plan() prints, and what it refuses: by name, with the reason, and
-- mistakes as PostgreSQL itself reports them.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE SCHEMA app;
SET search_path = app, public;
CREATE TABLE r (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE t (id int PRIMARY KEY, phone text, n int NOT NULL DEFAULT 1, rid int, "odd name%" int);
CREATE INDEX t_n ON t (n);
CREATE VIEW v AS SELECT rid FROM t;
CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE TABLE p (id int, k int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO r VALUES (1, 'a');
INSERT INTO t SELECT i, i, i, 1 FROM generate_series(1, 10) i;
INSERT INTO p SELECT i, i FROM generate_series(1, 19) i;

-- as it stands
SELECT * FROM zdm.plan('CREATE TABLE new (a int, b text)');
SELECT * FROM zdm.plan('  COMMENT ON COLUMN t.n IS ''per %'' ; ');
SELECT * FROM zdm.plan('GRANT SELECT ON t TO PUBLIC');
SELECT * FROM zdm.plan('CREATE TYPE mood AS ENUM (''glad'')');
SELECT * FROM zdm.plan('CREATE STATISTICS s ON n, rid FROM t');
SELECT * FROM zdm.plan('ALTER TABLE t ADD COLUMN c int');
SELECT * FROM zdm.plan('ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 7, ADD COLUMN d timestamptz DEFAULT now()');
SELECT * FROM zdm.plan('ALTER TABLE t ALTER n DROP NOT NULL');
SELECT * FROM zdm.plan('ALTER TABLE t ALTER n SET DEFAULT 3, ALTER n SET STATISTICS 10');
SELECT * FROM zdm.plan('ALTER TABLE t ADD CHECK (n > 0) NOT VALID');

-- constraints
SELECT * FROM zdm.plan('ALTER TABLE t ADD CHECK (twice(n) > 0)');
SELECT * FROM zdm.plan('ALTER TABLE t ADD CONSTRAINT "a%b" CHECK ("odd name%" > 0 AND phone <> ''%'')');
SELECT * FROM zdm.plan('ALTER TABLE t ADD FOREIGN KEY (rid) REFERENCES r ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED');
SELECT * FROM zdm.plan('ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (phone) REFERENCES r (code) MATCH FULL');
SELECT * FROM zdm.plan('ALTER TABLE t ADD CONSTRAINT u UNIQUE (n, rid) INCLUDE (phone) WITH (fillfactor = 70) DEFERRABLE');
SELECT * FROM zdm.plan('ALTER TABLE p ADD FOREIGN KEY (k) REFERENCES r');
SELECT * FROM zdm.plan('ALTER TABLE t ADD CHECK (n > 0), ADD UNIQUE (rid), ALTER n DROP DEFAULT');
CREATE TABLE nokey (a int NOT NULL);
SELECT * FROM zdm.plan('ALTER TABLE nokey ADD PRIMARY KEY (a)');

-- indexes
SELECT * FROM zdm.plan('CREATE UNIQUE INDEX i ON t USING btree (lower(phone) COLLATE "C" text_pattern_ops DESC NULLS LAST, n) INCLUDE (rid) WITH (fillfactor = 50) WHERE n > 3');
SELECT * FROM zdm.plan('CREATE INDEX ON t (n, twice(rid))');
SELECT * FROM zdm.plan('CREATE INDEX CONCURRENTLY IF NOT EXISTS t_n ON t (n)');
SELECT * FROM zdm.plan('CREATE INDEX pk ON p (k)');
SELECT * FROM zdm.plan('DROP INDEX t_n');
SELECT * FROM zdm.plan('REINDEX INDEX t_n');
SELECT * FROM zdm.plan('REINDEX TABLE t');

-- columns
SELECT * FROM zdm.plan('ALTER TABLE t ADD COLUMN at timestamptz DEFAULT clock_timestamp()');
SELECT * FROM zdm.plan('ALTER TABLE t ADD COLUMN c int REFERENCES r UNIQUE CHECK (c > n)');
SELECT * FROM zdm.plan('ALTER TABLE t DROP COLUMN phone');
SELECT * FROM zdm.plan('ALTER TABLE t RENAME phone TO tel') WHERE step = 2;

SELECT phase, statement FROM zdm.plan('ALTER TABLE nokey ALTER a TYPE bigint USING a + 1', down => 'a - 1') WHERE statement LIKE 'ALTER TABLE %ADD COLUMN%';

-- drops
SELECT * FROM zdm.plan('DROP VIEW v');
SELECT * FROM zdm.plan('DROP TABLE r');
SELECT * FROM zdm.plan('DROP FUNCTION twice(int)');

-- nothing was written, and nothing is locked but ACCESS SHARE
BEGIN;
SELECT count(*) FROM zdm.plan('ALTER TABLE t ADD FOREIGN KEY (rid) REFERENCES r, ADD UNIQUE (n), DROP COLUMN phone');
SELECT count(*) FROM zdm.plan('CREATE TABLE new (a int, b text)');
SELECT mode, relation::regclass FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'
  AND relation::regclass::text IN ('t', 'r', 'new') GROUP BY 1, 2 ORDER BY 2::text, 1;
COMMIT;
SELECT count(*) FROM zdm.migrations;
SELECT to_regclass('new');

-- mistakes
SELECT zdm.plan('ALTER TABLE t AD CHECK (n > 0)');
SELECT zdm.plan('ALTER TABLE nosuch ADD CHECK (n > 0)');
SELECT zdm.plan('ALTER TABLE t ADD CHECK (nn > 0)');
SELECT zdm.plan('ALTER TABLE t ADD CHECK (n)');
SELECT zdm.plan('ALTER TABLE t ADD COLUMN c nosuch');
SELECT zdm.plan('ALTER TABLE t ADD COLUMN c int DEFAULT nosuch(3)');
SELECT zdm.plan('ALTER TABLE t ADD COLUMN n int');
SELECT zdm.plan('ALTER TABLE t ADD COLUMN c int NOT NULL');
SELECT zdm.plan('ALTER TABLE t ALTER nosuch SET DEFAULT 3');
SELECT zdm.plan('ALTER TABLE t ALTER n SET DEFAULT ''{}''::point');
SELECT zdm.plan('ALTER TABLE t ADD CONSTRAINT t_pkey CHECK (n > 0)');
SELECT zdm.plan('ALTER TABLE t ADD PRIMARY KEY (n)');
SELECT zdm.plan('ALTER TABLE t ADD UNIQUE (nosuch)');
SELECT zdm.plan('ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES nosuch');
SELECT zdm.plan('ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES nokey');
SELECT zdm.plan('ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES nokey (a)');
SELECT zdm.plan('ALTER TABLE t ADD FOREIGN KEY (nosuch) REFERENCES r');
SELECT zdm.plan('ALTER TABLE t VALIDATE CONSTRAINT nosuch');
SELECT zdm.plan('CREATE TABLE t (a int)');
SELECT zdm.plan('CREATE TABLE new (a nosuch)');
SELECT zdm.plan('CREATE INDEX t_n ON t (rid)');
SELECT zdm.plan('CREATE INDEX ON t (nosuch)');
SELECT zdm.plan('CREATE INDEX ON t (n nosuch_ops)');
SELECT zdm.plan('DROP INDEX t_pkey');
SELECT zdm.plan('DROP TABLE t');
SELECT zdm.plan('DROP TABLE nosuch');
SELECT zdm.plan('ALTER TABLE t DROP COLUMN rid');
SELECT zdm.plan('ALTER TABLE t DROP COLUMN nosuch');
SELECT zdm.plan('');
SELECT zdm.plan('SELECT 1; SELECT 2');
SELECT zdm.plan(NULL);
SELECT zdm.plan('CREATE TABLE new (a int)', up => '1');
SELECT zdm.plan('ALTER TABLE nokey ALTER a TYPE bigint USING a + 1', up => 'a + 2', down => 'a - 1');
SELECT zdm.plan('ALTER TABLE t ALTER phone TYPE nosuch');
SELECT zdm.plan('ALTER TABLE t ALTER phone TYPE int USING nosuch');
SELECT zdm.plan('ALTER TABLE t ALTER phone SET NOT NULL', up => 'nosuch || 1');
SELECT zdm.plan('ALTER TABLE t ALTER phone SET NOT NULL', up => 'sum(n)');

-- refused, with the reason
SELECT zdm.plan('VACUUM (FULL, ANALYZE) t');
SELECT zdm.plan('CLUSTER');
SELECT zdm.plan('ALTER TABLE t SET UNLOGGED, ADD z int');
SELECT zdm.plan('TRUNCATE t');
SELECT zdm.plan('UPDATE t SET n = 1');
SELECT zdm.plan('DO $$BEGIN END$$');
SELECT zdm.plan('ALTER TABLE p ADD UNIQUE (id)');
SELECT zdm.plan('ALTER TABLE t ADD EXCLUDE (n WITH =)');
SELECT zdm.plan('ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (n * 2) STORED');
SELECT zdm.plan('ALTER TABLE t DROP COLUMN id');
SELECT zdm.plan('ALTER TABLE t DROP COLUMN phone CASCADE');
SELECT zdm.plan('DROP TABLE t CASCADE');
SELECT zdm.plan('ALTER TABLE p1 ADD CHECK (k > 0)');
SELECT zdm.plan('REINDEX SCHEMA app');
SELECT zdm.plan('REFRESH MATERIALIZED VIEW v');
SELECT zdm.plan('CREATE TEMPORARY TABLE new (a int)');
CREATE TABLE p3 (id int, k int NOT NULL);
INSERT INTO p3 VALUES (21, 1);
SELECT zdm.plan('ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (20) TO (30)');
SELECT zdm.plan('ALTER VIEW v RENAME TO w');

-- not the owner
CREATE ROLE regress_zdm_other;
GRANT USAGE ON SCHEMA app TO regress_zdm_other;
SET ROLE regress_zdm_other;
SELECT zdm.plan('ALTER TABLE t ADD COLUMN c int');
SELECT zdm.plan('ALTER TABLE t ADD CHECK (n > 0)');
SELECT zdm.plan('CREATE INDEX ON t (n)');
SELECT zdm.plan('DROP INDEX t_n');
SELECT zdm.plan('DROP TABLE t');
SELECT zdm.plan('COMMENT ON TABLE t IS ''mine''');
SELECT zdm.plan('CREATE TABLE app.new (a int)');
RESET ROLE;
DROP OWNED BY regress_zdm_other;
DROP ROLE regress_zdm_other;
