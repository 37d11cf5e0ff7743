-- A column of the partition key gets another type: a second partitioned table has it so,
-- with the bounds that come of it, takes the first one's name, gives it back, and takes it
-- again.  What it is to be like somebody has made by hand.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA key;
CREATE SCHEMA hand;
CREATE SCHEMA old;
CREATE ROLE zdm_key_reader;
SET search_path = key, public;

-- All that the catalog has of the tables of a schema, but for where they are.
CREATE FUNCTION public.catalog(n text) RETURNS TABLE(line text) LANGUAGE sql AS $$
	SELECT replace(x, n || '.', '') FROM (
		SELECT concat_ws(' ', c.relname, c.relkind, pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), c.reloptions, c.relreplident, c.relpersistence,
			(SELECT string_agg(a::text, ',') FROM unnest(c.relacl) a), obj_description(c.oid, 'pg_class'), i.inhparent::regclass)
		FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid WHERE c.relnamespace = n::regnamespace
		UNION ALL SELECT concat_ws(' ', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, a.attstattarget, a.attislocal, a.attinhcount,
			a.attidentity, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE c.relnamespace = n::regnamespace AND a.attnum > 0 AND c.relkind IN ('r', 'p')
		UNION ALL SELECT concat_ws(' ', pg_get_indexdef(x.indexrelid), x.indisunique, x.indisprimary, x.indisvalid, x.indisreplident, obj_description(x.indexrelid, 'pg_class'))
		FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid WHERE c.relnamespace = n::regnamespace
		UNION ALL SELECT concat_ws(' ', o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid), o.convalidated, o.conislocal, o.coninhcount, p.conname, p.conrelid::regclass)
		FROM pg_constraint o LEFT JOIN pg_constraint p ON p.oid = o.conparentid WHERE o.connamespace = n::regnamespace AND o.conrelid <> 0
		UNION ALL SELECT concat_ws(' ', t.tgrelid::regclass, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
		WHERE c.relnamespace = n::regnamespace AND NOT t.tgisinternal) y(x) $$;

CREATE FUNCTION public.differ(text, text, OUT differ bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*) FROM ((TABLE %1$s EXCEPT ALL TABLE %2$s) UNION ALL (TABLE %2$s EXCEPT ALL TABLE %1$s)) x', $1, $2) INTO differ;
END $$;

-- What one catalog has and the other has not.
CREATE FUNCTION public.otherwise(text, text) RETURNS SETOF text LANGUAGE sql AS $$
	(SELECT '- ' || line FROM (SELECT line FROM catalog($1) EXCEPT ALL SELECT line FROM catalog($2)) x ORDER BY 1)
	UNION ALL (SELECT '+ ' || line FROM (SELECT line FROM catalog($2) EXCEPT ALL SELECT line FROM catalog($1)) x ORDER BY 1) $$;

