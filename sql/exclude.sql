--
-- ADD CONSTRAINT ... EXCLUDE by zdm.migrate(): an index that was built CONCURRENTLY
-- becomes the constraint's, and the catalog is as plain ADD CONSTRAINT leaves it.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
\set SHOW_CONTEXT never

CREATE SCHEMA plain;
CREATE SCHEMA online;
CREATE DOMAIN span AS int4range;
CREATE TABLE plain.room (id int PRIMARY KEY, "Room's No" int, during int4range, stay span, closed bool NOT NULL DEFAULT false,
	a int, b int, host inet, note text, tag varchar(20));
INSERT INTO plain.room SELECT i, i, int4range(i * 10, i * 10 + 5), int4range(i * 10, i * 10 + 5), i % 2 = 0, i * 10, i * 10 + 5,
	('10.0.' || i || '.0/24')::inet, 'note ' || i, 'tag ' || i FROM generate_series(1, 200) i;
CREATE TABLE online.room (LIKE plain.room INCLUDING ALL);
INSERT INTO online.room SELECT * FROM plain.room;

-- the one way and the other: the outcome is the same, and so is what is left when it is taken back
CREATE PROCEDURE each_way(what text) LANGUAGE plpgsql AS $$
DECLARE differ text;
BEGIN
	EXECUTE 'ALTER TABLE plain.room ADD ' || what;
	PERFORM zdm.migrate('ALTER TABLE online.room ADD ' || what, label => what);
	CALL test.rests(what);
	differ := test.differences('plain', 'online');
	RAISE WARNING '% %', coalesce(differ, 'the same:'), (SELECT string_agg(pg_get_constraintdef(oid), '; ') FROM pg_constraint WHERE conrelid = 'online.room'::regclass AND contype = 'x');
	PERFORM zdm.revert(what);
	COMMIT;
	CALL test.rests(what);
	EXECUTE format('ALTER TABLE plain.room DROP CONSTRAINT %I', (SELECT conname FROM pg_constraint WHERE conrelid = 'plain.room'::regclass AND contype = 'x'));
	differ := test.differences('plain', 'online');
	IF differ IS NOT NULL THEN
		RAISE WARNING 'taken back: %', differ;
	END IF;
END $$;
CALL each_way('CONSTRAINT "Once, please" EXCLUDE USING gist (during WITH &&)');
CALL each_way('EXCLUDE USING gist (during WITH &&)');
CALL each_way('EXCLUDE USING gist (during WITH -|-, during WITH =) INCLUDE (id) WITH (fillfactor = 70)');
CALL each_way('EXCLUDE USING gist (during WITH &&) DEFERRABLE');
CALL each_way('EXCLUDE USING gist (during WITH &&) WHERE (NOT closed AND "Room''s No" > 0) DEFERRABLE INITIALLY DEFERRED');
CALL each_way('EXCLUDE USING gist (stay WITH &&)');
CALL each_way('EXCLUDE USING gist (int4range(a, b) WITH &&, during WITH &&) WHERE (closed)');
CALL each_way('EXCLUDE USING gist (host inet_ops WITH &&) USING INDEX TABLESPACE pg_default');
CALL each_way('EXCLUDE USING spgist (host WITH &&) WHERE (a < b)');
CALL each_way('EXCLUDE USING hash (lower(note) WITH =)');
CALL each_way('EXCLUDE (tag WITH =, "Room''s No" DESC NULLS LAST WITH =)');
CALL each_way('CONSTRAINT c EXCLUDE (note COLLATE "C" text_pattern_ops WITH OPERATOR(pg_catalog.=), (a + b) WITH =)');

-- a column that is in its expressions or its predicate alone cannot be dropped without it, as after plain DDL
ALTER TABLE online.room ADD c int, ADD d int;
ALTER TABLE plain.room ADD c int, ADD d int;
ALTER TABLE plain.room ADD CONSTRAINT of_c EXCLUDE ((c + a) WITH =), ADD CONSTRAINT of_d EXCLUDE (a WITH =) WHERE (d > 0);
SELECT zdm.migrate('ALTER TABLE online.room ADD CONSTRAINT of_c EXCLUDE ((c + a) WITH =)', label => 'of c') > 0 AS stated;
CALL test.rests('of c');
SELECT zdm.migrate('ALTER TABLE online.room ADD CONSTRAINT of_d EXCLUDE (a WITH =) WHERE (d > 0)', label => 'of d') > 0 AS stated;
CALL test.rests('of d');
ALTER TABLE plain.room DROP c;
ALTER TABLE online.room DROP c;
ALTER TABLE plain.room DROP d;
ALTER TABLE online.room DROP d;
ALTER TABLE online.room DROP c CASCADE, DROP d CASCADE;
SELECT conname FROM pg_constraint WHERE conrelid = 'online.room'::regclass AND contype = 'x';

