-- A column gets another type and stays where it is in the row: a second table has it so,
-- takes the first one's name, gives it back and takes it again.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA "Keep it";
SET search_path = "Keep it", public;

CREATE FUNCTION shape(t text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' END,
		coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), CASE a.attidentity WHEN 'a' THEN ' identity' END))
	FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid = t::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum $$;

-- the commonest case: an integer key becomes a bigint, with all that hangs on it
CREATE TABLE "Order's" (
	gone int,
	note text,
	"the Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	parent int REFERENCES "Order's",
	amount numeric,
	CONSTRAINT "id > 0" CHECK ("the Id" > 0)
);
ALTER TABLE "Order's" DROP COLUMN gone;
INSERT INTO "Order's" (note, amount, parent) SELECT 'n' || i, i % 50, nullif(i / 10, 0) FROM generate_series(1, 500) i;
CREATE INDEX "part'ial" ON "Order's" (amount) WHERE "the Id" > 10;
CREATE INDEX expr ON "Order's" (("the Id" % 10) DESC, note COLLATE "C");
CREATE UNIQUE INDEX pair ON "Order's" (note, "the Id" DESC NULLS LAST) INCLUDE (amount);
CREATE STATISTICS st (ndistinct, mcv) ON parent, "the Id" FROM "Order's";
ANALYZE "Order's";
CREATE TABLE child (o int REFERENCES "Order's" ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO child SELECT "the Id" FROM "Order's" WHERE "the Id" < 100;
CREATE VIEW counted AS SELECT count(*), sum(amount) FROM "Order's";
CREATE VIEW joined AS SELECT o.note, c.o, (SELECT max(amount) FROM "Order's" i WHERE i."the Id" = o.parent) AS most
	FROM "Order's" o JOIN child c ON c.o = o."the Id" WHERE o."the Id" > 3 ORDER BY o."the Id";
CREATE VIEW other AS SELECT o FROM child JOIN "Order's" x (n, o) USING (o);
CREATE TABLE log (id bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO "Keep it".log VALUES (NEW."the Id"); RETURN NULL; END$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OF "the Id" ON "Order's" FOR EACH ROW WHEN (NEW."the Id" > 400) EXECUTE FUNCTION note();
CREATE ROLE zdm_keep_reader;
GRANT USAGE ON SCHEMA "Keep it" TO zdm_keep_reader;
GRANT SELECT (note, "the Id") ON "Order's" TO zdm_keep_reader;
ALTER TABLE "Order's" ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON "Order's" FOR SELECT TO zdm_keep_reader USING ("the Id" < 5);
COMMENT ON COLUMN "Order's"."the Id" IS 'which';
CREATE FUNCTION known(which int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r "Keep it"."Order's"%ROWTYPE;
BEGIN
	SELECT * INTO r FROM "Keep it"."Order's" WHERE "the Id" = which;
	RETURN r;
END $$;
SELECT known(7);
PREPARE by_id (int) AS SELECT note FROM "Order's" WHERE "the Id" = $1;
EXECUTE by_id(7);
PREPARE star AS SELECT * FROM "Order's" WHERE "the Id" = 7;
SELECT oid AS was, relname FROM pg_class WHERE oid = '"Order''s"'::regclass \gset

BEGIN;
SELECT zdm.change_column_type('"Order''s"', 'the Id', 'bigint', keep_place => true) AS m \gset
SELECT kind FROM zdm.migrations WHERE id = :m;
SELECT step, phase, regexp_replace(statement, 'zdm_\d+_', 'zdm_n_', 'g') AS statement FROM zdm.steps WHERE migration = :m AND phase = 'migrate' ORDER BY step;
SELECT file, substring(body, 'there is no script[^\n]*') FROM zdm.script(:m);
ROLLBACK;
SELECT zdm.change_column_type('"Order''s"', 'the Id', 'bigint', label => 'id', keep_place => true) AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT state, error FROM zdm.migrations WHERE id = :m;
-- another one of the table is refused meanwhile
SELECT zdm.rename_column('"Order''s"', 'note', 'remark');
INSERT INTO "Order's" VALUES ('new', DEFAULT, 3, 1);
UPDATE "Order's" SET note = 'changed' WHERE "the Id" % 7 = 0;
UPDATE "Order's" SET "the Id" = DEFAULT WHERE "the Id" = 99;
DELETE FROM "Order's" WHERE "the Id" BETWEEN 60 AND 70;
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT shape('"Order''s"');
SELECT '"Order''s"'::regclass::oid <> :was AS another;
SELECT pg_typeof(o), count(*) FROM other GROUP BY 1;
SELECT pg_get_indexdef(indexrelid), indisunique, indisvalid FROM pg_index WHERE indrelid = '"Order''s"'::regclass ORDER BY 1;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
	WHERE '"Order''s"'::regclass IN (conrelid, confrelid) AND contype <> 'n' ORDER BY 1, 2;
SELECT seqtypid::regtype, seqmax FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('"Order''s"', 'the Id')::regclass;
SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = '"Order''s"'::regclass;
SELECT col_description('"Order''s"'::regclass, 2);
SELECT has_column_privilege('zdm_keep_reader', '"Order''s"', 'the Id', 'SELECT');
SELECT count(*) FROM pg_statistic_ext_data JOIN pg_statistic_ext ON oid = stxoid WHERE stxname = 'st';
ANALYZE "Order's";
-- the order is what it was, for whoever goes by it
SELECT * FROM "Order's" WHERE "the Id" IN (7, 501) ORDER BY 2;
INSERT INTO "Order's" VALUES ('by place', DEFAULT, 7, 2) RETURNING *;
COPY "Order's" FROM stdin;
copied	100000	7	2
\.
SELECT known(7);
SELECT count(*), max(o), max(most) FROM joined;
EXECUTE by_id(7);
EXECUTE star;
UPDATE "Order's" SET "the Id" = DEFAULT, amount = NULL WHERE "the Id" = 100000 RETURNING *;
DELETE FROM "Order's" WHERE "the Id" = 90;
SELECT count(*) FROM child WHERE o = 90;
INSERT INTO "Order's" (note) VALUES ('twice'), ('once');
INSERT INTO child VALUES (-1);
INSERT INTO "Order's" OVERRIDING SYSTEM VALUE VALUES ('x', 5);
INSERT INTO "Order's" OVERRIDING SYSTEM VALUE VALUES ('x', -5);
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.change_column_type('"Order''s"', 'the Id', 'bigint', label => 'id', keep_place => true) = :m AS same;
-- back, with what was written since
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT '"Order''s"'::regclass::oid = :was AS the_first;
SELECT pg_typeof(o), count(*) FROM other GROUP BY 1;
SELECT shape('"Order''s"');
SELECT seqtypid::regtype, seqmax FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('"Order''s"', 'the Id')::regclass;
SELECT count(*), count(DISTINCT "the Id"), max("the Id"), count(*) FILTER (WHERE note = 'changed') FROM "Order's";
SELECT * FROM "Order's" WHERE note IN ('by place', 'copied', 'once') ORDER BY 1;
SELECT known(7);
EXECUTE by_id(7);
EXECUTE star;
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';
-- there again, to the end: a value that the first type cannot hold closes the way back
SELECT zdm.change_column_type('"Order''s"', 'the Id', 'bigint', label => 'id', keep_place => true) AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
INSERT INTO "Order's" OVERRIDING SYSTEM VALUE VALUES ('large', 5000000000, 7, 1);
UPDATE "Order's" SET note = 'larger' WHERE "the Id" = 5000000000;
SELECT zdm.revert(:m);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT shape('"Order''s"');
SELECT * FROM "Order's" WHERE "the Id" IN (7, 5000000000) ORDER BY 2;
SELECT sum FROM counted WHERE count = (SELECT count(*) FROM "Order's");
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';

-- an up and a down of one's own, that lose something, and rows that they fail for
CREATE SCHEMA util;
CREATE FUNCTION util.number(text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1::int';
CREATE TABLE item (
	a int,
	code text NOT NULL DEFAULT '0042',
	id bigserial PRIMARY KEY,
	small text,
	CONSTRAINT there CHECK (num_nonnulls(code, a) > 0)
);
CREATE INDEX ON item (code);
INSERT INTO item (a, code, small) SELECT i, to_char(i, 'FM0000'), i FROM generate_series(1, 200) i;
INSERT INTO item (a) VALUES (NULL);
SELECT zdm.change_column_type('item', 'code', 'int', up => 'util.number(code)', down => $$CASE WHEN code < 0 THEN (1 / (code - code))::text ELSE code::text END$$,
	label => 'code', keep_place => true) AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT state, error FROM zdm.migrations WHERE id = :m;
-- what they call stays
DROP FUNCTION util.number(text);
-- and what becomes of it counts for the next statement of a session that has called it
SET zdm.guard = off;
SELECT format('zdm_%s_item', :m) AS hidden \gset
UPDATE item SET code = '0009' WHERE id = 9;
SELECT code FROM :hidden WHERE id = 9;
BEGIN;
CREATE OR REPLACE FUNCTION util.number(text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1::int + 1000';
UPDATE item SET code = '0009' WHERE id = 9;
SELECT code FROM :hidden WHERE id = 9;
CREATE OR REPLACE FUNCTION util.number(text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT SET util.factor = '2' AS $$BEGIN RETURN $1::int * current_setting('util.factor')::int; END$$;
UPDATE item SET code = '0009' WHERE id = 9;
SELECT code FROM :hidden WHERE id = 9;
ALTER FUNCTION util.number(text) SET util.factor = '3';
UPDATE item SET code = '0009' WHERE id = 9;
SELECT code FROM :hidden WHERE id = 9;
ROLLBACK;
UPDATE item SET code = '0009' WHERE id = 9;
SELECT code FROM :hidden WHERE id = 9;
RESET zdm.guard;
-- a row that up fails for goes through, and the cutover stops at it
UPDATE item SET code = 'none' WHERE id = 3;
UPDATE item SET code = '00011' WHERE id = 4;
INSERT INTO item (code) VALUES ('?');
SELECT zdm.cutover(:m);
CALL zdm.wait('code', 'switched');
SELECT state, regexp_replace(error, 'zdm_\d+_', 'zdm_n_', 'g') FROM zdm.migrations WHERE id = :m;
UPDATE item SET code = '3' WHERE id = 3;
DELETE FROM item WHERE code = '?';
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'switched');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT shape('item');
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'item'::regclass ORDER BY 1;
INSERT INTO item (a) VALUES (1) RETURNING code;
UPDATE item SET small = 'written', a = a + 1 WHERE id = 5 RETURNING *;
UPDATE item SET code = 77 WHERE id = 6;
INSERT INTO item (code) VALUES (NULL);
SELECT count(*) FROM zdm.verify(:m);
-- back: what nobody has changed is as it was, zeros and all
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT state, error FROM zdm.migrations WHERE id = :m;
SELECT shape('item');
SELECT * FROM item WHERE id BETWEEN 3 AND 7 OR id > 200 ORDER BY id;
-- a row that down fails for closes the way back
SELECT zdm.change_column_type('item', 'code', 'int', up => 'util.number(code)', down => $$CASE WHEN code < 0 THEN (1 / (code - code))::text ELSE code::text END$$,
	label => 'code', keep_place => true) AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
ALTER TABLE item ALTER COLUMN code SET DEFAULT 5;
UPDATE item SET code = -1 WHERE id = 8;
SELECT zdm.revert(:m);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT shape('item');
SELECT * FROM item WHERE id BETWEEN 5 AND 8 ORDER BY id;
DROP FUNCTION util.number(text);

-- NULLs, and what NOT NULL and a CHECK do not admit of the new values
CREATE TABLE nulls (n numeric, id int PRIMARY KEY, m numeric NOT NULL CONSTRAINT positive CHECK (m > 0));
INSERT INTO nulls SELECT nullif(i, 3) / 4.0, i, i FROM generate_series(1, 20) i;
SELECT zdm.change_column_type('nulls', 'n', 'real', keep_place => true) AS n \gset
CALL zdm.wait(:n, 'ready');
SELECT zdm.cutover(:n);
CALL zdm.wait(:n, 'switched');
UPDATE nulls SET n = NULL WHERE id = 4;
UPDATE nulls SET n = 0.1 WHERE id = 3;
SELECT count(*) FROM zdm.verify(:n);
SELECT zdm.revert(:n);
CALL zdm.wait(:n, 'reverted');
SELECT state, error FROM zdm.migrations WHERE id = :n;
SELECT * FROM nulls WHERE id < 6 ORDER BY id;
SELECT zdm.change_column_type('nulls', 'm', 'int', up => 'nullif(m::int, 7)', down => 'm', label => 'null', keep_place => true) > 0;
CALL zdm.wait('null', 'ready');
SELECT state, regexp_replace(error, 'zdm_\d+_', 'zdm_n_', 'g') FROM zdm.migrations WHERE label = 'null';
UPDATE nulls SET m = 77 WHERE m = 7;
SELECT zdm.resume('null');
CALL zdm.wait('null', 'ready');
SELECT zdm.revert('null');
CALL zdm.wait('null', 'reverted');
UPDATE nulls SET m = 0.3 WHERE id = 6;
SELECT zdm.change_column_type('nulls', 'm', 'int', label => 'check', keep_place => true) > 0;
CALL zdm.wait('check', 'ready');
SELECT state, regexp_replace(error, 'zdm_\d+_', 'zdm_n_', 'g') FROM zdm.migrations WHERE label = 'check';
UPDATE nulls SET m = 6 WHERE id = 6;
SELECT zdm.resume('check');
CALL zdm.wait('check', 'ready');
SELECT zdm.cutover('check');
CALL zdm.wait('check', 'switched');
UPDATE nulls SET m = 0 WHERE id = 6;
SELECT zdm.contract('check');
CALL zdm.wait('check', 'completed');
SELECT shape('nulls');

-- an owner of his own, types of his own, and other columns in up and down
CREATE ROLE zdm_keep_owner;
CREATE SCHEMA own AUTHORIZATION zdm_keep_owner;
GRANT USAGE ON SCHEMA "Keep it" TO zdm_keep_owner;
SET ROLE zdm_keep_owner;
CREATE TYPE own.mood AS ENUM ('a', 'b', 'c');
CREATE TABLE own.t (x text NOT NULL DEFAULT 'a', id bigint PRIMARY KEY, n numeric, s serial, y int);
INSERT INTO own.t (x, id, n, y) SELECT substr('abc', i % 3 + 1, 1), i, i, i FROM generate_series(1, 300) i;
CREATE INDEX ON own.t USING hash (x);
CREATE INDEX ON own.t (lower(n::text) DESC);
SELECT zdm.change_column_type('own.t', 'x', 'own.mood', 'x::own.mood', label => 'enum', keep_place => true) > 0;
CALL zdm.wait('enum', 'ready');
SELECT zdm.cutover('enum');
CALL zdm.wait('enum', 'switched');
UPDATE own.t SET x = 'c' WHERE id < 10;
SELECT shape('own.t');
SELECT zdm.revert('enum');
CALL zdm.wait('enum', 'reverted');
SELECT shape('own.t');
SELECT x, count(*) FROM own.t GROUP BY 1 ORDER BY 1;
SELECT zdm.change_column_type('own.t', 'n', 'text', label => 'text', keep_place => true) > 0;
CALL zdm.wait('text', 'ready');
SELECT zdm.cutover('text');
CALL zdm.wait('text', 'switched');
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'own.t'::regclass ORDER BY 1;
SELECT zdm.contract('text');
CALL zdm.wait('text', 'completed');
SELECT zdm.change_column_type('own.t', 'y', 'text', up => $$y || ' ' || n$$, down => $$split_part(y, ' ', 1)::int$$, label => 'both', keep_place => true) > 0;
CALL zdm.wait('both', 'ready');
UPDATE own.t SET n = 'm' WHERE id = 200;
SELECT zdm.cutover('both');
CALL zdm.wait('both', 'switched');
UPDATE own.t SET n = 'k' WHERE id = 201;
SELECT id, n, y FROM own.t WHERE id IN (200, 201) ORDER BY id;
SELECT count(*) FROM zdm.verify('both');
SELECT zdm.revert('both');
CALL zdm.wait('both', 'reverted');
SELECT id, n, y FROM own.t WHERE id IN (200, 201) ORDER BY id;
-- a key that gets narrower
SELECT zdm.change_column_type('own.t', 'id', 'int', label => 'narrow', keep_place => true) > 0;
CALL zdm.wait('narrow', 'ready');
INSERT INTO own.t (id, n) VALUES (5000000000, 'large');
UPDATE own.t SET y = 0 WHERE id = 5000000000;
SELECT zdm.cutover('narrow');
CALL zdm.wait('narrow', 'switched');
DELETE FROM own.t WHERE id = 5000000000;
SELECT zdm.resume('narrow');
CALL zdm.wait('narrow', 'switched');
UPDATE own.t SET id = id + 100000 WHERE id < 30;
SELECT count(*) FROM zdm.verify('narrow');
SELECT zdm.revert('narrow');
CALL zdm.wait('narrow', 'reverted');
SELECT count(*), max(id) FROM own.t;
RESET ROLE;

-- what needs no rewrite is done in place, without a key even
CREATE TABLE plain (a int, v varchar(10), b int);
INSERT INTO plain VALUES (1, 'x', 2);
SELECT zdm.change_column_type('plain', 'v', 'varchar(20)', keep_place => true) AS m \gset
CALL zdm.wait(:m);
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT shape('plain');
BEGIN;
CREATE TABLE young (a int, b int, c int);
SELECT zdm.change_column_type('young', 'b', 'bigint', keep_place => true) AS m \gset
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT shape('young');
COMMIT;

-- what cannot be is said at the call
\set VERBOSITY default
SELECT zdm.change_column_type('plain', 'a', 'bigint', keep_place => true);
SELECT zdm.change_column_type('plain', 'a', 'bigint', keep_place => NULL);
SELECT zdm.change_column_type('plain', 'nobody', 'bigint', keep_place => true);
CREATE TABLE many (k text PRIMARY KEY, c text, id int, g int GENERATED ALWAYS AS (id + 1) STORED, r int4range, u text UNIQUE);
CREATE TABLE many_child (k text REFERENCES many);
CREATE VIEW many_c AS SELECT c, length(k) FROM many;
CREATE MATERIALIZED VIEW many_k AS SELECT k FROM many;
CREATE RULE many_r AS ON DELETE TO many WHERE old.c = 'x' DO INSTEAD NOTHING;
CREATE POLICY many_p ON many USING (c <> 'y');
CREATE TRIGGER many_t AFTER UPDATE ON many FOR EACH ROW WHEN (OLD.c <> NEW.c) EXECUTE FUNCTION note();
CREATE TRIGGER many_of AFTER UPDATE OF c ON many FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE many ADD CONSTRAINT later CHECK (c <> 'z') NOT VALID;
SELECT zdm.change_column_type('many', 'c', 'varchar(5)', keep_place => true);
SELECT zdm.change_column_type('many', 'k', 'varchar(5)', keep_place => true);
SELECT zdm.change_column_type('many', 'u', 'varchar(5)', keep_place => true);
SELECT zdm.change_column_type('many', 'id', 'bigint', keep_place => true);
SELECT zdm.change_column_type('many', 'c', 'varchar(5)', up => 'now()::text', keep_place => true);
SELECT zdm.change_column_type('many', 'c', 'int', keep_place => true);
SELECT zdm.change_column_type('"Order''s"', 'the Id', 'numeric', keep_place => true);
CREATE TABLE opclass (id int PRIMARY KEY, v text, w int);
CREATE INDEX pattern ON opclass (v text_pattern_ops);
SELECT zdm.change_column_type('opclass', 'v', 'int', 'length(v)', keep_place => true);

-- and what comes later stops the exchange, by name
CREATE TABLE late (a int, id int PRIMARY KEY, c text);
CREATE INDEX late_c ON late (c);
INSERT INTO late SELECT i, i, i FROM generate_series(1, 10) i;
SELECT zdm.change_column_type('late', 'c', 'int', 'c::int', label => 'late', keep_place => true) > 0;
CALL zdm.wait('late', 'ready');
CREATE VIEW late_v AS SELECT c FROM late;
CREATE UNIQUE INDEX late_u ON late (c);
SELECT zdm.cutover('late');
CALL zdm.wait('late', 'switched');
SELECT state, error FROM zdm.migrations WHERE label = 'late';
DROP INDEX late_u;
SELECT zdm.resume('late');
CALL zdm.wait('late', 'switched');
SELECT pg_typeof(c), count(*) FROM late_v GROUP BY 1;
-- an index that was rebuilt is known on the way back
REINDEX INDEX CONCURRENTLY late_c;
TRUNCATE late;
INSERT INTO late VALUES (1, 1, 11);
SELECT zdm.revert('late');
CALL zdm.wait('late', 'reverted');
SELECT state, error FROM zdm.migrations WHERE label = 'late';
TABLE late;
SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%';
DROP OWNED BY zdm_keep_reader, zdm_keep_owner CASCADE;
DROP ROLE zdm_keep_reader, zdm_keep_owner;
