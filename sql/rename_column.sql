--
-- The main road: a column is renamed with all that hangs on it, both names
-- work in between, and in the end the table is as a plain RENAME COLUMN would
-- have left it.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time

CREATE ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_reader;
CREATE ROLE regress_zdm_writer;
GRANT CREATE ON SCHEMA public TO regress_zdm_owner;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_zdm_space LOCATION '';
GRANT CREATE ON TABLESPACE regress_zdm_space TO regress_zdm_owner;

-- Everything that the catalog knows of a table, columns and all, by names.
CREATE FUNCTION public.describe(r regclass) RETURNS TABLE (line text) LANGUAGE sql AS $$
SELECT concat_ws(' ', 'column', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                 'collation ' || nullif(a.attcollation, 0)::regcollation,
                 CASE WHEN a.attnotnull THEN 'not null' END,
                 'default ' || pg_get_expr(d.adbin, d.adrelid),
                 'storage ' || a.attstorage::text, 'compression ' || nullif(a.attcompression::text, ''),
                 'target ' || nullif(a.attstattarget, -1),
                 (SELECT string_agg(o::text, ',') FROM unnest(a.attoptions) o WHERE o LIKE 'n\_distinct%'),
                 'comment ' || col_description(a.attrelid, a.attnum),
                 'acl ' || (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(a.attacl) x))
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = r AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT concat_ws(' ', 'constraint', conname, pg_get_constraintdef(oid), convalidated, coninhcount, conislocal,
                 'comment ' || obj_description(oid, 'pg_constraint'))
  FROM pg_constraint WHERE conrelid = r
UNION ALL
SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready, i.indisprimary,
                 'tablespace ' || s.spcname, 'comment ' || obj_description(i.indexrelid, 'pg_class'),
                 'owner ' || c.relowner::regrole,
                 'targets ' || (SELECT string_agg(attnum || '=' || attstattarget, ',' ORDER BY attnum) FROM pg_attribute
                                 WHERE attrelid = i.indexrelid AND attstattarget >= 0))
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
 WHERE i.indrelid = r
UNION ALL
SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid)) FROM pg_trigger WHERE tgrelid = r
UNION ALL
SELECT concat_ws(' ', 'table', relkind, relowner::regrole, relpersistence, reloptions, relacl)
  FROM pg_class WHERE oid = r
$$;
CREATE TABLE public.before (line text);
GRANT SELECT ON public.before TO PUBLIC;
-- What is there that was not there before, and the other way round, when the
-- new name is read as the old one.
CREATE FUNCTION public.changes(r regclass, new_name text, old_name text) RETURNS TABLE (change text, line text) LANGUAGE sql AS $$
WITH now AS (SELECT replace(line, new_name, old_name) AS line FROM public.describe(r))
(SELECT 'lost', * FROM public.before EXCEPT ALL SELECT 'lost', * FROM now)
UNION ALL
(SELECT 'found', * FROM now EXCEPT ALL SELECT 'found', * FROM public.before)
ORDER BY 1, 2
$$;

CREATE SCHEMA regress_zdm_owner AUTHORIZATION regress_zdm_owner;
-- the workers' search_path is their own, whatever the database says
ALTER DATABASE contrib_regression SET search_path = regress_zdm_owner, public;
SET search_path = regress_zdm_owner, public;
SET ROLE regress_zdm_owner;

