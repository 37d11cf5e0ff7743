--
-- Changes of type and the values in the way: what becomes of a value that does
-- not fit, forth or back, and of types with ways of their own.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never

-- zdm.reversible = off: a new application that writes what the old type cannot
-- hold is stopped neither before cutover nor after it, and nothing of it is lost
CREATE TABLE given_up (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO given_up SELECT i, i FROM generate_series(1, 5) i;
SELECT zdm.change_column_type('given_up', 'n', 'bigint', label => 'given up') AS m \gset
CALL zdm.wait('given up', 'ready', '1 minute');
SELECT format('n_zdm%s', :m) AS new \gset
\set VERBOSITY terse
UPDATE given_up SET :"new" = 3000000001 WHERE id = 1;
SELECT zdm.configure('given up', 'reversible', 'off');
UPDATE given_up SET :"new" = 3000000001 WHERE id = 1;
SELECT id, n, :"new" AS new FROM given_up ORDER BY id;
SELECT one_way_since IS NOT NULL AS one_way, one_way_why FROM zdm.migrations WHERE label = 'given up';
SELECT zdm.cutover('given up');
CALL zdm.wait('given up', 'switched', '1 minute');
UPDATE given_up SET n = 3000000002 WHERE id = 2;
INSERT INTO given_up (id, n) VALUES (6, 3000000006);
SELECT zdm.revert('given up');
-- thinking better of it does not bring back what is not there
SELECT zdm.configure('given up', 'reversible', 'on');
SELECT zdm.revert('given up');
SELECT * FROM zdm.verify('given up');
-- a rewritten table is gone over again: what counts is not overwritten
VACUUM FULL given_up;
SELECT zdm.contract('given up');
CALL zdm.wait('given up', 'completed', '1 minute');
SELECT id, n FROM given_up ORDER BY id;

-- off from the start, and the way back is gone although every value would fit
SET zdm.reversible = off;
CREATE TABLE no_way (n int);
SELECT zdm.change_column_type('no_way', 'n', 'bigint', label => 'no way');
RESET zdm.reversible;
CALL zdm.wait('no way', 'ready', '1 minute');
SELECT zdm.revert('no way');
SELECT zdm.cutover('no way');
CALL zdm.wait('no way', 'switched', '1 minute');
SELECT zdm.revert('no way');
SELECT zdm.configure('no way', 'reversible', 'on');
SELECT zdm.revert('no way');
CALL zdm.wait('no way', 'reverted', '1 minute');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'no_way'::regclass AND attname = 'n';

-- each type forth, back, forth again and to the end, with a row by default between
CREATE PROCEDURE whole_way(r regclass, col name, new_type text, up text DEFAULT NULL, down text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	m bigint := zdm.change_column_type(r, col, new_type, up, down);
	found text;
BEGIN
	COMMIT;
	CALL zdm.wait(m, NULL, '1 minute');
	SELECT state INTO found FROM zdm.migrations WHERE id = m;
	IF found = 'ready' THEN
		PERFORM zdm.cutover(m);
		COMMIT;
		CALL zdm.wait(m, 'switched', '1 minute');
		EXECUTE format('INSERT INTO %s DEFAULT VALUES', r);
		PERFORM zdm.revert(m);
		COMMIT;
		CALL zdm.wait(m, 'reverted', '1 minute');
		EXECUTE format('INSERT INTO %s DEFAULT VALUES', r);
		m := zdm.change_column_type(r, col, new_type, up, down);
		COMMIT;
		CALL zdm.wait(m, 'ready', '1 minute');
		PERFORM zdm.cutover(m);
		COMMIT;
		CALL zdm.wait(m, 'switched', '1 minute');
		PERFORM zdm.contract(m);
		COMMIT;
		CALL zdm.wait(m, 'completed', '1 minute');
	END IF;
END
$$;
CREATE FUNCTION column_of(r regclass, col name) RETURNS text LANGUAGE sql AS $$
SELECT concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid),
                 (SELECT string_agg(pg_get_indexdef(i.indexrelid), '; ' ORDER BY 1) FROM pg_index i WHERE i.indrelid = r AND a.attnum = ANY (i.indkey)))
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = r AND a.attname = col
$$;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN plain AS int;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE kinds (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	an_enum mood DEFAULT 'ok', a_text text, an_array int[] DEFAULT '{1,2}', a_domain plain DEFAULT 7, a_checked positive DEFAULT 8,
	a_numeric numeric(10,2) DEFAULT 1.25, a_varchar varchar(10) DEFAULT 'by default', a_char char(3) DEFAULT 'a', a_json json DEFAULT '{"b": 1}',
	a_bool boolean, a_time text);
