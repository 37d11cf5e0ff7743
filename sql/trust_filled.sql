--
-- Which rows are filled is known from the row, never guessed from what down
-- gives: one that nobody has written yet may look like one that is in step.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;

-- the columns of a pair by names that do not change
CREATE FUNCTION side(label text, side text) RETURNS text LANGUAGE sql AS $$
	SELECT format('%I', attname) FROM zdm.migrations m JOIN zdm.pair p ON p.migration = m.id
	  JOIN pg_attribute a ON attrelid = p.relid AND attnum = CASE $2 WHEN 'old' THEN old_attnum ELSE new_attnum END
	 WHERE m.label = $1 $$;

-- what down(NULL) gives is filled all the same
CREATE TABLE b1 (id int PRIMARY KEY, product text, review text);
INSERT INTO b1 VALUES (1, 'banana', 'banana is good'), (2, 'kiwi', NULL), (3, 'fig', 'sour');
SELECT zdm.change_column_type('b1', 'review', 'varchar(40)', up => 'coalesce(review, product || '' is good'')',
	down => 'coalesce(review, product || '' is good'')', label => 'b1') IS NOT NULL;
CREATE TABLE b8 (id int PRIMARY KEY, v int);
INSERT INTO b8 VALUES (1, 1), (2, NULL);
SELECT zdm.migrate('ALTER TABLE b8 ALTER v TYPE text USING coalesce(v::text, ''none'')',
	down => 'nullif(v, ''none'')::int', label => 'b8') IS NOT NULL;
CREATE TABLE b9 (id int PRIMARY KEY, active boolean);
INSERT INTO b9 VALUES (1, true), (2, false), (3, NULL);
SELECT zdm.change_column_type('b9', 'active', 'text', up => $$CASE WHEN active THEN 'active' ELSE 'inactive' END$$,
	down => $$coalesce(active = 'active', false)$$, label => 'b9') IS NOT NULL;
CREATE TABLE b10 (id int PRIMARY KEY, active boolean NOT NULL);
INSERT INTO b10 VALUES (1, true), (2, false);
SELECT zdm.change_column_type('b10', 'active', 'text', up => $$CASE WHEN active THEN 'active' ELSE 'inactive' END$$,
	down => $$coalesce(active = 'active', false)$$, label => 'b10') IS NOT NULL;
CREATE TABLE b12 (id int PRIMARY KEY, v numeric(10,2));
INSERT INTO b12 VALUES (1, 1.50), (2, 0), (3, NULL);
SELECT zdm.change_column_type('b12', 'v', 'bigint', up => 'coalesce(round(v * 100), 0)::bigint',
	down => 'round(coalesce(v, 0) / 100.0, 2)', label => 'b12') IS NOT NULL;
CREATE TABLE b3 (id int PRIMARY KEY, v text);
INSERT INTO b3 VALUES (1, 'x'), (2, 'none'), (3, NULL);
SELECT zdm.change_column_type('b3', 'v', 'varchar(9)', up => 'nullif(v, ''none'')', down => 'coalesce(v, ''none'')', label => 'b3') IS NOT NULL;
DO $$ DECLARE l text; BEGIN
	FOREACH l IN ARRAY '{b1,b8,b9,b10,b12,b3}'::text[] LOOP
		CALL zdm.wait(l, 'ready', '1 minute');
		PERFORM zdm.cutover(l);
		CALL zdm.wait(l, 'switched', '1 minute');
		PERFORM zdm.contract(l);
		CALL zdm.wait(l, 'completed', '1 minute');
	END LOOP; END $$;
SELECT * FROM b1 ORDER BY id;
SELECT * FROM b8 ORDER BY id;
SELECT * FROM b9 ORDER BY id;
SELECT * FROM b10 ORDER BY id;
SELECT * FROM b12 ORDER BY id;
SELECT * FROM b3 ORDER BY id;


