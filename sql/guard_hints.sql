--
-- What a refusal says to type instead: it can be pasted as it is.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard_min_size = '512kB';
SET client_min_messages = warning;

CREATE SCHEMA "My Shop";
CREATE TABLE "My Shop"."Order's" (id int PRIMARY KEY, "it's" text, n int, price numeric, path text);
INSERT INTO "My Shop"."Order's" SELECT g, 'x', g, g, 'c:\' FROM generate_series(1, 20000) g;
CREATE TABLE customer (id int PRIMARY KEY);
INSERT INTO customer SELECT generate_series(1, 20000);
CREATE INDEX price_index ON "My Shop"."Order's" (price);
ANALYZE;

-- Paste the hint of the first unsafe finding, see what it starts, and undo it.
CREATE FUNCTION paste(ddl text, OUT pasted text, OUT starts text) LANGUAGE plpgsql AS $$
DECLARE
	started bigint;
BEGIN
	SELECT hint INTO pasted FROM zdm.check(ddl) WHERE severity = 'unsafe' LIMIT 1;
	BEGIN
		IF pasted LIKE 'SELECT zdm.%' THEN
			EXECUTE pasted INTO started;
			starts := (SELECT kind FROM zdm.migrations m WHERE m.id = started);
		END IF;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ000';
	EXCEPTION
		WHEN SQLSTATE 'ZZ000' THEN NULL;
		WHEN OTHERS THEN starts := SQLSTATE || ' ' || SQLERRM;
	END;
END $$;

SELECT p.* FROM (VALUES
	(1, $$CREATE INDEX ON "My Shop"."Order's" (n)$$),
	(2, $$CREATE UNIQUE INDEX "o'n" ON "My Shop"."Order's" (n) WHERE "it's" <> 'c:\'$$),
	(3, $$DROP INDEX "My Shop".price_index; ALTER TABLE "My Shop"."Order's" ADD UNIQUE (n)$$),
	(4, $$ALTER TABLE "My Shop"."Order's" ADD CONSTRAINT "it's positive" CHECK (n > 0)$$),
	(5, $$ALTER TABLE "My Shop"."Order's" ADD FOREIGN KEY (n) REFERENCES customer$$),
	(6, $$ALTER TABLE "My Shop"."Order's" ALTER "it's" SET NOT NULL$$),
	(7, $$ALTER TABLE "My Shop"."Order's" ALTER COLUMN n TYPE bigint$$),
	(8, $$ALTER TABLE "My Shop"."Order's" ALTER COLUMN price TYPE bigint USING round(price * 100)$$),
	(9, $$ALTER TABLE "My Shop"."Order's" ADD COLUMN token uuid DEFAULT gen_random_uuid()$$),
	(10, $$ALTER TABLE "My Shop"."Order's" ADD COLUMN seq serial$$),
	(11, $$ALTER TABLE "My Shop"."Order's" DROP COLUMN "it's"$$),
	(12, $$ALTER TABLE "My Shop"."Order's" RENAME COLUMN "it's" TO "it isn't"$$),
	(13, $$DROP TABLE "My Shop"."Order's"$$),
	(14, $$REINDEX TABLE "My Shop"."Order's"$$),
	(15, $$ALTER TABLE "My Shop"."Order's" ADD CHECK (n > 0), ALTER "it's" SET NOT NULL$$),
	(16, $$ALTER TABLE "My Shop"."Order's" RENAME TO orders$$)
) v(number, ddl), paste(ddl) p ORDER BY number;

-- What zdm.migrate() does not do keeps the hint of its rule.
SELECT p.* FROM (VALUES
	(1, $$CLUSTER "My Shop"."Order's" USING price_index$$),
	(2, $$VACUUM FULL "My Shop"."Order's"$$),
	(3, $$TRUNCATE "My Shop"."Order's"$$),
	(5, $$ALTER TABLE "My Shop"."Order's" SET UNLOGGED$$),
	(6, $$ALTER TABLE "My Shop"."Order's" ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) STORED$$),
	(7, $$ALTER TABLE "My Shop"."Order's" ADD EXCLUDE USING btree (n WITH =)$$)
) v(number, ddl), paste(ddl) p ORDER BY number;

-- The guard itself; in a script only the statement is handed on, not its neighbours.
SET zdm.guard = refuse;
\set SHOW_ALL_RESULTS off
SELECT 1 AS before\; CREATE INDEX ON "My Shop"."Order's" (n)\; SELECT 1 AS after;
ALTER TABLE "My Shop"."Order's" ADD CHECK (path <> 'c:\');
DROP TABLE customer;

-- Who may not migrate is not told to.
CREATE ROLE zdm_hint_stranger;
GRANT USAGE ON SCHEMA "My Shop" TO zdm_hint_stranger;
SET ROLE zdm_hint_stranger;
SELECT hint LIKE 'SELECT zdm.migrate%' AS told_to FROM zdm.check($$CREATE INDEX ON "My Shop"."Order's" (n)$$) WHERE severity = 'unsafe';
RESET ROLE;
REVOKE USAGE ON SCHEMA "My Shop" FROM zdm_hint_stranger;
DROP ROLE zdm_hint_stranger;

-- Asking leaves nothing behind.
SELECT count(*) AS migrations FROM zdm.migrations;
BEGIN READ ONLY;
SELECT hint FROM zdm.check('CREATE INDEX ON customer (id)');
SELECT count(*) AS locks FROM pg_locks WHERE relation = 'customer'::regclass;
COMMIT;

-- What is to be done by hand has the type as it was stated.
SELECT hint FROM zdm.check($$ALTER TABLE customer ADD COLUMN name varchar(9) COLLATE "C" DEFAULT left(random()::text, 9)$$) WHERE severity = 'unsafe';
SELECT hint FROM zdm.check($$ALTER TABLE customer ADD COLUMN name varchar(9) COLLATE "C" NOT NULL$$) WHERE severity = 'unsafe';
SELECT hint FROM zdm.check($$ALTER TABLE "My Shop"."Order's" ALTER path TYPE varchar(9) COLLATE "C"$$) WHERE severity = 'unsafe';
