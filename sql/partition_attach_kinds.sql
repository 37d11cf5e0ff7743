-- A table that becomes a partition, by bounds of one's own; back before cutover; rows in the way of contract.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA kinds;
CREATE SCHEMA "Other";
SET search_path = kinds, public;
CREATE FUNCTION tree(regclass) RETURNS TABLE (part text) LANGUAGE sql AS $$
	SELECT format('%s %s %s', c.oid::regclass, pg_get_expr(relpartbound, c.oid), (SELECT string_agg(i.indexrelid::regclass || CASE WHEN indisprimary THEN ' p' WHEN indisunique THEN ' u' ELSE '' END, ', ' ORDER BY i.indexrelid::regclass::text) FROM pg_index i WHERE indrelid = c.oid))
	FROM pg_class c WHERE oid = $1 OR oid IN (SELECT relid FROM pg_partition_tree($1)) ORDER BY 1 $$;

-- LIST, with a key that has the partition key in it, which another references; a default partition; another schema and an odd name
CREATE TABLE "T x" (id int, kind text, v int, PRIMARY KEY (kind, id), UNIQUE (id, kind, v) DEFERRABLE);
CREATE TABLE ref (kind text, id int, CONSTRAINT ref_fkey FOREIGN KEY (kind, id) REFERENCES "T x" ON DELETE CASCADE);
INSERT INTO "T x" SELECT i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END, i FROM generate_series(1, 100) i;
INSERT INTO ref SELECT kind, id FROM "T x" WHERE id < 20;
SELECT zdm.partition_table('"T x"', 'LIST (kind)', ARRAY['"Other"."First" FOR VALUES IN (''a'', ''b'')', 'third FOR VALUES IN (''c'')'], with_default => true, way => 'attach') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT * FROM tree('"T x"');
SELECT zdm.partition_table('"T x"', 'LIST (kind)', ARRAY['"Other"."First" FOR VALUES IN (''a'', ''b'')', 'third FOR VALUES IN (''c'')'], with_default => true, way => 'attach') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT * FROM tree('"T x"');
INSERT INTO "T x" VALUES (101, 'c', 101);
DELETE FROM "T x" WHERE id = 2;
SELECT count(*) FROM ref;
-- it is of the third one: contract says so, nothing is lost
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM "T x";
UPDATE "T x" SET kind = 'a' WHERE id = 101;
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'completed');
SELECT * FROM tree('"T x"');
INSERT INTO "T x" VALUES (102, 'c', 1), (103, 'd', 1) RETURNING tableoid::regclass;
INSERT INTO ref VALUES ('c', 102), ('d', 103), ('a', 4);
DELETE FROM "T x" WHERE id IN (4, 102);
SELECT count(*) FROM ref;
INSERT INTO ref VALUES ('c', 102);
SELECT zdm.revert(:m);

-- by an expression, for which the primary key is given up
CREATE TABLE e (id int PRIMARY KEY, v text);
INSERT INTO e SELECT i, 'v' || i FROM generate_series(1, 50) i;
SELECT zdm.partition_table('e', 'RANGE ((id / 10))', ARRAY['e_old FOR VALUES FROM (MINVALUE) TO (10)', 'e_new FOR VALUES FROM (10) TO (MAXVALUE)'], primary_key => '', way => 'attach') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT * FROM tree('e');
SELECT zdm.partition_table('e', 'RANGE ((id / 10))', ARRAY['e_old FOR VALUES FROM (MINVALUE) TO (10)', 'e_new FOR VALUES FROM (10) TO (MAXVALUE)'], primary_key => '', way => 'attach') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
-- a partition that somebody adds is in the way back's way, and is named
ALTER TABLE e DETACH PARTITION e_old;
ALTER TABLE e ATTACH PARTITION e_old DEFAULT;
CREATE TABLE mine PARTITION OF e FOR VALUES FROM (100) TO (200);
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT state, error FROM zdm.migrations WHERE id = :m;
DROP TABLE mine;
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'reverted');
SELECT * FROM tree('e');

-- empty, and a number near the type's end, beyond which there is no partition
CREATE TABLE small (id smallint PRIMARY KEY);
SELECT zdm.partition_table('small', 'RANGE (id)', every => '10000', ahead => 9, way => 'attach') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
INSERT INTO small VALUES (-32768);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT * FROM tree('small');
INSERT INTO small VALUES (0), (32767) RETURNING tableoid::regclass;
SELECT count(*) FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace IN ('kinds'::regnamespace, '"Other"'::regnamespace);
