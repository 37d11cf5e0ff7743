--
-- Foreign leaves and inheritance: what fills no row works, what cannot is refused
-- at the call for the reason that it has.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
\set VERBOSITY default
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER old FOREIGN DATA WRAPPER nowhere;
CREATE TABLE sale (id int NOT NULL, y int NOT NULL, note text, gone int) PARTITION BY RANGE (y);
CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM (2020) TO (2021);
CREATE TABLE sale_2 PARTITION OF sale FOR VALUES FROM (2021) TO (2022) PARTITION BY RANGE (y);
CREATE TABLE sale_2a PARTITION OF sale_2 FOR VALUES FROM (2021) TO (2022);
CREATE FOREIGN TABLE sale_old PARTITION OF sale FOR VALUES FROM (2019) TO (2020) SERVER old;
INSERT INTO sale SELECT g, 2020 + g % 2, 'n' FROM generate_series(1, 100) g;
CREATE TABLE metric (id int PRIMARY KEY, v int, gone int);
CREATE TABLE metric_1 () INHERITS (metric);
INSERT INTO metric SELECT g, g FROM generate_series(1, 10) g;
INSERT INTO metric_1 SELECT g, g FROM generate_series(1, 10) g;

SELECT zdm.migrate('CREATE INDEX sale_note ON sale (note)', label => 'index');
SELECT zdm.migrate('ALTER TABLE sale ADD CONSTRAINT positive CHECK (id > 0)', label => 'check');
SELECT zdm.migrate('ALTER TABLE metric ADD CONSTRAINT positive CHECK (v > 0)', label => 'check of parent');
CALL zdm.wait('index', 'completed', '15 seconds');
CALL zdm.wait('check', 'completed', '15 seconds');
CALL zdm.wait('check of parent', 'completed', '15 seconds');
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indexrelid::regclass::text LIKE 'sale%note%' ORDER BY 1;
SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE conname = 'positive' ORDER BY 1;
SELECT zdm.migrate('ALTER TABLE sale DROP COLUMN gone', label => 'drop');
SELECT zdm.migrate('ALTER TABLE metric DROP COLUMN gone', label => 'drop of parent');
CALL zdm.wait('drop', 'ready', '15 seconds');
CALL zdm.wait('drop of parent', 'ready', '15 seconds');
SELECT zdm.contract('drop'), zdm.contract('drop of parent');
CALL zdm.wait('drop', 'completed', '15 seconds');
CALL zdm.wait('drop of parent', 'completed', '15 seconds');
SELECT zdm.set_not_null('metric', 'v', label => 'not null');
CALL zdm.wait('not null', 'completed', '15 seconds');
SELECT attrelid::regclass, attname, attnotnull FROM pg_attribute
WHERE attrelid::regclass::text ~ '^(sale|metric)(_\w+)?$' AND attnum > 0 AND NOT attisdropped AND attname IN ('gone', 'v') ORDER BY attrelid::regclass::text, attnum;
SELECT zdm.migrate('ALTER TABLE sale RENAME TO sales', label => 'rename');
SELECT zdm.migrate('ALTER TABLE metric RENAME TO metrics', label => 'rename of parent');
CALL zdm.wait('rename', 'ready', '15 seconds');
CALL zdm.wait('rename of parent', 'ready', '15 seconds');
SELECT zdm.cutover('rename'), zdm.cutover('rename of parent');
CALL zdm.wait('rename', 'switched', '15 seconds');
CALL zdm.wait('rename of parent', 'switched', '15 seconds');
SELECT zdm.contract('rename'), zdm.contract('rename of parent');
CALL zdm.wait('rename', 'completed', '15 seconds');
CALL zdm.wait('rename of parent', 'completed', '15 seconds');

-- what cannot
SELECT zdm.migrate('CREATE UNIQUE INDEX ON sales (id, y)');
SELECT zdm.migrate('ALTER TABLE sales ADD UNIQUE (id, y)');
SELECT zdm.migrate('ALTER TABLE sales ADD FOREIGN KEY (id) REFERENCES metrics');
SELECT zdm.change_column_type('sales', 'id', 'bigint');
SELECT zdm.rename_column('sales', 'note', 'remark');
SELECT zdm.set_not_null('sales', 'note', '''x''');
SELECT zdm.backfill('sales', 'note = 1');
SELECT zdm.change_column_type('metrics', 'v', 'bigint');
SELECT zdm.rename_column('metrics', 'v', 'w');
SELECT zdm.backfill('metrics', 'v = 1', 'v = 2');
SELECT zdm.migrate('ALTER TABLE metrics ADD COLUMN g uuid DEFAULT gen_random_uuid()');
SELECT * FROM zdm.plan('ALTER TABLE metrics ALTER v TYPE bigint');
SELECT * FROM zdm.plan('ALTER TABLE metrics ADD COLUMN g uuid DEFAULT gen_random_uuid()');

-- NOT NULL of a foreign leaf is a declaration: the others are read
SELECT zdm.set_not_null('sales', 'note', label => 'not null of sales') > 0;
CALL zdm.wait('not null of sales', 'completed', '15 seconds');
SELECT attrelid::regclass, attnotnull FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
WHERE relname ~ '^sale' AND relkind IN ('r', 'p', 'f') AND attname = 'note' ORDER BY attrelid::regclass::text;
ALTER TABLE sales ALTER note DROP NOT NULL;
INSERT INTO sales VALUES (1, 2021, NULL);
SELECT zdm.set_not_null('sales', 'note', label => 'null of sales') > 0;
CALL zdm.wait('null of sales', 'completed', '15 seconds');
