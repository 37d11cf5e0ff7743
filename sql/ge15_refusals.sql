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
CREATE ROLE regress_zdm_owner;
ALTER TABLE t OWNER TO regress_zdm_owner;
SELECT zdm.rename_column('t', 'listed', 'x');
SELECT zdm.rename_column('t', 'filtered', 'x');
ALTER TABLE t OWNER TO CURRENT_USER;
DROP ROLE regress_zdm_owner;
-- who owns both can have them carried
BEGIN;
SELECT zdm.rename_column('t', 'listed', 'x') > 0 AS accepted;
SELECT zdm.rename_column('t', 'filtered', 'y') > 0 AS accepted;
SELECT zdm.rename_column('t', 'other', 'z') > 0 AS accepted;
ROLLBACK;
SELECT count(*) FROM zdm.migration;
SELECT zdm.rename_column('t', 'listed', 'named', label => 'listed');
SET client_min_messages = warning;
CALL zdm.wait('listed', 'ready', '1 minute');
SELECT zdm.rename_column('t', 'filtered', 'passed', label => 'filtered');
CALL zdm.wait('filtered', 'ready', '1 minute');
SELECT zdm.cutover('listed');
CALL zdm.wait('listed', 'switched', '1 minute');
SELECT zdm.cutover('filtered');
CALL zdm.wait('filtered', 'switched', '1 minute');
SELECT pubname, attnames, rowfilter FROM pg_publication_tables ORDER BY 1;
SELECT zdm.revert('listed');
SELECT zdm.contract('filtered');
CALL zdm.wait('listed', 'reverted', '1 minute');
CALL zdm.wait('filtered', 'completed', '1 minute');
SELECT pubname, attnames, rowfilter FROM pg_publication_tables ORDER BY 1;
DROP PUBLICATION regress_zdm_columns, regress_zdm_rows;
-- no change of a schema
SELECT zdm.migrate('MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE');
