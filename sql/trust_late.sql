--
-- What has come to hang on a column since the call, the cutover, or the column.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_zdm_late;
CREATE ROLE regress_zdm_late2;
CREATE TABLE kp (id int PRIMARY KEY);
INSERT INTO kp SELECT generate_series(1, 100);
CREATE TABLE k (id int PRIMARY KEY, v int, w int);
INSERT INTO k SELECT g, g, g FROM generate_series(1, 100) g;
CREATE INDEX k_known ON k (v);
CREATE VIEW k_known_view AS SELECT v FROM k;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

--
-- cutover
--
SELECT zdm.change_column_type('k', 'v', 'bigint', label => 'k') AS m \gset
CALL zdm.wait('k', 'ready', '60s');
ALTER TABLE k ADD CONSTRAINT k_chk CHECK (v > 0);
CREATE UNIQUE INDEX k_u ON k (v);
ALTER TABLE k ADD CONSTRAINT k_fk FOREIGN KEY (v) REFERENCES kp;
CREATE TRIGGER k_tr AFTER UPDATE OF v ON k FOR EACH ROW EXECUTE FUNCTION note();
CREATE POLICY k_pol ON k USING (v < 50);
CREATE VIEW k_view AS SELECT id, v FROM k;
CREATE MATERIALIZED VIEW k_mat AS SELECT id, v FROM k;
CREATE STATISTICS k_stat ON v, w FROM k;
CREATE FUNCTION k_atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(v) FROM k; END;
INSERT INTO pg_seclabel VALUES ('k'::regclass, 'pg_class'::regclass, 2, 'anon', 'MASKED');
SELECT zdm.cutover('k');
SELECT state FROM zdm.migrations WHERE label = 'k';
ALTER TABLE k DROP CONSTRAINT k_chk, DROP CONSTRAINT k_fk;
DROP INDEX k_u;
DROP TRIGGER k_tr ON k;
DROP POLICY k_pol ON k;
DROP VIEW k_view;
DROP MATERIALIZED VIEW k_mat;
DROP STATISTICS k_stat;
DROP FUNCTION k_atomic;
SELECT zdm.cutover('k');
-- on both columns it is welcome
INSERT INTO pg_seclabel VALUES ('k'::regclass, 'pg_class'::regclass, 4, 'anon', 'MASKED');
-- between the call of it and its step
SELECT pg_advisory_lock(hashtextextended('zdm:state-cutting_over', 0));
SELECT zdm.cutover('k');
CREATE INDEX k_race ON k (v, w);
SELECT pg_advisory_unlock(hashtextextended('zdm:state-cutting_over', 0));
CALL zdm.wait('k', 'failed', '60s');
SELECT error_state, error, error_hint FROM zdm.migrations WHERE label = 'k';
DROP INDEX k_race;
-- a name of its own is no reason
ALTER INDEX k_known RENAME TO k_renamed;
ALTER VIEW k_known_view RENAME COLUMN v TO x;

--
-- privileges, comments, statistics targets: of both
--
GRANT SELECT (v), UPDATE (v) ON k TO regress_zdm_late;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'k'::regclass AND attacl IS NOT NULL ORDER BY 1;
GRANT SELECT (v) ON k TO regress_zdm_late2 WITH GRANT OPTION;
REVOKE UPDATE (v) ON k FROM regress_zdm_late;
COMMENT ON COLUMN k.v IS 'late';
ALTER TABLE k ALTER v SET STATISTICS 77;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'k'::regclass AND attacl IS NOT NULL ORDER BY 1;
SELECT zdm.resume('k');
CALL zdm.wait('k', 'switched', '60s');
SELECT attname, format_type(atttypid, atttypmod), attstattarget, col_description(attrelid, attnum), attacl FROM pg_attribute
	WHERE attrelid = 'k'::regclass AND attname ~ '^v' ORDER BY 1;
REVOKE SELECT (v) ON k FROM regress_zdm_late2;
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'k'::regclass AND attacl IS NOT NULL ORDER BY 1;

--
-- the way back
--
CREATE INDEX k_after ON k (v);
CREATE VIEW k_view_after AS SELECT v FROM k;
SELECT zdm.revert('k');
SELECT state FROM zdm.migrations WHERE label = 'k';
DROP INDEX k_after;
DROP VIEW k_view_after;
COMMENT ON COLUMN k.v IS 'later';
SELECT zdm.revert('k');
CALL zdm.wait('k', 'reverted', '60s');
SELECT attname, format_type(atttypid, atttypmod), attstattarget, col_description(attrelid, attnum), attacl FROM pg_attribute
	WHERE attrelid = 'k'::regclass AND attname ~ '^v' ORDER BY 1;
DELETE FROM pg_seclabel;

