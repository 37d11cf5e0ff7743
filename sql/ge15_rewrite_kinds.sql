-- What has a table written anew: orders, CLUSTER, SET TABLESPACE, LOGGED, UNLOGGED; each ends as the plain statement would have it.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_zdm_kinds LOCATION '';
CREATE ROLE regress_zdm_kinds_owner;
CREATE SCHEMA rewrite_kinds AUTHORIZATION regress_zdm_kinds_owner;
SET search_path = rewrite_kinds, public;

CREATE FUNCTION said(sql text) RETURNS text LANGUAGE plpgsql AS '
DECLARE detail text; hint text;
BEGIN
	EXECUTE sql;
	RETURN ''done'';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws('' | '', SQLSTATE, regexp_replace(SQLERRM, ''pg_temp_\d+'', ''pg_temp_N''), nullif(detail, ''''), nullif(hint, ''''));
END';
-- do it, and have it at its end
CREATE PROCEDURE through(ddl text, INOUT ended text DEFAULT NULL) LANGUAGE plpgsql AS '
DECLARE m bigint;
BEGIN
	m := zdm.migrate(ddl);
	COMMIT;
	CALL zdm.wait(m);
	SELECT state INTO ended FROM zdm.migrations WHERE id = m;
END';
-- what pg_class and pg_index say of a table and its like
CREATE FUNCTION shape(t regclass) RETURNS TABLE (what text, persistence "char", space name, am name, clustered bool) LANGUAGE sql AS '
	SELECT regexp_replace(c.relname, ''_(plain|ours)'', ''''), c.relpersistence, s.spcname, a.amname, i.indisclustered FROM pg_class c
	LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace LEFT JOIN pg_am a ON a.oid = c.relam LEFT JOIN pg_index i ON i.indexrelid = c.oid
	WHERE c.oid = t OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = t) OR c.oid IN (SELECT objid FROM pg_depend WHERE refobjid = t AND classid = ''pg_class''::regclass AND deptype IN (''a'', ''i'') AND c.relkind <> ''t'')
	UNION ALL SELECT ''toast'', c.relpersistence, s.spcname, NULL, NULL FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = (SELECT reltoastrelid FROM pg_class WHERE oid = t)';

CREATE FUNCTION low(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
DO '
DECLARE name text;
BEGIN
	FOREACH name IN ARRAY ARRAY[''plain'', ''ours'']
	LOOP
		EXECUTE format(''CREATE TABLE %I (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b text, s serial, p point, big text)'', ''k_'' || name);
		EXECUTE format(''CREATE INDEX %I ON %I (a DESC NULLS LAST, id)'', ''k_'' || name || ''_a'', ''k_'' || name);
		EXECUTE format(''CREATE INDEX %I ON %I (low(b))'', ''k_'' || name || ''_b'', ''k_'' || name);
		EXECUTE format(''CREATE INDEX %I ON %I USING gist (p)'', ''k_'' || name || ''_p'', ''k_'' || name);
		EXECUTE format(''CREATE INDEX %I ON %I USING hash (a)'', ''k_'' || name || ''_h'', ''k_'' || name);
		EXECUTE format(''CREATE INDEX %I ON %I (a) WHERE a > 5'', ''k_'' || name || ''_w'', ''k_'' || name);
		EXECUTE format(''INSERT INTO %I (a, b, p, big) SELECT nullif(i * 7919 %% 500, 3), CASE WHEN i %% 2 = 0 THEN ''''B'''' ELSE ''''b'''' END || i * 31 %% 500, point(i * 17 %% 100, i), repeat(md5(i::text), 200) FROM generate_series(1, 500) i'', ''k_'' || name);
	END LOOP;
END';
CREATE TABLE before AS SELECT * FROM k_ours;
CREATE PROCEDURE like_plain(ddl text, INOUT ended text DEFAULT NULL, INOUT differ bigint DEFAULT NULL, INOUT rows_differ bigint DEFAULT NULL) LANGUAGE plpgsql AS '
BEGIN
	SET LOCAL zdm.guard = off;
	EXECUTE format(ddl, ''k_plain'');
	COMMIT;
	CALL through(format(ddl, ''k_ours''), ended);
	SELECT count(*) INTO differ FROM ((TABLE zdm_plain EXCEPT TABLE zdm_ours) UNION ALL (TABLE zdm_ours EXCEPT TABLE zdm_plain)) x;
	SELECT count(*) INTO rows_differ FROM ((SELECT id, a, b, s, p::text, big FROM before EXCEPT SELECT id, a, b, s, p::text, big FROM k_ours) UNION ALL (SELECT id, a, b, s, p::text, big FROM k_ours EXCEPT SELECT id, a, b, s, p::text, big FROM before)) x;
END';
CREATE VIEW zdm_plain AS SELECT * FROM shape('k_plain');
CREATE VIEW zdm_ours AS SELECT * FROM shape('k_ours');

-- the order of an index: btree, of an expression, GiST
CALL like_plain('CLUSTER %1$s USING %1$s_a');
SELECT count(*) AS out_of_order FROM (SELECT row_number() OVER (ORDER BY ctid) AS place, row_number() OVER (ORDER BY a DESC NULLS LAST, id) AS due FROM k_ours) x WHERE place <> due;
CALL like_plain('CLUSTER %1$s USING %1$s_b');
SELECT count(*) AS out_of_order FROM (SELECT low(b) < lag(low(b)) OVER (ORDER BY ctid) AS wrong FROM k_ours) x WHERE wrong;
CALL like_plain('CLUSTER %1$s USING %1$s_p');
SELECT * FROM zdm_ours WHERE clustered;
-- by the one that it has been clustered by
CALL like_plain('CLUSTER %1$s');
CALL like_plain('CLUSTER %1$s USING %1$s_pkey');
CALL through('CLUSTER (VERBOSE) k_ours USING k_ours_pkey');
SELECT count(*) AS out_of_order FROM (SELECT row_number() OVER (ORDER BY ctid) AS place, row_number() OVER (ORDER BY id) AS due FROM k_ours) x WHERE place <> due;
-- an order of one's own
SELECT zdm.rewrite('k_ours', 'a % 10 DESC, low(b) COLLATE "C", id USING >') AS m \gset
SELECT regexp_replace(note, '\d+ kB', 'n kB') AS note FROM zdm.steps WHERE migration = :m AND action = 'copy';
SELECT statement FROM zdm.steps WHERE migration = :m ORDER BY step;
CALL zdm.wait(:m);
SELECT count(*) AS out_of_order FROM (SELECT row_number() OVER (ORDER BY ctid) AS place, row_number() OVER (ORDER BY a % 10 DESC, low(b) COLLATE "C", id DESC) AS due FROM k_ours) x WHERE place <> due;
SELECT * FROM zdm_ours WHERE clustered;
-- another place; indexes stay where they are
CALL like_plain('ALTER TABLE %1$s SET TABLESPACE regress_zdm_kinds');
SELECT * FROM zdm_ours ORDER BY what COLLATE "C";
CALL like_plain('ALTER TABLE %1$s SET UNLOGGED');
SELECT what, persistence FROM zdm_ours ORDER BY what COLLATE "C";
CALL like_plain('ALTER TABLE %1$s SET LOGGED, SET TABLESPACE pg_default');
SELECT * FROM zdm_ours ORDER BY what COLLATE "C";
-- what is so already is done as it stands
CALL like_plain('ALTER TABLE %1$s SET LOGGED');
SELECT kind FROM zdm.migrations ORDER BY id DESC LIMIT 1;
INSERT INTO k_ours (a) VALUES (0) RETURNING id, s;

-- the plan, the check and the guard name the call
SELECT step, statement, lock, work, regexp_replace(note, '\d+ kB', 'n kB') AS note FROM zdm.plan('ALTER TABLE k_ours SET UNLOGGED, SET TABLESPACE regress_zdm_kinds');
SELECT step, statement FROM zdm.plan('CLUSTER k_ours USING k_ours_b') WHERE step = 2;
SET zdm.guard_min_size = '8kB';
SELECT rule, hint FROM zdm.check('CLUSTER k_ours USING k_ours_a; VACUUM FULL k_ours; ALTER TABLE k_ours SET TABLESPACE regress_zdm_kinds; ALTER TABLE k_ours SET UNLOGGED') WHERE severity = 'unsafe';
SET zdm.guard = refuse;
SELECT regexp_replace(said('ALTER TABLE k_ours SET UNLOGGED'), '\d\.\d MB', 'n MB') AS said;
CLUSTER k_ours USING k_ours_a;
CREATE TABLE keyless AS SELECT * FROM before;
SELECT rule, hint FROM zdm.check('VACUUM FULL keyless') WHERE severity = 'unsafe';
SELECT said($$SELECT zdm.migrate('ALTER TABLE keyless SET UNLOGGED')$$);
RESET zdm.guard_min_size;
RESET zdm.guard;

-- foreign keys, by the rules of ALTER TABLE
CREATE TABLE up (id int PRIMARY KEY);
CREATE TABLE down (id int PRIMARY KEY, up int REFERENCES up, own int REFERENCES down);
SELECT said($$SELECT zdm.migrate('ALTER TABLE up SET UNLOGGED')$$);
CALL through('ALTER TABLE down SET UNLOGGED');
CALL through('ALTER TABLE up SET UNLOGGED');
SELECT said($$SELECT zdm.migrate('ALTER TABLE down SET LOGGED')$$);
CALL through('ALTER TABLE up SET LOGGED');
CALL through('ALTER TABLE down SET LOGGED');
SELECT relname, relpersistence FROM pg_class WHERE relname IN ('up', 'down') AND relnamespace = 'rewrite_kinds'::regnamespace ORDER BY 1;
CREATE PUBLICATION rewrite_kinds_pub FOR TABLE down;
SELECT said($$SELECT zdm.migrate('ALTER TABLE down SET UNLOGGED')$$);
DROP PUBLICATION rewrite_kinds_pub;

-- refused at the call, as PostgreSQL would, or with what to do
SELECT said('SELECT zdm.migrate(' || quote_literal(ddl) || ')') FROM unnest(ARRAY[
	'CLUSTER', 'CLUSTER k_ours USING nosuch', 'CLUSTER k_ours USING k_ours_h', 'CLUSTER k_ours USING k_ours_w', 'CLUSTER k_ours USING k_plain_a',
	'CLUSTER up', 'CLUSTER nosuch USING i', 'ALTER TABLE k_ours SET TABLESPACE nosuch', 'ALTER TABLE k_ours SET TABLESPACE pg_global',
	'ALTER TABLE k_ours SET TABLESPACE regress_zdm_kinds, SET (fillfactor = 70)', 'ALTER TABLE k_ours SET TABLESPACE regress_zdm_kinds, SET TABLESPACE pg_default',
	'ALTER TABLE k_ours SET UNLOGGED, SET LOGGED', 'ALTER TABLE zdm_ours SET TABLESPACE regress_zdm_kinds', 'ALTER TABLE k_ours_a SET TABLESPACE regress_zdm_kinds',
	'ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE regress_zdm_kinds']) ddl;
SELECT said(format('SELECT zdm.rewrite(''k_ours'', %L)', o)) FROM unnest(ARRAY['', 'nosuch', '1', 'a LIMIT 1', 'a; DROP TABLE up', 'random()', 'ctid', 'k_ours', 'count(a)',
	'(SELECT 1)', 'p', 'a FOR UPDATE', 'a USING =', 'current_user || b', 'row_number() OVER ()', 'a,', 'generate_series(1, a)', 'a COLLATE nosuch', 'a) --']) o;
CREATE TEMP TABLE passing (id int PRIMARY KEY);
SELECT said($$SELECT zdm.migrate('ALTER TABLE passing SET TABLESPACE regress_zdm_kinds')$$);
-- of the role that calls
ALTER TABLE down OWNER TO regress_zdm_kinds_owner;
SET ROLE regress_zdm_kinds_owner;
SELECT zdm.migrate('ALTER TABLE down SET TABLESPACE regress_zdm_kinds');
SELECT zdm.migrate('CLUSTER k_ours USING k_ours_a');
RESET ROLE;
GRANT CREATE ON TABLESPACE regress_zdm_kinds TO regress_zdm_kinds_owner;
SET ROLE regress_zdm_kinds_owner;
SELECT zdm.migrate('ALTER TABLE down SET TABLESPACE regress_zdm_kinds', label => 'moved') AS m \gset
CALL zdm.wait(:m);
SELECT zdm.migrate('ALTER TABLE down SET TABLESPACE regress_zdm_kinds', label => 'moved') = :m AS same;
RESET ROLE;
ALTER TABLE down SET TABLESPACE pg_default;
SET ROLE regress_zdm_kinds_owner;
SELECT zdm.migrate('ALTER TABLE down SET TABLESPACE regress_zdm_kinds', label => 'moved') > :m AS anew;
CALL zdm.wait('moved');
RESET ROLE;
SELECT spcname FROM pg_tablespace s JOIN pg_class c ON s.oid = c.reltablespace WHERE c.oid = 'down'::regclass;
-- on what the same transaction has made
BEGIN;
CREATE TABLE made (id int PRIMARY KEY, a int);
INSERT INTO made SELECT i, -i FROM generate_series(1, 100) i;
CREATE INDEX made_a ON made (a);
SELECT zdm.migrate('CLUSTER made USING made_a') > 0, zdm.migrate('ALTER TABLE made SET UNLOGGED') > 0, zdm.migrate('VACUUM FULL made') > 0;
SELECT zdm.rewrite('made', 'id') AS m \gset
COMMIT;
CALL zdm.wait(:m);
SELECT relpersistence, (SELECT id FROM made ORDER BY ctid LIMIT 1) FROM pg_class WHERE oid = 'made'::regclass;
SELECT count(*) AS left_over FROM pg_class WHERE relname LIKE 'zdm\_%' AND relkind = 'r';
SELECT count(*) AS left_over FROM zdm.witness;
-- indexes alone
CREATE TABLE indexed (id int PRIMARY KEY, a int);
CREATE INDEX indexed_a ON indexed (a);
SELECT statement FROM zdm.plan('REINDEX (TABLESPACE regress_zdm_kinds, VERBOSE) TABLE indexed');
SELECT zdm.migrate('REINDEX (TABLESPACE regress_zdm_kinds) TABLE indexed') AS m \gset
CALL zdm.wait(:m);
SELECT zdm.migrate('REINDEX (TABLESPACE pg_default) INDEX indexed_a') AS m \gset
CALL zdm.wait(:m);
SELECT c.relname, s.spcname FROM pg_class c JOIN pg_index ON indexrelid = c.oid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE indrelid = 'indexed'::regclass ORDER BY 1;
SELECT said(format('SELECT zdm.migrate(''REINDEX (%s) TABLE indexed'')', word))
FROM unnest(ARRAY['TABLESPACE nosuch', 'TABLESPACE pg_global', 'SLOWLY']) word;
REVOKE CREATE ON TABLESPACE regress_zdm_kinds FROM regress_zdm_kinds_owner;
ALTER TABLE indexed OWNER TO regress_zdm_kinds_owner;
SELECT said('SELECT zdm.migrate(''REINDEX (TABLESPACE regress_zdm_kinds) TABLE indexed'')');
DROP SCHEMA rewrite_kinds CASCADE;
DROP TABLESPACE regress_zdm_kinds;
DROP ROLE regress_zdm_kinds_owner;
