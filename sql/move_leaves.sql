-- A partitioned table, and each of its partitions, change places with another one and its.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET zdm.guard = off;
CREATE SCHEMA leaves;
SET search_path = leaves, public;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''% % %'', TG_NAME, TG_TABLE_NAME, TG_OP; RETURN coalesce(NEW, OLD); END';
CREATE TABLE referenced (a int PRIMARY KEY);
INSERT INTO referenced VALUES (1), (2);
CREATE TABLE t (id int, a int DEFAULT 1, s text, CONSTRAINT t_pkey PRIMARY KEY (id),
	CONSTRAINT t_a FOREIGN KEY (a) REFERENCES referenced) PARTITION BY RANGE (id);
CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (10);
CREATE TABLE t_2 PARTITION OF t DEFAULT PARTITION BY RANGE (id);
CREATE TABLE "t 2 1" PARTITION OF t_2 DEFAULT;
ALTER TABLE t_1 RENAME CONSTRAINT t_a TO "a of t_1";
COMMENT ON CONSTRAINT "a of t_1" ON t_1 IS 'of a partition';
CREATE TABLE child (t int, CONSTRAINT child_t FOREIGN KEY (t) REFERENCES t, CONSTRAINT child_1 FOREIGN KEY (t) REFERENCES t_1);
CREATE TABLE of_leaf (t int REFERENCES "t 2 1");
INSERT INTO t (id, s) VALUES (1, 'one'), (2, 'two'), (30, 'thirty');
INSERT INTO child VALUES (1);
CREATE TRIGGER whole AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER own BEFORE INSERT ON t_1 FOR EACH ROW EXECUTE FUNCTION f();
ALTER TABLE "t 2 1" DISABLE TRIGGER whole;
CREATE VIEW v AS SELECT t.id, t_1.s FROM t LEFT JOIN t_1 USING (id);
GRANT SELECT ON t_1 TO PUBLIC;
COMMENT ON TABLE t_1 IS 'one';
COMMENT ON TABLE t IS 'all';
COMMENT ON INDEX t_1_pkey IS 'one''s key';
ALTER TABLE t_1 ALTER s SET DEFAULT 'of one';
ALTER TABLE t_1 SET (fillfactor = 70);
CREATE POLICY p ON t_1 USING (true);

CREATE TABLE h_t (s text, a int, id int NOT NULL, CONSTRAINT h_t_pkey PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE h_t_1 PARTITION OF h_t FOR VALUES FROM (0) TO (10);
CREATE TABLE h_t_2 PARTITION OF h_t DEFAULT PARTITION BY RANGE (id);
CREATE TABLE "h_t 2 1" PARTITION OF h_t_2 DEFAULT;
INSERT INTO h_t (id, a, s) SELECT id, a, s FROM t;

CREATE VIEW names AS SELECT c.oid::regclass::text AS name, l.line FROM pg_class c, LATERAL (SELECT line FROM test.known_of(c.oid::regclass) WITH ORDINALITY k(line, ord)) l WHERE c.oid IN ('t'::regclass, 't_1'::regclass, 't_2'::regclass, '"t 2 1"'::regclass);
CREATE TABLE was AS TABLE names;
CREATE VIEW keys AS SELECT conname, conrelid::regclass::text AS rel, confrelid::regclass::text AS ref, convalidated, conparentid <> 0 AS inherited, obj_description(oid, 'pg_constraint') AS comment FROM pg_constraint c WHERE contype = 'f' AND connamespace = 'leaves'::regnamespace
	AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid);
SELECT * FROM keys ORDER BY 1, 2, 3;
CREATE TABLE keys_were AS TABLE keys;
CREATE VIEW triggers AS SELECT tgname, tgrelid::regclass::text AS rel, tgenabled, tgparentid <> 0 AS copy FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE c.relnamespace = 'leaves'::regnamespace AND NOT tgisinternal;
SELECT * FROM triggers ORDER BY 1, 2;
CREATE TABLE triggers_were AS TABLE triggers;

BEGIN;
SELECT test.move('t', 'h_t', ARRAY['t_1', 't_2', '"t 2 1"']::regclass[], ARRAY['h_t_1', 'h_t_2', '"h_t 2 1"']::regclass[]) \g /dev/null
COMMIT;
SELECT * FROM (TABLE names EXCEPT ALL TABLE was) n UNION ALL (TABLE was EXCEPT ALL TABLE names) ORDER BY 1, 2;
SELECT * FROM (TABLE keys EXCEPT ALL TABLE keys_were) n UNION ALL (TABLE keys_were EXCEPT ALL TABLE keys) ORDER BY 1, 2, 3;
SELECT * FROM (TABLE triggers EXCEPT ALL TABLE triggers_were) n UNION ALL (TABLE triggers_were EXCEPT ALL TABLE triggers) ORDER BY 1, 2;
SELECT attname FROM pg_attribute WHERE attrelid = 't_1'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM v ORDER BY id;
INSERT INTO t (id) VALUES (3), (40);
\set VERBOSITY sqlstate
DELETE FROM t WHERE id = 1;
\set VERBOSITY terse
INSERT INTO t (id, a) VALUES (41, 3);
INSERT INTO of_leaf VALUES (30);
SELECT * FROM t ORDER BY id;

SELECT test.move('t', 'h_t', ARRAY['t_1', 't_2', '"t 2 1"']::regclass[], ARRAY['h_t_1', 'h_t_2', '"h_t 2 1"']::regclass[]) \g /dev/null
SELECT * FROM (TABLE names EXCEPT ALL TABLE was) n UNION ALL (TABLE was EXCEPT ALL TABLE names) ORDER BY 1, 2;
SELECT * FROM (TABLE keys EXCEPT ALL TABLE keys_were) n UNION ALL (TABLE keys_were EXCEPT ALL TABLE keys) ORDER BY 1, 2, 3;
SELECT * FROM (TABLE triggers EXCEPT ALL TABLE triggers_were) n UNION ALL (TABLE triggers_were EXCEPT ALL TABLE triggers) ORDER BY 1, 2;
DROP TABLE h_t;
SELECT * FROM v ORDER BY id;
