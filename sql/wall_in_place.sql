--
-- A type that is changed where it stands has PostgreSQL read the column's indexes, CHECKs
-- and statistics again as text: what was made since the change was stated must not come
-- into them.  And what is stated again means what it means then.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE SCHEMA util;
CREATE TABLE log (who text);
CREATE FUNCTION util.key(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1::text$$;
CREATE FUNCTION util.same(text, anyelement) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$SELECT $1 = $2::text$$;
CREATE OPERATOR util.=== (LEFTARG = text, RIGHTARG = anyelement, FUNCTION = util.same);
CREATE TABLE f (id int PRIMARY KEY, a varchar(10));
CREATE INDEX f_key ON f (util.key(a));
CREATE TABLE o (id int PRIMARY KEY, a varchar(10));
CREATE INDEX o_part ON o (id) WHERE a::text OPERATOR(util.===) id;
CREATE TABLE s (id int PRIMARY KEY, a varchar(10));
CREATE STATISTICS s_key ON id, (util.key(a)) FROM s;
INSERT INTO f VALUES (1, 'x');

-- stated, and kept from being done
BEGIN;
SELECT zdm.change_column_type('f', 'a', 'varchar(20)', label => 'f') > 0;
SELECT zdm.pause('f') IS NOT NULL;
SELECT zdm.change_column_type('o', 'a', 'varchar(20)', label => 'o') > 0;
SELECT zdm.pause('o') IS NOT NULL;
SELECT zdm.change_column_type('s', 'a', 'varchar(20)', label => 's') > 0;
SELECT zdm.pause('s') IS NOT NULL;
COMMIT;
CREATE FUNCTION util.key(varchar) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN INSERT INTO public.log VALUES (current_user); RETURN 'mallory'; END$$;
CREATE FUNCTION util.bad(text, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN INSERT INTO public.log VALUES (current_user); RETURN true; END$$;
CREATE OPERATOR util.=== (LEFTARG = text, RIGHTARG = int, FUNCTION = util.bad);
SELECT count(zdm.resume(label)) FROM zdm.migrations WHERE paused;
CREATE PROCEDURE failed(m text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM zdm.migrations WHERE label = m AND state IN ('failed', 'completed', 'ready'));
		COMMIT;
		PERFORM pg_sleep(0.1);
	END LOOP;
END
$$;
CALL failed('f');
CALL failed('o');
CALL failed('s');
SELECT label, state, error, error_hint FROM zdm.migrations ORDER BY label;
SELECT count(*) FROM log;
-- without it they go on
DROP FUNCTION util.key(varchar);
DROP OPERATOR util.=== (text, int);
SELECT count(zdm.resume(label)) FROM zdm.migrations WHERE state = 'failed';
CALL zdm.wait('f', timeout => '60s');
CALL zdm.wait('o', timeout => '60s');
CALL zdm.wait('s', timeout => '60s');
SELECT label, state FROM zdm.migrations ORDER BY label;
SELECT attrelid::regclass, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'a' AND attrelid IN ('f'::regclass, 'o'::regclass, 's'::regclass) ORDER BY 1;

-- stated again while it goes back, it means what there is then
CREATE TABLE again (id int PRIMARY KEY, a varchar(10));
CREATE INDEX again_key ON again (util.key(a));
INSERT INTO again VALUES (1, 'x');
SELECT zdm.change_column_type('again', 'a', 'text', up => 'util.key(a)', down => 'a::varchar(10)', label => 'again') > 0;
CALL zdm.wait('again', 'ready', '60s');
CREATE FUNCTION util.key(varchar) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'newer ' || $1$$;
CREATE FUNCTION util.key(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'text ' || $1$$;
INSERT INTO again VALUES (2, 'y');
BEGIN;
SELECT zdm.revert('again') IS NOT NULL;
SELECT zdm.change_column_type('again', 'a', 'text', up => 'util.key(a)', down => 'a::varchar(10)', label => 'again') > 0;
COMMIT;
CALL failed('again');
SELECT state, error FROM zdm.migrations WHERE label = 'again';
SELECT a_zdm4 FROM again ORDER BY id;
SELECT DISTINCT p.oid::regprocedure FROM pg_depend JOIN pg_proc p ON p.oid = refobjid AND refclassid = 'pg_proc'::regclass
 WHERE classid = 'pg_class'::regclass AND objid = 'again_key_zdm4'::regclass;
