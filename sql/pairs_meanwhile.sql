-- A table is dropped, rewritten, or swapped away by others while a second one is beside it,
-- kind by kind: in the copy, and before the cutover.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
CREATE SCHEMA meanwhile;
SET search_path = meanwhile, public;
SET zdm.batch_rest = 0;

CREATE TABLE kind (name text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, parts bool, call text, switched bool);
INSERT INTO kind (name, parts, call, switched) VALUES
	('rewrite', false, 'zdm.rewrite(''t'', label => ''x'')', false),
	('columns', false, 'zdm.rewrite(''t'', columns => ''{n,id}'', label => ''x'')', true),
	('generated', false, 'zdm.migrate(''ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (n * 2) STORED'', label => ''x'')', true),
	('copy', false, 'zdm.partition_table(''t'', ''RANGE (id)'', ARRAY[''part_1 FOR VALUES FROM (0) TO (50)'', ''part_2 FOR VALUES FROM (50) TO (100)''], label => ''x'')', true),
	('attach', false, 'zdm.partition_table(''t'', ''RANGE (id)'', ARRAY[''part_1 FOR VALUES FROM (0) TO (100)''], way => ''attach'', label => ''x'')', true),
	('one table', true, 'zdm.unpartition_table(''t'', label => ''x'')', true),
	('split', true, 'zdm.split_partition(''t_p'', ARRAY[''part_1 FOR VALUES FROM (0) TO (50)'', ''part_2 FOR VALUES FROM (50) TO (100)''], label => ''x'')', false);

CREATE PROCEDURE make(of text) LANGUAGE plpgsql AS $$
DECLARE
	kind kind := (SELECT k FROM kind k WHERE name = of);
BEGIN
	IF kind.parts THEN
		CREATE TABLE t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
		CREATE TABLE t_p PARTITION OF t FOR VALUES FROM (0) TO (100);
	ELSE
		CREATE TABLE t (id int PRIMARY KEY, n int);
	END IF;
	INSERT INTO t SELECT i, i FROM generate_series(1, 99) i;
	CREATE INDEX t_n ON t (n);
	CREATE TABLE other (id int PRIMARY KEY, n int);
	INSERT INTO other VALUES (1000, 1000);
END $$;

CREATE PROCEDURE state(of text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT ' || call FROM kind WHERE name = of;
END $$;

-- until it rests; or waits for somebody to do something
CREATE PROCEDURE rest(until text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM zdm.migrations WHERE id = (SELECT max(id) FROM zdm.migrations) AND state ~ coalesce(until || '|failed', 'ready|switched|completed|reverted|failed')) LOOP
		PERFORM pg_sleep(0.01);
		COMMIT;
	END LOOP;
END $$;

CREATE FUNCTION rows_of(regclass, OUT n bigint) LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT count(*) FROM %s', $1) INTO n; END $$;

CREATE FUNCTION now_is() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT concat_ws(' ', '  ', state, error_state, regexp_replace(error, 'zdm_[0-9]+', 'zdm_N', 'g'), E'\n    HINT ' || regexp_replace(replace(error_hint, id::text, 'N'), 'zdm_[0-9]+', 'zdm_N', 'g')) FROM zdm.migrations ORDER BY id DESC LIMIT 1;
	RETURN QUERY SELECT format('    %s: %s, %s partitions, %s columns, %s indexes, %s rows', relname, relkind, (SELECT count(*) FROM pg_inherits WHERE inhparent = c.oid),
		(SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),
		rows_of(c.oid))
		FROM pg_class c WHERE relname IN ('t', 't_old', 'other') AND relnamespace = 'meanwhile'::regnamespace ORDER BY relname;
END $$;

-- the way out, whatever there is now
CREATE PROCEDURE clear() LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM zdm.migrations WHERE id = (SELECT max(id) FROM zdm.migrations) AND state IN ('failed', 'ready', 'switched')) THEN
		PERFORM zdm.revert('x');
		COMMIT;
		CALL rest('reverted');
	END IF;
	COMMIT;
