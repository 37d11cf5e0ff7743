-- Smaller partitions take the place of one: the catalog as by hand, and what is refused.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET TimeZone = 'UTC';
CREATE SCHEMA split;
SET search_path = split, public;
CREATE ROLE regress_split_reader;

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.kind := coalesce(NEW.kind, TG_NAME); RETURN NEW; END';
CREATE FUNCTION shape() RETURNS TABLE (what text) LANGUAGE sql AS $$
	SELECT format('%s %s %s', c.oid::regclass, relkind, pg_get_expr(relpartbound, c.oid)) FROM pg_class c WHERE relnamespace = 'split'::regnamespace AND relkind IN ('r', 'p', 'v')
	UNION ALL SELECT format('  %s: %s%s %s%s', indrelid::regclass, pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN ' INVALID' END, obj_description(indexrelid), (SELECT ' statistics ' || max(attstattarget) FROM pg_attribute WHERE attrelid = indexrelid AND attstattarget > 0)) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = 'split'::regnamespace
	UNION ALL SELECT format('  %s: %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'split'::regnamespace AND contype <> 'n' AND conparentid = 0
	UNION ALL SELECT format('  %s: %s foreign keys in, %s out', confrelid::regclass, count(*), count(*) FILTER (WHERE convalidated)) FROM pg_constraint WHERE connamespace = 'split'::regnamespace AND contype = 'f' GROUP BY confrelid
	UNION ALL SELECT format('  %s: trigger %s%s', tgrelid::regclass, tgname, CASE WHEN tgparentid <> 0 THEN ' of its parent' END) FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'split'::regnamespace AND NOT tgisinternal
	UNION ALL SELECT format('  %s: %s %s %s %s %s', oid::regclass, reloptions, replace(relacl::text, 'Dxtm', 'Dxt'), relrowsecurity, relreplident, obj_description(oid)) FROM pg_class WHERE relnamespace = 'split'::regnamespace AND relkind IN ('r', 'p') AND (reloptions IS NOT NULL OR relacl IS NOT NULL)
	UNION ALL SELECT format('  %s: column %s %s %s %s %s', attrelid::regclass, attname, coalesce(attstattarget, -1), attstorage, attacl, col_description(attrelid, attnum)) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'split'::regnamespace AND relkind = 'r' AND attnum > 0 AND (attstattarget > 0 OR attacl IS NOT NULL OR col_description(attrelid, attnum) IS NOT NULL)
	UNION ALL SELECT format('  %s: policy %s %s', polrelid::regclass, polname, pg_get_expr(polqual, polrelid)) FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE relnamespace = 'split'::regnamespace
	ORDER BY 1 $$;

-- RANGE, with all that can hang on it
CREATE TABLE owner_of (id int PRIMARY KEY);
INSERT INTO owner_of VALUES (1), (2);
CREATE TABLE event (id bigint, gone int, at date NOT NULL, kind text, owner int DEFAULT 1 REFERENCES owner_of, n int CHECK (n > 0),
	double int GENERATED ALWAYS AS (n * 2) STORED, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
ALTER TABLE event DROP COLUMN gone;
CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
-- the columns of this one stand otherwise
CREATE TABLE event_2024 (n int, double int GENERATED ALWAYS AS (n * 2) STORED, kind text, x int, at date NOT NULL, id bigint NOT NULL, owner int, CHECK (n > 0)) WITH (fillfactor = 80, toast.autovacuum_enabled = off);
ALTER TABLE event_2024 DROP COLUMN x;
ALTER TABLE event_2024 ALTER kind SET STORAGE EXTERNAL, ALTER n SET STATISTICS 77, ALTER owner SET DEFAULT 2;
ALTER TABLE event_2024 RENAME CONSTRAINT event_2024_n_check TO event_n_check;
ALTER TABLE event ATTACH PARTITION event_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE INDEX event_at ON event (at DESC, n);
CREATE INDEX event_2024_kind ON event_2024 (lower(kind)) WHERE n > 3;
ALTER INDEX event_2024_kind SET (fillfactor = 70);
ALTER INDEX event_2024_kind ALTER COLUMN 1 SET STATISTICS 55;
ALTER INDEX event_2024_pkey RENAME TO this_year;
COMMENT ON INDEX event_2024_kind IS 'by kind';
COMMENT ON INDEX this_year IS 'the key';
ALTER TABLE event_2024 ADD CONSTRAINT small CHECK (n < 1000) NOT VALID;
COMMENT ON CONSTRAINT small ON event_2024 IS 'not large';
ALTER TABLE event_2024 REPLICA IDENTITY FULL;
CREATE TRIGGER touch BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE mention (event bigint, at date, FOREIGN KEY (event, at) REFERENCES event);
INSERT INTO event (id, at, n, kind) SELECT g, date '2023-07-01' + g, g, repeat('x', 5000 * (g % 2)) FROM generate_series(1, 800) g;
INSERT INTO mention SELECT id, at FROM event WHERE n % 10 = 0;
COMMENT ON TABLE event_2024 IS 'this year';
COMMENT ON COLUMN event_2024.n IS 'number';
GRANT SELECT ON event_2024 TO regress_split_reader;
GRANT UPDATE (kind) ON event_2024 TO regress_split_reader WITH GRANT OPTION;
CREATE POLICY mine ON event_2024 USING (n > 5);
ALTER TABLE event_2024 ENABLE ROW LEVEL SECURITY;
SELECT * FROM shape();
CREATE TABLE was AS SELECT id, at, n, kind, double, owner FROM event;

-- refused at the call
SELECT zdm.split_partition(NULL);
SELECT zdm.split_partition('owner_of', ARRAY['a DEFAULT']);
SELECT zdm.split_partition('event_2024');
SELECT zdm.split_partition('event_2024', every => '1 month', partitions => ARRAY['a DEFAULT']);
SELECT zdm.split_partition('event_2024', every => '1 year');
SELECT zdm.split_partition('event_2024', ARRAY['h1 FOR VALUES FROM (''2024-01-01'') TO (''2024-07-01'')', 'h2 FOR VALUES FROM (''2024-06-01'') TO (''2025-01-01'')']);
SELECT zdm.split_partition('event_2024', ARRAY['h1 FOR VALUES FROM (''2023-12-01'') TO (''2024-07-01'')', 'h2 FOR VALUES FROM (''2024-07-01'') TO (''2025-01-01'')']);
SELECT zdm.split_partition('event_2024', ARRAY['h1 FOR VALUES FROM (''2024-01-01'') TO (''2024-07-01'')', 'h2 FOR VALUES FROM (''2024-07-01'') TO (''2026-01-01'')']);
SELECT zdm.split_partition('event_2024', ARRAY['h1 FOR VALUES FROM (''2024-01-01'') TO (''2024-07-01'')', 'event_2023 FOR VALUES FROM (''2024-07-01'') TO (''2025-01-01'')']);
SELECT zdm.split_partition('event_2024', ARRAY['h1 FOR VALUES FROM (''2024-01-01'') TO (''2024-07-01'')', 'h2']);
\set VERBOSITY default
SELECT zdm.split_partition('event_2024', ARRAY['h1 FOR VALUES FROM (''2024-01-01'') TO (''2024-07-01'')', 'h2 FOR VALUES FROM (''2024-08-01'') TO (''2025-01-01'')']);
CREATE VIEW direct AS SELECT id FROM event_2024;
CREATE STATISTICS event_2024_s ON id, n FROM event_2024;
CREATE TRIGGER own BEFORE INSERT ON event_2024 FOR EACH ROW EXECUTE FUNCTION touch();
SELECT zdm.split_partition('event_2024', every => '1 month');
DROP VIEW direct;
DROP STATISTICS event_2024_s;
DROP TRIGGER own ON event_2024;
ALTER TABLE event_2023 OWNER TO regress_split_reader;
SELECT zdm.split_partition('event_2023', every => '1 month');
ALTER TABLE event_2023 OWNER TO CURRENT_USER;
CREATE INDEX event_n ON ONLY event (n);
SELECT zdm.split_partition('event_2023', every => '1 month');
DROP INDEX event_n;
SET ROLE regress_split_reader;
SELECT zdm.split_partition('event_2023', every => '1 month');
RESET ROLE;
SELECT zdm.split_partition('event_2023', ARRAY['a FOR VALUES FROM (''2023-01-01'') TO (''2023-07-01'')', 'b FOR VALUES FROM (''2023-07-01'') TO (''2024-01-01''), ADD COLUMN x int']);
SELECT zdm.split_partition('event_2023', every => '1 mnth');
CREATE FOREIGN DATA WRAPPER split_wrapper;
CREATE SERVER split_server FOREIGN DATA WRAPPER split_wrapper;
CREATE TABLE f (id int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE f_1 PARTITION OF f FOR VALUES FROM (0) TO (10) SERVER split_server;
CREATE TABLE f_2 PARTITION OF f FOR VALUES FROM (10) TO (20);
SELECT zdm.split_partition('f_1', every => '5');
SELECT zdm.split_partition('f_2', every => '5');
DROP TABLE f;
DROP FOREIGN DATA WRAPPER split_wrapper CASCADE;
\set VERBOSITY terse
SELECT count(*) FROM zdm.migration;
-- beside another migration, of the partition or of the whole
\set VERBOSITY sqlstate
BEGIN;
SELECT zdm.split_partition('event_2024', every => '1 month') > 0 AS split;
SAVEPOINT s;
SELECT zdm.rewrite('event_2023');
ROLLBACK TO s;
SELECT zdm.split_partition('event_2023', every => '1 month');
ROLLBACK;
BEGIN;
SELECT zdm.rewrite('event_2024') > 0 AS rewrite;
SELECT zdm.split_partition('event_2024', every => '1 month');
ROLLBACK;
\set VERBOSITY terse
-- it has no script
BEGIN;
SELECT file FROM zdm.script(zdm.split_partition('event_2024', every => '1 month'));
ROLLBACK;
-- and back, before it has begun
BEGIN;
SELECT zdm.split_partition('event_2024', every => '1 month') AS m \gset
SELECT zdm.pause(:m);
COMMIT;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');

-- by a list; one has the old one's name
SELECT zdm.split_partition('event_2024', ARRAY['event_2024 FOR VALUES FROM (''2024-01-01'') TO (''2024-07-01'')', 'event_2024h2 FOR VALUES FROM (''2024-07-01'') TO (''2025-01-01'')'], label => 'halves') AS m \gset
SELECT phase, lock, work, note FROM zdm.steps WHERE migration = :m ORDER BY step;
SELECT note FROM zdm.migration, unnest(notes) note WHERE id = :m;
CALL zdm.wait(:m, 'completed');
SELECT * FROM shape();
SELECT tableoid::regclass, count(*), min(at), max(at) FROM event GROUP BY 1 ORDER BY tableoid::regclass::text;
(TABLE was EXCEPT SELECT id, at, n, kind, double, owner FROM event) UNION ALL (SELECT id, at, n, kind, double, owner FROM event EXCEPT TABLE was);
SET enable_seqscan = off;
SELECT count(*) FROM event WHERE at BETWEEN '2024-02-01' AND '2024-02-10' AND n > 0;
SELECT count(*) FROM event_2024 WHERE lower(kind) = '' AND n > 3;
RESET enable_seqscan;
-- the same again, of a partition that has the name now
SELECT zdm.split_partition('event_2024', ARRAY['event_2024 FOR VALUES FROM (''2024-01-01'') TO (''2024-07-01'')', 'event_2024h2 FOR VALUES FROM (''2024-07-01'') TO (''2025-01-01'')'], label => 'halves') = :m AS same;
-- foreign keys and constraints hold
INSERT INTO event (id, at, n, owner) VALUES (1, '2024-08-01', 5, 3);
\set VERBOSITY sqlstate
DELETE FROM event WHERE at = (SELECT min(at) FROM mention WHERE at > '2024-07-01');
\set VERBOSITY terse
INSERT INTO event_2024 (id, at, n) VALUES (1, '2024-08-01', 5);
INSERT INTO event (id, at, n) VALUES (400, '2024-08-01', 0);
INSERT INTO event (id, at, n, kind) VALUES (900, '2024-08-01', 7, NULL) RETURNING tableoid::regclass, *;

-- the default one: what belongs elsewhere goes there, the rest stays
SELECT zdm.split_partition('event_rest', ARRAY['event_2025 FOR VALUES FROM (''2025-01-01'') TO (''2025-06-01'')']) AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT tableoid::regclass, count(*), min(at), max(at) FROM event GROUP BY 1 ORDER BY tableoid::regclass::text;
-- by a width
SELECT zdm.split_partition('event_2023', every => '3 months', label => 'w') AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT zdm.split_partition('event_rest', every => '1 month') AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT tableoid::regclass, count(*), min(at), max(at) FROM event GROUP BY 1 ORDER BY tableoid::regclass::text;
SELECT c.oid::regclass, pg_get_expr(relpartbound, c.oid) FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid WHERE inhparent = 'event'::regclass ORDER BY c.relname;

-- of numbers; the bounds of the catalog are written otherwise than ours
CREATE TABLE i (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE i_1 PARTITION OF i FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE i_2 PARTITION OF i FOR VALUES FROM (100) TO (200);
INSERT INTO i SELECT generate_series(1, 199);
SELECT zdm.split_partition('i_1', every => '25') AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT zdm.split_partition('i_2', every => '40') AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT c.oid::regclass, pg_get_expr(relpartbound, c.oid), (SELECT count(*) FROM i WHERE tableoid = c.oid) FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid WHERE inhparent = 'i'::regclass ORDER BY c.relname;
-- one of them is for what no other takes: rows that were refused before come there
CREATE TABLE d (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE d_1 PARTITION OF d FOR VALUES FROM (0) TO (100);
INSERT INTO d SELECT generate_series(0, 99);
SELECT zdm.split_partition('d_1', ARRAY['d_rest DEFAULT', 'd_1 FOR VALUES FROM (0) TO (50)', 'd_2 FOR VALUES FROM (50) TO (90)']) AS m \gset
CALL zdm.wait(:m, 'completed');
INSERT INTO d VALUES (1000);
SELECT tableoid::regclass, count(*) FROM d GROUP BY 1 ORDER BY tableoid::regclass::text;

-- LIST, HASH
CREATE TABLE l (id int, k text NOT NULL, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE l_ab PARTITION OF l FOR VALUES IN ('a', 'b', 'c');
CREATE TABLE l_rest PARTITION OF l DEFAULT;
INSERT INTO l SELECT g, chr(97 + g % 4) FROM generate_series(1, 100) g;
SELECT zdm.split_partition('l_ab', ARRAY['l_a FOR VALUES IN (''a'')', 'l_ab FOR VALUES IN (''b'', ''c'')']) AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT tableoid::regclass, k, count(*) FROM l GROUP BY 1, 2 ORDER BY tableoid::regclass::text, 2;
CREATE TABLE h (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE h_0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE h_1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO h SELECT g, g FROM generate_series(1, 1000) g;
SELECT zdm.split_partition('h_0', ARRAY['h_0 FOR VALUES WITH (MODULUS 4, REMAINDER 0)', 'h_2 FOR VALUES WITH (MODULUS 4, REMAINDER 1)']);
SELECT zdm.split_partition('h_0', ARRAY['h_0 FOR VALUES WITH (MODULUS 4, REMAINDER 0)', 'h_2 FOR VALUES WITH (MODULUS 4, REMAINDER 2)']) AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT tableoid::regclass, count(*) > 100 AS some FROM h GROUP BY 1 ORDER BY tableoid::regclass::text;
SELECT count(*), sum(v::int) FROM h;
-- an own key, without the partition key in it
CREATE TABLE o (id int, at int) PARTITION BY RANGE (at);
CREATE TABLE o_1 PARTITION OF o FOR VALUES FROM (0) TO (100);
ALTER TABLE o_1 ADD PRIMARY KEY (id);
INSERT INTO o SELECT g, g FROM generate_series(1, 99) g;
SELECT zdm.split_partition('o_1', ARRAY['o_1 FOR VALUES FROM (0) TO (50)', 'o_2 FOR VALUES FROM (50) TO (100)']) AS m \gset
SELECT note FROM zdm.migration, unnest(notes) note WHERE id = :m AND note LIKE 'unique%';
CALL zdm.wait(:m, 'completed');
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('o_1'::regclass, 'o_2'::regclass) AND contype = 'p' ORDER BY 1;
SELECT tableoid::regclass, count(*) FROM o GROUP BY 1 ORDER BY tableoid::regclass::text;
-- rows that refer to rows of the same table
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE) PARTITION BY RANGE (id);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM (0) TO (100);
CREATE TABLE tree_2 PARTITION OF tree FOR VALUES FROM (100) TO (200);
INSERT INTO tree SELECT g, CASE WHEN g > 10 THEN g - 10 END FROM generate_series(1, 199) g;
SELECT zdm.split_partition('tree_1', ARRAY['tree_1 FOR VALUES FROM (0) TO (50)', 'tree_3 FOR VALUES FROM (50) TO (100)']) AS m \gset
CALL zdm.wait(:m, 'completed');
INSERT INTO tree VALUES (0, 1000);
DELETE FROM tree WHERE id = 45;
SELECT tableoid::regclass, count(*) FROM tree GROUP BY 1 ORDER BY tableoid::regclass::text;
SELECT count(*), bool_and(convalidated) FROM pg_constraint WHERE contype = 'f' AND conrelid IN ('tree_1'::regclass, 'tree_3'::regclass);
-- of several levels; without a key; partitioned itself
CREATE TABLE s (a int, b int) PARTITION BY LIST (a);
CREATE TABLE s_1 PARTITION OF s FOR VALUES IN (1) PARTITION BY RANGE (b);
CREATE TABLE s_1_1 PARTITION OF s_1 FOR VALUES FROM (0) TO (10);
SELECT zdm.split_partition('s_1', ARRAY['x FOR VALUES IN (1)']);
SELECT zdm.split_partition('s_1_1', ARRAY['s_1_1 FOR VALUES FROM (0) TO (5)', 's_1_2 FOR VALUES FROM (5) TO (10)']);
ALTER TABLE s ADD PRIMARY KEY (a, b);
INSERT INTO s SELECT 1, g FROM generate_series(0, 9) g;
SELECT zdm.split_partition('s_1_1', ARRAY['s_1_1 FOR VALUES FROM (0) TO (5)', 's_1_2 FOR VALUES FROM (5) TO (10)']) AS m \gset
CALL zdm.wait(:m, 'completed');
SELECT tableoid::regclass, count(*) FROM s GROUP BY 1 ORDER BY tableoid::regclass::text;
-- nothing of ours is left
SELECT relname FROM pg_class WHERE relname LIKE '%zdm\_%' AND relnamespace = 'split'::regnamespace;
SELECT count(*) FROM zdm.second;
DROP SCHEMA split CASCADE;
DROP ROLE regress_split_reader;