-- the plan
\pset format unaligned
SELECT statement, lock, work, note FROM zdm.plan($$ALTER TABLE online.room ADD CONSTRAINT once EXCLUDE USING gist (int4range(a, b) WITH &&, during WITH &&) WHERE (NOT closed) DEFERRABLE$$);
\pset format aligned

-- rows that exclude each other are named, before anything binds a writer; NULLs and empty ranges do not
CREATE TABLE busy (id int PRIMARY KEY, during int4range, x int);
INSERT INTO busy VALUES (1, '[1,5)'), (2, '[4,8)'), (3, NULL), (4, NULL), (5, 'empty'), (6, 'empty'), (7, '[7,9)'), (8, '[20,30)');
CREATE TABLE child () INHERITS (busy);
INSERT INTO child VALUES (9, '[20,30)');
SELECT zdm.migrate('ALTER TABLE busy ADD CONSTRAINT once EXCLUDE USING gist (during WITH &&)', label => 'once') > 0 AS stated;
CALL test.rests('once');
SELECT conname FROM pg_constraint WHERE conrelid = 'busy'::regclass AND contype = 'x';
INSERT INTO busy VALUES (10, '[4,5)');
-- the index is the migration's, by the guard
SET zdm.guard = refuse;
DO $$BEGIN EXECUTE format('DROP INDEX %s', (SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'busy'::regclass AND NOT indisprimary)); END$$;
ALTER TABLE busy DROP COLUMN during;
SET zdm.guard = off;
DELETE FROM busy WHERE id IN (2, 10);
SELECT zdm.resume('once');
CALL test.rests('once');
INSERT INTO busy VALUES (11, '[4,6)');
INSERT INTO busy VALUES (11, NULL), (12, 'empty');
UPDATE busy SET during = '[8,9)' WHERE id = 1;
SELECT zdm.revert('once');
CALL test.rests('once');
SELECT count(*) FROM pg_index WHERE indrelid = 'busy'::regclass;

-- gone back before it was there: nothing is left
INSERT INTO busy VALUES (2, '[4,8)');
SELECT zdm.migrate('ALTER TABLE busy ADD CONSTRAINT once EXCLUDE USING gist (during WITH &&)', label => 'back') > 0 AS stated;
CALL test.rests('back');
SELECT zdm.revert('back');
CALL test.rests('back');
SELECT count(*) FROM pg_index WHERE indrelid = 'busy'::regclass;

-- what changed meanwhile: a column has another name; the name is taken; the index, the column, the operator are gone
SELECT zdm.migrate('ALTER TABLE busy ADD CONSTRAINT once EXCLUDE USING gist (during WITH &&)', label => 'changed') > 0 AS stated;
CALL test.rests('changed');
DELETE FROM busy WHERE id = 2;
ALTER TABLE busy RENAME during TO "while";
CREATE TABLE once ();
SELECT zdm.resume('changed');
CALL test.rests('changed');
ALTER TABLE once RENAME TO other;
ALTER TABLE busy ADD CONSTRAINT once CHECK (x > 0);
SELECT zdm.resume('changed');
CALL test.rests('changed');
ALTER TABLE busy RENAME CONSTRAINT once TO positive;
DO $$BEGIN EXECUTE format('DROP INDEX %s', (SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'busy'::regclass AND NOT indisprimary)); END$$;
SELECT zdm.resume('changed');
CALL test.rests('changed');
SELECT zdm.revert('changed');
CALL test.rests('changed');
INSERT INTO busy VALUES (2, '[4,8)');
SELECT zdm.migrate('ALTER TABLE busy ADD EXCLUDE USING gist ("while" WITH &&)', label => 'column') > 0 AS stated;
CALL test.rests('column');
ALTER TABLE busy DROP "while";
SELECT zdm.resume('column');
CALL test.rests('column');
SELECT zdm.revert('column');
CALL test.rests('column');