-- Columns of type $2 in the key, and the bounds to go with it.
CREATE PROCEDURE public.make(n text, type text, one text, two text, three text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($f$
SET LOCAL search_path = %1$I, public;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE event (id int, at %2$s NOT NULL DEFAULT timestamp '2024-01-05', kind text COLLATE "C" NOT NULL, n int, v text,
	CONSTRAINT event_key PRIMARY KEY (id, at, kind), CONSTRAINT n_small CHECK (n < 1000000), UNIQUE (kind, at, n)) PARTITION BY RANGE (at);
CREATE TABLE event_old PARTITION OF event FOR VALUES FROM (MINVALUE) TO (%3$s) WITH (fillfactor = 70);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (%3$s) TO (%4$s) PARTITION BY LIST (kind);
CREATE TABLE event_1_a PARTITION OF event_1 (CONSTRAINT a_only CHECK (kind = 'a')) FOR VALUES IN ('a');
CREATE TABLE event_1_rest PARTITION OF event_1 DEFAULT;
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (%4$s) TO (%5$s) PARTITION BY RANGE (kind, at);
CREATE TABLE event_2_a PARTITION OF event_2 FOR VALUES FROM ('a', %4$s) TO ('b', %5$s);
CREATE TABLE event_2_b PARTITION OF event_2 FOR VALUES FROM ('b', %5$s) TO (MAXVALUE, MAXVALUE);
CREATE TABLE event_else PARTITION OF event DEFAULT;
CREATE INDEX event_n ON event (n DESC, at);
CREATE INDEX event_month ON event (lower(kind), at) WHERE n > 3;
ALTER TABLE event_old ALTER COLUMN v SET STORAGE EXTERNAL;
ALTER TABLE event_else ALTER COLUMN n SET STATISTICS 50;
ALTER TABLE ONLY event ALTER COLUMN n SET STATISTICS 77; ALTER TABLE ONLY event ALTER COLUMN v SET DEFAULT 'none';
COMMENT ON TABLE event IS 'events'; COMMENT ON TABLE event_1 IS 'January'; COMMENT ON COLUMN event.at IS 'when';
COMMENT ON INDEX event_n IS 'by n';
GRANT SELECT ON event TO zdm_key_reader; GRANT INSERT ON event_1_a TO zdm_key_reader;
CREATE TRIGGER note BEFORE UPDATE ON event FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER own AFTER DELETE ON event_old FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE event_2_a DISABLE TRIGGER note$f$, n, type, one, two, three);
END $$;

CALL make('key', 'timestamp', '''2024-01-01''', '''2024-02-01''', '''2024-03-01''');
CALL make('old', 'timestamp', '''2024-01-01''', '''2024-02-01''', '''2024-03-01''');
CALL make('hand', 'timestamptz', '''2024-01-01 00:00+00''', '''2024-02-01 00:00+00''', '''2024-03-01 00:00+00''');
INSERT INTO event SELECT i, timestamp '2023-12-01' + i * interval '3 hours 7 minutes 0.123456 seconds', chr(97 + i % 4), i, 'v' || i FROM generate_series(1, 800) i
	WHERE i % 4 < 2 OR timestamp '2023-12-01' + i * interval '3 hours 7 minutes 0.123456 seconds' < '2024-02-01';
ANALYZE event;
CREATE TABLE model (LIKE event);
INSERT INTO model TABLE event;

-- what is to be done, and by which call, nobody has to say
BEGIN;
SELECT zdm.change_column_type('event', 'at', 'timestamptz') AS m \gset
SELECT kind FROM zdm.migrations WHERE id = :m;
SELECT regexp_replace(statement, 'zdm_\d+_event(_\d+)?', 'zdm_event', 'g') AS statement FROM zdm.steps WHERE migration = :m ORDER BY step LIMIT 2;
SELECT note FROM zdm.migration, unnest(notes) note WHERE id = :m AND note ~ 'becomes|in the (partition )?key|begun anew';
ROLLBACK;
SELECT step, phase, lock FROM zdm.plan('ALTER TABLE event ALTER COLUMN at TYPE timestamptz');

-- there
SELECT zdm.migrate('ALTER TABLE event ALTER COLUMN at TYPE timestamptz', label => 'tz') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT format('zdm_%s_event', :m) AS hidden \gset
SELECT differ('event', :'hidden');
-- rows that come, move to another partition, and go
INSERT INTO event SELECT 1000 + i, timestamp '2024-01-15' + i * interval '1 day', 'a', i, 'none' FROM generate_series(1, 60) i;
INSERT INTO model SELECT 1000 + i, timestamp '2024-01-15' + i * interval '1 day', 'a', i, 'none' FROM generate_series(1, 60) i;
UPDATE event SET at = at + interval '31 days' WHERE id % 5 = 0 AND kind = 'a'; UPDATE model SET at = at + interval '31 days' WHERE id % 5 = 0 AND kind = 'a';
UPDATE event SET n = n + 1, v = 'changed' WHERE id % 3 = 0; UPDATE model SET n = n + 1, v = 'changed' WHERE id % 3 = 0;
DELETE FROM event WHERE id % 11 = 0; DELETE FROM model WHERE id % 11 = 0;
SELECT differ('event', 'model'), differ('event', :'hidden');
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT relid, pg_get_expr(relpartbound, c.oid) FROM pg_partition_tree('event') JOIN pg_class c ON c.oid = relid ORDER BY relid::text COLLATE "C";
SELECT tableoid::regclass, count(*) FROM event GROUP BY 1 ORDER BY 1;
SELECT differ('event', 'model');
INSERT INTO event (id, kind) VALUES (5000, 'a'); INSERT INTO model (id, at, kind, v) VALUES (5000, '2024-01-05', 'a', 'none');
UPDATE event SET at = at - interval '31 days', n = 7000 + id WHERE id % 7 = 0 AND kind = 'a'; UPDATE model SET at = at - interval '31 days', n = 7000 + id WHERE id % 7 = 0 AND kind = 'a';
DELETE FROM event WHERE id % 13 = 0; DELETE FROM model WHERE id % 13 = 0;
SELECT differ('event', 'model'), differ('event', :'hidden');
SELECT count(*) FROM zdm.verify(:m);
-- and back
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT differ('event', 'model');
DROP TABLE model;
SELECT otherwise('key', 'old');
CREATE TABLE public.model AS TABLE event;

-- to the end
SELECT zdm.migrate('ALTER TABLE event ALTER COLUMN at TYPE timestamptz', label => 'tz') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT differ('event', 'model');
SELECT otherwise('key', 'hand');
SELECT zdm.migrate('ALTER TABLE event ALTER COLUMN at TYPE timestamptz', label => 'tz') = :m AS same;
DROP TABLE public.model;

-- LIST, by expressions of one's own; a bound that is NULL stays that
CREATE TABLE code (id int, c text NOT NULL DEFAULT 'n1', PRIMARY KEY (id, c)) PARTITION BY LIST (c);
CREATE TABLE code_1 PARTITION OF code FOR VALUES IN ('n1', 'n2', NULL);
CREATE TABLE code_2 PARTITION OF code FOR VALUES IN ('n3');
CREATE TABLE code_else PARTITION OF code DEFAULT;
INSERT INTO code SELECT i, 'n' || i % 4 + 1 FROM generate_series(1, 300) i;
SELECT zdm.change_column_type('code', 'c', 'int', up => 'substr(c, 2)::int', down => $$'n' || c$$, keep_place => true) AS m \gset
CALL zdm.wait(:m, 'ready');
-- a row that would not come back, and one of which there is no value: they go through, and the cutover stops at each
INSERT INTO code VALUES (1000, 'n03');
INSERT INTO code VALUES (1001, 'none');
UPDATE code SET c = 'n04' WHERE id = 3;
SELECT key, sqlstate, message FROM zdm.misfit WHERE migration = :m ORDER BY key;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT state, regexp_replace(error, 'zdm_\d+', 'zdm_n', 'g') AS error FROM zdm.migrations WHERE id = :m;
DELETE FROM code WHERE id >= 1000;
UPDATE code SET c = 'n5' WHERE id = 3;
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'switched');
SELECT relid, pg_get_expr(relpartbound, c.oid) FROM pg_partition_tree('code') JOIN pg_class c ON c.oid = relid WHERE isleaf ORDER BY relid::text;
SELECT tableoid::regclass, c, count(*) FROM code GROUP BY 1, 2 ORDER BY 2;
INSERT INTO code VALUES (1000) RETURNING *;
UPDATE code SET c = c + 1 WHERE id % 10 = 0;
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT tableoid::regclass, c, count(*) FROM code GROUP BY 1, 2 ORDER BY 2;
DROP TABLE code;