CREATE SEQUENCE ticket;
CREATE FUNCTION tidy(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.btrim($1) $$;
CREATE TABLE customer (
	id int PRIMARY KEY,
	gone int,
	phone varchar(40) COLLATE "C" NOT NULL DEFAULT 'none'
		CONSTRAINT phone_form CHECK (phone <> 'bad' AND tidy(phone) = phone),
	note text,
	seen timestamptz NOT NULL DEFAULT now(),
	stamp double precision DEFAULT random(),
	ticket bigint DEFAULT nextval('ticket'),
	CONSTRAINT either CHECK (phone <> 'none' OR note IS NULL OR id > 0)
) WITH (fillfactor = 90);
ALTER TABLE customer DROP COLUMN gone;
INSERT INTO customer (id, phone, note)
	SELECT i, 'p' || i, CASE WHEN i % 7 <> 0 THEN repeat('n', i % 50) END FROM generate_series(1, 3000) i;
INSERT INTO customer VALUES (0, 'q');
ALTER TABLE customer ADD CONSTRAINT not_too_long CHECK (length(phone) < 30) NO INHERIT;
ALTER TABLE customer ADD CONSTRAINT not_too_short CHECK (length(phone) > 1) NOT VALID;
COMMENT ON COLUMN customer.phone IS 'a ''phone'' number, 100%';
COMMENT ON CONSTRAINT phone_form ON customer IS 'well formed';

CREATE INDEX customer_phone ON customer (phone);
CREATE INDEX customer_phone_lower ON customer (lower(phone) DESC NULLS LAST, id) WHERE phone <> 'p1' AND note IS NOT NULL;
CREATE INDEX customer_include ON customer (id) INCLUDE (phone, note);
CREATE INDEX customer_pattern ON customer (phone varchar_pattern_ops, note COLLATE "C") WITH (fillfactor = 70, deduplicate_items = off);
CREATE INDEX customer_hash ON customer USING hash (phone) TABLESPACE regress_zdm_space;
CREATE INDEX customer_brin ON customer USING brin (id, phone) WITH (pages_per_range = 4);
CREATE UNIQUE INDEX customer_unique ON customer (phone COLLATE "POSIX" DESC, id);
CREATE UNIQUE INDEX customer_tidy ON customer (tidy(phone), id);
COMMENT ON INDEX customer_phone IS 'find them by ''phone''';
ALTER INDEX customer_phone_lower ALTER COLUMN 1 SET STATISTICS 77;

GRANT SELECT (phone), UPDATE (phone) ON customer TO regress_zdm_reader;
GRANT SELECT (phone) ON customer TO PUBLIC;
GRANT INSERT (phone), REFERENCES (phone) ON customer TO regress_zdm_writer WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE ON customer TO regress_zdm_writer;
ALTER TABLE customer ALTER COLUMN phone SET STATISTICS 321;
ALTER TABLE customer ALTER COLUMN phone SET (n_distinct = -0.5, n_distinct_inherited = 10);
ALTER TABLE customer ALTER COLUMN phone SET STORAGE EXTERNAL;
ALTER TABLE customer ALTER COLUMN phone SET COMPRESSION pglz;
RESET ROLE;
GRANT USAGE ON SCHEMA regress_zdm_owner TO PUBLIC;
INSERT INTO before SELECT * FROM describe('customer');
SELECT count(*) > 20 AS described FROM before;

-- by the owner, who cannot log in
SET ROLE regress_zdm_owner;
SELECT zdm.rename_column('customer', 'phone', 'phone_number', 'rename phone') AS m \gset
CALL zdm.wait('rename phone');
SELECT label, kind, relation, state, paused, owner, changed > created AS moved, error, error_state, one_way_since, settings <> '{}' AS has_settings
  FROM zdm.migrations;
SELECT state, paused, step, action, percent, waiting_for FROM zdm.progress;
SELECT phase, action, lock, state, attempts, finished >= started AS timed, error
  FROM zdm.steps WHERE migration = :m AND phase IN ('expand', 'cutover', 'contract') ORDER BY step;
SELECT phase, action, lock, state, count(*) FROM zdm.steps WHERE migration = :m AND phase = 'migrate'
   AND NOT (statement LIKE '%phone_not_null%') GROUP BY 1, 2, 3, 4 ORDER BY 2, 3;

-- ready: both names, the old one decides
\set VERBOSITY terse
SELECT * FROM zdm.verify(:m);
SELECT * FROM zdm.verify('rename phone');
INSERT INTO customer (id, phone) VALUES (10001, 'old one') RETURNING phone, phone_number;
INSERT INTO customer (id, phone_number) VALUES (10002, 'new one') RETURNING phone, phone_number;
INSERT INTO customer (id) VALUES (10003) RETURNING phone, phone_number;
INSERT INTO customer (id, phone, phone_number) VALUES (10004, 'same', 'same') RETURNING phone, phone_number;
INSERT INTO customer (id, phone, phone_number) VALUES (10005, 'this one', 'that one') RETURNING phone, phone_number;
UPDATE customer SET phone = 'old 10002' WHERE id = 10002 RETURNING phone, phone_number;
UPDATE customer SET phone_number = 'new 10001' WHERE id = 10001 RETURNING phone, phone_number;
UPDATE customer SET note = 'x' WHERE id = 1 RETURNING phone, phone_number;
INSERT INTO customer (id, phone) VALUES (10006, 'bad');
INSERT INTO customer (id, phone_number) VALUES (10006, 'bad');
INSERT INTO customer (id, phone_number) VALUES (10006, NULL);
INSERT INTO customer (id, phone_number) VALUES (10006, 'a');
-- privileges of the columns are those of the old one
SET ROLE regress_zdm_reader;
UPDATE customer SET phone_number = 'by reader' WHERE phone_number = 'p3' RETURNING phone, phone_number;
SELECT note FROM customer;
RESET ROLE;

SET ROLE regress_zdm_owner;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m);
SELECT state, one_way_since FROM zdm.migrations WHERE id = :m;
-- switched: both names, the new one decides
INSERT INTO customer (id, phone) VALUES (20001, 'old one') RETURNING phone, phone_number;
INSERT INTO customer (id, phone_number) VALUES (20002, 'new one') RETURNING phone, phone_number;
INSERT INTO customer (id) VALUES (20003) RETURNING phone, phone_number;
INSERT INTO customer (id, phone, phone_number) VALUES (20005, 'this one', 'that one') RETURNING phone, phone_number;
UPDATE customer SET phone = 'old 20002' WHERE id = 20002 RETURNING phone, phone_number;
UPDATE customer SET phone_number = 'new 20001' WHERE id = 20001 RETURNING phone, phone_number;
SELECT * FROM zdm.verify(:m);

