--
-- What a column carries (NOT NULL, CHECK, keys, foreign keys) is tried against
-- what up gives before anything is changed, and no write of the old application
-- fails on it before cutover.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
\set VERBOSITY terse

-- a CHECK that holds for the rows there are, and not for what is written later
CREATE TABLE o (id int PRIMARY KEY, price numeric(8,2) NOT NULL CONSTRAINT dear CHECK (price > 0 AND price < 1000), k int);
COMMENT ON CONSTRAINT dear ON o IS 'in units';
INSERT INTO o SELECT g, 1 + g / 100.0 FROM generate_series(1, 100) g;
SELECT zdm.change_column_type('o', 'price', 'bigint', up => 'nullif(round(price * 100), 777)', down => 'price / 100.0', label => 'o') AS m \gset
SELECT note FROM zdm.migration, unnest(notes) note WHERE label = 'o' AND note LIKE 'check%';
CALL zdm.wait('o', 'ready', '15 seconds');
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'o'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO o VALUES (6000, 99.5);
INSERT INTO o VALUES (6001, 7.77);
-- neither the one nor the other is switched over
SELECT zdm.cutover('o');
CALL zdm.wait('o', 'switched', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'o';
INSERT INTO o VALUES (6002, 88.5);
UPDATE o SET price = 8 WHERE id IN (6000, 6001, 6002);
SELECT zdm.resume('o');
CALL zdm.wait('o', 'switched', '15 seconds');
SELECT conname, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint') FROM pg_constraint
WHERE conrelid = 'o'::regclass AND contype = 'c' ORDER BY conname;
INSERT INTO o VALUES (7000, 99999);
INSERT INTO o VALUES (7001, NULL);
INSERT INTO o VALUES (7002, 999);
-- and back: the old column has its own again
SELECT zdm.revert('o');
CALL zdm.wait('o', 'reverted', '15 seconds');
SELECT conname, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint') FROM pg_constraint
WHERE conrelid = 'o'::regclass AND contype = 'c' ORDER BY conname;
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'o'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
INSERT INTO o VALUES (8000, 1000);
INSERT INTO o VALUES (8000, 99.5);
SELECT * FROM o WHERE id > 5000 ORDER BY id;

-- rows that do not fit are found before the table is touched, by their keys
SELECT zdm.change_column_type('o', 'price', 'bigint', up => 'round(price * 100)', down => 'price / 100.0', label => 'o found');
CALL zdm.wait('o found', 'ready', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'o found';
SELECT count(*) FROM pg_attribute WHERE attrelid = 'o'::regclass AND attname LIKE 'price%';
SELECT zdm.revert('o found');
CALL zdm.wait('o found', 'reverted', '15 seconds');

-- NULL for a column that is NOT NULL
CREATE TABLE doc (a int, b text, content text NOT NULL, PRIMARY KEY (b, a));
INSERT INTO doc SELECT g, 'x', CASE WHEN g % 20 = 0 THEN '' ELSE '{}' END FROM generate_series(1, 400) g;
SELECT zdm.change_column_type('doc', 'content', 'jsonb', up => $$nullif(content, '')::jsonb$$, down => 'content::text', label => 'doc');
CALL zdm.wait('doc', 'ready', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'doc';
UPDATE doc SET content = '{}' WHERE content = '';
SELECT zdm.resume('doc');
CALL zdm.wait('doc', 'ready', '15 seconds');
SELECT zdm.cutover('doc');
CALL zdm.wait('doc', 'switched', '15 seconds');
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'doc'::regclass AND attnum > 0 ORDER BY attnum;
SELECT zdm.contract('doc');
CALL zdm.wait('doc', 'completed', '15 seconds');
SELECT count(*) FROM pg_constraint WHERE conrelid = 'doc'::regclass AND contype = 'c';

-- values that cannot be converted at all: the first ten of them
CREATE TABLE w (id int PRIMARY KEY, v text);
INSERT INTO w SELECT g, CASE WHEN g % 7 = 0 THEN 'seven' ELSE g::text END FROM generate_series(1, 200) g;
SELECT zdm.change_column_type('w', 'v', 'int', up => 'v::int', label => 'w');
CALL zdm.wait('w', 'ready', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'w';
SELECT zdm.revert('w');
CALL zdm.wait('w', 'reverted', '15 seconds');

-- two keys become one; a value that is no key of the referenced table
CREATE TABLE twice (id int PRIMARY KEY, email text UNIQUE, part text);
CREATE UNIQUE INDEX twice_part ON twice (lower(part)) WHERE part <> 'x';
INSERT INTO twice VALUES (1, 'a ', 'p'), (2, 'a', 'P '), (3, NULL, 'x'), (4, NULL, 'x ');
SELECT zdm.change_column_type('twice', 'email', 'varchar(20)', up => 'rtrim(email)', label => 'twice');
CALL zdm.wait('twice', 'ready', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'twice';
SELECT zdm.revert('twice');
CALL zdm.wait('twice', 'reverted', '15 seconds');
SELECT zdm.change_column_type('twice', 'part', 'varchar(20)', up => 'rtrim(part)', label => 'twice part');
CALL zdm.wait('twice part', 'ready', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 'twice part';

CREATE TABLE ref (id bigint PRIMARY KEY);
INSERT INTO ref SELECT generate_series(1, 100);
CREATE TABLE re (id int PRIMARY KEY, r int CONSTRAINT re_ref REFERENCES ref);
INSERT INTO re SELECT g, g FROM generate_series(1, 60) g;
SELECT zdm.change_column_type('re', 'r', 'bigint', up => 'r * 2', down => '(r / 2)::int', label => 're');
CALL zdm.wait('re', 'ready', '15 seconds');
SELECT error FROM zdm.migrations WHERE label = 're';
DELETE FROM re WHERE r > 50;
SELECT zdm.resume('re');
CALL zdm.wait('re', 'ready', '15 seconds');
INSERT INTO re VALUES (60, 60);
UPDATE re SET r = 50 WHERE id = 60;
SELECT zdm.cutover('re');
CALL zdm.wait('re', 'switched', '15 seconds');
SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conrelid = 're'::regclass AND contype = 'f';
INSERT INTO re VALUES (61, 101);
SELECT zdm.revert('re');
CALL zdm.wait('re', 'reverted', '15 seconds');
SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conrelid = 're'::regclass AND contype = 'f';
SELECT count(*) FROM re;

-- partitions, and a primary key that up converts
CREATE TABLE p (id text, k int NOT NULL, v text NOT NULL CHECK (v IS NOT NULL OR k < 0), PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
INSERT INTO p SELECT g, g, 'v' || g FROM generate_series(0, 199) g;
SELECT zdm.change_column_type('p', 'id', 'int', up => 'nullif(id, ''none'')::int', down => 'id::text', label => 'p id');
SELECT zdm.change_column_type('p', 'v', 'int', up => 'nullif(substr(v, 2), '''')::int', down => '''v'' || v', label => 'p v');
CALL zdm.wait('p id', 'ready', '15 seconds');
CALL zdm.wait('p v', 'ready', '15 seconds');
INSERT INTO p VALUES ('none', 5, 'v');
DELETE FROM p WHERE id = 'none';
SELECT zdm.cutover('p id'), zdm.cutover('p v');
CALL zdm.wait('p id', 'switched', '15 seconds');
CALL zdm.wait('p v', 'switched', '15 seconds');
SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
WHERE conrelid IN ('p'::regclass, 'p1'::regclass) AND contype <> 'n' ORDER BY conrelid, conname;
INSERT INTO p VALUES (900, 5, 9);
SELECT attrelid::regclass, attname, attnotnull FROM pg_attribute WHERE attrelid IN ('p'::regclass, 'p1'::regclass) AND attnum > 0 ORDER BY attrelid::regclass::text, attname;
SELECT zdm.contract('p id');
SELECT zdm.revert('p v');
CALL zdm.wait('p id', 'completed', '15 seconds');
CALL zdm.wait('p v', 'reverted', '15 seconds');
SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
WHERE conrelid IN ('p'::regclass, 'p1'::regclass) AND contype <> 'n' ORDER BY conrelid, conname;
SELECT attrelid::regclass, attname, attnotnull FROM pg_attribute WHERE attrelid IN ('p'::regclass, 'p1'::regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid::regclass::text, attname;
