--
-- Changes of type with what PostgreSQL 15 has brought: publications that name
-- columns or rows, NULLS NOT DISTINCT, and ON DELETE SET NULL of some columns.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = error;	-- wal_level, and the lines of zdm.wait
SET zdm.guard = off;
SET zdm.batch_rest = 0;

CREATE TABLE up (tenant int, id int, PRIMARY KEY (tenant, id));
CREATE TABLE t (
	id int PRIMARY KEY, tenant int, up_id int, code int, n int,
	CONSTRAINT t_code UNIQUE NULLS NOT DISTINCT (code),
	CONSTRAINT t_up FOREIGN KEY (tenant, up_id) REFERENCES up ON DELETE SET NULL (up_id));
CREATE UNIQUE INDEX t_ident ON t (id) INCLUDE (n);
ALTER TABLE t REPLICA IDENTITY USING INDEX t_ident;
INSERT INTO up SELECT 1, i FROM generate_series(1, 20) i;
INSERT INTO t SELECT i, 1, i, nullif(i, 20), i FROM generate_series(1, 20) i;
CREATE PUBLICATION regress_zdm_columns FOR TABLE t (id, code), up;
CREATE PUBLICATION regress_zdm_rows FOR TABLE t WHERE (id > 5 AND code IS NOT NULL) WITH (publish = 'insert');
COMMENT ON PUBLICATION regress_zdm_rows IS 'some';

CREATE VIEW described AS
SELECT concat_ws(' ', 'publication', pubname, tablename, (SELECT array_agg(a ORDER BY a) FROM unnest(attnames) a), rowfilter) AS line FROM pg_publication_tables
UNION ALL
SELECT concat_ws(' ', conname, pg_get_constraintdef(oid), convalidated) FROM pg_constraint WHERE conrelid IN ('t'::regclass, 'up'::regclass) AND contype <> 'n'
UNION ALL
SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisreplident) FROM pg_index WHERE indrelid IN ('t'::regclass, 'up'::regclass)
UNION ALL
SELECT concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod)) FROM pg_attribute WHERE attrelid IN ('t'::regclass, 'up'::regclass) AND attnum > 0 AND NOT attisdropped;
CREATE TABLE before AS TABLE described;
CREATE FUNCTION changes() RETURNS TABLE (change text, line text) LANGUAGE sql AS $$
(SELECT 'lost', * FROM before EXCEPT ALL SELECT 'lost', * FROM described) UNION ALL
(SELECT 'found', * FROM described EXCEPT ALL SELECT 'found', * FROM before) ORDER BY 2, 1 DESC
$$;

-- three columns of two tables at once, both ends of the foreign key among them
SELECT zdm.change_column_type('t', 'id', 'bigint', label => 't.id');
-- the publication can be taken out and put back by one only
\set VERBOSITY terse
SELECT zdm.change_column_type('t', 'code', 'bigint', label => 't.code');
\set VERBOSITY default
SELECT zdm.change_column_type('t', 'up_id', 'bigint', label => 't.up_id');
SELECT zdm.change_column_type('up', 'id', 'bigint', label => 'up.id');
CALL zdm.wait('t.id', 'ready', '1 minute');
SELECT zdm.cutover('t.id');
CALL zdm.wait('t.id', 'switched', '1 minute');
CALL zdm.wait('t.up_id', 'ready', '1 minute');
CALL zdm.wait('up.id', 'ready', '1 minute');
SELECT zdm.cutover('t.up_id'), zdm.cutover('up.id');
CALL zdm.wait('t.up_id', 'switched', '1 minute');
CALL zdm.wait('up.id', 'switched', '1 minute');
DELETE FROM up WHERE id = 3;
SELECT id, tenant, up_id FROM t WHERE id < 5 ORDER BY id;
SELECT line FROM changes() WHERE line LIKE 'pub%' OR line LIKE 't\_%';
SELECT zdm.revert('t.id'), zdm.revert('t.up_id'), zdm.revert('up.id');
CALL zdm.wait('t.id', 'reverted', '1 minute');
CALL zdm.wait('t.up_id', 'reverted', '1 minute');
CALL zdm.wait('up.id', 'reverted', '1 minute');
SELECT * FROM changes();
-- all the way: everything is there, of the other type
SELECT zdm.change_column_type('t', 'code', 'bigint', label => 't.code');
CALL zdm.wait('t.code', 'ready', '1 minute');
SELECT zdm.cutover('t.code');
CALL zdm.wait('t.code', 'switched', '1 minute');
INSERT INTO t (id, code) VALUES (30, NULL);
INSERT INTO t (id, code) VALUES (30, 3000000000);
SELECT zdm.contract('t.code');
CALL zdm.wait('t.code', 'completed', '1 minute');
SELECT * FROM changes();
DROP PUBLICATION regress_zdm_columns, regress_zdm_rows;
