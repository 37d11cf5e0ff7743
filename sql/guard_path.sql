--
-- The guard: a search_path by which those who log in no longer find their relations.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET zdm.guard = off;
CREATE ROLE regress_path_app LOGIN;
CREATE ROLE regress_path_other LOGIN;
CREATE SCHEMA shop;
CREATE SCHEMA next;
CREATE TABLE shop.t (id int);
CREATE VIEW next.t AS SELECT * FROM shop.t;
CREATE TABLE bare (id int);
GRANT USAGE ON SCHEMA shop, next TO regress_path_app;
GRANT SELECT ON shop.t, next.t TO regress_path_app;
GRANT SELECT ON bare TO regress_path_other;
ALTER ROLE regress_path_app SET search_path = shop, public;
SELECT format('ALTER DATABASE %I SET search_path = shop', current_database()) AS away,
	format('ALTER DATABASE %I SET search_path = shop, public', current_database()) AS along \gset

SET zdm.guard = refuse;
ALTER ROLE regress_path_app SET search_path = public;
ALTER ROLE regress_path_app RESET search_path;
ALTER ROLE regress_path_app RESET ALL;
ALTER ROLE regress_path_other SET search_path = '';
SELECT object, detail, hint FROM zdm.check(:'away') WHERE severity = 'unsafe';
ALTER ROLE ALL SET search_path = next;
-- found all the same, by what takes the name or by a setting that comes first; or nobody's
ALTER ROLE regress_path_app SET search_path = next, public;
ALTER ROLE regress_path_app SET search_path = public, "next", shop;
ALTER ROLE regress_path_other SET work_mem = '4MB';
ALTER ROLE regress_path_other RESET ALL;
ALTER ROLE regress_path_other SET search_path = public;
SELECT object FROM zdm.check(:'along' || ';' || :'away' || '; ALTER ROLE ALL SET search_path = shop') WHERE severity = 'unsafe';
ALTER ROLE regress_path_other IN DATABASE postgres SET search_path = shop;

SET zdm.guard = off;
DROP EXTENSION pg_zdm;
DROP SCHEMA shop, next CASCADE;
DROP TABLE bare;
DROP ROLE regress_path_app, regress_path_other;
