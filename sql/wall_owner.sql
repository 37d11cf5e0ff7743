--
-- An expression runs with the rights of the role that owned the table when the
-- change was stated: no new owner of the table, and no owner of a partition that
-- is attached, lends it his.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_zdm_former;
CREATE ROLE regress_zdm_giver;
CREATE SCHEMA mal AUTHORIZATION regress_zdm_former;
SET SESSION AUTHORIZATION regress_zdm_former;
CREATE FUNCTION mal.who(v text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN v || ' as ' || current_user;
END
$$;
CREATE TABLE mal.t (id int PRIMARY KEY, a text);
SELECT zdm.change_column_type('mal.t', 'a', 'varchar', up => $$mal.who(a)$$, down => $$split_part(a, ' as ', 1)$$, label => 'given') > 0;
CALL zdm.wait('given', timeout => '60s');
INSERT INTO mal.t VALUES (1, 'before');
RESET SESSION AUTHORIZATION;
SELECT quote_ident(current_user) AS super \gset
-- writers go on, with the rights that there were
ALTER TABLE mal.t OWNER TO :super;
INSERT INTO mal.t (id, a) VALUES (2, 'after');
UPDATE mal.t SET a = 'changed' WHERE id = 1;
SELECT id, a_zdm1 FROM mal.t ORDER BY id;
-- and the migration stops until its table's owner resumes it
SELECT zdm.cutover('given') IS NOT NULL;
\set VERBOSITY terse
CALL zdm.wait('given', timeout => '60s');
\set VERBOSITY default
SELECT state, error FROM zdm.migrations WHERE label = 'given';
SELECT zdm.resume('given') IS NOT NULL;
CALL zdm.wait('given', 'switched', timeout => '60s');
SELECT state FROM zdm.migrations WHERE label = 'given';
SET zdm_watch.expected = on;
INSERT INTO mal.t (id, a_zdm1) VALUES (3, 'resumed');
RESET zdm_watch.expected;
SELECT a = 'resumed as ' || current_user AS as_new_owner FROM mal.t WHERE id = 3;

-- the stated owner is no more: writers go on, for the side that counts
CREATE ROLE regress_zdm_gone;
CREATE TABLE gone (id int PRIMARY KEY, a text);
ALTER TABLE gone OWNER TO regress_zdm_gone;
GRANT USAGE ON SCHEMA mal TO PUBLIC;
SELECT zdm.change_column_type('gone', 'a', 'varchar', up => $$mal.who(a)$$, down => $$split_part(a, ' as ', 1)$$, label => 'gone') > 0;
CALL zdm.wait('gone', timeout => '60s');
ALTER TABLE gone OWNER TO regress_zdm_giver;
DROP OWNED BY regress_zdm_gone;
DROP ROLE regress_zdm_gone;
INSERT INTO gone (id, a) VALUES (1, 'x');
SELECT id, a, a_zdm2 FROM gone;
SELECT key, message FROM zdm.misfit WHERE migration = 2;
SELECT zdm.cutover('gone') IS NOT NULL;
CALL zdm.wait('gone', timeout => '60s');
SELECT zdm.resume('gone') IS NOT NULL;
CALL zdm.wait('gone', 'switched', timeout => '60s');
SELECT id, a FROM gone;

-- a partition of another's
SET SESSION AUTHORIZATION regress_zdm_former;
CREATE TABLE mal.p (id int, a text) PARTITION BY LIST (id);
CREATE TABLE mal.p1 PARTITION OF mal.p FOR VALUES IN (1);
SELECT zdm.change_column_type('mal.p', 'a', 'varchar', up => $$mal.who(a)$$, down => $$split_part(a, ' as ', 1)$$, label => 'leaf') > 0;
CALL zdm.wait('leaf', timeout => '60s');
RESET SESSION AUTHORIZATION;
CREATE TABLE mal.p2 (id int, a text, a_zdm3 varchar);
INSERT INTO mal.p2 VALUES (2, 'brought');
ALTER TABLE mal.p2 OWNER TO regress_zdm_giver;
ALTER TABLE mal.p ATTACH PARTITION mal.p2 FOR VALUES IN (2);
ALTER TABLE mal.p2 OWNER TO regress_zdm_former;
ALTER TABLE mal.p ATTACH PARTITION mal.p2 FOR VALUES IN (2);
-- given away later: what writes to it computes is the migration's, and it goes no further
ALTER TABLE mal.p2 OWNER TO regress_zdm_giver;
INSERT INTO mal.p (id, a) VALUES (2, 'routed');
INSERT INTO mal.p2 (id, a) VALUES (2, 'direct');
SELECT zdm.cutover('leaf') IS NOT NULL;
ALTER TABLE mal.p2 OWNER TO regress_zdm_former;
CALL zdm.wait('leaf', timeout => '60s');
SELECT zdm.cutover('leaf') IS NOT NULL;
CALL zdm.wait('leaf', 'switched', timeout => '60s');
SELECT a, a_zdm3 FROM mal.p ORDER BY a;

--
-- The new owner has no rights in a view over the column: told by the call, with what gives them.
--
CREATE TABLE mal.seen (id int, a text);
ALTER TABLE mal.seen OWNER TO regress_zdm_giver;
GRANT USAGE, CREATE ON SCHEMA mal TO regress_zdm_giver, regress_zdm_former;
SET ROLE regress_zdm_giver;
CREATE VIEW mal.seen_view AS SELECT a FROM mal.seen;
RESET ROLE;
SELECT zdm.rename_column('mal.seen', 'a', 'b', 'seen') > 0;
CALL zdm.wait('seen', 'ready', '60s');
ALTER TABLE mal.seen OWNER TO regress_zdm_former;
SELECT zdm.cutover('seen');
ALTER VIEW mal.seen_view OWNER TO regress_zdm_former;
SELECT zdm.cutover('seen') IS NOT NULL;
CALL zdm.wait('seen', 'switched', '60s');
SET ROLE regress_zdm_former;
SELECT zdm.resume('seen') IS NOT NULL;
RESET ROLE;
CALL zdm.wait('seen', 'switched', '60s');
ALTER TABLE mal.seen OWNER TO regress_zdm_giver;
SELECT zdm.revert('seen');
ALTER VIEW mal.seen_view OWNER TO regress_zdm_giver;
SELECT zdm.revert('seen') IS NOT NULL;
CALL zdm.wait('seen', 'reverted', '60s');
TABLE mal.seen_view;
