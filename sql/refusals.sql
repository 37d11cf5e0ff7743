--
-- What cannot be renamed is refused at the call, by name and with what to do,
-- and leaves nothing behind.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE FUNCTION refusal(r regclass, old_name name, new_name name, label text DEFAULT NULL) RETURNS TABLE (said text) LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	PERFORM zdm.rename_column(r, old_name, new_name, label);
	RETURN QUERY SELECT 'ACCEPTED';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN QUERY SELECT format(s, v) FROM (VALUES ('%2$s: %1$s', message), ('DETAIL: %s', detail), ('HINT: %s', hint)) AS x (f, v),
		LATERAL (SELECT CASE WHEN f LIKE '%2$s%' THEN replace(f, '%2$s', state) ELSE f END) AS y (s) WHERE v <> '';
END
$$;
\pset format unaligned
\pset tuples_only on

-- not a table, or not one of ours to touch
CREATE TABLE t (a int, b text, c int);
CREATE VIEW v AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a;
CREATE INDEX t_c ON t (c);
CREATE SEQUENCE s;
CREATE TYPE ct AS (a int);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE ft (a int) SERVER far;
CREATE TEMPORARY TABLE tt (a int);
CREATE TABLE pt (a int, b int) PARTITION BY RANGE (b);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (1) TO (2);
CREATE TABLE parent (a int);
CREATE TABLE child () INHERITS (parent);
SELECT refusal('v', 'a', 'x');
SELECT refusal('mv', 'a', 'x');
SELECT refusal('ft', 'a', 'x');
SELECT refusal('s', 'last_value', 'x');
SELECT refusal('t_c', 'c', 'x');
SELECT refusal('ct', 'a', 'x');
SELECT refusal('pg_catalog.pg_class', 'relname', 'x');
SELECT refusal('pg_catalog.pg_stat_activity', 'pid', 'x');
SELECT refusal('information_schema.sql_features', 'feature_id', 'x');
SELECT refusal('zdm.migration', 'label', 'x');
SELECT refusal('zdm.migrations', 'label', 'x');
SELECT regexp_replace(refusal(reltoastrelid, 'chunk_id', 'x'), 'toast_\d+', 'toast_N') FROM pg_class WHERE oid = 't'::regclass;
SELECT regexp_replace(refusal('tt', 'a', 'x'), 'temp_\d+', 'temp_N');
SELECT refusal('pt1', 'a', 'x');
SELECT refusal('parent', 'a', 'x');
SELECT refusal('child', 'a', 'x');
SELECT refusal(0, 'a', 'x');
SELECT refusal(4294967295, 'a', 'x');
SELECT refusal('no_such_table', 'a', 'x');

-- names
SELECT refusal('t', 'missing', 'x');
SELECT refusal('t', 'A', 'x');
SELECT refusal('t', 'a', 'b');
SELECT refusal('t', 'a', 'a');
SELECT refusal('t', 'a', '');
SELECT refusal('t', '', 'x');
SELECT refusal('t', 'ctid', 'x');
SELECT refusal('t', 'tableoid', 'x');
SELECT refusal('t', 'a', 'ctid');
SELECT refusal('t', 'a', 'xmin');
SELECT refusal('pt', 'a', 'b');
SELECT refusal(NULL, 'a', 'x');
SELECT refusal('t', NULL, 'x');
SELECT refusal('t', 'a', NULL);
SELECT refusal('t', 'a', 'x', '');
BEGIN;
-- cut off, as any name is
SELECT zdm.rename_column('t', 'a', repeat('x', 70)) > 0;
SELECT relation, columns FROM zdm.migration;
ROLLBACK;
SELECT count(*) FROM zdm.migration;

-- privileges
CREATE ROLE regress_zdm_a NOLOGIN;
CREATE ROLE regress_zdm_b IN ROLE regress_zdm_a;
CREATE ROLE regress_zdm_c NOINHERIT IN ROLE regress_zdm_a;
CREATE ROLE regress_zdm_d;
CREATE TABLE owned (a int, b text);
INSERT INTO owned SELECT i, 'r' || i FROM generate_series(1, 500) i;
ALTER TABLE owned OWNER TO regress_zdm_a;
GRANT ALL ON owned TO regress_zdm_d;
GRANT CREATE ON SCHEMA public TO regress_zdm_a;
SET ROLE regress_zdm_d;
SELECT refusal('owned', 'a', 'x');
SET ROLE regress_zdm_c;
SELECT refusal('owned', 'a', 'x');
SET ROLE regress_zdm_b;
SELECT zdm.rename_column('owned', 'b', 'x', 'of a') > 0;
CALL zdm.wait('of a');
SET ROLE regress_zdm_d;
SELECT zdm.cutover('of a');
SELECT zdm.contract('of a');
SELECT zdm.revert('of a');
SELECT zdm.pause('of a');
SELECT zdm.resume('of a');
SELECT zdm.configure('of a', 'batch_rest', '0');
SELECT zdm.verify('of a');
CALL zdm.wait('of a');
SELECT refusal('owned', 'b', 'x', 'of a');
RESET ROLE;