-- a row that no partition takes; and one that cannot go back
CREATE TABLE r (k int PRIMARY KEY) PARTITION BY RANGE (k);
CREATE TABLE r_1 PARTITION OF r FOR VALUES FROM (0) TO (10);
INSERT INTO r SELECT generate_series(0, 9);
SELECT zdm.change_column_type('r', 'k', 'bigint', up => 'CASE WHEN k = 5 THEN 50 ELSE k END', down => 'CASE WHEN k = 50 THEN 5 ELSE k END') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT state, regexp_replace(error, 'zdm_\d+', 'zdm_n', 'g') AS error, replace(error_hint, :m::text, 'ID') AS hint FROM zdm.migrations WHERE id = :m;
-- made meanwhile: the second table has it too, when it is begun anew
CREATE TABLE r_5 PARTITION OF r FOR VALUES FROM (49) TO (60);
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT tableoid::regclass, count(*) FROM r GROUP BY 1 ORDER BY 1;
-- for the way back it is too late
CREATE TABLE r_9 PARTITION OF r FOR VALUES FROM (90) TO (100);
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT state, error FROM zdm.migrations WHERE id = :m;
ALTER TABLE r DETACH PARTITION r_9;
DROP TABLE r_9, r_5;
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'reverted');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT tableoid::regclass, count(*) FROM r GROUP BY 1 ORDER BY 1;
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';
SELECT zdm.change_column_type('r', 'k', 'bigint', label => 'r') AS m \gset
CALL zdm.wait(:m, 'ready');
CREATE TABLE r_2 PARTITION OF r FOR VALUES FROM (10) TO (20);
INSERT INTO r SELECT generate_series(10, 19);
ALTER TABLE r DETACH PARTITION r_1;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT tableoid::regclass, pg_typeof(k), count(*) FROM r GROUP BY 1, 2 ORDER BY 1;
CREATE TABLE r_9 PARTITION OF r FOR VALUES FROM (5000000000) TO (5000000010);
INSERT INTO r VALUES (5000000001);
SELECT key, message FROM zdm.misfit WHERE migration = :m;
SELECT zdm.revert(:m);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT tableoid::regclass, count(*) FROM r GROUP BY 1 ORDER BY 1;

