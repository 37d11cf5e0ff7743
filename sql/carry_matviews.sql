--
-- Materialized views over a column that changes its type or its name: the new
-- one stands ready before the exchange, has what the old one had, and shows the
-- table as of the cutover; and back.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE ROLE regress_zdm_reader;
CREATE ROLE regress_zdm_owner;

CREATE FUNCTION describe() RETURNS TABLE (line text) LANGUAGE sql AS $$
SELECT concat_ws(' ', relkind, c.oid::regclass, pg_get_viewdef(c.oid), relowner::regrole, relacl, reloptions, relispopulated,
                 (SELECT spcname FROM pg_tablespace WHERE oid = reltablespace), 'comment ' || obj_description(c.oid, 'pg_class'))
  FROM pg_class c WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT concat_ws(' ', attrelid::regclass, attname, nullif(attstattarget, -1), (SELECT o FROM unnest(attoptions) o WHERE o LIKE 'n\_distinct%'), attstorage, attcompression, attacl,
                 'comment ' || col_description(attrelid, attnum))
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace AND attnum > 0
UNION ALL
SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisclustered, 'comment ' || obj_description(indexrelid, 'pg_class'))
  FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE relkind = 'm' AND relnamespace = 'public'::regnamespace
$$;
CREATE TABLE before AS SELECT * FROM describe();
CREATE FUNCTION changes() RETURNS TABLE (change text, line text) LANGUAGE sql AS $$
(SELECT 'lost', * FROM before EXCEPT ALL SELECT 'lost', * FROM describe())
UNION ALL
(SELECT 'found', * FROM describe() EXCEPT ALL SELECT 'found', * FROM before)
ORDER BY 2, 1 DESC
$$;

CREATE TABLE t (id int PRIMARY KEY, n int, v text);
INSERT INTO t SELECT i, i % 10, 'v' || i FROM generate_series(1, 100) i;
CREATE VIEW under AS SELECT n, count(*) AS c FROM t GROUP BY n;
CREATE MATERIALIZED VIEW m WITH (fillfactor = 70) AS
	SELECT t.id, '100% id'::text AS share, u.c, 'id' || t.id AS text FROM t JOIN under u USING (n) WHERE t.id > 0;
CREATE UNIQUE INDEX "m ""id""" ON m (id);
CREATE INDEX m_expr ON m ((id % 7), share DESC) WHERE id <> 5;
ALTER MATERIALIZED VIEW m CLUSTER ON m_expr;
ALTER MATERIALIZED VIEW m ALTER share SET STATISTICS 77, ALTER share SET STORAGE EXTERNAL, ALTER id SET (n_distinct = -1);
COMMENT ON MATERIALIZED VIEW m IS 'it''s 100% materialized';
COMMENT ON COLUMN m.id IS 'the id';
COMMENT ON INDEX m_expr IS 'an expression';
GRANT SELECT ON m TO regress_zdm_reader WITH GRANT OPTION;
GRANT SELECT (id) ON m TO PUBLIC;
ALTER MATERIALIZED VIEW m OWNER TO regress_zdm_owner;
GRANT SELECT ON t, under TO regress_zdm_owner;
CREATE MATERIALIZED VIEW "Empty" AS SELECT max(id) FROM t WITH NO DATA;
CREATE VIEW over WITH (security_barrier) AS SELECT id + 1 AS next, share FROM m;
CREATE VIEW over_over AS SELECT o.*, t.id FROM over o, t WHERE t.id = o.next;
GRANT SELECT ON over TO regress_zdm_reader;
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
INSERT INTO before SELECT * FROM describe();

