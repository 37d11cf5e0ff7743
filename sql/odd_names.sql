--
-- Odd names, odd tables, odd types: everything that a catalog may hold.
-- needs libxml
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never

-- What a table consists of, by names.
CREATE FUNCTION describe(r regclass) RETURNS SETOF text LANGUAGE sql AS $$
SELECT line FROM (
SELECT 1 AS kind, concat_ws(' ', 'column', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid),
                 'comment ' || col_description(a.attrelid, a.attnum)) AS line
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = r AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 2, concat_ws(' ', 'constraint', quote_ident(conname), pg_get_constraintdef(oid), 'comment ' || obj_description(oid, 'pg_constraint'))
  FROM pg_constraint WHERE conrelid = r AND contype <> 'n'
UNION ALL
SELECT 3, concat_ws(' ', pg_get_indexdef(i.indexrelid), 'comment ' || obj_description(i.indexrelid, 'pg_class'))
  FROM pg_index i WHERE i.indrelid = r
UNION ALL
SELECT 4, 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = r) x ORDER BY kind, line
$$;
-- From the call to the end, with a write under each name on the way.
CREATE PROCEDURE whole_way(r regclass, old_name name, new_name name, writes text[] DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
	m bigint := zdm.rename_column(r, old_name, new_name);
	statement text;
	differ bigint;
BEGIN
	COMMIT;
	CALL zdm.wait(m, 'ready', '60s');
	FOREACH statement IN ARRAY writes LOOP
		EXECUTE statement;
	END LOOP;
	COMMIT;
	SELECT count(*) INTO differ FROM zdm.verify(m);
	PERFORM zdm.cutover(m);
	COMMIT;
	CALL zdm.wait(m, 'switched', '60s');
	FOREACH statement IN ARRAY writes LOOP
		EXECUTE statement;
	END LOOP;
	COMMIT;
	PERFORM zdm.contract(m);
	COMMIT;
	CALL zdm.wait(m, 'completed', '60s');
	IF differ > 0 THEN
		RAISE EXCEPTION '% rows differ', differ;
	END IF;
END
$$;

--
-- names
--
CREATE SCHEMA "S %1$s {};'""x";
SET search_path = "S %1$s {};'""x";
CREATE FUNCTION "F ""%R{1}'"(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE DOMAIN "D %A{1.2}" AS text;
CREATE TYPE "E '%'" AS ENUM ('it''s', '100%', '$1', '{}', '"');
CREATE SEQUENCE "Q '%s'";
CREATE TABLE "T %R{0} ""q"" 'a' $1" (
	"Id %" int PRIMARY KEY,
	dropped int,
	"Old ""%"" '$1' %A{5.5}" text NOT NULL DEFAULT '%R{1} $1 ''%A''' COLLATE "C",
	"E " "E '%'" DEFAULT '100%',
	"n" bigint DEFAULT nextval('"Q ''%s''"'),
	CONSTRAINT "C %s '""" CHECK ("Old ""%"" '$1' %A{5.5}" NOT LIKE '%\%R{7}%'));
ALTER TABLE "T %R{0} ""q"" 'a' $1" DROP COLUMN dropped;
CREATE INDEX "I %% '""" ON "T %R{0} ""q"" 'a' $1" ("F ""%R{1}'"("Old ""%"" '$1' %A{5.5}"), ("Old ""%"" '$1' %A{5.5}" || '$2%')) WHERE "Old ""%"" '$1' %A{5.5}" LIKE '%''%';
CREATE INDEX "I $1" ON "T %R{0} ""q"" 'a' $1" ("E ") WHERE "E " <> '$1';
COMMENT ON COLUMN "T %R{0} ""q"" 'a' $1"."Old ""%"" '$1' %A{5.5}" IS '%R{1} '' " $1 \ 100%';
COMMENT ON CONSTRAINT "C %s '""" ON "T %R{0} ""q"" 'a' $1" IS '%A{1.1}';
COMMENT ON INDEX "I %% '""" IS '%T{1}';
INSERT INTO "T %R{0} ""q"" 'a' $1" SELECT i, 'o''' || i FROM generate_series(1, 300) i;
RESET search_path;
CALL whole_way($$"S %1$s {};'""x"."T %R{0} ""q"" 'a' $1"$$, $$Old "%" '$1' %A{5.5}$$, $$New "%R{1}" '$2$$,
	ARRAY[$$INSERT INTO "S %1$s {};'""x"."T %R{0} ""q"" 'a' $1" ("Id %", "New ""%R{1}"" '$2") SELECT coalesce(max("Id %"), 0) + 1, 'w' FROM "S %1$s {};'""x"."T %R{0} ""q"" 'a' $1"$$]);
CALL whole_way($$"S %1$s {};'""x"."T %R{0} ""q"" 'a' $1"$$, 'E ', '%E{}');
CALL whole_way($$"S %1$s {};'""x"."T %R{0} ""q"" 'a' $1"$$, 'n', 'N');
\pset format unaligned
\pset tuples_only on
SELECT describe($$"S %1$s {};'""x"."T %R{0} ""q"" 'a' $1"$$);
SELECT count(*), count("New ""%R{1}"" '$2"), count("%E{}"), count(DISTINCT "N") FROM "S %1$s {};'""x"."T %R{0} ""q"" 'a' $1";
SELECT relation FROM zdm.migrations GROUP BY 1;

-- names of 63 bytes, some of more than one byte to a character
SELECT repeat('t', 63) AS t, repeat('Ü', 31) || 'x' AS c, repeat('é', 31) || 'y' AS n, repeat('€', 21) AS k, repeat('i', 62) || 'ü' AS too_long \gset
CREATE TABLE :"t" (:"c" text CONSTRAINT :"k" CHECK (:"c" <> 'x'), id int);
CREATE INDEX :"n" ON :"t" (:"c");
CREATE INDEX :"k" ON :"t" (lower(:"c"));
INSERT INTO :"t" SELECT 'v' || i, i FROM generate_series(1, 300) i;
CALL whole_way(:'t', :'c', :'n');
SELECT describe(:'t'::regclass);
CALL whole_way(:'t', :'n', :'c');
CALL whole_way(:'t', :'c', :'too_long');
SELECT count(*), (SELECT attname = left(:'too_long', 62) FROM pg_attribute WHERE attrelid = :'t'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'id') FROM :"t";

-- key words, and names that only quoting tells apart
CREATE TABLE "select" ("from" int, "FROM" int, "order by" int);
INSERT INTO "select" VALUES (1, 2, 3);
CALL whole_way('"select"', 'from', 'where', ARRAY['UPDATE "select" SET "where" = "where" + 1']);
CALL whole_way('"select"', 'FROM', 'From', ARRAY['UPDATE "select" SET "From" = "From" + 1']);
CALL whole_way('"select"', 'order by', 'from');
CALL whole_way('"select"', 'from', 'new');
CALL whole_way('"select"', 'new', 'old');
SELECT * FROM "select";
-- a name of two lines does not end the comment that stands for a step without SQL
CREATE TABLE lines (id int, U&"a\000Ab" int);
INSERT INTO lines VALUES (1, 2);
CALL whole_way('lines', U&'a\000Ab', U&'c\000D; DROP TABLE lines; --');
SELECT zdm.rename_column('lines', U&'c\000D; DROP TABLE lines; --', U&'a\000Ab', 'lines') IS NOT NULL AS stated;
CALL zdm.wait('lines');
SELECT zdm.cutover('lines');
CALL zdm.wait('lines');
SELECT zdm.revert('lines');
CALL zdm.wait('lines');
TABLE lines;
-- names of ours
CREATE TABLE "~zdm_sync" (zdm_sync int, "~zdm_sync" int);
CREATE TRIGGER "~zdm_sync" BEFORE INSERT ON "~zdm_sync" FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
ALTER TABLE "~zdm_sync" DISABLE TRIGGER USER;
INSERT INTO "~zdm_sync" VALUES (1, 2);
CALL whole_way('"~zdm_sync"', '~zdm_sync', 'x', ARRAY['UPDATE "~zdm_sync" SET x = x + 1']);
TABLE "~zdm_sync";
SELECT tgname FROM pg_trigger WHERE tgrelid = '"~zdm_sync"'::regclass;

--
-- tables
--
-- empty; without any column but one; all NULL; no key
CREATE TABLE empty (a int NOT NULL DEFAULT 5, b int);
CALL whole_way('empty', 'a', 'x');
SELECT describe('empty'::regclass);
CREATE TABLE lonely (a int);
INSERT INTO lonely SELECT nullif(i % 3, 0) FROM generate_series(1, 300) i;
CALL whole_way('lonely', 'a', 'x', ARRAY['INSERT INTO lonely VALUES (NULL)', 'INSERT INTO lonely DEFAULT VALUES', 'UPDATE lonely SET x = NULL WHERE x = 2']);
SELECT x, count(*) FROM lonely GROUP BY 1 ORDER BY 1;
CREATE TABLE nothing (a text, b int);
INSERT INTO nothing SELECT NULL, NULL FROM generate_series(1, 300);
CALL whole_way('nothing', 'a', 'x');
SELECT count(*), count(x) FROM nothing;
-- blocks at the head that hold nothing, and holes
CREATE TABLE holes (a int, pad text);
INSERT INTO holes SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i;
DELETE FROM holes WHERE a < 1500 OR a % 3 = 0;
CALL whole_way('holes', 'a', 'x');
SELECT count(*), count(x) FROM holes;
-- many dropped columns
CREATE TABLE dropped (id int);
DO $$ BEGIN FOR i IN 1..100 LOOP EXECUTE format('ALTER TABLE dropped ADD COLUMN c%s text DEFAULT %L', i, i); END LOOP; END $$;
INSERT INTO dropped (id) VALUES (1), (2);
DO $$ BEGIN FOR i IN 1..98 LOOP EXECUTE format('ALTER TABLE dropped DROP COLUMN c%s', i); END LOOP; END $$;
CALL whole_way('dropped', 'c99', 'x', ARRAY['INSERT INTO dropped VALUES (3)']);
SELECT id, x, c100 FROM dropped ORDER BY id, x;
-- a fast default that no row holds
ALTER TABLE dropped ADD COLUMN fast text NOT NULL DEFAULT 'fast';
CALL whole_way('dropped', 'fast', 'faster');
SELECT DISTINCT faster FROM dropped;
-- unlogged; of a type; with a storage option
CREATE UNLOGGED TABLE unlogged (a int, b int);
INSERT INTO unlogged VALUES (1, 2);
CALL whole_way('unlogged', 'a', 'x');
SELECT x FROM unlogged;
CREATE TYPE row_type AS (a int, b int);
CREATE TABLE typed OF row_type;
SELECT zdm.rename_column('typed', 'a', 'x');
-- too many columns for one more
DO $$ BEGIN EXECUTE 'CREATE TABLE wide (' || (SELECT string_agg(format('c%s bool', i), ', ') FROM generate_series(1, 1600) i) || ')'; END $$;
SELECT zdm.rename_column('wide', 'c1', 'x');
-- a check and an index of the whole row
CREATE TABLE whole (a int, b int, CHECK (whole IS NOT NULL));
CREATE INDEX whole_row ON whole ((whole IS NOT NULL));
INSERT INTO whole SELECT i, i FROM generate_series(1, 300) i;
CALL whole_way('whole', 'a', 'x', ARRAY['INSERT INTO whole (x, b) VALUES (1, 1)']);
SELECT count(*) FROM whole;

--
-- types
--
CREATE SCHEMA elsewhere;
CREATE TYPE elsewhere.pair AS (x int, y text);
CREATE TYPE elsewhere.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN elsewhere.word AS varchar(7) COLLATE "C";
CREATE TYPE elsewhere.textrange AS RANGE (subtype = text, collation = "C");
CREATE COLLATION elsewhere."Coll" FROM "C";
CREATE TABLE types (
	id int,
	c_array int[] DEFAULT '{1,2}', c_array2 text[][], c_composite elsewhere.pair DEFAULT ROW(1, 'x'), c_composites elsewhere.pair[],
	c_enum elsewhere.mood DEFAULT 'ok', c_domain elsewhere.word DEFAULT 'w', c_range elsewhere.textrange, c_ints int4range,
	c_json json DEFAULT '{"a": 1}', c_jsonb jsonb, c_bit bit(3) DEFAULT B'101', c_varbit varbit, c_money money, c_xml xml,
	c_bytea bytea, c_uuid uuid, c_inet inet, c_point point, c_polygon polygon, c_interval interval(2), c_time timetz(3), c_stamp timestamp(0),
	c_numeric numeric(9,2), c_char char(5) DEFAULT 'c', c_single "char", c_name name, c_oid oid, c_regclass regclass DEFAULT 'pg_class',
	c_tsvector tsvector, c_lsn pg_lsn, c_text text COLLATE elsewhere."Coll" DEFAULT 'collated', c_float float4 DEFAULT 'NaN', c_bool bool DEFAULT true,
	c_macaddr macaddr8, c_bits bit(3)[], c_void elsewhere.word[], c_acl aclitem[], c_xid xid8, c_rowtype empty);
INSERT INTO types (id) VALUES (1);
INSERT INTO types (id, c_composite, c_char, c_jsonb, c_numeric, c_rowtype) VALUES (2, NULL, NULL, '{"b": 2, "a": [1]}', 1.50, ROW(1, 2));
INSERT INTO types VALUES (3, '{}', '{{a,b},{c,NULL}}', ROW(NULL, NULL), ARRAY[ROW(1, 'y')::elsewhere.pair], 'sad', 'seven77', '[a,b)', 'empty',
	'{"a":1 }', 'null', B'000', B'1', '12.34', '<a/>', '\x00ff', '00000000-0000-0000-0000-000000000001', '::1/64', '(1,2)', '((0,0),(1,1))', '1.239 s',
	'12:00:00.1239+01', '2000-01-01 00:00:00', -1.01, 'ab', 'q', 'n', 1, 'pg_type', 'a:1 b', '0/1', 'x', '-0', false,
	'01:02:03:04:05:06:07:08', ARRAY[B'111'], '{a}', '{=r/postgres}', '7', NULL);
CREATE TABLE types_before AS SELECT id, to_jsonb(t) AS row FROM types t;
SET client_min_messages = error;	-- there may not be a process for each
DO $$
DECLARE
	columns text[] := ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = 'types'::regclass AND attname LIKE 'c\_%' ORDER BY attnum);
	c text;
BEGIN
	CREATE TABLE migration_of (c text, m bigint);
	-- all at the same time, on one table
	FOREACH c IN ARRAY columns LOOP
		INSERT INTO migration_of VALUES (c, zdm.rename_column('types', c, 'n' || c));
	END LOOP;
END
$$;
CREATE PROCEDURE for_all(verb text, until text) LANGUAGE plpgsql AS $$
DECLARE
	one bigint;
BEGIN
	IF verb <> '' THEN
		FOR one IN SELECT m FROM migration_of ORDER BY m LOOP
			EXECUTE format('SELECT zdm.%I($1)', verb) USING one;
		END LOOP;
		COMMIT;
	END IF;
	FOR one IN SELECT m FROM migration_of ORDER BY m LOOP
		CALL zdm.wait(one, until, '120s');
	END LOOP;
END
$$;
CALL for_all('', 'ready');
INSERT INTO types (id) VALUES (4);
INSERT INTO types (id, nc_array, nc_json, nc_xml, nc_point, nc_text) VALUES (5, '{9}', '[1]', '<b/>', '(3,4)', 'new') RETURNING c_array, c_json, c_xml, c_point, c_text;
UPDATE types SET c_enum = 'sad', c_composite = ROW(7, 'seven') WHERE id = 4 RETURNING nc_enum, nc_composite;
UPDATE types SET nc_json = '{"a":2}', nc_float = '-0', nc_varbit = B'' WHERE id = 5 RETURNING c_json, c_float, c_varbit;
SELECT count(*) FROM migration_of, zdm.verify(m);
CALL for_all('cutover', 'switched');
CALL for_all('contract', 'completed');
SELECT b.id, b.row = (SELECT jsonb_object_agg(CASE WHEN key LIKE 'nc%' THEN substr(key, 2) ELSE key END, value) FROM jsonb_each(to_jsonb(t)))
  FROM types_before b JOIN types t USING (id) ORDER BY 1;
SELECT describe('types'::regclass);

SET client_min_messages = warning;

-- values over 8 kB: out of line, compressed or not, and shared by both columns
CREATE TABLE toasted (id int PRIMARY KEY, big text, outside text, packed text);
ALTER TABLE toasted ALTER outside SET STORAGE EXTERNAL;
ALTER TABLE toasted ALTER packed SET STORAGE MAIN;
INSERT INTO toasted SELECT i, string_agg(md5(i::text || j), ''), repeat('out' || i, 5000), repeat('in' || i, 5000)
  FROM generate_series(1, 20) i, generate_series(1, 500) j GROUP BY i;
CREATE TABLE toasted_before AS SELECT id, md5(big) AS big, md5(outside) AS outside, md5(packed) AS packed FROM toasted;
CALL whole_way('toasted', 'big', 'new_big', ARRAY['UPDATE toasted SET id = id WHERE id < 5', 'UPDATE toasted SET new_big = new_big || ''x'' WHERE id = 6', 'INSERT INTO toasted (id, new_big) SELECT max(id) + 1, repeat(''€'', 10000) FROM toasted']);
CALL whole_way('toasted', 'outside', 'new_outside');
CALL whole_way('toasted', 'packed', 'new_packed');
SELECT count(*), count(*) FILTER (WHERE md5(new_big) = big), count(*) FILTER (WHERE md5(new_outside) = outside), count(*) FILTER (WHERE md5(new_packed) = packed)
  FROM toasted LEFT JOIN toasted_before USING (id);
SELECT attname, attstorage FROM pg_attribute WHERE attrelid = 'toasted'::regclass AND attnum > 1 AND NOT attisdropped ORDER BY attname;
VACUUM toasted;

--
-- names that change while the migration runs
--
CREATE SCHEMA first;
CREATE SCHEMA "Second %";
CREATE TABLE first.moving (id int, a text CHECK (a <> 'bad'), b int DEFAULT 7);
CREATE INDEX moving_a ON first.moving (a);
INSERT INTO first.moving SELECT i, 'v' || i FROM generate_series(1, 300) i;
SELECT zdm.rename_column('first.moving', 'a', 'x', 'moving') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
ALTER TABLE first.moving RENAME TO "Moved %A{1.1}";
INSERT INTO first."Moved %A{1.1}" (id, x) VALUES (1001, 'renamed') RETURNING a, x;
ALTER TABLE first."Moved %A{1.1}" SET SCHEMA "Second %";
INSERT INTO "Second %"."Moved %A{1.1}" (id, a) VALUES (1002, 'moved') RETURNING a, x;
ALTER TABLE "Second %"."Moved %A{1.1}" RENAME COLUMN b TO "B";
ALTER SCHEMA "Second %" RENAME TO "Third '";
INSERT INTO "Third '"."Moved %A{1.1}" (id, x) VALUES (1003, 'moved again') RETURNING a, x;
SELECT relation FROM zdm.migrations WHERE id = :m;
SELECT count(*) FROM zdm.verify(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched', '60s');
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed', '60s');
SELECT describe($$"Third '"."Moved %A{1.1}"$$);
SELECT count(*), count(x) FROM "Third '"."Moved %A{1.1}";
-- the same, and back
SELECT zdm.rename_column($$"Third '"."Moved %A{1.1}"$$, 'B', 'C') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
ALTER TABLE "Third '"."Moved %A{1.1}" SET SCHEMA public;
ALTER TABLE "Moved %A{1.1}" RENAME TO moved;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '60s');
SELECT describe('moved'::regclass);
-- the columns of the pair themselves
SELECT zdm.rename_column('moved', 'x', 'y') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
ALTER TABLE moved RENAME x TO z;
INSERT INTO moved (id, z) VALUES (2001, 'old renamed') RETURNING y;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched', '60s');
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed', '60s');
SELECT describe('moved'::regclass);

SELECT count(*) FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc;
SELECT relation, state FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted');
