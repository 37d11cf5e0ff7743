-- A table of another shape takes the first one's name, with all that hangs on it; the first
-- one follows, and comes back by revert.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA new_shape;
SET search_path = new_shape, public;

CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 10);
CREATE TABLE t (
	gone int,
	name text COLLATE "C" NOT NULL DEFAULT 'x',
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	parent int REFERENCES parent ON DELETE CASCADE,
	u int CONSTRAINT t_u UNIQUE,
	d int CONSTRAINT t_d UNIQUE DEFERRABLE INITIALLY DEFERRED,
	x int4range,
	big text,
	double int GENERATED ALWAYS AS (u * 2) STORED,
	CONSTRAINT t_x EXCLUDE USING gist (x WITH &&),
	CONSTRAINT positive CHECK (u > -5000)
) WITH (fillfactor = 90, toast.autovacuum_enabled = off);
ALTER TABLE t DROP COLUMN gone;
ALTER TABLE t ALTER COLUMN big SET STORAGE EXTERNAL;
INSERT INTO t (name, parent, u, d, x, big)
	SELECT 'n' || i, i % 10 + 1, i, i, int4range(i, i + 1), CASE WHEN i % 50 = 0 THEN (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 400) j) ELSE 'small ' || i END
	FROM generate_series(1, 500) i;
ALTER TABLE t ADD CONSTRAINT odd CHECK (u <> 7) NOT VALID;
CREATE INDEX t_expr ON t (lower(name) DESC) INCLUDE (u) WHERE u > 10;
CREATE TABLE child (t bigint REFERENCES t);
INSERT INTO child SELECT id FROM t WHERE id < 100;
CREATE VIEW v AS SELECT id, u FROM t;
CREATE TABLE was AS SELECT oid, relname FROM pg_class WHERE relname = 't';
CREATE FUNCTION differ(text, text, OUT differ bigint) LANGUAGE plpgsql AS $$
DECLARE
	columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped);
BEGIN
	EXECUTE format('SELECT count(*) FROM ((SELECT %3$s FROM %1$s EXCEPT ALL SELECT %3$s FROM %2$s) UNION ALL (SELECT %3$s FROM %2$s EXCEPT ALL SELECT %3$s FROM %1$s)) x', $1, $2, columns) INTO differ;
END $$;

-- mistakes are found at the call
SELECT zdm.rewrite('t', columns => '{id,name,parent,u,d,x,big}');
SELECT zdm.rewrite('t', columns => '{id,name,parent,u,d,x,big,double,nobody}');
SELECT zdm.rewrite('t', columns => '{id,name,parent,u,d,x,big,double,id}');
SELECT zdm.rewrite('t', columns => '{}');
SELECT zdm.rewrite('t', columns => '{NULL}');
CREATE TABLE no_key (a int, b int);
SELECT zdm.rewrite('no_key', columns => '{b,a}');
SELECT zdm.unpartition_table('no_key');
BEGIN;
SELECT zdm.rewrite('t', 'u DESC', '{id,u,d,parent,x,double,big,name}') AS m \gset
SELECT step, phase, action, lock, undo_lock, work FROM zdm.steps JOIN zdm.step USING (migration, step, phase, action, lock, work) WHERE migration = :m;
ROLLBACK;

-- there
SELECT zdm.rewrite('t', 'u DESC', '{id,u,d,parent,x,double,big,name}', label => 'order') AS m \gset
CALL zdm.wait(:m);
SELECT format('zdm_%s_t', :m) AS hidden \gset
SELECT state, error FROM zdm.migrations WHERE id = :m;
UPDATE t SET u = u + 1000 WHERE id % 7 = 0 AND id <> 7;
DELETE FROM t WHERE id % 5 = 0 AND id >= 100;
SELECT differ('t', :'hidden');
-- nobody else writes it
DO $$
BEGIN
	EXECUTE format('TRUNCATE %s', (SELECT hidden::regclass FROM zdm.second));
