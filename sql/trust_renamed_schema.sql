--
-- While tables exchange their names, code of their owners runs: what is done with more rights
-- than theirs is done to the tables that were meant.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;
SET zdm.guard = off;
SET zdm.batch_rest = 0;
CREATE ROLE schema_owner NOLOGIN;
CREATE ROLE child_owner NOLOGIN;
SELECT current_database() AS db \gset
GRANT CREATE ON DATABASE :"db" TO schema_owner;
CREATE SCHEMA m1 AUTHORIZATION schema_owner;
CREATE SCHEMA m3 AUTHORIZATION schema_owner;
CREATE SCHEMA mf AUTHORIZATION schema_owner;
GRANT USAGE, CREATE ON SCHEMA m3 TO child_owner;

SET ROLE schema_owner;
CREATE TABLE mf.was (p oid);
CREATE FUNCTION mf.turns(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT p FROM mf.was) <> to_regclass('m1.p')::oid THEN
		ALTER SCHEMA m1 RENAME TO m1_old;
		ALTER SCHEMA m3 RENAME TO m1;
	END IF;
	RETURN true;
END$$;
CREATE DOMAIN mf.turning AS text CHECK (mf.turns(VALUE));
CREATE TABLE m1.p (id int PRIMARY KEY, n int, z mf.turning[] DEFAULT '{p}'::mf.turning[]);
CREATE TABLE m1.child (id int PRIMARY KEY, pid int REFERENCES m1.p ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE m3.p (id int PRIMARY KEY, n int);
SET ROLE child_owner;
CREATE TABLE m3.child (id int PRIMARY KEY, pid int);
INSERT INTO m3.child VALUES (1, 20);
SET ROLE schema_owner;
SELECT zdm.rewrite('m1.p', columns => '{id,z,n}', label => 'p') > 0 AS stated;
RESET ROLE;
CALL zdm.wait('p', 'ready');
INSERT INTO mf.was SELECT 'm1.p'::regclass::oid;
SELECT zdm.cutover('p');
CALL zdm.wait('p', 'switched');
SELECT conrelid::regclass, confrelid::regclass FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text LIKE 'm%' ORDER BY 1::text;
SELECT n.nspname, r.rolname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE nspname LIKE 'm_' OR nspname LIKE 'm1%' ORDER BY 1;

DELETE FROM mf.was;
SELECT zdm.resume('p');
CALL zdm.wait('p', 'switched');
SELECT zdm.revert('p');
CALL zdm.wait('p', 'reverted');
DROP SCHEMA m1, m3, mf CASCADE;
DROP OWNED BY schema_owner, child_owner;
DROP ROLE schema_owner, child_owner;
