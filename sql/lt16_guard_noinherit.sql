--
-- The guard: up to 15, a role that no longer inherits loses what it has by its memberships.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET zdm.guard = refuse;
CREATE ROLE regress_noinherit_app LOGIN;
CREATE ROLE regress_noinherit_idle LOGIN;
CREATE ROLE regress_noinherit_writers;
GRANT regress_noinherit_writers TO regress_noinherit_app;
CREATE TABLE t (id int);
GRANT SELECT, INSERT ON t TO regress_noinherit_writers;
ALTER ROLE regress_noinherit_app NOINHERIT;
ALTER ROLE regress_noinherit_idle NOINHERIT;
GRANT SELECT, INSERT ON t TO regress_noinherit_app;
ALTER ROLE regress_noinherit_app NOINHERIT;

DROP EXTENSION pg_zdm;
DROP TABLE t;
DROP ROLE regress_noinherit_app, regress_noinherit_idle, regress_noinherit_writers;
