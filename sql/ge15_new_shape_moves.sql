-- A rich table gets its columns in another order and comes back: all that hangs on it is as it was.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET zdm.guard = off;
CREATE ROLE shape_owner NOLOGIN;
CREATE ROLE shape_viewer NOLOGIN;
CREATE ROLE shape_anna NOLOGIN;
CREATE ROLE "shape ""bert""" NOLOGIN;
GRANT CREATE ON DATABASE :"DBNAME" TO shape_owner;
SET ROLE shape_owner;
CREATE SCHEMA shape;
GRANT ALL ON SCHEMA shape TO shape_viewer, shape_anna, "shape ""bert""";
SET search_path = shape, public;

-- a rich table, whose columns are in another order in the one that takes its place
CREATE TABLE referenced (a int, b int, PRIMARY KEY (a, b));
INSERT INTO referenced VALUES (1, 1), (2, 2);
CREATE TABLE t (
	gone int,
	id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 7),
	serial serial,
	a int DEFAULT 1, b int DEFAULT 1,
	parent bigint,
	"Quoted ""name""" text COLLATE "C" DEFAULT 'x''y',
	big text,
	twice int GENERATED ALWAYS AS (a * 2) STORED,
	CONSTRAINT t_pkey PRIMARY KEY (id),
	CONSTRAINT t_parent FOREIGN KEY (parent) REFERENCES t ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
	CONSTRAINT "FK ""to"" referenced" FOREIGN KEY (a, b) REFERENCES referenced MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (b)
);
ALTER TABLE t DROP COLUMN gone;
ALTER TABLE t ADD CONSTRAINT t_a CHECK (a < 100), ADD CONSTRAINT t_late CHECK (b > 0) NOT VALID;
ALTER TABLE t ADD CONSTRAINT "a name of sixty-three bytes, which is all that a name may have.." UNIQUE (serial);
CREATE INDEX t_expr ON t ((a + b), lower(big));
ALTER INDEX t_expr ALTER COLUMN 1 SET STATISTICS 77;
CREATE UNIQUE INDEX t_ident ON t (id, serial);
INSERT INTO t ("Quoted ""name""", big) SELECT 'q' || i, 'b' || i FROM generate_series(1, 5) i;
ALTER TABLE t ALTER id SET NOT NULL, ALTER serial SET NOT NULL;
CREATE STATISTICS t_stats (ndistinct, mcv) ON a, b, (a + b) FROM t;
ALTER STATISTICS t_stats SET STATISTICS 50;
COMMENT ON STATISTICS t_stats IS 'of a and b';
ANALYZE t;

CREATE TABLE child (t bigint, ref int,
	CONSTRAINT child_t FOREIGN KEY (t) REFERENCES t ON DELETE CASCADE,
	CONSTRAINT child_late FOREIGN KEY (ref) REFERENCES t (serial) NOT VALID);
ALTER TABLE child DROP CONSTRAINT child_late, ADD CONSTRAINT child_late FOREIGN KEY (ref) REFERENCES t (serial) NOT VALID;
ALTER TABLE child REPLICA IDENTITY FULL;
COMMENT ON CONSTRAINT child_t ON child IS 'to t';
INSERT INTO child VALUES (100, 1), (107, NULL);
CREATE TABLE parts (t bigint) PARTITION BY RANGE (t);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE parts_2 PARTITION OF parts DEFAULT PARTITION BY LIST (t);
CREATE TABLE parts_2_1 PARTITION OF parts_2 DEFAULT;
ALTER TABLE parts ADD CONSTRAINT parts_t FOREIGN KEY (t) REFERENCES t;
ALTER TABLE parts_1 RENAME CONSTRAINT parts_t TO "of part 1";
COMMENT ON CONSTRAINT "of part 1" ON parts_1 IS 'of a partition';
INSERT INTO parts VALUES (100);

CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''% % %'', TG_NAME, TG_TABLE_NAME, TG_OP; RETURN coalesce(NEW, OLD); END';
CREATE TRIGGER row_a BEFORE INSERT OR UPDATE OF a, big ON t FOR EACH ROW WHEN (NEW.a > 0) EXECUTE FUNCTION f('x');
CREATE TRIGGER row_whole AFTER UPDATE ON t FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION f();
CREATE TRIGGER "stmt ""x""" AFTER DELETE ON t REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION f();
CREATE CONSTRAINT TRIGGER cons AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f();
CREATE CONSTRAINT TRIGGER from_t AFTER INSERT ON child FROM t NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f();
ALTER TABLE t DISABLE TRIGGER cons, ENABLE ALWAYS TRIGGER row_whole;
COMMENT ON TRIGGER row_a ON t IS 'a trigger''s';
CREATE TABLE log (id bigint, what text);
CREATE RULE "rule" AS ON DELETE TO t WHERE OLD.a = 99 DO ALSO INSERT INTO log VALUES (OLD.id, 'gone');
COMMENT ON RULE "rule" ON t IS 'the rule''s';
CREATE RULE off AS ON UPDATE TO t DO INSTEAD NOTHING;
ALTER TABLE t DISABLE RULE off;
CREATE RULE into_t AS ON INSERT TO log WHERE NEW.what = 'into t' DO INSTEAD INSERT INTO t (big) VALUES (NEW.what);

CREATE POLICY see ON t FOR SELECT TO shape_anna, "shape ""bert""" USING (a > 0 AND EXISTS (SELECT FROM t x WHERE x.id = t.id));
CREATE POLICY change ON t AS RESTRICTIVE USING (b > 0) WITH CHECK (a > 0);
COMMENT ON POLICY see ON t IS 'who sees';
CREATE POLICY of_others ON child USING (EXISTS (SELECT FROM t WHERE t.id = child.t AND t.a > 0));
ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- views three deep, with options and other owners; a materialized one, with an index
CREATE VIEW v1 WITH (security_barrier, check_option = local) AS SELECT id, a, "Quoted ""name""" AS q, big FROM t WHERE a > 0;
COMMENT ON VIEW v1 IS 'the first';
GRANT SELECT ON v1 TO shape_viewer WITH GRANT OPTION;
GRANT SELECT ON t TO shape_viewer;
GRANT SELECT, UPDATE (a) ON v1 TO shape_anna;
CREATE VIEW v_invoker WITH (security_invoker) AS SELECT t.*, row_to_json(t) AS j FROM t JOIN referenced USING (a, b);
CREATE VIEW v_group AS SELECT id, a, big, count(*) AS n FROM t GROUP BY id;
CREATE MATERIALIZED VIEW m AS SELECT a, count(*) AS n, max(big) AS big FROM t GROUP BY a;
CREATE UNIQUE INDEX m_a ON m (a);
COMMENT ON MATERIALIZED VIEW m IS 'as of once';
RESET ROLE;
SET ROLE shape_viewer;
CREATE VIEW shape.v2 AS SELECT v1.id, x.big FROM shape.v1 JOIN shape.t x ON x.id = v1.id;
CREATE VIEW shape.v3 AS SELECT count(*) FROM shape.v2 WHERE EXISTS (SELECT FROM shape.t WHERE t.id = v2.id);
CREATE FUNCTION shape.body(n int DEFAULT 1) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC SELECT id FROM shape.t WHERE a = n ORDER BY t.big LIMIT 1; END;
COMMENT ON FUNCTION shape.body IS 'a body';
RESET ROLE;
SET ROLE shape_owner;

-- privileges by several grantors, on columns too
GRANT INSERT, UPDATE, DELETE ON t TO shape_anna WITH GRANT OPTION;
GRANT SELECT (a, big), REFERENCES (id) ON t TO shape_anna WITH GRANT OPTION;
REVOKE TRUNCATE ON t FROM shape_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA shape GRANT ALL ON TABLES TO PUBLIC;
RESET ROLE;
SET ROLE shape_anna;
GRANT INSERT, UPDATE ON shape.t TO "shape ""bert""";
GRANT SELECT (a) ON shape.t TO PUBLIC;
RESET ROLE;
SET ROLE shape_owner;

