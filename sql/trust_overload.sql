--
-- What a column or a table takes along is printed, and read again: it calls what it has
-- called, whatever better match somebody has made since, before the call or after it.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;
SET zdm.guard = off;
CREATE ROLE overload_victim NOLOGIN;
CREATE ROLE overload_maker NOLOGIN;
CREATE SCHEMA util AUTHORIZATION overload_victim;
CREATE SCHEMA vic AUTHORIZATION overload_victim;
GRANT USAGE, CREATE ON SCHEMA util TO overload_maker;
GRANT USAGE ON SCHEMA zdm TO overload_victim;

SET ROLE overload_victim;
CREATE FUNCTION util.norm(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1::text$$;
CREATE FUNCTION util.clean(anyelement) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$SELECT true$$;
CREATE FUNCTION vic.fill(name text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE vic.%I (id int PRIMARY KEY, a text, n int)', name);
	EXECUTE format('INSERT INTO vic.%I VALUES (1, %L, 1)', name, 'x');
	EXECUTE format(what, name);
END$$;
SELECT vic.fill('by_index', 'CREATE INDEX ON vic.%I (util.norm(a)) WHERE util.clean(a)');
SELECT vic.fill('by_check', 'ALTER TABLE vic.%I ADD CHECK (util.clean(a))');
SELECT vic.fill('by_policy', 'CREATE POLICY p ON vic.%I USING (util.clean(a))');
SELECT vic.fill('by_view', 'CREATE VIEW vic.seen AS SELECT util.norm(a) AS a FROM vic.%I');
SELECT vic.fill('shape_check', 'ALTER TABLE vic.%I ADD CHECK (a <> util.norm(''zz''::text))');
SELECT vic.fill('shape_column', 'ALTER TABLE vic.%I ADD g text GENERATED ALWAYS AS (util.norm(a)) STORED');
RESET ROLE;

-- as it is, each goes through
SET ROLE overload_victim;
SELECT vic.fill('quiet', 'CREATE INDEX ON vic.%1$I (util.norm(a)) WHERE util.clean(a); ALTER TABLE vic.%1$I ADD CHECK (util.clean(a)); CREATE POLICY p ON vic.%1$I USING (util.clean(a))');
SELECT zdm.rename_column('vic.quiet', 'a', 'b', label => 'quiet') > 0 AS stated;
RESET ROLE;
CALL zdm.wait('quiet', 'ready');
SELECT zdm.cutover('quiet');
CALL zdm.wait('quiet', 'switched');
SELECT zdm.contract('quiet');
CALL zdm.wait('quiet', 'completed');
SELECT indexdef FROM pg_indexes WHERE schemaname = 'vic' AND tablename = 'quiet' ORDER BY 1;

-- an overload that matches better
SET ROLE overload_maker;
CREATE FUNCTION util.norm(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE 'called as %', current_user; END$$;
CREATE FUNCTION util.clean(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE 'called as %', current_user; END$$;
-- what others have made on the table says nothing of what its own is to call
RESET ROLE;
GRANT USAGE ON SCHEMA vic TO overload_maker;
GRANT SELECT, TRIGGER ON vic.by_index, vic.by_check TO overload_maker;
SET ROLE overload_maker;
CREATE VIEW util.over AS SELECT util.norm(n::text), util.clean(n::text) FROM vic.by_index;
CREATE FUNCTION util.fires() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER fires AFTER DELETE ON vic.by_check FOR EACH ROW WHEN (util.clean(OLD.n::text)) EXECUTE FUNCTION util.fires();
SET ROLE overload_victim;
SELECT zdm.rename_column('vic.by_index', 'a', 'b', label => 'by_index') > 0 AS stated;
SELECT zdm.rename_column('vic.by_check', 'a', 'b', label => 'by_check') > 0 AS stated;
SELECT zdm.rename_column('vic.by_policy', 'a', 'b', label => 'by_policy') > 0 AS stated;
SELECT zdm.rename_column('vic.by_view', 'a', 'b', label => 'by_view') > 0 AS stated;
SELECT zdm.rewrite('vic.shape_check', columns => '{id,n,a}', label => 'shape_check') > 0 AS stated;
SELECT zdm.rewrite('vic.shape_column', columns => '{id,n,a,g}', label => 'shape_column') > 0 AS stated;
RESET ROLE;
CALL zdm.wait('by_index', 'ready');
CALL zdm.wait('by_check', 'ready');
CALL zdm.wait('by_policy', 'ready');
CALL zdm.wait('by_view', 'ready');
CALL zdm.wait('shape_check', 'ready');
CALL zdm.wait('shape_column', 'ready');
SELECT zdm.cutover('by_policy');
SELECT zdm.cutover('by_view');
CALL zdm.wait('by_policy', 'switched');
\set VERBOSITY terse
CALL zdm.wait('by_view', 'switched');
\set VERBOSITY default
SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'vic.by_policy'::regclass;

-- without it, they go on
DROP FUNCTION util.norm(text), util.clean(text) CASCADE;
SELECT count(zdm.resume(id)) FROM zdm.migrations WHERE state = 'failed';
CALL zdm.wait('by_index', 'ready');
CALL zdm.wait('by_check', 'ready');
CALL zdm.wait('by_policy', 'switched');
CALL zdm.wait('by_view', 'switched');
CALL zdm.wait('shape_check', 'ready');
CALL zdm.wait('shape_column', 'ready');
SELECT zdm.revert(id) FROM zdm.migrations WHERE state <> 'completed';
CALL zdm.wait('by_view', 'reverted');
CALL zdm.wait('by_policy', 'reverted');
CALL zdm.wait('by_index', 'reverted');
CALL zdm.wait('by_check', 'reverted');
CALL zdm.wait('shape_check', 'reverted');
CALL zdm.wait('shape_column', 'reverted');
DROP SCHEMA vic CASCADE;
DROP SCHEMA util CASCADE;
DROP OWNED BY overload_victim, overload_maker;
DROP ROLE overload_victim, overload_maker;
