--
-- A hint that names a call of ours was tried: what would be refused is not shown.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard_min_size = '512kB';
SET client_min_messages = warning;
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id int PRIMARY KEY, note text, state text);
CREATE TABLE shop.item (id int PRIMARY KEY, order_id int REFERENCES shop.orders, n int);
INSERT INTO shop.orders SELECT g, repeat('x', 50), 'new' FROM generate_series(1, 20000) g;
INSERT INTO shop.item SELECT g, g, g FROM generate_series(1, 20000) g;
CREATE TABLE metric (at date, v int);
CREATE TABLE metric_old () INHERITS (metric);
INSERT INTO metric_old SELECT '2020-01-01', g FROM generate_series(1, 40000) g;
ANALYZE;

-- How each is done, and whether what is shown can be pasted.
CREATE FUNCTION tried(ddl text) RETURNS TABLE (hint text, outcome text) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	BEGIN
		EXECUTE ddl;
		hint := 'passes';
	EXCEPTION WHEN SQLSTATE 'ZD001' THEN
		GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	END;
	BEGIN
		FOR line IN SELECT l FROM regexp_split_to_table(hint, E'\n') l WHERE l LIKE 'SELECT zdm.%' LOOP
			EXECUTE line;
			outcome := 'works';
		END LOOP;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ000';
	EXCEPTION
		WHEN SQLSTATE 'ZZ000' THEN NULL;
		WHEN OTHERS THEN outcome := SQLSTATE || ' ' || SQLERRM;
	END;
	RETURN NEXT;
END $$;
SET zdm.guard = refuse;
\x on
-- Children by inheritance: no call of ours does it.
SELECT * FROM tried('ALTER TABLE metric ALTER v TYPE bigint');
SELECT * FROM tried('ALTER TABLE metric ALTER v SET NOT NULL');
-- A key: one call for it and one for what references it.
SELECT * FROM tried('ALTER TABLE shop.orders ALTER COLUMN id TYPE bigint');
SELECT * FROM tried('ALTER TABLE shop.item ALTER COLUMN order_id TYPE bigint');
-- Nulls that statistics or a look know of.
UPDATE shop.orders SET state = NULL WHERE id = 1;
SELECT * FROM tried('ALTER TABLE shop.orders ALTER state SET NOT NULL');
ANALYZE shop.orders;
UPDATE shop.orders SET state = NULL WHERE id < 2000;
ANALYZE shop.orders;
SELECT hint FROM tried('ALTER TABLE shop.orders ALTER state SET NOT NULL');
ALTER TABLE shop.orders ALTER state SET DEFAULT 'old' || '!';
SELECT * FROM tried('ALTER TABLE shop.orders ALTER state SET NOT NULL');
-- CASCADE is left out.
SELECT * FROM tried('ALTER TABLE shop.orders DROP COLUMN note CASCADE;');
SELECT * FROM tried('DROP TABLE shop.item CASCADE');
\x off

-- In a transaction, the call is tried while it still can be, and shown at COMMIT; the message names it.
BEGIN;
ALTER TABLE shop.orders RENAME TO purchase;
COMMIT;
BEGIN;
ALTER TABLE shop.orders RENAME note TO remark;
COMMIT;
BEGIN;
ALTER TABLE metric RENAME v TO value;
COMMIT;
BEGIN;
ALTER TABLE shop.orders ADD total int NOT NULL DEFAULT 0;
ALTER TABLE shop.orders ALTER total DROP DEFAULT;
COMMIT;

-- Who may not set the guard is told who may.
CREATE ROLE zdm_hint_owner;
ALTER TABLE metric OWNER TO zdm_hint_owner;
ALTER TABLE metric_old OWNER TO zdm_hint_owner;
SET ROLE zdm_hint_owner;
DO $$ BEGIN
	DROP TABLE metric_old;
EXCEPTION WHEN SQLSTATE 'ZD001' THEN NULL;
END $$;
ALTER TABLE metric DROP COLUMN v;
TRUNCATE metric_old;
RESET ROLE;
DROP TABLE metric_old;
TRUNCATE metric_old;
SET zdm.guard = off;
DROP TABLE metric, metric_old;
DROP ROLE zdm_hint_owner;
