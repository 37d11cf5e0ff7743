--
-- One row, one value: whatever the settings of who writes, and whenever it is
-- computed; and what cannot be so is refused at the call, by name.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE TABLE v (id int PRIMARY KEY, f float8, at timestamptz, b bytea);
INSERT INTO v VALUES (1, 0.1::float8 + 0.2, '2024-01-02 03:04:05+00', '\x6162');
SET extra_float_digits = 1;
SET TimeZone = 'Asia/Tokyo';
SET bytea_output = 'escape';
SELECT zdm.change_column_type('v', 'f', 'text', up => $$f::text || ' at ' || to_char(at, 'HH24 TZ') || ' of ' || b::text$$,
	down => $$split_part(f, ' ', 1)::float8$$, label => 'v') > 0;
CALL zdm.wait('v', timeout => '60s');
SET extra_float_digits = -10;
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
INSERT INTO v VALUES (2, 0.1::float8 + 0.2, '2024-01-02 03:04:05+00', '\x6162');
RESET ALL;
SET client_min_messages = warning;
SELECT id, f_zdm1 FROM v ORDER BY id;
SELECT count(*) FROM zdm.verify('v');
SET extra_float_digits = 0;
SELECT zdm.cutover('v') IS NOT NULL;
CALL zdm.wait('v', timeout => '60s');
SELECT id, f FROM v ORDER BY id;

-- the moment and the session
CREATE TABLE w (id int PRIMARY KEY, a text);
\set VERBOSITY terse
SELECT zdm.change_column_type('w', 'a', 'varchar', up => $$a || now()$$);
SELECT zdm.change_column_type('w', 'a', 'varchar', up => $$a || current_user$$);
SELECT zdm.change_column_type('w', 'a', 'varchar', up => $$a || CURRENT_DATE$$);
SELECT zdm.change_column_type('w', 'a', 'varchar', up => $$a || current_setting('TimeZone')$$);
SELECT zdm.change_column_type('w', 'a', 'varchar', up => $$a || age('2024-01-01'::timestamptz)$$);
SELECT zdm.change_column_type('w', 'a', 'varchar', up => $$a || pg_backend_pid()$$);
SELECT zdm.change_column_type('w', 'a', 'varchar', down => $$a || inet_client_addr()$$);
\set VERBOSITY default
-- what finds its own by the caller's path alone is found at the call, with the remedy
CREATE SCHEMA app;
SET search_path = app, public;
CREATE FUNCTION app.helper(text) RETURNS text LANGUAGE sql STABLE AS $$SELECT upper($1)$$;
CREATE FUNCTION app.forth(text) RETURNS text LANGUAGE sql STABLE AS $$SELECT helper($1)$$;
CREATE FUNCTION app.back(text) RETURNS text LANGUAGE sql STABLE AS $$SELECT helper($1)$$;
\set VERBOSITY terse
SELECT zdm.change_column_type('w', 'a', 'varchar', up => 'forth(a)', down => 'lower(a)');
\set VERBOSITY default
DO $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	PERFORM zdm.change_column_type('public.w', 'a', 'varchar', up => 'upper(a)', down => 'back(a)');
EXCEPTION WHEN undefined_function THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%', message USING DETAIL = detail, HINT = hint;
	EXECUTE hint;
END
$$;
SELECT zdm.change_column_type('public.w', 'a', 'varchar', up => 'upper(a)', down => 'back(a)', label => 'w') > 0;
CALL zdm.wait('w', timeout => '60s');
INSERT INTO w (id, a) VALUES (1, 'x');
INSERT INTO w (id, a_zdm2) VALUES (2, 'y');
SELECT * FROM w ORDER BY id;

-- a name is what something is called today, and in whose search_path
CREATE TABLE named (id int PRIMARY KEY, rel regclass, typ regtype);
INSERT INTO named VALUES (1, 'w', 'text');
SELECT zdm.change_column_type('named', 'rel', 'text');
SELECT zdm.change_column_type('named', 'typ', 'text', up => 'upper(typ::text)', down => 'NULL');
SELECT zdm.change_column_type('named', 'rel', 'bigint', up => 'rel::oid::bigint', down => 'rel::oid', label => 'named') > 0;
CALL zdm.wait('named', timeout => '60s');
ALTER TABLE w RENAME TO renamed;
SELECT count(*) FROM zdm.verify('named');

-- an error of a hundred megabytes is kept, cut
CREATE TABLE long (id int PRIMARY KEY, a text);
CREATE FUNCTION app.shout(text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RAISE EXCEPTION '%', repeat('no ', 40000000);
END
$$;
SELECT zdm.change_column_type('long', 'a', 'varchar', up => 'app.shout(a)', down => 'lower(a)', label => 'long') > 0;
CALL zdm.wait('long', timeout => '60s');
INSERT INTO long (id, a) VALUES (1, 'x');
SELECT length(message), left(message, 9) FROM zdm.misfit;
SELECT zdm.cutover('long') IS NOT NULL;
\set VERBOSITY terse
CALL zdm.wait('long', timeout => '60s');
SELECT state, length(error) < 10000 AS cut FROM zdm.migrations WHERE label = 'long';
