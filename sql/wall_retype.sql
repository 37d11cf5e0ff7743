--
-- Asking the server what a change of type would do runs nothing of a user's but
-- as the table's owner, restricted, with names of our own; and is no DDL of anybody's.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_zdm_retype;
CREATE SCHEMA mal AUTHORIZATION regress_zdm_retype;
CREATE TABLE heard (what text);
GRANT INSERT ON heard TO PUBLIC;

-- prepared statements of the session are not the owner's to replace
SET SESSION AUTHORIZATION regress_zdm_retype;
CREATE SEQUENCE mal.sung;
CREATE FUNCTION mal.replace() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_zdm_retype' THEN
		PERFORM nextval('mal.sung');
	END IF;
	BEGIN
		DEALLOCATE s_1;
		PREPARE s_1 AS SELECT 'replaced';
	EXCEPTION WHEN insufficient_privilege THEN
		NULL;
	END;
END
$$;
CREATE FUNCTION mal.sneak(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mal.replace();
	RETURN false;
END
$$;
CREATE TABLE mal.t (id int PRIMARY KEY, a int DEFAULT length(mal.sneak('d')::text), b text, CHECK (mal.sneak('x') OR a > 0));
CREATE INDEX ON mal.t ((a + length(mal.sneak('e')::text)));
CREATE INDEX ON mal.t (a) WHERE mal.sneak('p') OR a > 0;
RESET SESSION AUTHORIZATION;
PREPARE s_1 AS SELECT 'mine';
BEGIN;
SELECT zdm.change_column_type('mal.t', 'a', 'bigint') > 0;
ROLLBACK;
EXECUTE s_1;
SELECT count(*) > 0 FROM zdm.plan('ALTER TABLE mal.t ALTER a TYPE bigint');
EXECUTE s_1;
SELECT is_called FROM mal.sung;

-- operators and functions of the caller's path are not ours
CREATE SCHEMA shadow;
CREATE FUNCTION shadow.eq(oid, regclass) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.heard VALUES ('operator');
	RETURN true;
END
$$;
CREATE OPERATOR shadow.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = shadow.eq);
CREATE FUNCTION shadow.twice(int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2::bigint * $1';
SET search_path = shadow, public;
CREATE TABLE public.plain (id int PRIMARY KEY, v varchar(10), n int);
INSERT INTO public.plain VALUES (1, 'one', 1);
SELECT zdm.change_column_type('plain', 'v', 'varchar(20)', label => 'widen') > 0;
CALL zdm.wait('widen', timeout => '60s');
-- but names that the caller gives are his
SELECT zdm.change_column_type('plain', 'n', 'bigint', up => 'twice(n)', down => '(n / 2)::int', label => 'twice') > 0;
CALL zdm.wait('twice', timeout => '60s');
SELECT zdm.cutover('twice') IS NOT NULL;
CALL zdm.wait('twice', timeout => '60s');
RESET search_path;
SELECT * FROM plain;
SELECT * FROM heard;

-- event triggers do not see it, nor can they refuse it
CREATE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'no % here', tg_tag;
END
$$;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent, note varchar(5) DEFAULT 'x', plan varchar(5) CHECK (plan <> ''));
CREATE EVENT TRIGGER no_create ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION no_ddl();
CREATE EVENT TRIGGER no_end ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION no_ddl();
CREATE EVENT TRIGGER no_rewrite ON table_rewrite EXECUTE FUNCTION no_ddl();
CREATE EVENT TRIGGER no_drop ON sql_drop EXECUTE FUNCTION no_ddl();
BEGIN;
SELECT zdm.change_column_type('child', 'p', 'bigint') > 0;
SELECT zdm.change_column_type('child', 'note', 'varchar(9)') > 0;
SELECT zdm.change_column_type('child', 'plan', 'text') > 0;
ROLLBACK;
DROP EVENT TRIGGER no_create;
DROP EVENT TRIGGER no_end;
DROP EVENT TRIGGER no_rewrite;
DROP EVENT TRIGGER no_drop;
SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm_probe%';
