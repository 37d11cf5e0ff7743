--
-- What a role may do with single columns is relied on as what it may do with all of a relation.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
SET zdm.guard = refuse;
CREATE ROLE column_app NOLOGIN;
CREATE TABLE cg (id int PRIMARY KEY, a text, b text);
CREATE VIEW cg_view AS SELECT id, a FROM cg;
GRANT SELECT (a), INSERT (id, a), UPDATE (b) ON cg TO column_app;
GRANT SELECT (a) ON cg_view TO column_app;

REVOKE INSERT (a) ON cg FROM column_app;
REVOKE UPDATE ON cg FROM column_app;
REVOKE ALL ON cg FROM column_app;
BEGIN;
DROP VIEW cg_view;
CREATE VIEW cg_view AS SELECT id, a FROM cg;
COMMIT;
BEGIN;
ALTER TABLE cg RENAME TO cg_new;
CREATE VIEW cg AS SELECT * FROM cg_new;
COMMIT;
SELECT count(*) FROM zdm.check('BEGIN; DROP VIEW cg_view; CREATE VIEW cg_view AS SELECT id, a FROM cg; COMMIT');

-- harmless: what nobody had, what comes again in the transaction, and what the relation's grant covers
REVOKE SELECT (b) ON cg FROM column_app;
BEGIN;
REVOKE INSERT (a) ON cg FROM column_app;
GRANT INSERT (a) ON cg TO column_app;
COMMIT;
BEGIN;
DROP VIEW cg_view;
CREATE VIEW cg_view AS SELECT id, a FROM cg;
GRANT SELECT ON cg_view TO column_app;
COMMIT;
GRANT INSERT ON cg TO column_app;
SELECT attname, attacl IS NOT NULL AS granted FROM pg_attribute WHERE attrelid = 'cg'::regclass AND attnum > 0 ORDER BY attnum;

SET zdm.guard = off;
DROP OWNED BY column_app;
DROP ROLE column_app;
