-- A column keeps its place and gets another type: views that show it are made anew with all
-- that they have, there and back, and what cannot be is said at the call.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE ROLE retyped_owner NOLOGIN;
CREATE ROLE retyped_reader NOLOGIN;
CREATE SCHEMA retyped;
CREATE SCHEMA "Views" AUTHORIZATION retyped_owner;
GRANT USAGE ON SCHEMA retyped TO retyped_owner;
SET search_path = retyped, public;
CREATE FUNCTION ours(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION ours(numeric) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1::int + 1';
CREATE FUNCTION ins() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO retyped.t VALUES (NEW.id, NEW.n); RETURN NEW; END$$;
REVOKE EXECUTE ON FUNCTION ins() FROM PUBLIC;
CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 5, note text);
INSERT INTO t SELECT i, i, repeat('x', i % 9) FROM generate_series(1, 100) i;
GRANT SELECT ON t TO retyped_owner;

-- two that show it, of two owners, one over each, one over both, and one over an expression
CREATE VIEW v WITH (check_option = local) AS SELECT id, n FROM t WHERE n > 3;
CREATE VIEW over_v WITH (security_barrier) AS SELECT v.n * 2 AS twice, v.id FROM v FOR SHARE OF v;
SET ROLE retyped_owner;
CREATE VIEW "Views"."W" (a, "B") AS SELECT id, retyped.ours(n) FROM retyped.t;
CREATE VIEW "Views".united AS SELECT * FROM "Views"."W" UNION ALL (WITH x AS (SELECT id, n FROM retyped.t) SELECT * FROM x WHERE n < 5);
RESET ROLE;
CREATE VIEW over_both AS SELECT sum(twice), sum("B") AS b FROM over_v o JOIN "Views".united u ON u.a = o.id;
ALTER VIEW v ALTER COLUMN n SET DEFAULT 77;
COMMENT ON VIEW v IS 'a view';
COMMENT ON COLUMN v.n IS 'n of v';
GRANT SELECT (n), UPDATE (id) ON v TO retyped_reader;
GRANT SELECT ON "Views"."W" TO retyped_reader WITH GRANT OPTION;
REVOKE ALL ON over_v FROM CURRENT_USER;
ALTER DEFAULT PRIVILEGES IN SCHEMA retyped GRANT SELECT ON TABLES TO retyped_reader;
CREATE RULE nothing AS ON DELETE TO over_v DO INSTEAD NOTHING;
COMMENT ON RULE nothing ON over_v IS 'a rule';
CREATE TRIGGER ins INSTEAD OF INSERT ON over_both FOR EACH ROW EXECUTE FUNCTION ins();
-- what does not show it is not touched, nor is what is over that
CREATE VIEW chooses AS SELECT note FROM t WHERE n > 90;
CREATE MATERIALIZED VIEW over_chooses AS SELECT * FROM chooses;
-- over itself: an error to read, and not to be gone round for ever
CREATE VIEW circle AS SELECT n FROM t;
CREATE VIEW circle_2 AS SELECT n FROM circle;
CREATE OR REPLACE VIEW circle AS SELECT n FROM circle_2 UNION ALL SELECT n FROM t;

