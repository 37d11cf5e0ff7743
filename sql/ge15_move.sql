-- All that hangs on a table moves to another one that takes its name, and comes back.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET zdm.guard = off;
CREATE ROLE move_owner NOLOGIN;
CREATE ROLE move_viewer NOLOGIN;
CREATE ROLE move_anna NOLOGIN;
CREATE ROLE "move ""bert""" NOLOGIN;
GRANT CREATE ON DATABASE :"DBNAME" TO move_owner;
SET ROLE move_owner;
CREATE SCHEMA move;
GRANT ALL ON SCHEMA move TO move_viewer, move_anna, "move ""bert""";
SET search_path = move, public;

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

CREATE POLICY see ON t FOR SELECT TO move_anna, "move ""bert""" USING (a > 0 AND EXISTS (SELECT FROM t x WHERE x.id = t.id));
CREATE POLICY change ON t AS RESTRICTIVE USING (b > 0) WITH CHECK (a > 0);
COMMENT ON POLICY see ON t IS 'who sees';
CREATE POLICY of_others ON child USING (EXISTS (SELECT FROM t WHERE t.id = child.t AND t.a > 0));
ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- views three deep, with options and other owners; a materialized one, with an index
CREATE VIEW v1 WITH (security_barrier, check_option = local) AS SELECT id, a, "Quoted ""name""" AS q, big FROM t WHERE a > 0;
COMMENT ON VIEW v1 IS 'the first';
GRANT SELECT ON v1 TO move_viewer WITH GRANT OPTION;
GRANT SELECT ON t TO move_viewer;
GRANT SELECT, UPDATE (a) ON v1 TO move_anna;
CREATE VIEW v_invoker WITH (security_invoker) AS SELECT t.*, row_to_json(t) AS j FROM t JOIN referenced USING (a, b);
CREATE VIEW v_group AS SELECT id, a, big, count(*) AS n FROM t GROUP BY id;
CREATE MATERIALIZED VIEW m AS SELECT a, count(*) AS n, max(big) AS big FROM t GROUP BY a;
CREATE UNIQUE INDEX m_a ON m (a);
COMMENT ON MATERIALIZED VIEW m IS 'as of once';
RESET ROLE;
SET ROLE move_viewer;
CREATE VIEW move.v2 AS SELECT v1.id, x.big FROM move.v1 JOIN move.t x ON x.id = v1.id;
CREATE VIEW move.v3 AS SELECT count(*) FROM move.v2 WHERE EXISTS (SELECT FROM move.t WHERE t.id = v2.id);
CREATE FUNCTION move.body(n int DEFAULT 1) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC SELECT id FROM move.t WHERE a = n ORDER BY t.big LIMIT 1; END;
COMMENT ON FUNCTION move.body IS 'a body';
RESET ROLE;
SET ROLE move_owner;

-- privileges by several grantors, on columns too
GRANT INSERT, UPDATE, DELETE ON t TO move_anna WITH GRANT OPTION;
GRANT SELECT (a, big), REFERENCES (id) ON t TO move_anna WITH GRANT OPTION;
REVOKE TRUNCATE ON t FROM move_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA move GRANT ALL ON TABLES TO PUBLIC;
RESET ROLE;
SET ROLE move_anna;
GRANT INSERT, UPDATE ON move.t TO "move ""bert""";
GRANT SELECT (a) ON move.t TO PUBLIC;
RESET ROLE;
SET ROLE move_owner;

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
GRANT USAGE ON SEQUENCE t_id_seq TO move_anna;
GRANT USAGE ON TYPE t TO move_viewer;
REVOKE USAGE ON TYPE t FROM PUBLIC;
ALTER TABLE t ALTER a SET STATISTICS 33, ALTER b SET (n_distinct = -0.5), ALTER big SET STORAGE EXTERNAL;
ALTER TABLE t SET (fillfactor = 80, autovacuum_enabled = off);
ALTER TABLE t REPLICA IDENTITY USING INDEX t_ident;
RESET ROLE;
SELECT test.label('move.t', 0, 'a label');
SELECT test.label('move.t', 5, 'a column''s');
-- another's, who owns no table
CREATE PUBLICATION move_some FOR TABLE move.t (id, serial, a, "Quoted ""name""") WHERE (id > 100 AND serial < 10) WITH (publish = 'insert, update, delete');
CREATE PUBLICATION move_plain FOR TABLE move.t, move.child;
ALTER PUBLICATION move_plain OWNER TO move_anna;

