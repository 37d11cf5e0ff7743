--
-- A default goes along where up can compute it.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never

CREATE TYPE status AS ENUM ('new', 'done');
CREATE TABLE d (id int PRIMARY KEY, content text NOT NULL DEFAULT '{}', state text DEFAULT 'new', n varchar DEFAULT '0',
	price numeric DEFAULT 1.5, at text DEFAULT now()::date::text);
INSERT INTO d (id) SELECT generate_series(1, 3);
SELECT zdm.change_column_type('d', 'content', 'jsonb', up => 'content::jsonb', down => 'content::text', label => 'c');
SELECT zdm.migrate('ALTER TABLE d ALTER state TYPE status USING state::status', down => 'state::text', label => 's');
SELECT zdm.change_column_type('d', 'n', 'int', up => 'n::int', label => 'n');
SELECT zdm.change_column_type('d', 'price', 'bigint', up => 'round(price * 100)', down => 'price / 100.0', label => 'p');
SELECT label, note FROM zdm.migration, unnest(notes) note WHERE note LIKE 'the default%' ORDER BY id;
CALL zdm.wait('c', 'ready', '15 seconds');
CALL zdm.wait('s', 'ready', '15 seconds');
CALL zdm.wait('n', 'ready', '15 seconds');
CALL zdm.wait('p', 'ready', '15 seconds');
INSERT INTO d (id) VALUES (4);
SELECT zdm.cutover(label) FROM unnest('{c,s,n,p}'::text[]) label;
CALL zdm.wait('c', 'switched', '15 seconds');
CALL zdm.wait('s', 'switched', '15 seconds');
CALL zdm.wait('n', 'switched', '15 seconds');
CALL zdm.wait('p', 'switched', '15 seconds');
INSERT INTO d (id) VALUES (5);
SELECT id, content, state, n, price FROM d ORDER BY id;
SELECT zdm.contract(label) FROM unnest('{c,s,n}'::text[]) label;
SELECT zdm.revert('p');
CALL zdm.wait('c', 'completed', '15 seconds');
CALL zdm.wait('s', 'completed', '15 seconds');
CALL zdm.wait('n', 'completed', '15 seconds');
CALL zdm.wait('p', 'reverted', '15 seconds');
INSERT INTO d (id) VALUES (6);
SELECT id, content, state, n, price FROM d ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'd'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname;

-- one that it cannot convert, or that it has nothing to compute from
CREATE TABLE e (id int PRIMARY KEY, state text DEFAULT 'old', a int, b jsonb DEFAULT '{}');
SELECT zdm.change_column_type('e', 'state', 'status', up => 'state::status', down => 'state::text');
SELECT zdm.change_column_type('e', 'b', 'int', up => 'a + (b ->> ''x'')::int', down => 'to_jsonb(b)');
CREATE TABLE f (id int PRIMARY KEY, state varchar(9) DEFAULT '9');
SELECT zdm.change_column_type('f', 'state', 'int');
