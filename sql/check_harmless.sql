--
-- zdm.check follows code, and runs nothing in it but what is known to be harmless.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE regress_harm_mallory;
CREATE ROLE regress_harm_victim;
CREATE SCHEMA vic AUTHORIZATION regress_harm_victim;
GRANT USAGE ON SCHEMA vic TO PUBLIC;
SET SESSION AUTHORIZATION regress_harm_victim;
CREATE TABLE vic.pay (id int, salary int);
INSERT INTO vic.pay VALUES (1, 123456);
CREATE TABLE vic.banned (who text);
INSERT INTO vic.banned VALUES ('regress_harm_mallory');
CREATE FUNCTION vic.salary(i int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM FROM vic.banned WHERE who = session_user FOR SHARE;
	IF FOUND THEN
		RAISE EXCEPTION 'banned';
	END IF;
	RETURN (SELECT salary FROM vic.pay WHERE id = i);
END $$;
RESET SESSION AUTHORIZATION;
CREATE TABLE here (id int);
CREATE SEQUENCE seq;

-- what changes the user is not gone into, in whatever way it is called
SET SESSION AUTHORIZATION regress_harm_mallory;
SELECT severity, detail FROM zdm.check('DO $x$ BEGIN RAISE EXCEPTION ''salary %'', vic.salary(1); END $x$');
SELECT severity, detail FROM zdm.check('DO $x$ DECLARE s int := vic.salary(1); BEGIN EXECUTE format(''CREATE TABLE t%s ()'', s); END $x$');
SELECT severity, detail FROM zdm.check('SELECT vic.salary(1)');
SELECT severity, detail FROM zdm.check('DO $x$ DECLARE s int; BEGIN SELECT vic.salary(g) INTO s FROM generate_series(1, 1) g; PERFORM 1 / (s - s); END $x$');
RESET SESSION AUTHORIZATION;
-- as its owner does not change: there it is gone into
SET SESSION AUTHORIZATION regress_harm_victim;
SELECT severity, detail FROM zdm.check('SELECT vic.salary(1); SELECT 1 / (vic.salary(1) - 123456)');
RESET SESSION AUTHORIZATION;

-- nor what changes a setting
CREATE FUNCTION with_setting() RETURNS int LANGUAGE plpgsql SET enable_seqscan = off AS 'BEGIN RETURN 1; END';
SELECT severity, detail FROM zdm.check('SELECT with_setting()');
SELECT severity, detail FROM zdm.check('DO $$ BEGIN SET ROLE regress_harm_victim; SET session_replication_role = replica; IF current_setting(''session_replication_role'') = ''replica'' OR current_user = ''regress_harm_victim'' THEN ALTER TABLE nosuch ADD COLUMN a int; END IF; END $$');

-- nor code in another language, whatever it is declared
CREATE FUNCTION renamed(bigint) RETURNS bool LANGUAGE internal IMMUTABLE AS 'pg_try_advisory_lock_int8';
SELECT severity, detail FROM zdm.check('DO $$ BEGIN IF renamed(1) THEN NULL; END IF; END $$');
SELECT severity, detail FROM zdm.check('SELECT renamed(1)');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

-- nor what waits, locks, writes or tells
SELECT q.what, c.severity, c.detail FROM (VALUES
	('x := pg_try_advisory_lock(1)::int;'),
	('x := nextval(''seq'');'),
	('x := lo_create(0);'),
	('IF pg_notify(''a'', ''b'') IS NULL THEN x := 1; END IF;'),
	('IF pg_sleep(100) IS NULL THEN x := 1; END IF;'),
	('IF set_config(''search_path'', '''', false) = '''' THEN x := 1; END IF;'),
	('IF pg_reload_conf() THEN x := 1; END IF;'),
	('x := length(query_to_xml(''SELECT 1'', true, true, '''')::text);')) q(what),
	LATERAL zdm.check('DO $$ DECLARE x int; BEGIN ' || q.what || ' END $$') c;
SELECT last_value, is_called FROM seq;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

-- also when PL/pgSQL has kept the expression from earlier in the transaction
CREATE FUNCTION kept() RETURNS void LANGUAGE plpgsql AS $$
DECLARE b bool;
BEGIN
	b := pg_try_advisory_xact_lock(42);
END $$;
BEGIN;
SAVEPOINT a;
SELECT kept();
ROLLBACK TO a;
SELECT severity, detail FROM zdm.check('SELECT kept()');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
-- and goes on as before afterwards
SELECT kept();
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;

-- a partition that is pruned by a function when the query is started
CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE b bool;
BEGIN
	b := pg_try_advisory_lock(43);
	RETURN 1;
END $$;
CREATE TABLE parts (k int) PARTITION BY LIST (k);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES IN (2);
SELECT severity, detail FROM zdm.check('DO $$ BEGIN UPDATE parts SET k = k WHERE k = sly(); END $$');
SELECT severity, detail FROM zdm.check('DO $$ BEGIN PERFORM FROM parts WHERE k = sly() FOR UPDATE; END $$');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

-- what code says is said to nobody, and an error in its own words is not repeated
SET client_min_messages = notice;
SELECT severity, detail FROM zdm.check('DO $$ BEGIN RAISE NOTICE ''%'', (SELECT salary FROM vic.pay); RAISE WARNING ''w''; END $$');
SELECT severity, detail FROM zdm.check('DO $$ BEGIN RAISE EXCEPTION ''%'', (SELECT salary FROM vic.pay) USING ERRCODE = ''22012''; END $$');

-- what is harmless is followed as ever
CREATE FUNCTION helper(t text) RETURNS text LANGUAGE sql AS $$ SELECT format('ALTER TABLE %I ADD COLUMN a int', t) $$;
CREATE PROCEDURE build(t text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL search_path = public;
	INSERT INTO here VALUES (1);
	PERFORM nextval('seq');
	IF clock_timestamp() > '2000-01-01' AND pg_relation_size('here') >= 0 THEN
		EXECUTE helper(t);
	END IF;
END $$;
SELECT severity, rule, object, detail FROM zdm.check('CALL build(''here'')');

-- a setting that the caller may not change
SET SESSION AUTHORIZATION regress_harm_mallory;
SELECT severity, rule, object, detail FROM zdm.check('SET zdm.guard_min_size = 0; SELECT 1');