SELECT zdm.contract('rename phone');
CALL zdm.wait('rename phone');
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT count(*), count(DISTINCT phone_number), min(phone_number), max(phone_number) FROM customer;
SELECT id, phone_number FROM customer WHERE id > 10000 ORDER BY id;
RESET ROLE;
SELECT * FROM changes('customer', 'phone_number', 'phone');
SELECT tablename, attname, null_frac IS NOT NULL AS analyzed FROM pg_stats
 WHERE (tablename, attname) IN (('customer', 'phone_number'), ('customer_phone_lower', 'lower')) ORDER BY 1;
SELECT count(*) FROM zdm.steps WHERE migration = :m AND state <> 'done';
SELECT count(*) FROM zdm.pair WHERE new_attnum IS NOT NULL;
\set VERBOSITY default
SELECT * FROM zdm.verify(:m);
\set VERBOSITY terse
INSERT INTO customer (id, phone_number) VALUES (30001, 'bad');
INSERT INTO customer (id) VALUES (30001) RETURNING phone_number;

-- a default that is computed for each statement, and two that are for each row
CREATE PROCEDURE whole_way(r regclass, old_name name, new_name name) LANGUAGE plpgsql AS $$
DECLARE
	m bigint := zdm.rename_column(r, old_name, new_name);
BEGIN
	COMMIT;
	CALL zdm.wait(m);
	INSERT INTO customer (id) VALUES (40000 + 10 * m);
	COMMIT;
	PERFORM zdm.cutover(m);
	COMMIT;
	CALL zdm.wait(m);
	INSERT INTO customer (id) VALUES (40001 + 10 * m);
	COMMIT;
	PERFORM zdm.contract(m);
	COMMIT;
	CALL zdm.wait(m);
END
$$;
TRUNCATE before;
INSERT INTO before SELECT * FROM describe('customer');
CALL whole_way('customer', 'seen', 'seen_at');
CALL whole_way('customer', 'stamp', 'stamp_new');
SELECT last_value FROM ticket;
CALL whole_way('customer', 'ticket', 'ticket_number');
-- each row has taken one number of the sequence
SELECT last_value FROM ticket;
SELECT count(*), count(DISTINCT ticket_number), max(ticket_number), count(seen_at), count(DISTINCT stamp_new) FROM customer;
SELECT replace(replace(line, 'seen_at', 'seen'), 'stamp_new', 'stamp') AS line
  FROM changes('customer', 'ticket_number', 'ticket') WHERE change = 'found'
EXCEPT SELECT line FROM before;
SELECT label, relation, state FROM zdm.migrations ORDER BY id;

DROP TABLE customer;
ALTER DATABASE contrib_regression RESET search_path;
DROP TABLE public.before;
DROP OWNED BY regress_zdm_owner CASCADE;
DROP TABLESPACE regress_zdm_space;
DROP ROLE regress_zdm_owner, regress_zdm_reader, regress_zdm_writer;
