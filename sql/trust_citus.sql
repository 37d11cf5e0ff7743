--
-- A stand-in with the catalogs of Citus: what is no table of ours is refused by
-- name, with the coordinator's table; what Citus carries by itself stays allowed.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET zdm.guard = off;
SET zdm.guard_min_size = '64kB';
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL, partmethod "char" NOT NULL, partkey text,
	colocationid int NOT NULL DEFAULT 0, repmodel "char" NOT NULL DEFAULT 'c', autoconverted bool DEFAULT false);
CREATE TABLE pg_catalog.pg_dist_shard (logicalrelid regclass NOT NULL, shardid int8 NOT NULL, shardstorage "char" DEFAULT 't');
CREATE TABLE pg_catalog.pg_dist_local_group (groupid int NOT NULL);
CREATE TABLE pg_catalog.pg_dist_node (nodeid int, groupid int NOT NULL, nodename text NOT NULL, nodeport int NOT NULL);
INSERT INTO pg_dist_local_group VALUES (0);
INSERT INTO pg_dist_node VALUES (1, 0, 'coordinator', 5432), (2, 1, 'worker1', 5432);
RESET allow_system_table_mods;

CREATE TABLE dist (id int PRIMARY KEY, b text, n int);
CREATE TABLE ref (id int PRIMARY KEY, b text);
CREATE TABLE loc (id int PRIMARY KEY, b text);
CREATE TABLE single (id int PRIMARY KEY, b text);
CREATE TABLE plain (id int PRIMARY KEY, b text);
CREATE TABLE plain_1 (id int PRIMARY KEY, b text);
CREATE TABLE dist_102008 (id int PRIMARY KEY, b text, n int);
INSERT INTO dist_102008 SELECT g, 'x', g FROM generate_series(1, 10000) g;
INSERT INTO plain SELECT g, 'x' FROM generate_series(1, 100) g;
INSERT INTO pg_dist_partition (logicalrelid, partmethod, colocationid, repmodel) VALUES
	('dist', 'h', 1, 's'), ('ref', 'n', 2, 't'), ('loc', 'n', 0, 's'), ('single', 'n', 3, 's');
INSERT INTO pg_dist_shard VALUES ('dist', 102008);

-- Every call that states a change, of each kind of table.
SELECT zdm.backfill('dist', 'b = ''y''');
SELECT zdm.backfill('ref', 'b = ''y''');
SELECT zdm.backfill('loc', 'b = ''y''');
SELECT zdm.backfill('single', 'b = ''y''');
SELECT zdm.backfill('dist_102008', 'b = ''y''');
\set VERBOSITY terse
SELECT zdm.rename_column('dist', 'b', 'c');
SELECT zdm.change_column_type('dist', 'n', 'bigint');
SELECT zdm.change_column_type('dist_102008', 'n', 'bigint');
SELECT zdm.set_not_null('ref', 'b');
SELECT zdm.migrate('ALTER TABLE dist DROP COLUMN b');
SELECT zdm.migrate('ALTER TABLE dist RENAME TO dist2');
SELECT zdm.migrate('ALTER TABLE dist ADD COLUMN u uuid DEFAULT gen_random_uuid()');
SELECT * FROM zdm.plan('ALTER TABLE dist_102008 RENAME TO x');
SELECT * FROM zdm.plan('ALTER TABLE dist ADD COLUMN u uuid DEFAULT gen_random_uuid()');
SELECT count(*) AS migrations FROM zdm.migrations;

-- What works there by nature.
SELECT zdm.migrate(ddl, label => ddl) > 0 AS stated FROM unnest(ARRAY[
	'CREATE INDEX dist_b ON dist (b)', 'ALTER TABLE dist ADD CONSTRAINT dist_n CHECK (n > 0)',
	'ALTER TABLE dist ADD COLUMN d int DEFAULT 1', 'ALTER TABLE dist ADD UNIQUE (id, n)',
	'ALTER TABLE dist ADD CONSTRAINT dist_ref FOREIGN KEY (n) REFERENCES ref', 'REINDEX INDEX dist_pkey']) ddl;
CALL zdm.wait('CREATE INDEX dist_b ON dist (b)', 'completed', '1 minute');
CALL zdm.wait('ALTER TABLE dist ADD CONSTRAINT dist_n CHECK (n > 0)', 'completed', '1 minute');
CALL zdm.wait('ALTER TABLE dist ADD COLUMN d int DEFAULT 1', 'completed', '1 minute');
CALL zdm.wait('ALTER TABLE dist ADD UNIQUE (id, n)', 'completed', '1 minute');
CALL zdm.wait('ALTER TABLE dist ADD CONSTRAINT dist_ref FOREIGN KEY (n) REFERENCES ref', 'completed', '1 minute');
CALL zdm.wait('REINDEX INDEX dist_pkey', 'completed', '1 minute');

-- A table that only looks like a shard is a table like any other.
SELECT zdm.rename_column('plain_1', 'b', 'c', 'looks') > 0;
CALL zdm.wait('looks', 'ready', '1 minute');
SELECT zdm.revert('looks');
CALL zdm.wait('looks', 'reverted', '1 minute');

-- It becomes one in the middle: the next step stops, and the way back is there.
SELECT zdm.rename_column('plain', 'b', 'c', 'middle') > 0;
CALL zdm.wait('middle', 'ready', '1 minute');
INSERT INTO pg_dist_partition (logicalrelid, partmethod, colocationid, repmodel) VALUES ('plain', 'h', 1, 's');
SELECT * FROM zdm.verify('middle');
SELECT zdm.cutover('middle');
CALL zdm.wait('middle', 'switched', '1 minute');
SELECT state, error FROM zdm.migrations WHERE label = 'middle';
SELECT zdm.revert('middle');
CALL zdm.wait('middle', 'reverted', '1 minute');
SELECT attname FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;

-- The guard: no shard in a hint; it stands down for Citus' own sessions.
SET zdm.guard = refuse;
\set VERBOSITY default
ALTER TABLE dist_102008 ALTER n TYPE bigint;
SELECT rule, severity, object, detail, hint FROM zdm.check('ALTER TABLE dist_102008 ALTER n TYPE bigint');
SELECT rule, severity, object, detail FROM zdm.check('ALTER TABLE dist ALTER n TYPE bigint') WHERE rule = 'not-judged';
BEGIN;
SET LOCAL application_name = 'citus_internal gpid=10000000123';
ALTER TABLE dist_102008 RENAME COLUMN n TO m;
DROP TABLE dist_102008;
COMMIT;
SELECT to_regclass('dist_102008') AS dropped_by_citus;
SET application_name = 'citus_internal';
ALTER TABLE dist RENAME COLUMN n TO m;
RESET application_name;

-- On a worker.
SET zdm.guard = off;
UPDATE pg_dist_local_group SET groupid = 1;
\set VERBOSITY default
SELECT zdm.migrate('CREATE INDEX ON dist (n)');
SELECT zdm.backfill('dist', 'b = ''y''');