COMMENT ON TABLE t IS 'the table''s';
COMMENT ON COLUMN t.a IS 'a''s';
COMMENT ON COLUMN t."Quoted ""name""" IS 'the quoted one''s';
COMMENT ON CONSTRAINT t_a ON t IS 'the check''s';
COMMENT ON CONSTRAINT t_pkey ON t IS 'the key''s';
COMMENT ON INDEX t_pkey IS 'the key''s index';
COMMENT ON INDEX t_expr IS 'the expression''s';
COMMENT ON CONSTRAINT t_parent ON t IS 'to itself';
COMMENT ON SEQUENCE t_id_seq IS 'the identity''s';
COMMENT ON TYPE t IS 'the row''s';
GRANT USAGE ON SEQUENCE t_id_seq TO shape_anna;
GRANT USAGE ON TYPE t TO shape_viewer;
REVOKE USAGE ON TYPE t FROM PUBLIC;
ALTER TABLE t ALTER a SET STATISTICS 33, ALTER b SET (n_distinct = -0.5), ALTER big SET STORAGE EXTERNAL;
ALTER TABLE t SET (fillfactor = 80, autovacuum_enabled = off);
ALTER TABLE t REPLICA IDENTITY USING INDEX t_ident;
RESET ROLE;
SELECT test.label('shape.t', 0, 'a label');
SELECT test.label('shape.t', 5, 'a column''s');
-- another's, who owns no table
CREATE PUBLICATION shape_some FOR TABLE shape.t (id, serial, a, "Quoted ""name""") WHERE (id > 100 AND serial < 10) WITH (publish = 'insert, update, delete');
CREATE PUBLICATION shape_plain FOR TABLE shape.t, shape.child;
ALTER PUBLICATION shape_plain OWNER TO shape_anna;

CREATE TABLE public.was AS SELECT ord, line FROM test.known_of('shape.t') WITH ORDINALITY x(line, ord);
CREATE VIEW public.views AS SELECT c.oid, c.relname, pg_get_viewdef(c.oid) AS def, c.relowner, c.reloptions, c.relacl, obj_description(c.oid) FROM pg_class c WHERE relnamespace = 'shape'::regnamespace AND relkind IN ('v', 'm');
CREATE TABLE public.views_were AS TABLE public.views;
CREATE TABLE public.rows_were AS SELECT * FROM shape.t;
CREATE FUNCTION public.differs() RETURNS TABLE (was text, "is" text) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE
	'SELECT w.line, n.line FROM was w FULL JOIN test.known_of(''shape.t'') WITH ORDINALITY n(line, ord) USING (line) WHERE w.line IS NULL OR n.line IS NULL ORDER BY w.ord, n.ord'; END $$;
SET client_min_messages = warning;

SET ROLE shape_owner;
SELECT zdm.rewrite('t', columns => '{twice,big,parent,serial,id,b,"Quoted \"name\"",a}', label => 'shape');
RESET ROLE;
CALL test.await('shape', 'ready');
SELECT zdm.cutover('shape');
CALL test.await('shape', 'switched');
SELECT attname FROM pg_attribute WHERE attrelid = 'shape.t'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM public.differs();
TABLE public.views EXCEPT TABLE public.views_were;
SELECT count(*) FROM (SELECT id, a, b, parent, serial, big, twice, "Quoted ""name""" FROM shape.t EXCEPT SELECT id, a, b, parent, serial, big, twice, "Quoted ""name""" FROM rows_were) x;
INSERT INTO shape.t (big) VALUES ('new') RETURNING id, serial, a, twice;
DELETE FROM shape.t WHERE id = 107;
SELECT zdm.revert('shape');
CALL test.await('shape', 'reverted');
SELECT attname FROM pg_attribute WHERE attrelid = 'shape.t'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT * FROM public.differs();
TABLE public.views EXCEPT TABLE public.views_were;
SELECT id, big FROM shape.t ORDER BY id;
SELECT relname FROM pg_class WHERE relnamespace = 'shape'::regnamespace AND relname LIKE 'zdm%';

-- once more, to the end
SET ROLE shape_owner;
SELECT zdm.rewrite('t', columns => '{twice,big,parent,serial,id,b,"Quoted \"name\"",a}', label => 'again') > 0 AS stated;
RESET ROLE;
CALL test.await('again', 'ready');
SELECT zdm.cutover('again');
CALL test.await('again', 'switched');
SELECT zdm.contract('again');
CALL test.await('again', 'completed');
SELECT * FROM public.differs();
TABLE public.views EXCEPT TABLE public.views_were;
SELECT id, big FROM shape.t ORDER BY id;
SELECT relname FROM pg_class WHERE relnamespace = 'shape'::regnamespace AND relname LIKE 'zdm%';
DROP SCHEMA shape CASCADE;
DROP OWNED BY shape_owner, shape_viewer, shape_anna, "shape ""bert""" CASCADE;
DROP ROLE shape_owner, shape_viewer, shape_anna, "shape ""bert""";
