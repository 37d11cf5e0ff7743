--
-- DDL that has to do with no migration leaves no lock on a table of ours behind.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_locks;
CREATE SCHEMA s;
CREATE FUNCTION s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION s.leaves(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN (SELECT coalesce(string_agg(relation::regclass || ' ' || mode, ', '), 'nothing') FROM pg_locks
		WHERE pid = pg_backend_pid() AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'zdm'::regnamespace));
END $$;
BEGIN;
CREATE TABLE s.t (id int PRIMARY KEY, a text);
SELECT zdm.rename_column('s.t', 'a', 'b', 'over') > 0;
COMMIT;
SELECT state FROM zdm.migrations WHERE label = 'over';
CREATE TABLE s.p (id int, a text) PARTITION BY LIST (id);
CREATE TABLE s.leaf (LIKE s.p);
CREATE VIEW s.v AS SELECT id FROM s.t;
CREATE INDEX i ON s.t (b);

-- one that is over, and no other
BEGIN;
SELECT s.leaves(x) || ': ' || x FROM unnest(ARRAY[
	'CREATE TRIGGER a BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.fire()',
	'ALTER TRIGGER a ON s.t RENAME TO b',
	'DROP TRIGGER b ON s.t',
	'ALTER TABLE s.t ADD COLUMN c int',
	'ALTER TABLE s.t ALTER COLUMN c TYPE bigint',
	'ALTER TABLE s.t RENAME COLUMN c TO d',
	'ALTER TABLE s.t DROP COLUMN d',
	'ALTER TABLE s.t ENABLE ROW LEVEL SECURITY',
	'CREATE TABLE s.part PARTITION OF s.p FOR VALUES IN (2)',
	'ALTER TABLE s.p ATTACH PARTITION s.leaf FOR VALUES IN (1)',
	'GRANT SELECT ON s.t TO regress_locks',
	'GRANT SELECT (b) ON s.t TO regress_locks',
	'REVOKE ALL ON s.t FROM regress_locks',
	'DROP OWNED BY regress_locks',
	'CREATE SCHEMA more',
	'TRUNCATE s.t',
	'DROP VIEW s.v',
	'DROP INDEX s.i',
	'ALTER TABLE s.t RENAME TO u',
	'DROP FUNCTION s.fire()',
	'DROP TABLE s.u']) x;
ROLLBACK;

-- one under way, of another table
CREATE TABLE other (id int PRIMARY KEY, a text);
SELECT zdm.rename_column('other', 'a', 'b', 'under way') > 0;
CALL zdm.wait('under way', 'ready', '1 min');
BEGIN;
SELECT s.leaves(x) || ': ' || x FROM unnest(ARRAY[
	'CREATE TRIGGER a BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.fire()',
	'ALTER TRIGGER a ON s.t RENAME TO b',
	'ALTER TABLE s.t ADD COLUMN c int',
	'ALTER TABLE s.t ALTER COLUMN c TYPE bigint']) x;
ROLLBACK;
DROP ROLE regress_locks;