EXCEPTION WHEN object_in_use THEN RAISE WARNING '%', regexp_replace(SQLERRM, '_[0-9]+_', '_n_');
END $$;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT c.oid <> w.oid AS another FROM was w JOIN pg_class c USING (relname);
\d t
\d child
SELECT reloptions, (SELECT reloptions FROM pg_class WHERE oid = c.reltoastrelid) AS toast FROM pg_class c WHERE oid = 't'::regclass;
SELECT attname, attstorage, attcompression FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'big';
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c' ORDER BY 1;
SELECT differ('t', :'hidden');
INSERT INTO t (u, d, parent, name, x) VALUES (77777, 77777, 3, 'new', '[77777,77778)') RETURNING id, double;
UPDATE t SET u = 90000 - u, d = -d WHERE id <> 7;
DELETE FROM parent WHERE id = 9 AND NOT EXISTS (SELECT FROM child);
SELECT differ('t', :'hidden');
-- constraints hold as before
INSERT INTO t (u) VALUES (12223);
INSERT INTO t (d) VALUES (-77);
INSERT INTO t (x) VALUES ('[201,202)');
INSERT INTO t (u) VALUES (7);
INSERT INTO child VALUES (-1);
-- the same label is the same migration, although another table has the name
SELECT zdm.rewrite('t', 'u DESC', '{id,u,d,parent,x,double,big,name}', label => 'order') = :m AS same;

-- back
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT c.oid = w.oid AS same FROM was w JOIN pg_class c USING (relname);
\d t
SELECT count(*), sum(u) FROM t;
INSERT INTO t (u, d) VALUES (-100, 100001) RETURNING id;
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';
SELECT tgname FROM pg_trigger WHERE tgname LIKE 'zdm\_%';