CREATE INDEX kinds_enum ON kinds (an_enum DESC);
CREATE INDEX kinds_array ON kinds USING gin (an_array);
CREATE INDEX kinds_domain ON kinds (a_domain, a_checked);
CREATE INDEX kinds_varchar ON kinds (a_varchar text_pattern_ops);
INSERT INTO kinds (a_text, a_bool, a_time) VALUES ('sad', true, '2020-01-01'), ('happy', false, '2020-12-31');
CALL whole_way('kinds', 'an_enum', 'text');
SELECT column_of('kinds', 'an_enum');
CALL whole_way('kinds', 'a_text', 'mood', 'a_text::mood', 'a_text::text');
SELECT column_of('kinds', 'a_text');
CALL whole_way('kinds', 'an_array', 'bigint[]');
SELECT column_of('kinds', 'an_array');
CALL whole_way('kinds', 'a_domain', 'bigint');
SELECT column_of('kinds', 'a_domain');
CALL whole_way('kinds', 'a_domain', 'plain');
SELECT column_of('kinds', 'a_domain');
CALL whole_way('kinds', 'a_checked', 'bigint');
SELECT column_of('kinds', 'a_checked');
CALL whole_way('kinds', 'a_numeric', 'numeric(12,4)');
SELECT column_of('kinds', 'a_numeric');
CALL whole_way('kinds', 'a_varchar', 'varchar(12)');
SELECT column_of('kinds', 'a_varchar');
CALL whole_way('kinds', 'a_char', 'text');
SELECT column_of('kinds', 'a_char');
CALL whole_way('kinds', 'a_json', 'jsonb');
SELECT column_of('kinds', 'a_json');
CALL whole_way('kinds', 'a_bool', 'int', 'a_bool::int', 'a_bool <> 0');
SELECT column_of('kinds', 'a_bool');
CALL whole_way('kinds', 'a_time', 'date', $$to_date(a_time, 'YYYY-MM-DD')$$, $$to_char(a_time, 'YYYY-MM-DD')$$);
SELECT column_of('kinds', 'a_time');
SELECT DISTINCT an_enum, a_text, an_array, a_domain, a_checked, a_numeric, a_varchar, a_char, a_json, a_bool, to_char(a_time, 'YYYY-MM-DD') AS a_time FROM kinds ORDER BY a_text, a_bool;
-- what does not go
SELECT zdm.change_column_type('kinds', 'a_checked', 'boolean', 'a_checked > 0 AND a_time IS NULL', 'a_checked::int');
CALL whole_way('kinds', 'a_checked', 'positive');
CALL whole_way('kinds', 'an_enum', 'mood');
CALL whole_way('kinds', 'an_enum', 'timestamptz', 'an_enum::timestamptz');

-- strings that are too long are not cut, neither those there are nor those to come
SELECT zdm.change_column_type('kinds', 'a_varchar', 'varchar(5)', label => 'short') > 0 AS stated;
CALL zdm.wait('short', 'ready', '1 minute');
SELECT state, error_state, split_part(error, E'\n', 1) AS error FROM zdm.migrations WHERE label = 'short';
SELECT count(*) FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attname LIKE 'a_varchar%';
SELECT zdm.revert('short');
CALL zdm.wait('short', 'reverted', '1 minute');
UPDATE kinds SET a_varchar = 'short';
ALTER TABLE kinds ALTER a_varchar SET DEFAULT 'dflt';
SELECT zdm.change_column_type('kinds', 'a_varchar', 'varchar(5)', label => 'short') > 0 AS stated;
CALL zdm.wait('short', 'ready', '1 minute');
-- the old application still counts; but nothing is switched that lacks its value
UPDATE kinds SET a_varchar = 'long again' WHERE id = 1;
SELECT relation, key, old_value, new_value FROM zdm.verify('short');
SELECT zdm.cutover('short');
CALL zdm.wait('short', 'switched', '1 minute');
SELECT state, error_state, split_part(error, E'\n', 1) AS error FROM zdm.migrations WHERE label = 'short' ORDER BY id;
SELECT id, a_varchar FROM kinds WHERE id = 1;
UPDATE kinds SET a_varchar = 'mend' WHERE id = 1;
SELECT zdm.resume('short');
CALL zdm.wait('short', 'switched', '1 minute');
SELECT id, a_varchar FROM kinds WHERE id < 3 ORDER BY id;
SELECT zdm.contract('short');
CALL zdm.wait('short', 'completed', '1 minute');
SELECT column_of('kinds', 'a_varchar');

