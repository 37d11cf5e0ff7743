-- up and down: how they are resolved, stored, compiled, and fail.
\set ECHO none
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set ECHO all

CREATE TABLE t (id int PRIMARY KEY, gone int, a text, "Quoted ""Name" text, n numeric(10,2), v varchar(5),
	g int GENERATED ALWAYS AS (1) STORED, d date);
ALTER TABLE t DROP gone;

-- stored over numbers; a string constant stays one
SELECT test.expr_resolve('t', 'lower(a) || '' a $1 "Quoted ""Name"''', 'text');
SELECT test.expr_resolve('t', '"Quoted ""Name"', 'text');
SELECT test.expr_resolve('t', 't.n', 'int');
SELECT test.expr_resolve('t', 'a', 'varchar', 9);
SELECT test.expr_resolve('t', 'CASE WHEN a = ANY (ARRAY[''x'', v]) THEN n::int END', 'bigint');
SELECT test.expr_resolve('t', 'd + 1', 'timestamptz');
SELECT test.expr_resolve('t', '42', 'bigint');
SELECT test.expr_resolve('t', 'NULL', 'bigint');
-- the new column, also where its name hides the old one
SELECT test.expr_resolve('t', 'lower(b)', 'text', -1, 'b', 'text');
SELECT test.expr_resolve('t', 'a || v', 'text', -1, 'a', 'text');
SELECT test.expr_readable('t', '$0 || $6', 4::int2);
SELECT test.expr_readable('t', 'lower($4)', 4::int2);