END $$;

CREATE TABLE event (what text, n int GENERATED ALWAYS AS IDENTITY, sql text);
INSERT INTO event (what, sql) VALUES
	('dropped', 'DROP TABLE t'),
	('rewritten', 'VACUUM FULL t'),
	('swapped away', 'BEGIN; ALTER TABLE t RENAME TO t_old; ALTER TABLE other RENAME TO t; COMMIT'),
	('replaced', 'BEGIN; DROP TABLE t; ALTER TABLE other RENAME TO t; COMMIT');

-- in the copy (the statements that are run are not shown)
\set ECHO none
SELECT s FROM kind k, event e, LATERAL (VALUES
	(1, format('CALL make(%L)', k.name)),
	(2, 'DO $$ BEGIN PERFORM test.hold(''copy-after-batch''); END $$'),
	(3, format('CALL state(%L)', k.name)),
	(4, 'CALL test.arrive(''copy-after-batch'')'),
	(5, e.sql),
	(6, 'DO $$ BEGIN PERFORM test.release(''copy-after-batch''); END $$'),
	(7, 'CALL rest()'),
	(8, format('SELECT %L UNION ALL SELECT * FROM now_is()', format('%s, %s in the copy:', k.name, e.what))),
	(9, 'CALL clear()'),
	(10, 'DROP TABLE IF EXISTS t, t_old, other; DROP TABLE IF EXISTS part_1, part_2'),
	(11, 'SELECT ''    left: '' || relname FROM pg_class WHERE relname ~ ''^(zdm|part_)'' AND relnamespace = ''meanwhile''::regnamespace')) x(i, s)
	WHERE k.name <> 'attach' ORDER BY k.n, e.n, i \gexec

-- before the cutover
SELECT s FROM kind k, event e, LATERAL (VALUES
	(1, format('CALL make(%L)', k.name)),
	(3, format('CALL state(%L)', k.name)),
	(4, 'CALL rest()'),
	(5, e.sql),
	(6, 'SELECT zdm.cutover(''x'')'),
	(7, 'CALL rest()'),
	(8, format('SELECT %L UNION ALL SELECT * FROM now_is()', format('%s, %s before the cutover:', k.name, e.what))),
	(9, 'CALL clear()'),
	(10, 'DROP TABLE IF EXISTS t, t_old, other; DROP TABLE IF EXISTS part_1, part_2'),
	(11, 'SELECT ''    left: '' || relname FROM pg_class WHERE relname ~ ''^(zdm|part_)'' AND relnamespace = ''meanwhile''::regnamespace')) x(i, s)
	WHERE k.switched ORDER BY k.n, e.n, i \gexec

-- before contract, and before the way back
SELECT s FROM kind k, event e, unnest(ARRAY['contract', 'revert']) way, LATERAL (VALUES
	(1, format('CALL make(%L)', k.name)),
	(3, format('CALL state(%L)', k.name)),
	(4, 'CALL rest()'),
	(5, 'DO $$ BEGIN PERFORM zdm.cutover(''x''); END $$'),
	(6, 'CALL rest()'),
	(7, e.sql),
	(8, format('SELECT zdm.%s(''x'')', way)),
	(9, 'CALL rest()'),
	(10, format('SELECT %L UNION ALL SELECT * FROM now_is()', format('%s, %s before %s:', k.name, e.what, way))),
	(11, 'CALL clear()'),
	(12, 'DROP TABLE IF EXISTS t, t_old, other; DROP TABLE IF EXISTS part_1, part_2'),
	(13, 'SELECT ''    left: '' || relname FROM pg_class WHERE relname ~ ''^(zdm|part_)'' AND relnamespace = ''meanwhile''::regnamespace')) x(i, s)
	WHERE k.switched ORDER BY way, k.n, e.n, i \gexec

\set ECHO all
DROP SCHEMA meanwhile CASCADE;
