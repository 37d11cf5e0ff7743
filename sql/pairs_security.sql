-- Whom the policies of a table keep from its rows, the hidden one beside it keeps from them
-- too: pg_read_all_data, and who is granted it; in each state, kind by kind.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
SET zdm.guard = off;
CREATE ROLE zdm_pairs_reader IN ROLE pg_read_all_data;
CREATE ROLE zdm_pairs_granted;
CREATE ROLE zdm_pairs_owner;
CREATE SCHEMA pairs AUTHORIZATION zdm_pairs_owner;
GRANT USAGE ON SCHEMA pairs TO PUBLIC;
SET search_path = pairs, public;
SET zdm.batch_rest = 0;

CREATE TABLE kind (name text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, parts bool, call text, switched bool);
INSERT INTO kind (name, parts, call, switched) VALUES
	('rewrite', false, 'zdm.rewrite(''t'', label => ''x'')', false),
	('columns', false, 'zdm.rewrite(''t'', columns => ''{n,id}'', label => ''x'')', true),
	('generated', false, 'zdm.migrate(''ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (n * 2) STORED'', label => ''x'')', true),
	('in its place', false, 'zdm.change_column_type(''t'', ''n'', ''bigint'', keep_place => true, label => ''x'')', true),
	('copy', false, 'zdm.partition_table(''t'', ''RANGE (id)'', ARRAY[''part_1 FOR VALUES FROM (0) TO (50)'', ''part_2 FOR VALUES FROM (50) TO (100)''], label => ''x'')', true),
	('one table', true, 'zdm.unpartition_table(''t'', label => ''x'')', true),
	('split', true, 'zdm.split_partition(''t_p'', ARRAY[''part_1 FOR VALUES FROM (0) TO (50)'', ''part_2 FOR VALUES FROM (50) TO (100)''], label => ''x'')', false);
GRANT SELECT ON kind TO PUBLIC;

CREATE PROCEDURE make(of text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'CREATE TABLE t (id int PRIMARY KEY, n int)' || CASE WHEN parts THEN ' PARTITION BY RANGE (id)' ELSE '' END FROM kind WHERE name = of;
	IF (SELECT parts FROM kind WHERE name = of) THEN
		CREATE TABLE t_p PARTITION OF t FOR VALUES FROM (0) TO (100);
		ALTER TABLE t_p OWNER TO zdm_pairs_owner;
		ALTER TABLE t_p ENABLE ROW LEVEL SECURITY;
		CREATE POLICY few ON t_p FOR SELECT TO zdm_pairs_reader USING (id < 3);
	END IF;
	ALTER TABLE t OWNER TO zdm_pairs_owner;
	INSERT INTO t SELECT i, i FROM generate_series(1, 99) i;
	CREATE POLICY few ON t FOR SELECT TO zdm_pairs_reader USING (id < 3);
	ALTER TABLE t ENABLE ROW LEVEL SECURITY;
END $$;

-- until the migration rests
CREATE PROCEDURE rest() LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM zdm.migrations WHERE id = (SELECT max(id) FROM zdm.migrations) AND state ~ 'ready|switched|completed|reverted|failed') LOOP
		PERFORM pg_sleep(0.01);
		COMMIT;
	END LOOP;
END $$;

-- how many rows of each table, and of each hidden one, whoever asks sees, and what it has of row-level security
CREATE FUNCTION rows_of(regclass, OUT n bigint) LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT count(*) FROM %s', $1) INTO n; END $$;
CREATE FUNCTION seen() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s', regexp_replace(c.relname, 'zdm_[0-9]+', 'zdm_N'), rows_of(c.oid)), ', ' ORDER BY c.relname)
	FROM pg_class c WHERE c.relnamespace = 'pairs'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname ~ '^(t|t_p|part_.|zdm_.*)$'
$$;
CREATE FUNCTION has() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s %s%s%s', regexp_replace(c.relname, 'zdm_[0-9]+', 'zdm_N'), CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END,
		CASE WHEN relforcerowsecurity THEN ' forced' END, (SELECT ' ' || string_agg(polname, ' ') FROM pg_policy WHERE polrelid = c.oid)), ', ' ORDER BY c.relname)
	FROM pg_class c WHERE c.relnamespace = 'pairs'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname ~ '^(t|t_p|part_.|zdm_.*)$'
