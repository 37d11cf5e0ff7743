--
-- A column of a domain with a default of its own: PostgreSQL would compute it for every
-- row that is there as the column is added, and write the table anew where it is volatile.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
CREATE DOMAIN token AS uuid DEFAULT gen_random_uuid();
CREATE DOMAIN word AS text DEFAULT 'none';
CREATE DOMAIN coin AS text DEFAULT random()::text;
CREATE TABLE t (id int PRIMARY KEY, note text DEFAULT 'x');
INSERT INTO t SELECT generate_series(1, 100);

-- waits for the migration, and says whether the table has still its file
CREATE PROCEDURE run(m bigint) LANGUAGE plpgsql AS $$
DECLARE
	file oid := pg_relation_filenode('t');
BEGIN
	COMMIT;
	CALL zdm.wait(m, timeout => '1 minute');
	RAISE INFO '% %', (SELECT state FROM zdm.migrations WHERE id = m),
		CASE WHEN file = pg_relation_filenode('t') THEN 'in place' ELSE 'written anew' END;
END $$;

-- how it comes to be NOT NULL differs from version to version
SELECT statement, work FROM zdm.plan('ALTER TABLE t ADD COLUMN a token NOT NULL') WHERE step <= 2;
CALL run(zdm.migrate('ALTER TABLE t ADD COLUMN a token NOT NULL'));
CALL run(zdm.migrate('ALTER TABLE t ADD COLUMN b word NOT NULL'));
CALL run(zdm.migrate('ALTER TABLE t ADD COLUMN c token DEFAULT md5(random()::text)::uuid UNIQUE'));
CALL run(zdm.migrate('ALTER TABLE t ADD COLUMN d token DEFAULT NULL'));
SELECT count(DISTINCT a), count(DISTINCT c), min(b), max(b), count(d) FROM t;
-- the default is still the domain's
INSERT INTO t (id) VALUES (101);
SELECT a IS NOT NULL, b, c IS NOT NULL, d IS NULL FROM t WHERE id = 101;
SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE attrelid = 't'::regclass AND attname IN ('a', 'b', 'c', 'd') ORDER BY attnum;

-- one that takes another's place
CALL run(zdm.rename_column('t', 'a', 'e', label => 'a'));
CALL run(zdm.rename_column('t', 'b', 'f', label => 'b'));
CALL run(zdm.change_column_type('t', 'note', 'coin', up => 'upper(note)', down => 'lower(note)', label => 'note'));
SELECT zdm.cutover('a'), zdm.cutover('b'), zdm.cutover('note') \g /dev/null
CALL zdm.wait('a', 'switched', '1 minute');
CALL zdm.wait('b', 'switched', '1 minute');
CALL zdm.wait('note', 'switched', '1 minute');
SELECT zdm.contract('a'), zdm.contract('b'), zdm.contract('note') \g /dev/null
CALL zdm.wait('a', 'completed', '1 minute');
CALL zdm.wait('b', 'completed', '1 minute');
CALL zdm.wait('note', 'completed', '1 minute');
SELECT count(DISTINCT e), min(f), max(f), min(note), max(note) FROM t;
SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
	FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE attrelid = 't'::regclass AND attname IN ('e', 'f', 'note') ORDER BY attnum;

DROP TABLE t;
DROP PROCEDURE run;
DROP DOMAIN token, word, coin;
DROP EXTENSION pg_zdm CASCADE;
