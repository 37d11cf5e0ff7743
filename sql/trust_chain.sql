--
-- A pair whose expression reads a column of another pair follows it, by writers
-- and by the backfill.  (Stated the other way round, the second is refused.)
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;

CREATE FUNCTION side(label text, side text) RETURNS text LANGUAGE sql AS $$
	SELECT format('%I', attname) FROM zdm.migrations m JOIN zdm.pair p ON p.migration = m.id
	  JOIN pg_attribute a ON attrelid = p.relid AND attnum = CASE $2 WHEN 'old' THEN old_attnum ELSE new_attnum END
	 WHERE m.label = $1 $$;

CREATE TABLE t (id int PRIMARY KEY, a int, b int);
INSERT INTO t VALUES (1, 10, 1), (2, 20, 2);
SELECT zdm.rename_column('t', 'a', 'a2', label => 'a') IS NOT NULL;
CALL zdm.wait('a', 'ready', '1 minute');
SELECT zdm.change_column_type('t', 'b', 'bigint', up => 'b + a2', down => 'b - a2', label => 'b') IS NOT NULL;
CALL zdm.wait('b', 'ready', '1 minute');
SELECT side('b', 'new') AS b_new \gset
UPDATE t SET a2 = 30 WHERE id = 1 RETURNING a, a2, b, :b_new AS b_new;
UPDATE t SET a = 40 WHERE id = 1 RETURNING a, a2, b, :b_new AS b_new;
UPDATE t SET a = 50, b = 5 WHERE id = 1 RETURNING a, a2, b, :b_new AS b_new;
INSERT INTO t (id, a, b) VALUES (3, 100, 3) RETURNING a, a2, b, :b_new AS b_new;
SELECT * FROM zdm.verify('b');


-- stated while the one that it reads is not filled yet
CREATE TABLE s (id int PRIMARY KEY, a int, b int);
INSERT INTO s SELECT i, i * 10, i FROM generate_series(1, 5) i;
SELECT pg_advisory_lock(hashtextextended('zdm:state-migrating', 0));
SELECT zdm.rename_column('s', 'a', 'a2', label => 'sa') IS NOT NULL;
CALL zdm.wait('sa', 'migrating', '1 minute');
SELECT zdm.change_column_type('s', 'b', 'bigint', up => 'b + a2', down => 'b - a2', label => 'sb') IS NOT NULL;
CALL zdm.wait('sb', 'migrating', '1 minute');
SELECT side('sb', 'new') AS b_new \gset
UPDATE s SET b = 7 WHERE id = 1;
UPDATE s SET a = 70 WHERE id = 2;
SELECT pg_advisory_unlock(hashtextextended('zdm:state-migrating', 0));
CALL zdm.wait('sa', 'ready', '1 minute');
CALL zdm.wait('sb', 'ready', '1 minute');
SELECT id, a, a2, b, :b_new AS b_new FROM s ORDER BY id;
SELECT * FROM zdm.verify('sb');

-- what applications see changes for no other column's sake: after cutover it is the
-- old side that follows what the expressions read
CREATE TABLE c (id int PRIMARY KEY, review text, product text);
INSERT INTO c VALUES (1, NULL, 'banana'), (2, 'sour', 'lemon'), (3, NULL, 'pear');
SELECT zdm.change_column_type('c', 'review', 'varchar(60)', up => $$coalesce(review, product || ' is good')$$, down => 'review', label => 'c') IS NOT NULL;
CALL zdm.wait('c', 'ready', '1 minute');
UPDATE c SET product = 'Banana' WHERE id = 1;
SELECT id, review, product, to_jsonb(c) ->> btrim(side('c', 'new'), '"') AS new FROM c ORDER BY id;
SELECT zdm.cutover('c');
CALL zdm.wait('c', 'switched', '1 minute');
UPDATE c SET product = 'plum' WHERE id IN (2, 3);
SELECT id, review, product, to_jsonb(c) ->> btrim(side('c', 'old'), '"') AS old FROM c ORDER BY id;
SELECT * FROM zdm.verify('c');
