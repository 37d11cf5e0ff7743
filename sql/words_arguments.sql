--
-- What is wrong with an expression is said with the argument that it came by; a
-- collation is a domain's.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
CREATE TABLE t (id int PRIMARY KEY, v int, w int, c text COLLATE "C", d text);
INSERT INTO t VALUES (1, 1, 1, 'a', 'b');
-- a column that was given a collation, and a unique index that has it
CREATE TABLE g (id int PRIMARY KEY, c text COLLATE "C" UNIQUE);
INSERT INTO g VALUES (1, 'a');

-- a subquery, by each argument
SELECT zdm.change_column_type('t', 'v', 'text', up => '(SELECT ''1'')');
SELECT zdm.change_column_type('t', 'v', 'text', down => 'coalesce((SELECT max(i) FROM generate_series(1, v::int) i), 1)');
SELECT zdm.change_column_type('t', 'v', 'text', down => 'v::int = ANY (SELECT 1)');
SELECT zdm.set_not_null('t', 'v', fill => '(SELECT 1)');
SELECT zdm.backfill('t', 'v = (SELECT 1)');
SELECT zdm.backfill('t', 'v = 1', 'EXISTS (SELECT 1)');
SELECT zdm.migrate('ALTER TABLE t ALTER v TYPE text USING (SELECT ''1'')');
SELECT zdm.migrate('ALTER TABLE t ALTER v TYPE text', down => '(SELECT 1)');
SELECT zdm.migrate('ALTER TABLE t ALTER v SET NOT NULL', up => '(SELECT 1)');
SELECT zdm.migrate('ALTER TABLE t DROP v', down => '(SELECT 1)');
-- what the hint says
CREATE FUNCTION back(v text) RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog AS 'SELECT max(i) FROM generate_series(1, v::int) i';
SELECT zdm.change_column_type('t', 'v', 'text', down => 'back(v)', label => 'function') > 0;
CALL zdm.wait('function', 'ready', '15 seconds');
SELECT zdm.revert('function');
CALL zdm.wait('function', 'reverted', '15 seconds');

-- whatever else PostgreSQL finds in it
SELECT zdm.change_column_type('t', 'v', 'text', up => 'nosuch(v)');
SELECT zdm.change_column_type('t', 'v', 'text', down => 'nosuch(v)');
SELECT zdm.change_column_type('t', 'v', 'text', down => 'v +');
SELECT zdm.set_not_null('t', 'v', fill => 'sum(w)');
SELECT zdm.backfill('t', 'v = nosuch');
SELECT zdm.backfill('t', 'v = 1', 'nosuch');
SELECT zdm.backfill('t', 'v = ');

-- a collation: the one that comes without it is taken, another one has a way
SELECT zdm.migrate('ALTER TABLE t ALTER d TYPE text COLLATE "C"');
SELECT zdm.migrate('ALTER TABLE t ALTER c TYPE varchar(20) COLLATE "default"');
SELECT zdm.migrate('ALTER TABLE t ALTER v TYPE bigint COLLATE "C"');
SELECT zdm.migrate('ALTER TABLE t ALTER c TYPE varchar(20) COLLATE nosuch');
SELECT zdm.migrate('ALTER TABLE t ALTER v TYPE text COLLATE "POSIX"');
SELECT zdm.migrate('ALTER TABLE t ALTER c TYPE text COLLATE "C" USING upper(c)', down => 'c', label => 'same');
SELECT zdm.migrate('ALTER TABLE t ALTER v TYPE text COLLATE "default"', label => 'type');
CREATE DOMAIN public.d_type AS text COLLATE "C";
CREATE DOMAIN name_p AS text COLLATE "POSIX";
SELECT zdm.migrate('ALTER TABLE public.t ALTER COLUMN d TYPE public.d_type', label => 'domain');
-- as the hint says; also if the column was given one; its index follows
SELECT zdm.migrate('ALTER TABLE g ALTER COLUMN c TYPE name_p', label => 'given');
CALL zdm.wait('given', 'ready', '15 seconds');
SELECT zdm.cutover('given');
CALL zdm.wait('given', NULL, '15 seconds');
SELECT collname, pg_get_indexdef(indexrelid) FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND attnum = ANY (indkey)
JOIN pg_collation c ON c.oid = attcollation WHERE attrelid = 'g'::regclass AND attname = 'c';
CALL zdm.wait('same', 'ready', '15 seconds');
SELECT zdm.cutover('same');
CALL zdm.wait('same', 'switched', '15 seconds');
CALL zdm.wait('type', 'ready', '15 seconds');
SELECT zdm.cutover('type');
CALL zdm.wait('type', 'switched', '15 seconds');
CALL zdm.wait('domain', NULL, '15 seconds');
SELECT state FROM zdm.migration WHERE label = 'domain';
SELECT attname, format_type(atttypid, atttypmod), collname FROM pg_attribute LEFT JOIN pg_collation c ON c.oid = attcollation
WHERE attrelid = 't'::regclass AND attname IN ('c', 'd', 'v') ORDER BY 1;
SELECT c, v, d FROM t;