-- while it is under way, here held before the first row: nothing is filled, and
-- verify shows that
CREATE TABLE w (id int PRIMARY KEY, product text, review text, n int);
INSERT INTO w SELECT i, 'p' || i, 'p' || i || ' is good', i FROM generate_series(1, 8) i;
CREATE TABLE w_log (id int);
CREATE FUNCTION w_log() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO w_log VALUES (NEW.id); RETURN NULL; END$$;
CREATE TRIGGER w_log AFTER UPDATE ON w FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION w_log();
CREATE FUNCTION w_both() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	INSERT INTO w_log SELECT -o.id FROM (SELECT * FROM o EXCEPT SELECT * FROM n) o; RETURN NULL; END$$;
CREATE TRIGGER w_both AFTER UPDATE ON w REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION w_both();
SELECT pg_advisory_lock(hashtextextended('zdm:state-migrating', 0));
SELECT zdm.change_column_type('w', 'review', 'varchar(40)', up => 'coalesce(review, product || '' is good'')',
	down => 'coalesce(review, product || '' is good'')', label => 'w') IS NOT NULL;
CALL zdm.wait('w', 'migrating', '1 minute');
SELECT side('w', 'new') AS review_new \gset
SELECT key, old_value, new_value FROM zdm.verify('w') ORDER BY key;
-- an UPDATE that changes nothing changes nothing: no filling on the way
UPDATE w SET n = n WHERE id <= 4;
TABLE w_log;
SELECT id, :review_new AS new FROM w WHERE :review_new IS NOT NULL;
SELECT count(*) FROM zdm.verify('w');
-- one that changes something fills the row, from the columns as they are now
UPDATE w SET n = -n WHERE id = 3;
UPDATE w SET product = 'q4' WHERE id = 4;
UPDATE w SET review = NULL WHERE id = 5;
-- what the new side wrote is kept
UPDATE w SET :review_new = 'bad' WHERE id = 6;
UPDATE w SET :review_new = 'worse' WHERE id = 7;
UPDATE w SET n = n WHERE id = 7;
SELECT id, product, review, :review_new AS new FROM w ORDER BY id;
-- also by a rewrite of the table in the middle
VACUUM FULL w;
SELECT key, old_value, new_value FROM zdm.verify('w') ORDER BY key;
-- which leaves no row with fewer attributes: one that nothing changes goes without them again
TRUNCATE w_log;
UPDATE w SET n = n WHERE id <= 4;
TABLE w_log;
UPDATE w SET n = n WHERE id = 2;
SELECT id, :review_new AS new FROM w WHERE id <= 4 ORDER BY id;
SELECT count(*) FROM zdm.verify('w') WHERE key ~ '\m[12]\M';
SELECT pg_advisory_unlock(hashtextextended('zdm:state-migrating', 0));
CALL zdm.wait('w', 'ready', '1 minute');
SELECT id, product, review, :review_new AS new FROM w ORDER BY id;
SELECT * FROM zdm.verify('w');

-- two migrations of one table: the backfill of the one writes rows that the other
-- has not filled
CREATE TABLE e (id int PRIMARY KEY, v text, x int);
INSERT INTO e SELECT i, CASE WHEN i % 2 = 0 THEN i::text END, i FROM generate_series(1, 8) i;
SELECT pg_advisory_lock(hashtextextended('zdm:state-migrating', 0));
SELECT zdm.change_column_type('e', 'v', 'varchar(9)', up => 'coalesce(v, ''none'')', down => 'v::text', label => 'e') IS NOT NULL;
CALL zdm.wait('e', 'migrating', '1 minute');
SELECT side('e', 'new') AS v_new \gset
UPDATE e SET :v_new = 'x' WHERE id IN (1, 2, 3);
UPDATE e SET v = NULL WHERE id = 2;
SELECT zdm.rename_column('e', 'x', 'y', label => 'e2') IS NOT NULL;
CALL zdm.wait('e2', 'migrating', '1 minute');
VACUUM FULL e;
SELECT pg_advisory_unlock(hashtextextended('zdm:state-migrating', 0));
CALL zdm.wait('e', 'ready', '1 minute');
CALL zdm.wait('e2', 'ready', '1 minute');
SELECT id, v, :v_new AS new, x, y FROM e ORDER BY id;
SELECT * FROM zdm.verify('e');
SELECT * FROM zdm.verify('e2');