-- resolved by the search path of now, and never by a later one
CREATE SCHEMA s1;
CREATE FUNCTION s1.f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT ''s1 '' || $1';
CREATE FUNCTION s1.plus(text, text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1 || ''+'' || $2';
CREATE OPERATOR s1.+ (leftarg = text, rightarg = text, procedure = s1.plus);
CREATE TYPE s1.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN s1.short AS text CHECK (length(VALUE) < 6);
SELECT test.expr_resolve('t', 'f(a)', 'text');
SET search_path = s1, public;
SELECT test.expr_resolve('t', 'f(a) + ''x''', 'text');
SELECT test.expr_resolve('t', 'a::mood', 's1.mood');
SELECT test.expr_resolve('t', 'a', 's1.short');
RESET search_path;

-- refused
SELECT test.expr_resolve('t', 'nope', 'text');
SELECT test.expr_resolve('t', 'a +', 'text');
SELECT test.expr_resolve('t', '', 'text');
SELECT test.expr_resolve('t', 'a, v', 'text');
SELECT test.expr_resolve('t', 'a FROM t', 'text');
SELECT test.expr_resolve('t', 'a; DROP TABLE t', 'text');
SELECT test.expr_resolve('t', 'a AS x', 'text');
SELECT test.expr_resolve('t', '*', 'text');
SELECT test.expr_resolve('t', 't', 'text');
SELECT test.expr_resolve('t', 't.*', 'text');
SELECT test.expr_resolve('t', 'other.a', 'text');
SELECT test.expr_resolve('t', '$1', 'text');
SELECT test.expr_resolve('t', 'max(a)', 'text');
SELECT test.expr_resolve('t', 'first_value(a) OVER ()', 'text');
SELECT test.expr_resolve('t', 'generate_series(1, 2)', 'int');
SELECT test.expr_resolve('t', '(SELECT a)', 'text');
SELECT test.expr_resolve('t', 'a || random()', 'text');
SELECT test.expr_resolve('t', 'ctid::text', 'text');
SELECT test.expr_resolve('t', 'g + 1', 'int');
SELECT test.expr_resolve('t', 'a', 'int');
SELECT test.expr_resolve('t', 'a', 'nope');

-- default casts: a copy, by assignment, explicit, none
SELECT test.expr_cast('int', -1, 'int', -1, false) IS NULL AS copied;
SELECT test.expr_cast('varchar', 14, 'varchar', 24, false);
SELECT test.expr_cast('int', -1, 'bigint', -1, false), test.expr_cast('bigint', -1, 'int', -1, true),
	test.expr_cast('int', -1, 'text', -1, false), test.expr_cast('text', -1, 's1.mood', -1, true);
SELECT test.expr_cast('text', -1, 'int', -1, false);
SELECT test.expr_cast('point', -1, 'int', -1, true);

-- the writer needs no right to the function, and cannot lead it astray
CREATE ROLE zdm_expr_owner;
CREATE ROLE zdm_expr_writer;
GRANT CREATE ON SCHEMA public TO zdm_expr_owner;
GRANT USAGE ON SCHEMA s1 TO zdm_expr_owner;
CREATE FUNCTION s1.who(text) RETURNS text STABLE LANGUAGE plpgsql AS
	'BEGIN RETURN $1 || '' by '' || current_user || '' with '' || current_setting(''search_path''); END';
REVOKE EXECUTE ON FUNCTION s1.who(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION s1.who(text) TO zdm_expr_owner;
CREATE TABLE w (id int, a text, b text);
ALTER TABLE w OWNER TO zdm_expr_owner;
GRANT ALL ON w TO zdm_expr_writer;
SELECT test.pair('w', 'a', 'b', 's1.who($2)', 'split_part($0, '' '', 1)');
SET ROLE zdm_expr_writer;
SET search_path = s1, public;
INSERT INTO w (id, a) VALUES (1, 'written') RETURNING a, b;
SELECT current_user, current_setting('search_path') AS search_path;
RESET ROLE;
RESET search_path;
REVOKE EXECUTE ON FUNCTION s1.who(text) FROM zdm_expr_owner;
INSERT INTO w (id, a) VALUES (2, 'no longer') RETURNING a, b;
GRANT EXECUTE ON FUNCTION s1.who(text) TO zdm_expr_owner;
DROP TABLE w;

-- renaming columns and replacing functions
CREATE TABLE r (id int, a text, b text);
SELECT test.pair('r', 'a', 'b', 's1.f($2)', 'substr($0, 4)');
INSERT INTO r (a) VALUES ('one') RETURNING a, b;
ALTER TABLE r RENAME a TO z;
ALTER TABLE r RENAME b TO a;
INSERT INTO r (z) VALUES ('two') RETURNING z, a;
INSERT INTO r (a) VALUES ('s1 three') RETURNING z, a;
CREATE OR REPLACE FUNCTION s1.f(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT ''s2 '' || $1';
INSERT INTO r (z) VALUES ('four') RETURNING z, a;

-- an error in the middle of a transaction leaves nothing behind
CREATE TABLE f (id int PRIMARY KEY, a text, b int);
SELECT test.pair('f', 'a', 'b', '$2::int', '$0::text');
DO $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			INSERT INTO f (id, a) VALUES (i, i::text);
			INSERT INTO f (id, b) VALUES (i, 0);
		EXCEPTION WHEN unique_violation THEN
			INSERT INTO f (id, b) VALUES (10 * i, i);
		END;
	END LOOP;
END $$;
SELECT id, a, b FROM f ORDER BY id;

-- before cutover up may fail: the old application's write goes through, and is noted
INSERT INTO f (id, a) VALUES (50, 'fifty'), (51, '51'), (52, 'fifty-two') RETURNING a, b;
UPDATE f SET a = 'ten' WHERE id = 10 RETURNING a, b;
UPDATE f SET a = '11' WHERE id = 10 RETURNING a, b;
SELECT relation, key, sqlstate, message FROM zdm.misfit ORDER BY id;
SELECT id, test.pairs_disagree('f', f) FROM f WHERE test.pairs_disagree('f', f) > 0 ORDER BY id;
UPDATE f SET a = '50' WHERE id = 50;
UPDATE f SET a = '52' WHERE id = 52;
SELECT count(*) AS rows, count(*) FILTER (WHERE test.pairs_disagree('f', f) > 0) AS disagree FROM f;
-- unless the new column must have a value
ALTER TABLE f ALTER b SET NOT NULL;
INSERT INTO f (id, a) VALUES (60, 'sixty');

-- before cutover down may not fail: the old application still counts
CREATE TABLE n (id int PRIMARY KEY, a int, b bigint);
SELECT test.pair('n', 'a', 'b', '$2', '$0');
INSERT INTO n (id, a) VALUES (1, 1) RETURNING a, b;
INSERT INTO n (id, b) VALUES (2, 2) RETURNING a, b;
INSERT INTO n (id, b) VALUES (3, 3000000000) RETURNING a, b;
UPDATE n SET b = 3000000000 WHERE id = 1;
INSERT INTO n (id, a, b) VALUES (4, 4, 3000000000) RETURNING a, b;
SELECT test.set_pair('n', 'on_conflict = ''old''');
INSERT INTO n (id, a, b) VALUES (4, 4, 3000000000) RETURNING a, b;
-- the way back given up: the write goes through
SELECT test.set_pair('n', 'reversible = false');
INSERT INTO n (id, b) VALUES (5, 3000000000) RETURNING a, b;
SELECT test.set_pair('n', 'reversible = true');
DELETE FROM zdm.misfit WHERE direction = 'down';
-- after cutover it goes through, and closes the way back
SELECT test.set_pair('n', 'authoritative = ''new''');
INSERT INTO n (id, b) VALUES (6, 6) RETURNING a, b;
SELECT one_way_since, one_way_why FROM zdm.migrations WHERE relation = 'n';
BEGIN;
INSERT INTO n (id, b) VALUES (7, 7000000000), (8, 8000000000), (9, 9) RETURNING a, b;
ROLLBACK;
SELECT one_way_since, one_way_why FROM zdm.migrations WHERE relation = 'n';
DO $$
BEGIN
	BEGIN
		INSERT INTO n (id, b) VALUES (70, 7000000000);
		RAISE unique_violation;
	EXCEPTION WHEN unique_violation THEN
		NULL;
	END;
	INSERT INTO n (id, b) VALUES (7, 7000000000), (8, 8000000000), (9, 9);
END $$;
SELECT a, b FROM n WHERE id IN (7, 8, 9, 70) ORDER BY id;
UPDATE n SET b = 9000000000 WHERE id = 9 RETURNING a, b;
SELECT one_way_since IS NOT NULL AS one_way, one_way_why FROM zdm.migrations WHERE relation = 'n';
-- where the old column must have a value, it keeps the one it has
DELETE FROM n WHERE a IS NULL;
ALTER TABLE n ALTER a SET NOT NULL;
UPDATE n SET b = 5000000000 WHERE id = 6 RETURNING a, b;
INSERT INTO n (id, b) VALUES (12, 12000000000);
-- what up cannot compute for the new side, once that is the authoritative one
SELECT test.set_pair('n', 'up = ''100 / $2''');
UPDATE n SET a = 0 WHERE id = 1;
INSERT INTO n (id, a) VALUES (13, 0);
-- a cancelled query is no misfit
CREATE TABLE c (id int, a int, b text);
CREATE FUNCTION s1.cancel(int) RETURNS text STABLE LANGUAGE plpgsql AS
	'BEGIN RAISE query_canceled; END';
SELECT test.pair('c', 'a', 'b', 's1.cancel($2)', 'length($0)');
INSERT INTO c (a) VALUES (1);
SELECT count(*) FROM zdm.misfit WHERE relation LIKE '%c';

-- domains and composite types
CREATE TABLE dm (id int, a text, b s1.short);
SELECT test.pair('dm', 'a', 'b', '$2', '$0');
INSERT INTO dm (a) VALUES ('short') RETURNING a, b;
INSERT INTO dm (a) VALUES ('too long') RETURNING a, b;
INSERT INTO dm (b) VALUES ('new') RETURNING a, b;

-- a pair whose expression cannot be compiled any more stops nobody where it does
-- not decide, and that is noted
DROP FUNCTION s1.f(text);
INSERT INTO r (z) VALUES ('five') RETURNING *;
SELECT sqlstate, message FROM zdm.misfit WHERE relation LIKE '%r' ORDER BY id DESC LIMIT 1;

DROP OWNED BY zdm_expr_owner, zdm_expr_writer;
DROP ROLE zdm_expr_owner, zdm_expr_writer;