-- what a new application writes after zdm.revert() is not lost in silence either
CREATE TABLE way_back (id int, n int);
INSERT INTO way_back SELECT i, i FROM generate_series(1, 3) i;
SELECT zdm.change_column_type('way_back', 'n', 'bigint', label => 'way back');
CALL zdm.wait('way back', 'ready', '1 minute');
SELECT zdm.cutover('way back');
CALL zdm.wait('way back', 'switched', '1 minute');
BEGIN;
SELECT zdm.revert('way back');
UPDATE way_back SET n = 3000000000 + id WHERE id < 3;
COMMIT;
CALL zdm.wait('way back', 'reverted', '1 minute');
SELECT state, error_state, error, error_hint FROM zdm.migrations WHERE label = 'way back';
SELECT id, n FROM way_back ORDER BY id;
UPDATE way_back SET n = 100 + id WHERE id < 3;
SELECT zdm.resume('way back');
CALL zdm.wait('way back', 'reverted', '1 minute');
SELECT id, n FROM way_back ORDER BY id;

-- composite keys at both ends, each end losing another of its columns
CREATE TABLE up2 (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE down2 (id int PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES up2 MATCH FULL ON UPDATE CASCADE);
INSERT INTO up2 SELECT i, -i FROM generate_series(1, 20) i;
INSERT INTO down2 SELECT i, i, -i FROM generate_series(1, 20) i;
SELECT zdm.change_column_type('up2', 'a', 'bigint', label => 'up2.a');
SELECT zdm.change_column_type('down2', 'b', 'bigint', label => 'down2.b');
CALL zdm.wait('up2.a', 'ready', '1 minute');
CALL zdm.wait('down2.b', 'ready', '1 minute');
SELECT zdm.cutover('down2.b');
CALL zdm.wait('down2.b', 'switched', '1 minute');
SELECT zdm.cutover('up2.a');
CALL zdm.wait('up2.a', 'switched', '1 minute');
UPDATE up2 SET a = 1000 WHERE a = 1;
SELECT zdm.revert('down2.b');
CALL zdm.wait('down2.b', 'reverted', '1 minute');
UPDATE up2 SET b = -1000 WHERE b = -2;
SELECT zdm.contract('up2.a');
CALL zdm.wait('up2.a', 'completed', '1 minute');
SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('up2'::regclass, 'down2'::regclass) AND contype IN ('p', 'f') ORDER BY 1;
SELECT * FROM down2 WHERE id < 3 ORDER BY id;
\d up2
\d down2

-- a sequence is where it was, whoever it belongs to
CREATE TABLE counted (id smallserial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 10));
INSERT INTO counted SELECT FROM generate_series(1, 3);
SELECT setval(pg_get_serial_sequence('counted', 'id'), 32767);
SELECT zdm.change_column_type('counted', 'id', 'bigint', label => 'counted.id');
SELECT zdm.change_column_type('counted', 'n', 'bigint', label => 'counted.n');
CALL zdm.wait('counted.id', 'ready', '1 minute');
CALL zdm.wait('counted.n', 'ready', '1 minute');
INSERT INTO counted DEFAULT VALUES;
SELECT zdm.cutover('counted.id'), zdm.cutover('counted.n');
CALL zdm.wait('counted.id', 'switched', '1 minute');
CALL zdm.wait('counted.n', 'switched', '1 minute');
INSERT INTO counted DEFAULT VALUES RETURNING id, n;
SELECT currval(pg_get_serial_sequence('counted', 'id')) AS id, currval(pg_get_serial_sequence('counted', 'n')) AS n;
INSERT INTO counted (n) VALUES (1);
SELECT zdm.contract('counted.id'), zdm.contract('counted.n');
CALL zdm.wait('counted.id', 'completed', '1 minute');
CALL zdm.wait('counted.n', 'completed', '1 minute');
SELECT column_of('counted', 'id'), column_of('counted', 'n');
SELECT seqrelid::regclass, seqtypid::regtype, seqmax, seqincrement FROM pg_sequence WHERE seqrelid::regclass::text LIKE 'counted%' ORDER BY 1;
DROP TABLE counted;
SELECT count(*) FROM pg_sequence WHERE seqrelid::regclass::text LIKE 'counted%';