-- the other one
SET ROLE move_owner;
CREATE TABLE h_t (
	twice int GENERATED ALWAYS AS (a * 2) STORED,
	big text, parent bigint, serial int NOT NULL, id bigint NOT NULL, b int, "Quoted ""name""" text COLLATE "C", a int,
	CONSTRAINT h_t_pkey PRIMARY KEY (id)
);
ALTER TABLE h_t ADD CONSTRAINT t_a CHECK (a < 100), ADD CONSTRAINT t_late CHECK (b > 0) NOT VALID;
ALTER TABLE h_t ADD CONSTRAINT "h_a name of sixty-three bytes, which is all that a name may have" UNIQUE (serial);
CREATE INDEX h_t_expr ON h_t ((a + b), lower(big));
CREATE UNIQUE INDEX h_t_ident ON h_t (id, serial);
RESET ROLE;
INSERT INTO move.h_t (big, parent, serial, id, b, "Quoted ""name""", a) SELECT big, parent, serial, id, b, "Quoted ""name""", a FROM move.t;

CREATE TABLE public.was AS SELECT ord, line FROM test.known_of('move.t') WITH ORDINALITY x(line, ord);
CREATE TABLE public.views_were AS SELECT c.oid, c.relname, pg_get_viewdef(c.oid) AS def, c.relowner, c.reloptions, c.relacl, c.relfilenode, obj_description(c.oid) FROM pg_class c WHERE relnamespace = 'move'::regnamespace AND relkind IN ('v', 'm');
SELECT count(*) FROM was WHERE line LIKE 'rule:%';
SELECT line FROM was WHERE line LIKE 'constraint%FOREIGN%' ORDER BY ord;
CREATE TABLE public.oid_was AS SELECT 'move.t'::regclass::oid AS t, 'move.h_t'::regclass::oid AS h;

BEGIN;
SELECT test.move('move.t', 'move.h_t') \g /dev/null
SELECT 'move.t'::regclass::oid = h AS exchanged, 'move.h_t'::regclass::oid = t AS back FROM oid_was;
-- all is as it was, by name
SELECT w.line AS was, n.line AS "is" FROM was w FULL JOIN test.known_of('move.t') WITH ORDINALITY n(line, ord) USING (line) WHERE w.line IS NULL OR n.line IS NULL ORDER BY w.ord, n.ord;
SELECT relname, pg_get_viewdef(c.oid) = def AS def, c.relowner = w.relowner AS owner, c.reloptions IS NOT DISTINCT FROM w.reloptions AS options, c.relacl IS NOT DISTINCT FROM w.relacl AS acl, c.relfilenode = w.relfilenode AS rows, obj_description(c.oid) IS NOT DISTINCT FROM w.obj_description AS comment FROM pg_class c FULL JOIN views_were w USING (oid, relname) WHERE c.relkind IN ('v', 'm') AND relnamespace = 'move'::regnamespace ORDER BY 1;
-- the hidden one has nothing that fires, and nobody's privileges
SELECT line FROM test.known_of('move.h_t') line WHERE line !~ '^(column|index|constraint)';
SELECT line FROM test.known_of('move.h_t') line WHERE line ~ '^constraint.*FOREIGN';
-- nothing depends on it
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend, oid_was WHERE refclassid = 'pg_class'::regclass AND refobjid = t AND deptype = 'n' AND classid NOT IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass);
COMMIT;