--
-- a rename: each name has what was given to it, and both the privileges
--
SELECT zdm.rename_column('k', 'w', 'x', label => 'r') AS m \gset
CALL zdm.wait('r', 'ready', '60s');
GRANT SELECT (x) ON k TO regress_zdm_late;
GRANT UPDATE (w) ON k TO regress_zdm_late;
COMMENT ON COLUMN k.x IS 'the new one';
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'k'::regclass AND attname IN ('w', 'x') ORDER BY 1;
CREATE VIEW over_new AS SELECT x FROM k;
SELECT zdm.revert('r');
SELECT zdm.cutover('r');
CALL zdm.wait('r', 'switched', '60s');
SELECT col_description('k'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'k'::regclass AND attname = 'x';
CREATE VIEW over_old AS SELECT w FROM k;
SELECT zdm.contract('r');
DROP VIEW over_old;
SELECT zdm.contract('r');
CALL zdm.wait('r', 'completed', '60s');
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'k'::regclass AND attname IN ('w', 'x') ORDER BY 1;

--
-- what a partition has of its own: stopped by name, in both directions
--
CREATE TABLE part (id int, v int, w text DEFAULT 'x', PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part2 (w text, gone int, id int NOT NULL, v int);
ALTER TABLE part2 DROP COLUMN gone;
ALTER TABLE part ATTACH PARTITION part2 FOR VALUES FROM (100) TO (200);
INSERT INTO part SELECT g, g FROM generate_series(90, 110) g;
INSERT INTO pg_seclabel VALUES ('part2'::regclass, 'pg_class'::regclass, 4, 'anon', 'MASKED');
SELECT zdm.change_column_type('part', 'v', 'bigint', label => 'part');
DELETE FROM pg_seclabel;
SELECT zdm.change_column_type('part', 'v', 'bigint', label => 'part') AS m \gset
CALL zdm.wait('part', 'ready', '60s');
GRANT SELECT (v), INSERT (v) ON part2 TO regress_zdm_late;
COMMENT ON COLUMN part1.v IS 'of its own';
ALTER TABLE part1 ALTER v SET STATISTICS 55;
ALTER TABLE part2 ALTER v SET (n_distinct = 7);
INSERT INTO pg_seclabel VALUES ('part2'::regclass, 'pg_class'::regclass, 4, 'anon', 'MASKED');
CREATE INDEX part1_late ON part1 (v);
ALTER TABLE part2 ADD CONSTRAINT part2_late CHECK (v > 0);
CREATE TRIGGER part1_tr BEFORE UPDATE OF v ON part1 FOR EACH ROW EXECUTE FUNCTION note();
SELECT zdm.cutover('part');
REVOKE ALL (v) ON part2 FROM regress_zdm_late;
COMMENT ON COLUMN part1.v IS NULL;
ALTER TABLE part1 ALTER v SET STATISTICS -1;
ALTER TABLE part2 ALTER v RESET (n_distinct);
DELETE FROM pg_seclabel;
DROP INDEX part1_late;
ALTER TABLE part2 DROP CONSTRAINT part2_late;
DROP TRIGGER part1_tr ON part1;
-- what all have in common goes along, and so do copies of it
ALTER TABLE part ALTER v SET STATISTICS 66;
COMMENT ON COLUMN part.v IS 'of all';
CREATE TABLE part3 (LIKE part INCLUDING ALL);
ALTER TABLE part ATTACH PARTITION part3 FOR VALUES FROM (200) TO (300);
SELECT zdm.cutover('part');
CALL zdm.wait('part', 'switched', '60s');
GRANT UPDATE (v) ON part1 TO regress_zdm_late;
SELECT zdm.revert('part');
REVOKE ALL (v) ON part1 FROM regress_zdm_late;
SELECT zdm.contract('part');
CALL zdm.wait('part', 'completed', '60s');
SELECT attrelid::regclass, attname, attacl, attstattarget, col_description(attrelid, attnum) FROM pg_attribute
	WHERE attrelid IN ('part'::regclass, 'part1'::regclass, 'part2'::regclass, 'part3'::regclass) AND attname ~ '^v' ORDER BY 1;
DROP TABLE part;

--
-- what was dropped meanwhile, where no guard keeps it, does not come back in silence
--
SELECT zdm.change_column_type('k', 'v', 'smallint', up => 'v::smallint', down => 'v::bigint', label => 'gone') AS m \gset
CALL zdm.wait('gone', 'ready', '60s');
DROP INDEX k_renamed;
SELECT zdm.cutover('gone');
CREATE INDEX k_renamed ON k (v);
SELECT zdm.cutover('gone');
CALL zdm.wait('gone', 'switched', '60s');
DROP INDEX k_renamed;
SELECT zdm.contract('gone');
SELECT zdm.revert('gone');
CALL zdm.wait('gone', 'reverted', '60s');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'k'::regclass AND NOT indisprimary;

DROP TABLE k CASCADE;
DROP ROLE regress_zdm_late, regress_zdm_late2;
