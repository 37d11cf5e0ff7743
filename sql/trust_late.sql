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

DROP TABLE k CASCADE;
DROP ROLE regress_zdm_late, regress_zdm_late2;