-- a renamed column: NULL written by the new name is a value, under a rewrite too
CREATE TABLE r (id int PRIMARY KEY, a text);
INSERT INTO r SELECT i, 'a' || i FROM generate_series(1, 4) i;
SELECT pg_advisory_lock(hashtextextended('zdm:state-migrating', 0));
SELECT zdm.rename_column('r', 'a', 'b', label => 'r') IS NOT NULL;
CALL zdm.wait('r', 'migrating', '1 minute');
UPDATE r SET b = 'x' WHERE id = 1;
UPDATE r SET b = NULL WHERE id = 1;
INSERT INTO r (id, b) VALUES (5, NULL);
VACUUM FULL r;
CLUSTER r USING r_pkey;
SELECT pg_advisory_unlock(hashtextextended('zdm:state-migrating', 0));
CALL zdm.wait('r', 'ready', '1 minute');
TABLE r ORDER BY id;

-- after cutover: a NULL that down cannot take is not wrong, and contract goes through
CREATE TABLE n7 (id int PRIMARY KEY, v int);
INSERT INTO n7 VALUES (1, 1), (2, 2);
CREATE FUNCTION not_null(text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
	IF $1 IS NULL THEN RAISE EXCEPTION 'no value'; END IF; RETURN $1::int; END$$;
SELECT zdm.change_column_type('n7', 'v', 'text', down => 'public.not_null(v)', label => 'n7') IS NOT NULL;
CALL zdm.wait('n7', 'ready', '1 minute');
SELECT zdm.cutover('n7');
CALL zdm.wait('n7', 'switched', '1 minute');
UPDATE n7 SET v = NULL WHERE id = 1;
SELECT * FROM zdm.verify('n7');
SELECT one_way_why FROM zdm.migrations WHERE label = 'n7';
SELECT zdm.contract('n7');
CALL zdm.wait('n7', 'completed', '1 minute');
TABLE n7 ORDER BY id;

-- a row that cannot go without one of two columns is filled in both
CREATE TABLE z (id int, a text, c text) PARTITION BY LIST (id);
SELECT zdm.change_column_type('z', 'a', 'varchar(9)', up => 'coalesce(a, ''none'')', down => 'nullif(a, ''none'')', label => 'za') > 0;
CALL zdm.wait('za', 'ready', '1 minute');
SELECT zdm.change_column_type('z', 'c', 'varchar(9)', up => 'coalesce(c, ''none'')', down => 'nullif(c, ''none'')', label => 'zc') > 0;
CALL zdm.wait('zc', 'ready', '1 minute');
SELECT side('za', 'new') AS a_new, side('zc', 'new') AS c_new \gset
CREATE TABLE z1 (id int, :c_new varchar(9), full_of text DEFAULT 'x', c text, a text, :a_new varchar(9));
ALTER TABLE z1 DROP full_of;
INSERT INTO z1 (id, c) VALUES (1, 'c'), (1, NULL);
SELECT zdm.pause('za'), zdm.pause('zc');
ALTER TABLE z ATTACH PARTITION z1 FOR VALUES IN (1);
UPDATE z SET id = id;
SELECT zdm.resume('za'), zdm.resume('zc');
SELECT zdm.cutover('za'), zdm.cutover('zc');
CALL zdm.wait('za', 'switched', '1 minute');
CALL zdm.wait('zc', 'switched', '1 minute');
SELECT id, a, c FROM z ORDER BY c;
SELECT * FROM zdm.verify('za');
SELECT * FROM zdm.verify('zc');
