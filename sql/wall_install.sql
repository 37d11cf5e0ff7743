--
-- CREATE EXTENSION trusts nothing that was there before it.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE regress_inst_mallory;
CREATE TABLE trace (who text);
GRANT INSERT ON trace TO PUBLIC;
GRANT CREATE ON SCHEMA public TO regress_inst_mallory;

-- a schema of that name that somebody has made, as a restored dump would
CREATE SCHEMA zdm AUTHORIZATION regress_inst_mallory;
SET SESSION AUTHORIZATION regress_inst_mallory;
CREATE FUNCTION zdm.concat_ws(text, text, text) RETURNS text LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.trace VALUES (current_user); RETURN NULL; END';
RESET SESSION AUTHORIZATION;
CREATE EXTENSION pg_zdm;
SELECT count(*) FROM pg_extension WHERE extname = 'pg_zdm';
DROP SCHEMA zdm CASCADE;

-- better matches in the schema that CREATE EXTENSION would look into first
SET SESSION AUTHORIZATION regress_inst_mallory;
CREATE FUNCTION public.concat_ws(text, text, text) RETURNS text LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.trace VALUES (current_user); RETURN NULL; END';
CREATE FUNCTION public.round(numeric, int) RETURNS numeric LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.trace VALUES (current_user); RETURN NULL; END';
CREATE FUNCTION public.string_agg_one(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.eq(text, text) RETURNS bool LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.trace VALUES (current_user); RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.eq);
CREATE FUNCTION public.times(interval, numeric) RETURNS interval LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.trace VALUES (current_user); RETURN $1; END';
CREATE OPERATOR public.* (LEFTARG = interval, RIGHTARG = numeric, FUNCTION = public.times);
RESET SESSION AUTHORIZATION;
CREATE EXTENSION pg_zdm;
SELECT count(*) FROM trace;
CREATE TABLE t (id int PRIMARY KEY, a text);
SET search_path = pg_catalog;
SELECT zdm.rename_column('public.t', 'a', 'b', label => 'r');
CALL zdm.wait('r');
SELECT relation, state FROM zdm.migrations;
SELECT count(*) > 0 FROM zdm.steps;
SELECT state, percent FROM zdm.progress;
RESET search_path;
SELECT count(*) FROM trace;

-- everything in the schema, and the schema, is the extension's
SELECT n.nspowner::regrole = current_user::regrole, d.deptype
	FROM pg_namespace n JOIN pg_depend d ON d.classid = 'pg_namespace'::regclass AND d.objid = n.oid
	WHERE n.nspname = 'zdm' AND d.refclassid = 'pg_extension'::regclass;
SET zdm.guard = off;
SELECT zdm.revert('r');
CALL zdm.wait('r');
DROP EXTENSION pg_zdm;
SELECT count(*) FROM pg_namespace WHERE nspname = 'zdm';
CREATE EXTENSION pg_zdm;
SELECT count(*) FROM zdm.migrations;
