--
-- Expressions that write to their own table, and so are evaluated inside
-- themselves; and errors in the middle of that.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

-- called immutable, it writes: what stands for row n is computed inside row n - 1
CREATE TABLE t (id int PRIMARY KEY, a int);
CREATE FUNCTION write_next(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF n BETWEEN 1 AND 19 AND NOT EXISTS (SELECT FROM public.t WHERE id = n + 1) THEN
		INSERT INTO public.t (id, a) VALUES (n + 1, n + 1);
	END IF;
END
$$;
CREATE FUNCTION wrap(n int) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM public.write_next(n);
	RETURN 'v' || n;
END
$$;
SELECT zdm.change_column_type('t', 'a', 'text', up => $$a::text || ':' || wrap(a) || right(repeat('q', 1000000 + a), 1)$$,
	down => $$split_part(a, ':', 1)::int$$, label => 'nested') > 0;
CALL zdm.wait('nested', timeout => '60s');
INSERT INTO t (id, a) VALUES (1, 1);
SELECT count(*) FROM zdm.verify('nested');
SELECT zdm.cutover('nested') IS NOT NULL;
CALL zdm.wait('nested', timeout => '60s');
SELECT string_agg(a, ' ' ORDER BY id) FROM t;

-- two migrations on one table: the value of the first is there while the second's
-- expression writes rows in which both are computed
CREATE TABLE u (id int PRIMARY KEY, a text, b int);
CREATE FUNCTION write_u(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF n BETWEEN 1 AND 9 AND NOT EXISTS (SELECT FROM public.u WHERE id = n + 1) THEN
		INSERT INTO public.u (id, a, b) VALUES (n + 1, 'other' || n, n + 1);
	END IF;
END
$$;
CREATE FUNCTION wrap_u(n int) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM public.write_u(n);
	RETURN n::text;
END
$$;
SELECT zdm.change_column_type('u', 'a', 'varchar', up => $$repeat(a, 3000)$$, down => $$left(a, length(a) / 3000)$$, label => 'first') > 0;
CALL zdm.wait('first', timeout => '60s');
SELECT zdm.change_column_type('u', 'b', 'text', up => $$wrap_u(b)$$, down => $$b::int$$, label => 'second') > 0;
CALL zdm.wait('second', timeout => '60s');
INSERT INTO u (id, a, b) VALUES (1, 'first', 1);
SELECT count(*) FROM zdm.verify('first');
SELECT zdm.cutover('first') IS NOT NULL;
CALL zdm.wait('first', timeout => '60s');
SELECT id, length(a), replace(a, left(a, length(a) / 3000), '') = '' AS whole FROM u ORDER BY id;

-- an error in the middle: of the inner row, of the outer one; then all goes on
CREATE TABLE e (id int PRIMARY KEY, a int);
CREATE FUNCTION write_e(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF n BETWEEN 1 AND 9 AND NOT EXISTS (SELECT FROM public.e WHERE id = n + 1) THEN
		INSERT INTO public.e (id, a) VALUES (n + 1, n + 1);
	END IF;
	IF n = 5 THEN
		RAISE EXCEPTION 'no fives';
	END IF;
END
$$;
CREATE FUNCTION wrap_e(n int) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM public.write_e(n);
	RETURN 'v' || n;
END
$$;
SELECT zdm.change_column_type('e', 'a', 'text', up => $$wrap_e(a)$$, down => $$right(a, -1)::int$$, label => 'errors') > 0;
CALL zdm.wait('errors', timeout => '60s');
INSERT INTO e (id, a) VALUES (1, 1);
BEGIN;
SAVEPOINT s;
INSERT INTO e (id, a) VALUES (100, 5);
ROLLBACK TO s;
INSERT INTO e (id, a) VALUES (101, 6);
INSERT INTO e (id, a) VALUES (102, 5);
INSERT INTO e (id, a) VALUES (103, 5), (104, 6);
COMMIT;
SELECT string_agg(format('%s=%s', id, a), ' ' ORDER BY id) FROM e;
SELECT migration, key, sqlstate, message FROM zdm.misfit ORDER BY id;
UPDATE e SET a = 6 WHERE a = 5;
SELECT zdm.cutover('errors') IS NOT NULL;
CALL zdm.wait('errors', timeout => '60s');
SELECT string_agg(format('%s=%s', id, a), ' ' ORDER BY id) FROM e;

-- without end
CREATE TABLE r (id int, a int);
CREATE FUNCTION write_r(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.r (id, a) VALUES (n + 1, n + 1);
END
$$;
CREATE FUNCTION wrap_r(n int) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM public.write_r(n);
	RETURN 'v' || n;
END
$$;
SELECT zdm.change_column_type('r', 'a', 'text', up => $$wrap_r(a)$$, down => $$right(a, -1)::int$$, label => 'endless') > 0;
CALL zdm.wait('endless', timeout => '60s');
DO $$
BEGIN
	INSERT INTO r (id, a) VALUES (1, 1);
EXCEPTION WHEN statement_too_complex THEN
	RAISE WARNING 'too complex';
END
$$;
SELECT count(*) > 1 FROM r;