-- and there again, to the end
SELECT zdm.rewrite('t', NULL, '{id,u,d,parent,x,double,big,name}') AS m \gset
CALL zdm.wait(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
INSERT INTO t (u, d) VALUES (-101, 100002) RETURNING id;
SELECT zdm.contract(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*), sum(u) FROM t;
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';

-- partitions are taken away; the first table is routed to, and partitions that come are followed
CREATE TABLE p (id int, day int, v text, u int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE TABLE p3 (v text, id int NOT NULL, day int NOT NULL, u int);
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (20) TO (30);
INSERT INTO p SELECT i, i % 30, 'v' || i, i FROM generate_series(1, 1000) i;
CREATE INDEX p_u ON p (u);
CREATE INDEX p_v ON p (lower(v));
SELECT zdm.unpartition_table('p') AS m \gset
CALL zdm.wait(:m);
SELECT format('zdm_%s_p', :m) AS hidden \gset
UPDATE p SET day = (day + 10) % 30 WHERE id % 7 = 0;
DELETE FROM p WHERE id % 5 = 0;
CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (30) TO (40);
INSERT INTO p VALUES (5000, 35, 'late', 1);
SELECT differ('p', :'hidden');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
\d p
UPDATE p SET day = (day + 10) % 30 WHERE id % 7 = 0;
UPDATE p SET v = 'x', id = -id WHERE id % 13 = 0;
SELECT differ('p', :'hidden');
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT tableoid::regclass, count(*) FROM p GROUP BY 1 ORDER BY 1;

-- a row that no partition takes closes the way back
SELECT zdm.unpartition_table('p') AS m \gset
CALL zdm.wait(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
INSERT INTO p VALUES (6000, 99, 'nowhere', 1);
SELECT direction, relation, key, sqlstate, message FROM zdm.misfit;
SELECT zdm.revert(:m);
SELECT zdm.contract(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM p;
SELECT relname FROM pg_class WHERE relname ~ '^(zdm_|p[0-9])' AND relnamespace = 'new_shape'::regnamespace;

-- rows are copied to partitions, with a new primary key
CREATE TABLE e (id int PRIMARY KEY, day int NOT NULL, v text, u int CONSTRAINT e_u UNIQUE);
INSERT INTO e SELECT i, i % 30, 'v' || i, i FROM generate_series(1, 3000) i;
CREATE INDEX e_v ON e (lower(v)) WHERE u > 3;
CREATE VIEW e_view AS SELECT * FROM e;
ALTER TABLE e DROP CONSTRAINT e_u;
CREATE INDEX e_u ON e (u);
CREATE PUBLICATION plain FOR TABLE e;
SELECT zdm.partition_table('e', 'RANGE (day)', ARRAY['e_1 FOR VALUES FROM (MINVALUE) TO (10)', 'e_2 FOR VALUES FROM (10) TO (20)', 'e_3 FOR VALUES FROM (20) TO (40)'],
	primary_key => 'id, day') AS m \gset
CALL zdm.wait(:m);
SELECT count(*) FROM zdm.migration, unnest(notes) n WHERE id = :m AND n LIKE '%publish_via_partition_root%';
SELECT format('zdm_%s_e', :m) AS hidden \gset
UPDATE e SET day = (day + 10) % 30 WHERE id % 7 = 0;
DELETE FROM e WHERE id % 5 = 0;
UPDATE e SET id = id + 100000, day = (day + 5) % 30 WHERE id % 13 = 0;
SELECT differ('e', :'hidden');
-- no partition takes this one: the write goes through, and the cutover stops at it
SELECT * FROM zdm.verify(:m);
INSERT INTO e VALUES (90000, 100, 'nowhere');
SELECT * FROM zdm.verify(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
CREATE TABLE e_9 PARTITION OF :hidden FOR VALUES FROM (90) TO (110);
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'switched');
SELECT relid, pg_get_expr(relpartbound, c.oid) FROM pg_partition_tree('e') JOIN pg_class c ON c.oid = relid WHERE isleaf ORDER BY relid::text COLLATE "C";
\d e_1
UPDATE e SET day = (day + 10) % 30 WHERE id % 7 = 0 AND day < 30;
UPDATE e SET v = 'x', id = -id WHERE id % 13 = 0;
WITH d AS (DELETE FROM e WHERE id = 90000 RETURNING *) INSERT INTO e SELECT id, day - 90, v FROM d;
CREATE TABLE e_4 PARTITION OF e FOR VALUES FROM (40) TO (50);
INSERT INTO e VALUES (7777, 45, 'late');
SELECT differ('e', :'hidden');
SELECT count(*) FROM e_view;
-- what the first table has missed it is given on the way back
TRUNCATE e;
INSERT INTO e SELECT i, i % 20, 'again', i FROM generate_series(1, 500) i;
DROP TABLE e_3;
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*), sum(id) FROM e;
SELECT indexrelid::regclass, indisprimary, indisunique FROM pg_index WHERE indrelid = 'e'::regclass ORDER BY 1;

-- an expression, and no primary key: rows of one key are no more than one until somebody writes another
SELECT zdm.partition_table('e', 'LIST ((abs(u) % 3))', ARRAY['l0 FOR VALUES IN (0)', 'l1 FOR VALUES IN (1)', 'l2 DEFAULT'], primary_key => '');	-- no row of it could be updated
DROP PUBLICATION plain;
SELECT zdm.partition_table('e', 'LIST ((abs(u) % 3))', ARRAY['l0 FOR VALUES IN (0)', 'l1 FOR VALUES IN (1)', 'l2 DEFAULT'], primary_key => '') AS m \gset
CALL zdm.wait(:m);
SELECT format('zdm_%s_e', :m) AS hidden \gset
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
\d l0
UPDATE e SET u = u + 1 WHERE id % 2 = 0;
UPDATE e SET id = id + 10000, u = u + 1 WHERE id % 7 = 0;
UPDATE e SET u = NULL WHERE id % 11 = 0;
SELECT differ('e', :'hidden');
SELECT count(*) FROM zdm.misfit WHERE migration = :m;
INSERT INTO e SELECT id, day, 'twin', u FROM e WHERE id = 1;
SELECT direction, sqlstate, message FROM zdm.misfit WHERE migration = :m;
SELECT zdm.contract(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM e WHERE id = 1;
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';

-- deleted, and inserted again in another partition before the trigger is told of the former
CREATE TABLE again (id int PRIMARY KEY, day int NOT NULL);
INSERT INTO again SELECT i, i % 20 FROM generate_series(1, 100) i;
SELECT zdm.partition_table('again', 'RANGE (day)', '{again_1 FOR VALUES FROM (0) TO (10),again_2 FOR VALUES FROM (10) TO (20)}', primary_key => '') AS m \gset
CALL zdm.wait(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT format('zdm_%s_again', :m) AS hidden \gset
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO again VALUES (OLD.id, (OLD.day + 10) % 20);
	UPDATE again SET day = (day + 1) % 20 WHERE id = OLD.id;
	RETURN NULL;
END $$;
CREATE TRIGGER again AFTER DELETE ON again FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION again();
DELETE FROM again WHERE id % 3 = 0;
SELECT count(*) FROM again;
SELECT differ('again', :'hidden');
SELECT zdm.revert(:m);
CALL zdm.wait(:m);
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM again;

DROP SCHEMA new_shape CASCADE;