-- the first query after cutover is planned with statistics: of the column, of an
-- expression over it, and of two columns together
CREATE TABLE planned (id int PRIMARY KEY, k int NOT NULL, l int NOT NULL);
INSERT INTO planned SELECT i, i % 100, i % 100 FROM generate_series(1, 10000) i;
CREATE INDEX planned_expr ON planned ((k % 7));
CREATE STATISTICS planned_both (dependencies, mcv) ON k, l FROM planned;
ANALYZE planned;
CREATE FUNCTION estimated(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN round((plan -> 0 -> 'Plan' ->> 'Plan Rows')::numeric / 100);
END
$$;
CREATE TABLE estimates AS SELECT q, estimated(q) AS before FROM unnest(ARRAY['SELECT FROM planned WHERE k = 5', 'SELECT FROM planned WHERE k % 7 = 5',
	'SELECT FROM planned WHERE k = 5 AND l = 5', 'SELECT FROM planned WHERE k > 90']) q;
SELECT * FROM estimates;
SELECT zdm.change_column_type('planned', 'k', 'bigint', label => 'planned');
CALL zdm.wait('planned', 'ready', '1 minute');
SELECT zdm.cutover('planned');
CALL zdm.wait('planned', 'switched', '1 minute');
SELECT q, estimated(q) = before AS as_before FROM estimates;
SELECT zdm.revert('planned');
CALL zdm.wait('planned', 'reverted', '1 minute');
SELECT q, estimated(q) = before AS as_before FROM estimates;

-- names of 63 bytes with quotes, whose beginnings are the same
SELECT repeat('"%s''', 15) || 'abc' AS one, repeat('"%s''', 15) || 'abd' AS two \gset
CREATE TABLE :"one" (:"one" serial PRIMARY KEY, :"two" int DEFAULT 1 REFERENCES :"one", CONSTRAINT :"two" UNIQUE (:"two", :"one"));
INSERT INTO :"one" SELECT FROM generate_series(1, 10) i;
SELECT line FROM (SELECT a.attname || ' ' || format_type(atttypid, atttypmod) AS line FROM pg_attribute a WHERE attrelid = quote_ident(:'one')::regclass AND attnum > 0
UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = quote_ident(:'one')::regclass AND contype <> 'n') x ORDER BY 1;
CALL whole_way(quote_ident(:'one')::regclass, :'one', 'bigint');
CALL whole_way(quote_ident(:'one')::regclass, :'two', 'bigint');
SELECT line FROM (SELECT a.attname || ' ' || format_type(atttypid, atttypmod) AS line FROM pg_attribute a WHERE attrelid = quote_ident(:'one')::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = quote_ident(:'one')::regclass AND contype <> 'n') x ORDER BY 1;

-- where the old column is NOT NULL, a NULL that down gives without an error closes the
-- way back as well, and not a constraint in the middle of it
CREATE TABLE nulls (id int PRIMARY KEY, v int NOT NULL);
INSERT INTO nulls VALUES (1, 1), (2, 2);
SELECT zdm.change_column_type('nulls', 'v', 'text', up => $$coalesce(v::text, 'none')$$, down => $$nullif(v, 'none')::int$$, label => 'nulls v') IS NOT NULL;
CALL zdm.wait('nulls v', 'ready', '1 minute');
SELECT zdm.cutover('nulls v');
CALL zdm.wait('nulls v', 'switched', '1 minute');
INSERT INTO nulls (id, v) VALUES (3, '3');
SELECT one_way_why FROM zdm.migrations WHERE label = 'nulls v';
UPDATE nulls SET v = 'none' WHERE id = 2;
SELECT one_way_why FROM zdm.migrations WHERE label = 'nulls v';
SELECT zdm.revert('nulls v');
SELECT * FROM zdm.verify('nulls v');