-- there
SELECT zdm.change_column_type('t', 'id', 'bigint', label => 'forth');
CALL zdm.wait('forth', 'ready', '1 minute');
SELECT line FROM changes() WHERE line LIKE '%INDEX%';
SELECT * FROM m_zdm1;
INSERT INTO t VALUES (101, 1, 'after ready');
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
INSERT INTO t VALUES (102, 1, 'after the refresh');
SELECT zdm.cutover('forth');
CALL zdm.wait('forth', 'switched', '1 minute');
SELECT * FROM changes() WHERE line NOT LIKE '%zdm1%';
SELECT max(id), pg_typeof(max(id)) FROM m;
SELECT max(next), max(id) FROM over_over;
SELECT count(*) FROM pg_stats WHERE tablename = 'm' AND attname = 'id';
INSERT INTO t VALUES (3000000000, 1, 'beyond');
DELETE FROM t WHERE id = 3000000000;
INSERT INTO t VALUES (103, 1, 'after cutover');
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
SELECT max(id) FROM m;
-- and back, with what was written since
INSERT INTO t VALUES (104, 1, 'before the revert');
SELECT zdm.revert('forth');
CALL zdm.wait('forth', 'reverted', '1 minute');
SELECT * FROM changes();
SELECT max(id), pg_typeof(max(id)) FROM m;
SELECT max(next) FROM over_over;
-- all the way
SELECT zdm.change_column_type('t', 'id', 'bigint', label => 'to the end');
CALL zdm.wait('to the end', 'ready', '1 minute');
SELECT phase, regexp_replace(statement, 'GRANT (DELETE|INSERT|REFERENCES|TRIGGER|TRUNCATE|UPDATE|MAINTAIN) [^;]*;\n|\mt\.(?=id\))', '', 'g') AS statement, lock, work, note FROM zdm.steps WHERE label = 'to the end' AND (statement ~ 'MATERIALIZED' AND phase = 'migrate' OR statement ~ 'REFRESH') ORDER BY step;
SELECT zdm.cutover('to the end');
CALL zdm.wait('to the end', 'switched', '1 minute');
SELECT zdm.contract('to the end');
CALL zdm.wait('to the end', 'completed', '1 minute');
SELECT * FROM changes();
REFRESH MATERIALIZED VIEW CONCURRENTLY m;

-- a rename: the materialized view shows the column under the name that it had,
-- and the plain views under it and over it stay the same objects
CREATE TEMPORARY TABLE views AS SELECT oid, relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace;
SELECT zdm.rename_column('t', 'id', 'number', 'rename');
CALL zdm.wait('rename', 'ready', '1 minute');
SELECT zdm.cutover('rename');
CALL zdm.wait('rename', 'switched', '1 minute');
SELECT relname, pg_get_viewdef(oid) ~ 'number' AS of_new FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace ORDER BY 1;
SELECT zdm.revert('rename');
CALL zdm.wait('rename', 'reverted', '1 minute');
SELECT * FROM changes();
SELECT zdm.rename_column('t', 'n', 'kind', 'rename n');
CALL zdm.wait('rename n', 'ready', '1 minute');
SELECT zdm.cutover('rename n');
CALL zdm.wait('rename n', 'switched', '1 minute');
SELECT zdm.contract('rename n');
CALL zdm.wait('rename n', 'completed', '1 minute');
SELECT relname FROM views v WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = v.oid);
SELECT * FROM changes() WHERE line NOT LIKE '%kind%' AND line NOT LIKE '%under%';
REFRESH MATERIALIZED VIEW m;

-- dropped while the migration runs: there is nothing to exchange
CREATE MATERIALIZED VIEW short_lived AS SELECT v FROM t;
SELECT zdm.change_column_type('t', 'v', 'varchar(30)', label => 'dropped');
CALL zdm.wait('dropped', 'ready', '1 minute');
DROP MATERIALIZED VIEW short_lived;
SELECT zdm.cutover('dropped');
CALL zdm.wait('dropped', 'switched', '1 minute');
SELECT zdm.contract('dropped');
CALL zdm.wait('dropped', 'completed', '1 minute');
SELECT relname FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace = 'public'::regnamespace;

-- what cannot be
\set VERBOSITY terse
CREATE VIEW between AS SELECT id FROM t;
CREATE MATERIALIZED VIEW far AS SELECT id FROM between;
SELECT zdm.change_column_type('t', 'id', 'numeric');
DROP VIEW between CASCADE;
CREATE MATERIALIZED VIEW second AS SELECT id FROM m;
SELECT zdm.change_column_type('t', 'id', 'numeric');
DROP MATERIALIZED VIEW second;
CREATE STATISTICS m_stat ON id, share FROM m;
SELECT zdm.change_column_type('t', 'id', 'numeric');
DROP STATISTICS m_stat;
CREATE FUNCTION of_m() RETURNS SETOF m LANGUAGE sql AS 'SELECT * FROM m';
SELECT zdm.rename_column('t', 'id', 'nr');
DROP FUNCTION of_m();
CREATE TABLE owned (id int);
ALTER TABLE owned OWNER TO regress_zdm_reader;
CREATE MATERIALIZED VIEW foreign_m AS SELECT id FROM owned;
SELECT zdm.change_column_type('owned', 'id', 'numeric');
DROP MATERIALIZED VIEW foreign_m;
DROP TABLE owned;
SELECT state, count(*) FROM zdm.migrations GROUP BY 1 ORDER BY 1;
DROP OWNED BY regress_zdm_reader, regress_zdm_owner CASCADE;
DROP ROLE regress_zdm_reader, regress_zdm_owner;
