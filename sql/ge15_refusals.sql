--
-- Refusals of what PostgreSQL 15 has brought: publications that name columns
-- or rows.
--
CREATE EXTENSION pg_zdm;
CREATE TABLE t (id int PRIMARY KEY, listed int, filtered int, other int);
SET client_min_messages = error;
CREATE PUBLICATION regress_zdm_columns FOR TABLE t (id, listed);
CREATE PUBLICATION regress_zdm_rows FOR TABLE t WHERE (filtered > 0) WITH (publish = 'insert');
RESET client_min_messages;
SELECT zdm.rename_column('t', 'listed', 'x');
SELECT zdm.rename_column('t', 'filtered', 'x');
BEGIN;
SELECT zdm.rename_column('t', 'other', 'x') > 0 AS accepted;
ROLLBACK;
SELECT count(*) FROM zdm.migration;
DROP PUBLICATION regress_zdm_columns, regress_zdm_rows;