-- HASH, and foreign keys both ways: of integers
CREATE TABLE parent (id serial PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE parent_0 PARTITION OF parent FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parent_1 PARTITION OF parent FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE child (n int, p int NOT NULL REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, PRIMARY KEY (n, p)) PARTITION BY LIST (p);
CREATE TABLE child_1 PARTITION OF child FOR VALUES IN (1, 2);
CREATE TABLE child_else PARTITION OF child DEFAULT;
INSERT INTO parent (v) SELECT 'v' || i FROM generate_series(1, 200) i;
INSERT INTO child SELECT id, id FROM parent WHERE id < 100;
CREATE VIEW joined AS SELECT count(*) FROM parent JOIN child ON id = p;
SELECT zdm.change_column_type('parent', 'id', 'bigint') AS m \gset
CALL zdm.wait(:m, 'ready');
DELETE FROM parent WHERE id = 7;
UPDATE parent SET id = 1007 WHERE id = 8;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
DELETE FROM parent WHERE id = 9;
UPDATE parent SET id = 1010 WHERE id = 10;
INSERT INTO parent (v) VALUES ('new') RETURNING id, pg_typeof(id);
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
DELETE FROM parent WHERE id = 11;
SELECT count(*), sum(id) FROM parent;
SELECT zdm.change_column_type('parent', 'id', 'bigint') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT zdm.change_column_type('child', 'p', 'bigint') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
DELETE FROM parent WHERE id = 12;
INSERT INTO child VALUES (1, -1);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT *, (SELECT count(*) FROM parent), (SELECT count(*) FROM child) FROM joined;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conrelid IN ('child'::regclass, 'child_1'::regclass, 'parent_0'::regclass) AND contype <> 'n'
	AND NOT confrelid IN ('parent_0'::regclass, 'parent_1'::regclass) ORDER BY 1, 2;
SELECT seqtypid::regtype FROM pg_sequence WHERE seqrelid = 'parent_id_seq'::regclass;

SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%' OR relrewrite <> 0;

-- mistakes are found at the call
CREATE TABLE l (id int, c text, PRIMARY KEY (id, c)) PARTITION BY LIST (c);
CREATE TABLE l_a PARTITION OF l FOR VALUES IN ('a', '1');
CREATE TABLE l_b PARTITION OF l FOR VALUES IN ('A', 'b');
CREATE TABLE t (id int, at timestamp, other int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2024-01-01 10:00') TO ('2024-01-01 11:00');
CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM ('2024-01-02') TO ('2024-01-03');
CREATE TABLE e (k int) PARTITION BY RANGE ((k + 1));
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT zdm.change_column_type('l', 'c', 'varchar(20)', up => 'lower(c)');
SELECT zdm.change_column_type('l', 'c', 'int', up => 'c::int');
SELECT zdm.change_column_type('l', 'c', 'varchar(20)', up => 'c || id', down => 'c');
SELECT zdm.change_column_type('l', 'c', 'varchar(20)', down => 'c || id');
SELECT zdm.change_column_type('t', 'at', 'date');
SELECT zdm.change_column_type('t', 'at', 'timestamptz', up => 'timestamp ''2024-02-01'' - (at - ''2024-01-01'')', down => 'at');
SELECT zdm.change_column_type('t', 'at', 'timestamptz', up => 'nullif(at, ''2024-01-03'')');
SELECT zdm.change_column_type('e', 'k', 'bigint');
CREATE INDEX t_2_own ON t_2 (other);
SELECT zdm.change_column_type('t', 'at', 'timestamptz');
DROP INDEX t_2_own;
CREATE INDEX t_late ON t (id) WHERE at > '2024-01-03';
SELECT zdm.change_column_type('t', 'at', 'timestamptz');
-- two names at a time it cannot have
SELECT zdm.rename_column('t', 'at', 'moment');
SELECT zdm.migrate('ALTER TABLE t RENAME COLUMN at TO moment');
BEGIN; SET LOCAL zdm.guard = off; ALTER TABLE t RENAME COLUMN at TO moment; COMMIT;
SELECT attname FROM pg_attribute WHERE attrelid = 't_1'::regclass AND attnum = 2;

-- of a table made in this transaction nothing is done at once, as no statement does it
BEGIN;
CREATE TABLE young (k int PRIMARY KEY) PARTITION BY LIST (k);
CREATE TABLE young_1 PARTITION OF young FOR VALUES IN (1);
INSERT INTO young VALUES (1);
SELECT zdm.change_column_type('young', 'k', 'bigint') AS m \gset
COMMIT;
CALL zdm.wait(:m, 'ready');
CREATE VIEW shows AS SELECT k FROM young;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT k, pg_typeof(k) FROM young;
SELECT k, pg_typeof(k) FROM shows;

DROP SCHEMA key, hand, old CASCADE;
DROP ROLE zdm_key_reader;
