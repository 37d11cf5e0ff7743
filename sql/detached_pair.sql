--
-- A partition that is detached while its table's column has a second one: the migration
-- goes on without it, and who detaches it hears what it keeps.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = refuse;
SET zdm.guard_min_size = 0;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE TABLE e (id int, at int, v int NOT NULL CHECK (v > 0), PRIMARY KEY (id, at), UNIQUE (at, id)) PARTITION BY RANGE (at);
CREATE TABLE e1 PARTITION OF e FOR VALUES FROM (0) TO (100);
CREATE TABLE e2 PARTITION OF e FOR VALUES FROM (100) TO (200);
CREATE TABLE e3 PARTITION OF e FOR VALUES FROM (200) TO (300);
CREATE INDEX e_v_idx ON e (v);
INSERT INTO e SELECT i, i, i FROM generate_series(1, 299) i;
SET client_min_messages = warning;
SELECT zdm.change_column_type('e', 'v', 'bigint') AS v \gset
SELECT zdm.change_column_type('e', 'id', 'bigint') AS id \gset
CALL zdm.wait(:v, 'ready');
CALL zdm.wait(:id, 'ready');
ALTER TABLE e DETACH PARTITION e1;
-- the hints can be typed, and then it is a table like any other
INSERT INTO e1 (id, at, v) VALUES (1000, 50, 4);
SELECT format('ALTER TABLE public.e1 ALTER COLUMN %I DROP NOT NULL', attname) FROM pg_attribute
WHERE attrelid = 'e1'::regclass AND attname LIKE '%\_zdm%' ORDER BY 1 \gexec
INSERT INTO e1 (id, at, v) VALUES (1000, 50, 4);
-- those of a partition are the migration's
SELECT format('ALTER TABLE public.e2 ALTER COLUMN %I DROP NOT NULL', attname) FROM pg_attribute
WHERE attrelid = 'e2'::regclass AND attname LIKE 'v\_zdm%' \gexec
SELECT zdm.cutover(:v), zdm.cutover(:id);
CALL zdm.wait(:v, 'switched');
CALL zdm.wait(:id, 'switched');
ALTER TABLE e DETACH PARTITION e2;
INSERT INTO e2 (id, at, v) VALUES (1000, 150, 4);
SELECT zdm.contract(:v), zdm.contract(:id);
CALL zdm.wait(:v);
CALL zdm.wait(:id);
SELECT state, error FROM zdm.migrations ORDER BY id;
SELECT indrelid::regclass, indexrelid::regclass FROM pg_index WHERE indrelid::regclass::text ~ '^e[0-9]?$'
ORDER BY indrelid::regclass::text, indexrelid::regclass::text;
SELECT count(*) FROM e1;
SELECT count(*) FROM e2;
SELECT count(*) FROM e;
SET zdm.guard = off;
DROP TABLE e, e1, e2;
DROP EXTENSION pg_zdm CASCADE;
