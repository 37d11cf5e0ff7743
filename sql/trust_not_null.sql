--
-- SET NOT NULL without a fill looks for NULLs before anything is changed.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE TABLE customer (id int PRIMARY KEY, name text, state text);
INSERT INTO customer SELECT g, 'n', CASE WHEN g % 9 > 0 THEN 's' END FROM generate_series(1, 200) g;
SELECT zdm.set_not_null('customer', 'state', label => 'n');
CALL zdm.wait('n', 'completed', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'n';
SELECT error_hint FROM zdm.migration WHERE label = 'n';
-- the old application goes on
INSERT INTO customer VALUES (300, 'old application', NULL);
UPDATE customer SET name = 'm' WHERE id = 9;
SELECT conname FROM pg_constraint WHERE conrelid = 'customer'::regclass AND conname LIKE '%state%';
UPDATE customer SET state = 's' WHERE state IS NULL;
SELECT zdm.resume('n');
CALL zdm.wait('n', 'completed', '15 seconds');
SELECT attnotnull FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attname = 'state';
-- a primary key asks the same
CREATE TABLE k (a int, b int);
INSERT INTO k VALUES (1, 1), (NULL, 2);
SELECT zdm.migrate('ALTER TABLE k ADD PRIMARY KEY (a)', label => 'k');
CALL zdm.wait('k', 'completed', '15 seconds');
SELECT regexp_replace(error, 'ctid=.*\)', 'ctid=...') AS error FROM zdm.migrations WHERE label = 'k';
INSERT INTO k VALUES (NULL, 3);

-- an index that a broken CREATE INDEX CONCURRENTLY has left
CREATE TABLE i (a int, b int);
INSERT INTO i VALUES (1, 1), (1, 1);
CREATE UNIQUE INDEX CONCURRENTLY i_a ON i (a);
\set VERBOSITY default
SELECT zdm.migrate('CREATE INDEX i_a ON i (a)');
SELECT zdm.migrate('CREATE INDEX IF NOT EXISTS i_a ON i (a)', label => 'i');
CALL zdm.wait('i', 'completed', '15 seconds');
SELECT indexrelid::regclass, indisvalid, indisunique FROM pg_index WHERE indrelid = 'i'::regclass;
SELECT zdm.migrate('CREATE INDEX IF NOT EXISTS i_a ON i (a)', label => 'again');