-- by no other operator than the one that was meant
CREATE SCHEMA ops;
CREATE FUNCTION ops.same(text, text) RETURNS bool IMMUTABLE STRICT LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR ops.=== (FUNCTION = ops.same, LEFTARG = text, RIGHTARG = text, COMMUTATOR = OPERATOR(ops.===));
CREATE OPERATOR CLASS ops.same_ops FOR TYPE text USING hash AS OPERATOR 1 ops.===, FUNCTION 1 hashtext(text);
ALTER TABLE busy ADD y varchar(10);
UPDATE busy SET y = CASE id WHEN 7 THEN 1 ELSE id END;
SET search_path = public, ops;
SELECT zdm.migrate('ALTER TABLE busy ADD CONSTRAINT by_ops EXCLUDE USING hash (y same_ops WITH ===)', label => 'ops') > 0 AS stated;
RESET search_path;
CALL test.rests('ops');
UPDATE busy SET x = id, y = id;
CREATE FUNCTION ops.same_short(varchar, varchar) RETURNS bool IMMUTABLE STRICT LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR ops.=== (FUNCTION = ops.same_short, LEFTARG = varchar, RIGHTARG = varchar, COMMUTATOR = OPERATOR(ops.===));
SELECT zdm.resume('ops');
CALL test.rests('ops');
DROP OPERATOR ops.=== (varchar, varchar);
SELECT zdm.resume('ops');
CALL test.rests('ops');
SELECT pg_get_constraintdef(oid), conexclop::regoperator[] FROM pg_constraint WHERE conname = 'by_ops';

-- mistakes are PostgreSQL's own, at the call
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE USING gist (x WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE USING gin (x WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE USING brin (x WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE (x WITH <)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE (x WITH <>)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE (x WITH &&)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE (z WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE (x WITH =) INCLUDE (z)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE USING hash (x DESC WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE USING hash (x WITH =, id WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE (random() WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD EXCLUDE (x WITH =) WHERE (now() > ''2020-01-01'')');
SELECT zdm.plan('ALTER TABLE busy ADD CONSTRAINT positive EXCLUDE (x WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD CONSTRAINT other EXCLUDE (x WITH =)');
SELECT zdm.plan('ALTER TABLE busy ADD z int, ADD EXCLUDE (z WITH =)');
CREATE TABLE parted (id int, x int) PARTITION BY LIST (id);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
INSERT INTO parted VALUES (1, 1);
SELECT zdm.migrate('ALTER TABLE parted1 ADD CONSTRAINT one EXCLUDE (x WITH =)', label => 'partition') > 0 AS stated;
CALL test.rests('partition');

-- it reads as the owner, whom no policy may keep from seeing a row
CREATE ROLE zdm_exclude_owner;
GRANT CREATE ON SCHEMA public TO zdm_exclude_owner;
DROP TABLE child;
ALTER TABLE busy OWNER TO zdm_exclude_owner;
ALTER TABLE busy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT zdm.migrate('ALTER TABLE busy ADD EXCLUDE (x WITH =)');
ALTER TABLE busy NO FORCE ROW LEVEL SECURITY;
SELECT zdm.migrate('ALTER TABLE busy ADD CONSTRAINT own EXCLUDE (x WITH =)', label => 'owner') > 0 AS stated;
CALL test.rests('owner');
DROP OWNED BY zdm_exclude_owner;
DROP ROLE zdm_exclude_owner;

-- who asks the guard is told so; an empty table is nobody's
SET zdm.guard_min_size = 0;
SET zdm.guard = refuse;
CREATE TABLE empty (id int, EXCLUDE (id WITH =));
ALTER TABLE empty ADD EXCLUDE (id WITH =);
ALTER TABLE online.room ADD EXCLUDE USING gist (during WITH &&);
SELECT rule, hint FROM zdm.check('ALTER TABLE online.room ADD EXCLUDE USING gist (during WITH &&)');

-- no file of plain SQL has it
SELECT body ~ 'zdm.script\(\) has no plain form for an exclusion constraint' AS said FROM zdm.script('ALTER TABLE online.room ADD EXCLUDE USING gist (during WITH &&)');