-- it works: by views, functions, identity, foreign keys
SET ROLE move_owner;
ALTER TABLE t NO FORCE ROW LEVEL SECURITY;
INSERT INTO t (big) VALUES ('new') RETURNING id, serial, a, twice;
RESET ROLE;
SELECT * FROM v3;
SET ROLE move_owner;
SELECT id, q FROM v1 ORDER BY id LIMIT 2;
SELECT body(1);
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
SELECT * FROM m;
DELETE FROM t WHERE id = 107;
DELETE FROM t WHERE id = 100;
SELECT * FROM child ORDER BY t;
INSERT INTO child VALUES (1);
INSERT INTO child VALUES (NULL, 77);
UPDATE t SET parent = 5 WHERE id = 114;
INSERT INTO log VALUES (1, 'into t');
SELECT big FROM t ORDER BY id DESC LIMIT 1;
EXPLAIN (COSTS OFF) SELECT * FROM v1;
ALTER TABLE t FORCE ROW LEVEL SECURITY;

-- what is changed since is as it is now
DROP TRIGGER row_a ON t;
CREATE TRIGGER late AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
ALTER TABLE t ALTER a SET DEFAULT 2, ALTER b DROP DEFAULT;
ALTER TABLE t ENABLE TRIGGER cons;
REVOKE INSERT ON t FROM move_anna CASCADE;
CREATE OR REPLACE VIEW v1 WITH (security_barrier = off) AS SELECT id, a, "Quoted ""name""" AS q, big, serial FROM t;
ALTER TABLE child DROP CONSTRAINT child_late;
ALTER TABLE t ALTER id SET GENERATED BY DEFAULT;
ALTER STATISTICS t_stats RENAME TO t_stats_later;
ALTER TABLE t RESET (autovacuum_enabled);
RESET ROLE;
TRUNCATE was, views_were;
INSERT INTO was SELECT ord, line FROM test.known_of('move.t') WITH ORDINALITY x(line, ord);
INSERT INTO views_were SELECT c.oid, c.relname, pg_get_viewdef(c.oid) AS def, c.relowner, c.reloptions, c.relacl, c.relfilenode, obj_description(c.oid) FROM pg_class c WHERE relnamespace = 'move'::regnamespace AND relkind IN ('v', 'm');
BEGIN;
SELECT test.move('move.t', 'move.h_t') \g /dev/null
SELECT 'move.t'::regclass::oid = t AS back FROM oid_was;
SELECT w.line AS was, n.line AS "is" FROM was w FULL JOIN test.known_of('move.t') WITH ORDINALITY n(line, ord) USING (line) WHERE w.line IS NULL OR n.line IS NULL ORDER BY w.ord, n.ord;
SELECT relname, pg_get_viewdef(c.oid) = def AS def, c.relowner = w.relowner AS owner, c.reloptions IS NOT DISTINCT FROM w.reloptions AS options, c.relacl IS NOT DISTINCT FROM w.relacl AS acl FROM pg_class c FULL JOIN views_were w USING (oid, relname) WHERE c.relkind IN ('v', 'm') AND relnamespace = 'move'::regnamespace ORDER BY 1;
SELECT line FROM test.known_of('move.h_t') line WHERE line !~ '^(column|index|constraint)';
COMMIT;
-- partitions' constraints have their own names
SELECT conrelid::regclass, conname, obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid IN ('move.parts'::regclass, 'move.parts_1'::regclass, 'move.parts_2'::regclass, 'move.parts_2_1'::regclass) AND contype = 'f' ORDER BY 1, 2;
DROP TABLE move.h_t;
SET client_min_messages = warning;
DROP SCHEMA move CASCADE;
DROP OWNED BY move_owner, move_viewer, move_anna, "move ""bert""" CASCADE;
DROP ROLE move_owner, move_viewer, move_anna, "move ""bert""";
