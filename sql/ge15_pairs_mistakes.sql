-- What a table pair is refused for, kind by kind: the error, its SQLSTATE and what to type next.
CREATE EXTENSION pg_zdm;
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_zdm_pairs LOCATION '';
CREATE ROLE regress_zdm_pairs_owner;
CREATE SCHEMA mistakes AUTHORIZATION regress_zdm_pairs_owner;
SET search_path = mistakes, public;

CREATE FUNCTION said(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE sql;
	RAISE EXCEPTION 'went through';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n    ', state || ' ' || regexp_replace(regexp_replace(message, 'pg_temp_\d+', 'pg_temp_N'), 'zdm_\d+', 'zdm_N'), nullif('DETAIL ' || detail, 'DETAIL '), nullif('HINT ' || regexp_replace(hint, 'zdm_\d+', 'zdm_N'), 'HINT '));
END $$;

-- one way of each kind to state it, of table %1$s
CREATE TABLE kind (name text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, call text, partitioned bool);
INSERT INTO kind (name, call, partitioned) VALUES
	('rewrite', 'SELECT zdm.rewrite(%1$L)', NULL),
	('VACUUM FULL', 'SELECT zdm.migrate(''VACUUM FULL %1$s'')', NULL),
	('CLUSTER', 'SELECT zdm.migrate(''CLUSTER %1$s USING %1$s_n'')', false),
	('SET TABLESPACE', 'SELECT zdm.migrate(''ALTER TABLE %1$s SET TABLESPACE regress_zdm_pairs'')', false),
	('SET UNLOGGED', 'SELECT zdm.migrate(''ALTER TABLE %1$s SET UNLOGGED'')', false),
	('columns', 'SELECT zdm.rewrite(%1$L, columns => ''{n,id}'')', false),
	('generated', 'SELECT zdm.migrate(''ALTER TABLE %1$s ADD COLUMN g int GENERATED ALWAYS AS (n * 2) STORED'')', false),
	('copy', 'SELECT zdm.partition_table(%1$L, ''RANGE (id)'', ARRAY[''part_1 FOR VALUES FROM (0) TO (100)''])', false),
	('attach', 'SELECT zdm.partition_table(%1$L, ''RANGE (id)'', ARRAY[''part_1 FOR VALUES FROM (0) TO (100)''], way => ''attach'')', false),
	('one table', 'SELECT zdm.unpartition_table(%1$L)', true),
	('split', 'SELECT zdm.split_partition(''%1$s_p'', ARRAY[''part_1 FOR VALUES FROM (0) TO (50)'', ''part_2 FOR VALUES FROM (50) TO (100)''])', true);

-- %1$s is what it is said of, whatever the call is
CREATE FUNCTION refused(relation text, kinds text DEFAULT '.') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT relation || ', ' || string_agg(name, ', ' ORDER BY n) || E':\n    ' || answer
	FROM (SELECT name, n, said(format(call, relation)) AS answer FROM kind WHERE name ~ kinds) x GROUP BY answer ORDER BY min(n) $$;
CREATE FUNCTION plain(name text, key text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %1$s (id int%2$s, n int); INSERT INTO %1$s SELECT i, i FROM generate_series(1, 99) i; CREATE INDEX %1$s_n ON %1$s (n)', name, key);
END $$;
CREATE FUNCTION parts(name text, key text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %1$s (id int, n int%2$s) PARTITION BY RANGE (id); CREATE TABLE %1$s_p PARTITION OF %1$s FOR VALUES FROM (0) TO (100);'
		'INSERT INTO %1$s SELECT i, i FROM generate_series(1, 99) i', name, key);
END $$;

-- no key; one that is asked at commit, one with NULLs, one of some rows, one of an expression
SELECT plain('no_key', '');
SELECT parts('no_key_parts', '');
SELECT refused('no_key', '^(?!one|split)');
SELECT refused('no_key_parts', '^(rewrite|VACUUM|one|split)');
SELECT plain('late_key', ' PRIMARY KEY DEFERRABLE INITIALLY DEFERRED');
SELECT plain('nulls', ' UNIQUE');
SELECT plain('partly', ' NOT NULL');
CREATE UNIQUE INDEX ON partly (id) WHERE id > 0;
CREATE UNIQUE INDEX ON partly ((id + 1));
SELECT refused(t, '^(rewrite|columns|generated|copy)') FROM unnest(ARRAY['late_key', 'nulls', 'partly']) t;
SELECT parts('late_parts', ', PRIMARY KEY (id) DEFERRABLE');
SELECT refused('late_parts', '^(rewrite|one|split)');
-- as the hint has it
BEGIN;
CREATE UNIQUE INDEX ON late_key (id);
CREATE UNIQUE INDEX ON late_parts (id);
SELECT refused('late_key', '^(rewrite|columns|generated|copy)');
SELECT refused('late_parts', '^(rewrite|one|split)');
ROLLBACK;

-- of a session alone; of a view; of the catalog
CREATE TEMP TABLE passing (id int PRIMARY KEY, n int);
CREATE INDEX passing_n ON passing (n);
SELECT refused('passing', '^(?!one|split)');
CREATE VIEW shown AS SELECT 1 AS id, 2 AS n;
SELECT refused('shown', '^(?!one|split|CLUSTER)');
SELECT refused('pg_class', '^(rewrite|columns|copy|attach|one)');

-- inheritance
SELECT plain('elder', ' PRIMARY KEY');
CREATE TABLE younger (PRIMARY KEY (id)) INHERITS (elder);
CREATE INDEX younger_n ON younger (n);
INSERT INTO younger VALUES (100, 1);
SELECT refused('elder', '^(?!one|split)');
SELECT refused('younger', '^(?!one|split)');

-- foreign tables, and partitions
CREATE FOREIGN DATA WRAPPER mistakes_wrapper;
CREATE SERVER mistakes_server FOREIGN DATA WRAPPER mistakes_wrapper;
CREATE FOREIGN TABLE abroad (id int, n int) SERVER mistakes_server;
SELECT refused('abroad', '^(?!one|split|CLUSTER)');
CREATE TABLE leaves (id int, n int, CHECK (id >= 0)) PARTITION BY RANGE (id);
CREATE TABLE leaves_p PARTITION OF leaves (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (100);
CREATE FOREIGN TABLE leaves_far PARTITION OF leaves FOR VALUES FROM (100) TO (200) SERVER mistakes_server;
SELECT refused('leaves', '^(rewrite|VACUUM|one|columns|copy|attach)');
INSERT INTO leaves_p VALUES (1, 1);
SELECT refused('leaves', '^generated');
-- a partition beside a foreign one is like any other
BEGIN;
SELECT refused('leaves', '^split');
ROLLBACK;
SELECT parts('tree', ', PRIMARY KEY (id)');
SELECT refused('tree', '^(columns|generated|copy|attach)');
SELECT refused('tree_p', '^(columns|generated|copy|attach|one)');
SELECT refused('elder', '^(one|split)');

-- where the owner may not put a table: the schema, the tablespace
SELECT plain('elsewhere', ' PRIMARY KEY');
SELECT parts('apart', ', PRIMARY KEY (id)');
ALTER TABLE elsewhere SET TABLESPACE regress_zdm_pairs;
ALTER TABLE apart SET TABLESPACE regress_zdm_pairs;
ALTER TABLE apart_p SET TABLESPACE regress_zdm_pairs;
ALTER TABLE elsewhere OWNER TO regress_zdm_pairs_owner;
ALTER TABLE apart OWNER TO regress_zdm_pairs_owner;
ALTER TABLE apart_p OWNER TO regress_zdm_pairs_owner;
GRANT SELECT ON kind TO PUBLIC;
SET ROLE regress_zdm_pairs_owner;
SELECT refused('elsewhere', '^(?!one|split|SET T)');
SELECT refused('apart', '^(one|split)');
RESET ROLE;
GRANT CREATE ON TABLESPACE regress_zdm_pairs TO regress_zdm_pairs_owner;
ALTER SCHEMA mistakes OWNER TO CURRENT_USER;
GRANT USAGE ON SCHEMA mistakes TO regress_zdm_pairs_owner;
SET ROLE regress_zdm_pairs_owner;
SELECT refused('elsewhere', '^(?!one|split)');
SELECT refused('apart', '^(one|split)');
RESET ROLE;

-- bounds that overlap, that leave rows out, that others have; of each kind that takes some
CREATE FUNCTION bounds(VARIADIC bounds text[]) RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg('part_' || n || ' ' || b ORDER BY n) FROM unnest(bounds) WITH ORDINALITY u(b, n) $$;
SELECT plain('b', ' PRIMARY KEY');
SELECT parts('bp', ', PRIMARY KEY (id)');
CREATE TABLE bp_far PARTITION OF bp FOR VALUES FROM (200) TO (300);
INSERT INTO bp VALUES (250, 1);
SELECT said(format('SELECT zdm.partition_table(''b'', ''RANGE (id)'', %L, way => %L)', bounds(VARIADIC bound), way)) FROM unnest(ARRAY['copy', 'attach']) way,
	(VALUES (1, ARRAY['FOR VALUES FROM (0) TO (60)', 'FOR VALUES FROM (50) TO (100)']), (2, ARRAY['FOR VALUES FROM (0) TO (50)', 'FOR VALUES FROM (51) TO (100)']),
	(3, ARRAY['FOR VALUES FROM (0) TO (100)', 'DEFAULT', 'DEFAULT']), (4, ARRAY['FOR VALUES FROM (100) TO (0)']), (5, ARRAY['FOR VALUES IN (1)'])) v(n, bound) ORDER BY way DESC, n;
SELECT said(format('SELECT zdm.split_partition(''bp_p'', %L)', bounds(VARIADIC bound))) FROM
	(VALUES (1, ARRAY['FOR VALUES FROM (0) TO (60)', 'FOR VALUES FROM (50) TO (100)']), (2, ARRAY['FOR VALUES FROM (0) TO (50)', 'FOR VALUES FROM (51) TO (100)']),
	(3, ARRAY['FOR VALUES FROM (0) TO (50)', 'FOR VALUES FROM (50) TO (201)']), (4, ARRAY['FOR VALUES FROM (0) TO (100)']),
	(5, ARRAY['FOR VALUES FROM (0) TO (50)', 'DEFAULT', 'DEFAULT'])) v(n, bound) ORDER BY n;
-- what no other takes may be said, and goes to the default partition otherwise
CREATE TABLE bp_rest PARTITION OF bp DEFAULT;
INSERT INTO bp VALUES (450, 1), (1000, 1);
BEGIN;
SELECT zdm.split_partition('bp_rest', ARRAY['bp_400 FOR VALUES FROM (400) TO (500)']) AS m \gset
SELECT string_agg(note, '; ') FROM zdm.migration, unnest(notes) note WHERE id = :m AND note ~ '^bp';
ROLLBACK;
BEGIN;
SELECT zdm.split_partition('bp_rest', ARRAY['bp_rest DEFAULT', 'bp_400 FOR VALUES FROM (400) TO (500)']) AS m \gset
SELECT string_agg(note, '; ') FROM zdm.migration, unnest(notes) note WHERE id = :m AND note ~ '^bp';
ROLLBACK;
SELECT said('SELECT zdm.split_partition(''bp_rest'', ARRAY[''bp_rest FOR VALUES FROM (400) TO (500)'', ''bp_rest DEFAULT''])');
SELECT said('SELECT zdm.split_partition(''bp_rest'', ARRAY[''bp_rest DEFAULT'', ''bp_more DEFAULT''])');
SELECT said('SELECT zdm.split_partition(''bp_rest'', ARRAY[''bp_rest DEFAULT''])');
CREATE TABLE lp (id int PRIMARY KEY, k text, n int);
INSERT INTO lp VALUES (1, 'a', 1), (2, NULL, 2);
SELECT said(format('SELECT zdm.partition_table(''lp'', ''LIST (k)'', %L, primary_key => '''')', bounds(VARIADIC bound))) FROM
	(VALUES (1, ARRAY['FOR VALUES IN (''a'')', 'FOR VALUES IN (''b'', ''a'')']), (2, ARRAY['FOR VALUES IN (''a'')', 'FOR VALUES IN (''b'')'])) v(n, bound) ORDER BY n;
SELECT said(format('SELECT zdm.partition_table(''b'', ''HASH (id)'', %L)', bounds(VARIADIC bound))) FROM
	(VALUES (1, ARRAY['FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'FOR VALUES WITH (MODULUS 4, REMAINDER 2)']), (2, ARRAY['FOR VALUES WITH (MODULUS 2, REMAINDER 0)']),
	(3, ARRAY['FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'FOR VALUES WITH (MODULUS 3, REMAINDER 1)'])) v(n, bound) ORDER BY n;

-- what a restored dump has left is called as the second table is to be
DO $$
BEGIN
	FOR i IN 1 .. 20 LOOP
		EXECUTE (SELECT format('CREATE TABLE zdm_%1$s_b (); CREATE TABLE zdm_%1$s_bp (); CREATE TABLE zdm_%1$s_bp_p ()', last_value + i) FROM zdm.migration_id_seq);
	END LOOP;
END $$;
SELECT refused('b', '^(?!one|split)');
SELECT refused('bp', '^(one|split)');
DO $$
BEGIN
	EXECUTE (SELECT string_agg('DROP TABLE ' || oid::regclass, '; ') FROM pg_class WHERE relname ~ '^zdm_' AND relnamespace = 'mistakes'::regnamespace);
END $$;

-- none has been stated, and nothing of what was tried is left
SELECT count(*) FROM zdm.migration;
SELECT relname FROM pg_class WHERE relname ~ '^(zdm|part_)' AND relnamespace = 'mistakes'::regnamespace;

SET client_min_messages = error;
DROP SCHEMA mistakes CASCADE;
DROP FOREIGN DATA WRAPPER mistakes_wrapper CASCADE;
DROP TABLESPACE regress_zdm_pairs;
DROP ROLE regress_zdm_pairs_owner;