-- every row of a table that hides all of them
CREATE TABLE hidden (a int, b text);
INSERT INTO hidden SELECT i, 'r' || i FROM generate_series(1, 500) i;
ALTER TABLE hidden OWNER TO regress_zdm_a;
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON hidden USING (false) WITH CHECK (false);
SET ROLE regress_zdm_b;
SELECT count(*) FROM hidden;
SELECT zdm.rename_column('hidden', 'b', 'x', 'hidden') > 0;
CALL zdm.wait('hidden');
SELECT count(*) FROM zdm.verify('hidden');
RESET ROLE;
SELECT count(*), count(x), bool_and(b = x) FROM hidden;

-- a table that nobody can update
CREATE TABLE published (a int, b int);
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_pub FOR TABLE published;
SET client_min_messages = warning;
SELECT refusal('published', 'a', 'x');
ALTER TABLE published REPLICA IDENTITY FULL;
BEGIN;
SELECT zdm.rename_column('published', 'a', 'x') > 0;
SELECT note FROM zdm.migrations, unnest(notes) note WHERE relation = 'published' AND note LIKE '%published%';
ROLLBACK;

-- what hangs on the column and cannot be carried, and never will be
CREATE TABLE hung (
	id int, plain int, stored int GENERATED ALWAYS AS (plain + 1) STORED, watched int, stat int, stat2 int, ruled int, policed int, whole int);
CREATE TABLE loud (a int);
CREATE RULE loud AS ON UPDATE TO hung WHERE new.ruled > 0 DO ALSO INSERT INTO loud VALUES (new.ruled);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER on_watched BEFORE UPDATE OF watched ON hung FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT refusal('hung', 'stored', 'x');
SELECT refusal('hung', 'watched', 'x');
SELECT refusal('hung', 'ruled', 'x');
CREATE TRIGGER on_all BEFORE UPDATE ON hung FOR EACH ROW WHEN (old.whole IS DISTINCT FROM new.whole) EXECUTE FUNCTION nothing();
SELECT refusal('hung', 'whole', 'x');
CREATE DOMAIN small AS int CHECK (VALUE < 10);
CREATE DOMAIN harmless AS int;
CREATE TABLE domains (a small, b harmless, c small[]);
SELECT refusal('domains', 'a', 'x');
SELECT refusal('pt', 'b', 'x');
CREATE TABLE pt2 (b int, a int DEFAULT 7);
ALTER TABLE pt ATTACH PARTITION pt2 FOR VALUES FROM (2) TO (3);
SELECT refusal('pt', 'a', 'x');
ALTER TABLE pt2 ALTER a DROP DEFAULT;
CREATE INDEX pt2_a ON pt2 (a);
SELECT refusal('pt', 'a', 'x');
CREATE FOREIGN TABLE pt3 PARTITION OF pt FOR VALUES FROM (3) TO (4) SERVER far;
SELECT refusal('pt', 'a', 'x');
DROP TABLE pt2;
DROP FOREIGN TABLE pt3;
CREATE TABLE given (a int, b int);
CREATE ROLE regress_zdm_e;
GRANT SELECT (a) ON given TO regress_zdm_d WITH GRANT OPTION;
SET ROLE regress_zdm_d;
GRANT SELECT (a) ON given TO regress_zdm_e;
RESET ROLE;
SELECT refusal('given', 'a', 'x');

-- nothing has been left by any of it
SELECT relation, state FROM zdm.migrations ORDER BY 1;
SELECT count(*) FROM zdm.step s WHERE NOT EXISTS (SELECT FROM zdm.migration m WHERE m.id = s.migration);
SELECT count(*) FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc AND tgrelid NOT IN ('owned'::regclass, 'hidden'::regclass);

-- constraints without an online way, and keys of partitioned tables
-- what belongs to somebody else
CREATE TABLE theirs (id int PRIMARY KEY);
CREATE TABLE ours (id int REFERENCES theirs);
CREATE VIEW their_view AS SELECT id FROM ours;
ALTER TABLE ours OWNER TO regress_zdm_a;
SELECT refusal('ours', 'id', 'new_name');
ALTER TABLE ours DROP CONSTRAINT ours_id_fkey;
SELECT refusal('ours', 'id', 'new_name');
ALTER TABLE ours ADD FOREIGN KEY (id) REFERENCES theirs;
ALTER TABLE theirs OWNER TO regress_zdm_d;
SELECT refusal('theirs', 'id', 'new_name');
DROP VIEW their_view;

DROP PUBLICATION regress_zdm_pub;
DROP OWNED BY regress_zdm_a, regress_zdm_d;
DROP ROLE regress_zdm_a, regress_zdm_b, regress_zdm_c, regress_zdm_d, regress_zdm_e;
