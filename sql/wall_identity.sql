--
-- Nothing that a user wrote is opened, parsed, planned, folded, printed or run
-- but as the role that wrote it or owns what it hangs on: canaries in defaults,
-- up and down, domains and constants, heard if they sing as somebody else.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_zdm_mal;
CREATE SCHEMA mal AUTHORIZATION regress_zdm_mal;
SET SESSION AUTHORIZATION regress_zdm_mal;
-- a sequence, since what is written to it outlives a rollback
CREATE SEQUENCE mal.sung;
CREATE FUNCTION mal.sing(text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_zdm_mal' THEN
		PERFORM nextval('mal.sung');
	END IF;
END
$$;
CREATE FUNCTION mal.evil(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mal.sing(v);
	RETURN v;
END
$$;
CREATE DOMAIN mal.dom AS text CHECK (mal.evil(VALUE) IS NOT NULL);
RESET SESSION AUTHORIZATION;
CREATE VIEW heard AS SELECT is_called AS sung FROM mal.sung;

-- a migration through all its life, and the writes of another role in each state
CREATE PROCEDURE live(label text, writes text) LANGUAGE plpgsql AS $$
BEGIN
	CALL zdm.wait(label, timeout => '60s');
	EXECUTE writes;
	COMMIT;
	PERFORM count(*) FROM zdm.verify(label);
	PERFORM zdm.cutover(label);
	COMMIT;
	CALL zdm.wait(label, timeout => '60s');
	EXECUTE writes;
	COMMIT;
	PERFORM zdm.contract(label);
	COMMIT;
	CALL zdm.wait(label, timeout => '60s');
END
$$;

-- a default, folded when the pairs are loaded
SET SESSION AUTHORIZATION regress_zdm_mal;
CREATE TABLE mal.t1 (id int, a text DEFAULT mal.evil('x'));
INSERT INTO mal.t1 SELECT g, 'a' || g FROM generate_series(1, 10) g;
SELECT zdm.rename_column('mal.t1', 'a', 'b', 'default') > 0;
RESET SESSION AUTHORIZATION;
-- not an INSERT: that evaluates the other column's default as who writes, as ever
CALL live('default', $$UPDATE mal.t1 SET id = -id$$);
SELECT * FROM heard;
SELECT state FROM zdm.migrations WHERE label = 'default';
SELECT count(*), count(b) FROM mal.t1;

-- and one of a partitioned table, in the partition
SET SESSION AUTHORIZATION regress_zdm_mal;
CREATE TABLE mal.t2 (id int, a text DEFAULT mal.evil('x')) PARTITION BY RANGE (id);
CREATE TABLE mal.t2_1 PARTITION OF mal.t2 FOR VALUES FROM (0) TO (100);
INSERT INTO mal.t2 SELECT g, 'a' || g FROM generate_series(1, 10) g;
SELECT zdm.rename_column('mal.t2', 'a', 'b', 'tree') > 0;
RESET SESSION AUTHORIZATION;
CALL live('tree', $$UPDATE mal.t2 SET id = 50 - id$$);
SELECT * FROM heard;
SELECT state FROM zdm.migrations WHERE label = 'tree';
SELECT count(*), count(b) FROM mal.t2;

-- constants in up and down: a domain, in an array
SET SESSION AUTHORIZATION regress_zdm_mal;
CREATE TABLE mal.t3 (id int PRIMARY KEY, a int);
INSERT INTO mal.t3 SELECT g, g FROM generate_series(1, 10) g;
SELECT zdm.change_column_type('mal.t3', 'a', 'text',
	up => $$a::text || array_length('{p}'::mal.dom[], 1)$$,
	down => $$(left(a, -1) || left('q'::mal.dom, 0))::int$$, label => 'constants') > 0;
RESET SESSION AUTHORIZATION;
CALL live('constants', $$UPDATE mal.t3 SET id = -id$$);
SELECT * FROM heard;
SELECT state FROM zdm.migrations WHERE label = 'constants';
SELECT string_agg(a, ' ' ORDER BY abs(id)) FROM mal.t3;

-- a value of the domain for each row, by way of arrays and rows
SET SESSION AUTHORIZATION regress_zdm_mal;
CREATE TYPE mal.pair AS (d mal.dom);
CREATE TABLE mal.t4 (id int PRIMARY KEY, a text);
INSERT INTO mal.t4 SELECT g, 'a' || g FROM generate_series(1, 10) g;
SELECT zdm.change_column_type('mal.t4', 'a', 'varchar',
	up => $$((ARRAY[a]::text[])::mal.dom[])[1] || left(((row(a))::mal.pair).d, 0)$$, down => $$a::mal.dom$$,
	label => 'rows') > 0;
RESET SESSION AUTHORIZATION;
CALL live('rows', $$UPDATE mal.t4 SET id = -id$$);
SELECT * FROM heard;
SELECT state FROM zdm.migrations WHERE label = 'rows';
SELECT string_agg(a, ' ' ORDER BY abs(id)) FROM mal.t4;
