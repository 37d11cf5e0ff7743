-- What the steps of a migration are about may be gone, with the guard off: who looks
-- at them is told so, and no look fails
CREATE EXTENSION pg_zdm;
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET zdm.guard = off;
CREATE TABLE other (id int PRIMARY KEY);
CREATE TABLE gone (id int PRIMARY KEY, v int NOT NULL DEFAULT 1 CHECK (v > 0) REFERENCES other, w int);
CREATE INDEX ON gone (v, (w + v)) WHERE v > 2;
CREATE STATISTICS gone_stat ON v, (w + v) FROM gone;
CREATE POLICY see ON gone USING (v > 1);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER looks AFTER UPDATE OF v ON gone FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE VIEW gone_view AS SELECT v FROM gone;
CREATE MATERIALIZED VIEW gone_mat AS SELECT v, count(*) FROM gone GROUP BY v;
CREATE UNIQUE INDEX ON gone_mat (v);
BEGIN;
SELECT zdm.change_column_type('gone', 'v', 'bigint', label => 'gone') > 0;
SELECT zdm.pause('gone');
COMMIT;
CREATE FUNCTION looks(OUT steps bool, OUT statements bool, OUT undos bool, OUT dropped bool) LANGUAGE sql AS $$
SELECT count(*) > 15, count(statement) = count(*), count(undo) > 3, bool_or(concat(statement, undo) ~ '<dropped>')
  FROM zdm.steps WHERE label = 'gone' $$;
SELECT * FROM looks();
DROP INDEX gone_mat_v_idx;
SELECT * FROM looks();
DROP MATERIALIZED VIEW gone_mat;
SELECT * FROM looks();
DROP VIEW gone_view;
DROP POLICY see ON gone;
DROP TRIGGER looks ON gone;
DROP INDEX gone_v_expr_idx;
DROP STATISTICS gone_stat;
DROP TABLE other CASCADE;
SELECT * FROM looks();
DROP TABLE gone;
SELECT * FROM looks();
SELECT zdm.revert('gone');
CALL zdm.wait('gone', 'reverted', '1 minute');
