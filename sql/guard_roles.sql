--
-- The guard: what a role can do by others, and that it can log in at all.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET zdm.guard = off;
CREATE ROLE regress_roles_app LOGIN;
CREATE ROLE regress_roles_idle LOGIN;
CREATE ROLE regress_roles_writers;
CREATE ROLE regress_roles_team;
CREATE ROLE regress_roles_owner;
CREATE ROLE regress_roles_useless;
CREATE ROLE regress_roles_between;
CREATE ROLE regress_roles_team_app LOGIN;
CREATE ROLE regress_roles_setter LOGIN NOINHERIT;
CREATE ROLE regress_roles_super LOGIN SUPERUSER;
CREATE SCHEMA shop;
CREATE TABLE shop.t (id serial PRIMARY KEY, v text);
CREATE TABLE bare (id int);
CREATE TABLE owned (id int);
ALTER TABLE owned OWNER TO regress_roles_owner;
CREATE SEQUENCE lone;
GRANT USAGE ON SCHEMA shop TO regress_roles_team;
GRANT SELECT, INSERT ON shop.t TO regress_roles_writers;
GRANT USAGE ON SEQUENCE shop.t_id_seq TO regress_roles_writers;
GRANT SELECT ON bare TO regress_roles_team, regress_roles_app;
GRANT USAGE ON SEQUENCE lone TO regress_roles_app;
GRANT regress_roles_writers TO regress_roles_team;
GRANT regress_roles_team, regress_roles_owner, regress_roles_useless TO regress_roles_app;
GRANT regress_roles_writers TO regress_roles_useless;
GRANT regress_roles_owner TO regress_roles_between;
GRANT regress_roles_between TO regress_roles_team_app;
GRANT regress_roles_owner, regress_roles_useless TO regress_roles_setter;

SET zdm.guard = refuse;
-- what a role can do by one that it is a member of, or that one by another
REVOKE regress_roles_owner FROM regress_roles_app;
REVOKE regress_roles_team FROM regress_roles_app;
REVOKE regress_roles_owner FROM regress_roles_setter;
REVOKE USAGE ON SEQUENCE shop.t_id_seq FROM regress_roles_writers;
REVOKE USAGE ON SEQUENCE lone FROM regress_roles_app;
REVOKE USAGE ON SCHEMA shop FROM regress_roles_team;
BEGIN;
ALTER TABLE owned ADD COLUMN n int;
REVOKE regress_roles_owner FROM regress_roles_app;
COMMIT;
SELECT statement, object, detail, hint FROM zdm.check('REVOKE regress_roles_team FROM regress_roles_app') WHERE severity = 'unsafe' ORDER BY object;
-- nobody loses it, for he has it by another way, or gets it again
REVOKE regress_roles_useless FROM regress_roles_app;
GRANT regress_roles_useless TO regress_roles_app;
REVOKE ADMIN OPTION FOR regress_roles_team FROM regress_roles_app;
REVOKE ADMIN OPTION FOR regress_roles_owner FROM regress_roles_setter;
REVOKE regress_roles_writers FROM regress_roles_useless;
REVOKE regress_roles_useless FROM regress_roles_setter;
SELECT statement, rule, object FROM zdm.check('REVOKE regress_roles_owner FROM regress_roles_idle') WHERE severity = 'unsafe';
BEGIN;
REVOKE regress_roles_owner FROM regress_roles_app;
GRANT ALL ON owned TO regress_roles_app;
COMMIT;
BEGIN;
REVOKE regress_roles_team FROM regress_roles_app;
GRANT regress_roles_team TO regress_roles_app;
COMMIT;
SELECT statement, rule, object FROM zdm.check('BEGIN; REVOKE regress_roles_team FROM regress_roles_app; GRANT regress_roles_team TO regress_roles_app; COMMIT')
	WHERE severity = 'unsafe';
BEGIN;
CREATE TABLE fresh (id int);
GRANT ALL ON fresh TO regress_roles_useless;
REVOKE regress_roles_useless FROM regress_roles_app;
ROLLBACK;
BEGIN;
CREATE ROLE regress_roles_fresh LOGIN;
GRANT regress_roles_owner TO regress_roles_fresh;
REVOKE regress_roles_owner FROM regress_roles_fresh;
ALTER ROLE regress_roles_fresh NOLOGIN;
DROP ROLE regress_roles_fresh;
COMMIT;

-- the way in
ALTER ROLE regress_roles_app NOLOGIN;
ALTER ROLE regress_roles_app NOLOGIN PASSWORD NULL;
ALTER ROLE regress_roles_super NOLOGIN;
ALTER ROLE regress_roles_super LOGIN;
GRANT SELECT ON bare TO regress_roles_super;
ALTER ROLE regress_roles_super NOLOGIN;
ALTER GROUP regress_roles_team DROP USER regress_roles_app;
SELECT format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()) AS revoke,
	format('GRANT CONNECT ON DATABASE %I TO regress_roles_team, regress_roles_team_app', current_database()) AS grant \gset
SELECT rule, detail LIKE 'Role regress_roles_app, which has privileges on %, can no longer connect.' FROM zdm.check(:'revoke') WHERE severity = 'unsafe';
SELECT rule, detail FROM zdm.check(:'grant' || ';' || :'revoke') WHERE severity = 'unsafe';
DROP ROLE regress_roles_team_app;
DROP ROLE regress_roles_between;
ALTER ROLE regress_roles_idle NOLOGIN;
ALTER ROLE regress_roles_idle LOGIN;
ALTER ROLE regress_roles_team NOLOGIN;
ALTER ROLE regress_roles_app LOGIN PASSWORD NULL CONNECTION LIMIT -1;
:grant;
:revoke;

SET zdm.guard = off;
DROP EXTENSION pg_zdm;
DROP TABLE shop.t, bare, owned;
DROP SEQUENCE lone;
DROP SCHEMA shop;
DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database()); END $$;
DROP OWNED BY regress_roles_super, regress_roles_app, regress_roles_team_app, regress_roles_writers, regress_roles_team, regress_roles_owner, regress_roles_useless;
DROP ROLE regress_roles_super, regress_roles_app, regress_roles_idle, regress_roles_setter, regress_roles_between, regress_roles_team_app, regress_roles_writers, regress_roles_team, regress_roles_owner, regress_roles_useless;
