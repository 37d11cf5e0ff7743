--
-- What goes with a column from PostgreSQL 15 on: publications with column lists
-- and row filters, keys that are NULLS NOT DISTINCT; and, with them, storage,
-- compression, collation, and a replica identity of whole rows.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time

CREATE TABLE t (id int PRIMARY KEY, body text COMPRESSION pglz COLLATE "C", n int,
	CONSTRAINT one_null UNIQUE NULLS NOT DISTINCT (n, body));
ALTER TABLE t ALTER body SET STORAGE EXTERNAL;
ALTER TABLE t REPLICA IDENTITY FULL;
CREATE UNIQUE INDEX one_null_more ON t (id, body) NULLS NOT DISTINCT;
CREATE TABLE p (k int NOT NULL, n int, UNIQUE NULLS NOT DISTINCT (n, k)) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
INSERT INTO t SELECT i, 'body ' || i, i FROM generate_series(1, 20) i;
INSERT INTO t VALUES (21, NULL, NULL);
INSERT INTO p VALUES (1, NULL), (2, 2);
CREATE PUBLICATION zdm_columns FOR TABLE t (id, body) WITH (publish = 'insert');
CREATE PUBLICATION zdm_rows FOR TABLE t WHERE (n > 5);
CREATE PUBLICATION zdm_whole FOR TABLE t;

CREATE FUNCTION describe() RETURNS TABLE (line text) LANGUAGE sql AS $$
SELECT concat_ws(' ', attrelid::regclass, attname, attcollation::regcollation, attstorage, attcompression, attnotnull)
  FROM pg_attribute WHERE attrelid IN ('t'::regclass, 'p'::regclass, 'p1'::regclass) AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT concat_ws(' ', pubname, prrelid::regclass, pg_get_expr(prqual, prrelid),
                 (SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute WHERE attrelid = prrelid AND attnum = ANY (prattrs)))
  FROM pg_publication_rel r JOIN pg_publication u ON u.oid = prpubid
UNION ALL
SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
 WHERE conrelid IN ('t'::regclass, 'p'::regclass, 'p1'::regclass) AND contype IN ('p', 'u')
UNION ALL
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass
UNION ALL
SELECT concat_ws(' ', oid::regclass, relreplident) FROM pg_class WHERE oid = 't'::regclass
$$;
CREATE TABLE before AS SELECT * FROM describe();
SELECT * FROM before ORDER BY line COLLATE "C";
CREATE FUNCTION changes() RETURNS TABLE (change text, line text) LANGUAGE sql AS $$
(SELECT 'lost', * FROM before EXCEPT ALL SELECT 'lost', * FROM describe())
UNION ALL
(SELECT 'found', * FROM describe() EXCEPT ALL SELECT 'found', * FROM before)
ORDER BY 2, 1 DESC
$$;
CREATE PROCEDURE there_and_back(statement text) LANGUAGE plpgsql AS $$
DECLARE
	m bigint;
	found record;
BEGIN
	FOR again IN 0 .. 1 LOOP
		EXECUTE statement INTO m;
		COMMIT;
		CALL zdm.wait(m, 'ready', '1 minute');
		PERFORM zdm.cutover(m);
		COMMIT;
		CALL zdm.wait(m, 'switched', '1 minute');
		FOR found IN SELECT * FROM changes() WHERE changes.line NOT LIKE '%zdm%' AND changes.line NOT LIKE 'CREATE %' LOOP
			RAISE WARNING 'switched: % %', found.change, found.line;
		END LOOP;
		EXECUTE format('SELECT zdm.%s($1)', CASE again WHEN 0 THEN 'revert' ELSE 'contract' END) USING m;
		COMMIT;
		CALL zdm.wait(m, CASE again WHEN 0 THEN 'reverted' ELSE 'completed' END, '1 minute');
		FOR found IN SELECT * FROM changes() LOOP
			RAISE WARNING '% %', found.change, found.line;
		END LOOP;
	END LOOP;
END
$$;

CALL there_and_back($$SELECT zdm.change_column_type('t', 'body', 'varchar(200)')$$);
\set VERBOSITY terse
INSERT INTO t VALUES (22, NULL, NULL);
CALL there_and_back($$SELECT zdm.change_column_type('t', 'n', 'bigint')$$);
INSERT INTO t VALUES (22, NULL, NULL);
CALL there_and_back($$SELECT zdm.change_column_type('p', 'n', 'bigint')$$);
INSERT INTO p VALUES (1, NULL);
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid IN ('t'::regclass, 'p'::regclass) AND attnum > 0 AND NOT attisdropped ORDER BY 1;
