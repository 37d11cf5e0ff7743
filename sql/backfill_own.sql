--
-- zdm.backfill(): an UPDATE of one's own, in batches.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET zdm.batch_rest = 0;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE t (id int PRIMARY KEY, name text, low text, n int CHECK (n < 100000), twice int GENERATED ALWAYS AS (n * 2) STORED,
	parent int REFERENCES parent, doc json, touched int DEFAULT 0);
CREATE INDEX ON t (low);
INSERT INTO t SELECT i, 'Name ' || i, NULL, i FROM generate_series(1, 10000) i;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.touched := OLD.touched + 1; RETURN NEW; END$$;
CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();

-- rows that differ from what is assigned; no trigger fires
SELECT zdm.backfill('t', 'low = lower(name), n = least(n, 5000)', label => 'lower');
CALL zdm.wait('lower', timeout => '1 min');
SELECT count(*) FILTER (WHERE low = lower(name)), max(n), max(twice), sum(touched) FROM t;
SET enable_seqscan = off;
SELECT id FROM t WHERE low = 'name 77';
RESET enable_seqscan;

-- with a condition, and triggers
SELECT zdm.backfill('t', 'name = upper(name)', 'id > 9000', true, label => 'upper');
CALL zdm.wait('upper', timeout => '1 min');
SELECT count(*), min(touched), max(touched) FROM t WHERE name = upper(name);

-- a volatile value needs a condition that ends
SELECT zdm.backfill('t', 'n = (random() * 10)::int');
SELECT zdm.backfill('t', 'low = ''r'' || random()', 'id <= 10 AND low NOT LIKE ''r%''', label => 'volatile');
CALL zdm.wait('volatile', timeout => '1 min');
SELECT count(*) FROM t WHERE low LIKE 'r%';

-- what never comes to rest is stopped before it has written anything
SELECT zdm.backfill('t', 'n = n + 1', label => 'restless');
CALL zdm.wait('restless', timeout => '1 min');
SELECT error FROM zdm.migrations WHERE label = 'restless';
SELECT zdm.revert('restless');
CALL zdm.wait('restless', 'reverted', '1 min');
SELECT max(n) FROM t;

-- constraints hold
SELECT zdm.backfill('t', 'n = 100000', 'id = 9999', label => 'violation');
CALL zdm.wait('violation', timeout => '1 min');
SELECT error FROM zdm.migrations WHERE label = 'violation';


SELECT zdm.revert('violation');
CALL zdm.wait('violation', 'reverted', '1 min');

-- the same again
SELECT zdm.backfill('t', 'name = upper(name)', 'id > 9000', true, label => 'upper') = id FROM zdm.migrations WHERE label = 'upper';

-- mistakes
SELECT zdm.backfill('t', 'nosuch = 1');
SELECT zdm.backfill('t', 'n = nosuch');
SELECT zdm.backfill('t', 'n = ''x''::point');
SELECT zdm.backfill('t', 'n = 1 WHERE id = 1');
SELECT zdm.backfill('t', 'n = 1; DROP TABLE t');
SELECT zdm.backfill('t', 'n =');
SELECT zdm.backfill('t', 'n = 1', 'nosuch');
SELECT zdm.backfill('t', 'n = 1', 'true) OR (true');
SELECT zdm.backfill('t', 'n = (SELECT max(id) FROM parent)');
SELECT zdm.backfill('t', '(n, low) = (1, 2)');
SELECT zdm.backfill('t', 'n = DEFAULT');
SELECT zdm.backfill('t', 'twice = 1');
SELECT zdm.backfill('t', 'parent = 1');
SELECT zdm.backfill('t', 'doc = ''{}''');
SELECT zdm.backfill(NULL, 'n = 1');
SELECT zdm.backfill('t', NULL);
CREATE TABLE p (id int, k int) PARTITION BY RANGE (id);
SELECT zdm.backfill('p', 'id = 1');