-- as all versions print it
CREATE FUNCTION query(oid) RETURNS text LANGUAGE sql AS $$SELECT regexp_replace(regexp_replace(pg_get_viewdef($1), '\m(t|v|o|u|x|"W")\.', '', 'g'), '\s+', ' ', 'g')$$;
CREATE FUNCTION views() RETURNS TABLE (line text) LANGUAGE sql AS $$
	SELECT format('%s %s %s %s %s', c.oid::regclass, c.relowner::regrole, c.reloptions, (SELECT string_agg(replace(a::text, 'xtm/', 'xt/'), ',' ORDER BY a::text) FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) a), query(c.oid))
	FROM pg_class c WHERE c.relkind = 'v' AND c.relnamespace IN ('retyped'::regnamespace, '"Views"'::regnamespace)
	UNION ALL SELECT format('%s.%I %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(a.attacl) x), pg_get_expr(d.adbin, d.adrelid))
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE c.relkind = 'v' AND c.relnamespace IN ('retyped'::regnamespace, '"Views"'::regnamespace)
	UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relkind = 'v'
	UNION ALL SELECT concat_ws(' ', pg_get_ruledef(r.oid), obj_description(r.oid, 'pg_rewrite')) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
	WHERE c.relnamespace = 'retyped'::regnamespace AND r.rulename <> '_RETURN'
	UNION ALL SELECT concat_ws(' ', d.objoid::regclass, d.objsubid, d.description) FROM pg_description d JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
	WHERE c.relkind = 'v' AND c.relnamespace = 'retyped'::regnamespace $$;
CREATE TABLE was AS SELECT * FROM views();

-- at the call
\set VERBOSITY default
CREATE FUNCTION takes(v) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE MATERIALIZED VIEW stored AS SELECT * FROM over_v;
CREATE MATERIALIZED VIEW shows AS SELECT n FROM t;
CREATE FUNCTION body() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM retyped.over_both; END;
ALTER VIEW over_both OWNER TO retyped_owner;
SELECT zdm.change_column_type('t', 'n', 'bigint', label => 'n', keep_place => true);
SELECT zdm.change_column_type('t', 'n', 'bigint', label => 'n');
SET zdm.guard = off;
DROP VIEW circle CASCADE;
RESET zdm.guard;
SELECT zdm.change_column_type('t', 'n', 'bigint', label => 'n', keep_place => true);
SET zdm.guard = off;
ALTER VIEW over_both OWNER TO CURRENT_USER;
DROP FUNCTION takes, body;
DROP MATERIALIZED VIEW stored, shows;
RESET zdm.guard;
CREATE MATERIALIZED VIEW stored AS SELECT n FROM t;
ALTER EXTENSION plpgsql ADD MATERIALIZED VIEW stored;
SELECT zdm.rename_column('t', 'n', 'm');
ALTER EXTENSION plpgsql DROP MATERIALIZED VIEW stored;
DROP MATERIALIZED VIEW stored;
CREATE TEMPORARY VIEW of_session AS SELECT n FROM t;
DO $$
BEGIN
	PERFORM zdm.rename_column('t', 'n', 'm');
EXCEPTION WHEN feature_not_supported THEN
	RAISE WARNING '%', regexp_replace(SQLERRM, 'pg_temp_\d+', 'pg_temp_n');
END $$;
DROP VIEW of_session;
CREATE VIEW low AS SELECT lower(note) FROM (SELECT * FROM t) s;
CREATE VIEW over_low AS SELECT lower || 'x' FROM low;
SELECT zdm.change_column_type('t', 'note', 'int', up => 'length(note)', down => $$repeat('x', note)$$, keep_place => true);
SET zdm.guard = off;
DROP MATERIALIZED VIEW over_chooses;
RESET zdm.guard;
SELECT zdm.change_column_type('t', 'note', 'int', up => 'length(note)', down => $$repeat('x', note)$$, keep_place => true);
ALTER EXTENSION plpgsql ADD VIEW over_both;
SELECT zdm.change_column_type('t', 'n', 'bigint', label => 'n');
ALTER EXTENSION plpgsql DROP VIEW over_both;
\set VERBOSITY terse
SET zdm.guard = off;
DROP VIEW over_low, low;
RESET zdm.guard;
DELETE FROM was;
INSERT INTO was SELECT * FROM views();

SELECT zdm.change_column_type('t', 'n', 'bigint', label => 'n', keep_place => true);
SELECT note FROM zdm.migrations, unnest(notes) note WHERE label = 'n' AND note LIKE 'view%';
CALL test.await('n', 'ready');
CREATE VIEW late AS SELECT n, id FROM v;
PREPARE counted AS SELECT count(*) FROM over_v;
EXECUTE counted;
-- who may not make it any more stops the exchange, by name
REVOKE CREATE ON SCHEMA "Views" FROM retyped_owner;
ALTER SCHEMA "Views" OWNER TO CURRENT_USER;
GRANT USAGE ON SCHEMA "Views" TO retyped_owner;
SELECT zdm.cutover('n');
CALL test.await('n', 'failed');
SELECT error, error_hint FROM zdm.migrations WHERE label = 'n';
GRANT CREATE ON SCHEMA "Views" TO retyped_owner;
-- nor may it come to call what somebody else has made
GRANT USAGE, CREATE ON SCHEMA retyped TO retyped_reader;
SET ROLE retyped_reader;
CREATE FUNCTION ours(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 666::bigint';
RESET ROLE;
SELECT zdm.resume('n');
CALL test.await('n', 'failed');
SELECT error, error_hint ~ '^Drop or rename it' AS hint FROM zdm.migrations WHERE label = 'n';
DROP FUNCTION ours(bigint);
SELECT zdm.resume('n');
CALL test.await('n', 'switched');
SELECT w.line AS was, n.line AS "is" FROM was w FULL JOIN views() n USING (line) WHERE w.line IS NULL OR n.line IS NULL ORDER BY 1, 2;
EXECUTE counted;
UPDATE v SET n = 400 WHERE id = 50;
UPDATE v SET n = 1 WHERE id = 50;
SELECT * FROM over_both;
SELECT max(n) FROM late;
UPDATE v SET n = 50 WHERE id = 50;
SELECT zdm.revert('n');
CALL test.await('n', 'reverted');
SELECT w.line AS was, n.line AS "is" FROM was w FULL JOIN views() n USING (line) WHERE w.line IS NULL OR n.line IS NULL ORDER BY 1, 2;
EXECUTE counted;

-- what the new type's owner has made for it is called as it is meant
CREATE TYPE mood AS ENUM ('1', '2', 'x');
CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'mood'$$;
CREATE FUNCTION mood_text(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'text'$$;
CREATE VIEW felt AS SELECT id, mood_text(note), note IS NULL AS none FROM t;
UPDATE t SET note = '1';
SELECT zdm.change_column_type('t', 'note', 'mood', up => 'note::retyped.mood', down => 'note::text', label => 'mood', keep_place => true);
CALL test.await('mood', 'ready');
SELECT zdm.cutover('mood');
CALL test.await('mood', 'switched');
SELECT * FROM felt WHERE id = 1;
SELECT zdm.contract('mood');
CALL test.await('mood', 'completed');
SELECT query('felt'::regclass);
SET client_min_messages = error;
DROP SCHEMA retyped, "Views" CASCADE;
DROP OWNED BY retyped_owner, retyped_reader;
DROP ROLE retyped_owner, retyped_reader;