$$;
CREATE PROCEDURE grant_hidden() LANGUAGE plpgsql AS $$
DECLARE
	r regclass;
BEGIN
	FOR r IN SELECT oid FROM pg_class WHERE relnamespace = 'pairs'::regnamespace AND relkind IN ('r', 'p') AND relname ~ '^(t|t_p|part_.|zdm_.*)$' LOOP
		EXECUTE format('GRANT SELECT ON %s TO zdm_pairs_granted', r);
	END LOOP;
END $$;

CREATE VIEW shown AS SELECT x.i, x.s FROM (VALUES
	(1, 'SELECT format(''    there are: %s'', seen())'),
	(2, 'CALL grant_hidden()'),
	(3, 'SET ROLE zdm_pairs_reader'),
	(4, 'SELECT format(''    pg_read_all_data: %s'', seen())'),
	(5, 'SET ROLE zdm_pairs_granted'),
	(6, 'SELECT format(''    granted: %s'', seen())'),
	(7, 'RESET ROLE'),
	(8, 'SELECT format(''    has: %s'', has())')) x(i, s);

-- (the statements that are run are not shown; what is forced on the owner hides nothing from what is done as him)
\set ECHO none
SELECT s FROM kind k, LATERAL (
	SELECT 1, 0, format('CALL make(%L)', k.name) UNION ALL
	SELECT 2, 0, 'DO $$ BEGIN PERFORM test.hold(''copy-after-batch''); END $$' UNION ALL
	SELECT 3, 0, format('DO $do$ BEGIN PERFORM %s; END $do$', k.call) UNION ALL
	SELECT 4, 0, 'CALL test.arrive(''copy-after-batch'')' UNION ALL
	SELECT 5, 0, format('SELECT %L', k.name || ', in the copy:') UNION ALL
	SELECT 6, i, s FROM shown UNION ALL
	SELECT 7, 0, 'ALTER TABLE t DISABLE ROW LEVEL SECURITY' UNION ALL
	SELECT 8, 0, 'SELECT format(''    disabled: %s'', has())' UNION ALL
	SELECT 9, 0, 'ALTER TABLE t ENABLE ROW LEVEL SECURITY' UNION ALL
	SELECT 10, 0, 'SELECT format(''    enabled: %s'', has())' UNION ALL
	SELECT 11, 0, 'DO $$ BEGIN PERFORM test.release(''copy-after-batch''); END $$' UNION ALL
	SELECT 12, 0, 'CALL rest()' UNION ALL
	SELECT 13, 0, 'SELECT format(''  %s, with:'', state) FROM zdm.migrations ORDER BY id DESC LIMIT 1' UNION ALL
	SELECT 14, 0, 'ALTER TABLE t FORCE ROW LEVEL SECURITY' UNION ALL
	SELECT 15, 0, 'UPDATE t SET n = n + 1 WHERE id > 90' UNION ALL
	SELECT 16, i, s FROM shown UNION ALL
	SELECT y.i, z.i, z.s FROM (VALUES (21, 'cutover'), (31, 'revert'), (41, 'again'), (51, 'cutover'), (61, 'contract')) y(i, verb), LATERAL (
		SELECT -5, 'ALTER TABLE t NO FORCE ROW LEVEL SECURITY' WHERE verb = 'again' UNION ALL
		SELECT -4, format('DO $do$ BEGIN PERFORM %s; END $do$', CASE verb WHEN 'again' THEN k.call ELSE format('zdm.%s(''x'')', verb) END) UNION ALL
		SELECT -3, 'CALL rest()' UNION ALL
		SELECT -2, 'SELECT format(''  %s, with:'', state) FROM zdm.migrations ORDER BY id DESC LIMIT 1' UNION ALL
		SELECT -1, 'DELETE FROM t WHERE id = ' || y.i UNION ALL
		SELECT i, s FROM shown) z(i, s) WHERE k.switched AND (y.i < 41 OR k.name IN ('copy', 'one table')) UNION ALL
	SELECT 71, 0, 'DROP TABLE t; DROP TABLE IF EXISTS part_1, part_2, t_p') x(i, j, s)
	ORDER BY k.n, x.i, x.j \gexec
\set ECHO all
DROP SCHEMA pairs CASCADE;
DROP ROLE zdm_pairs_reader, zdm_pairs_granted, zdm_pairs_owner;
