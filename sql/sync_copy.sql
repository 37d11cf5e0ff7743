-- COPY FROM: its column list is what it names.  a is the old name, b the new.
\set ECHO none
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set ECHO all

CREATE TABLE t (id serial, a text, b text, x int);
SELECT test.pair('t', 'a', 'b');

-- old only, with an explicit NULL
COPY t (a) FROM stdin;
old
\N
\.
-- new only
COPY t (x, b) FROM stdin;
1	new
\.
-- neither
COPY t (x) FROM stdin;
2
\.
-- all, in agreement or not
COPY t FROM stdin;
100	same	same	3
101	old	new	3
102	\N	new	3
\.
COPY t (b, a) FROM stdin WHERE b <> 'skipped';
same	same
skipped	old
new	\N
\.
SELECT id, a, b, x FROM t ORDER BY id;

-- other writes while it runs, from triggers before and after, and errors
CREATE TABLE log (c text, d text);
SELECT test.pair('log', 'c', 'd');
CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (d) VALUES (TG_WHEN || ' ' || coalesce(NEW.a, 'no a') || ' ' || coalesce(NEW.b, 'no b'));
	BEGIN
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN
		INSERT INTO log (c) VALUES ('caught');
	END;
	RETURN NEW;
END $$;
CREATE TRIGGER before_it BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION log_it();
CREATE TRIGGER later AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION log_it();
COPY t (b) FROM stdin;
logged
\.
TABLE log;
DROP TRIGGER before_it ON t;
DROP TRIGGER later ON t;
COPY t (a, x) FROM stdin;
broken	not a number
\.
INSERT INTO t (b) VALUES ('after the error') RETURNING a, b;

-- policies
SELECT test.set_pair('t', 'on_conflict = ''error''');
COPY t (a, b) FROM stdin;
old	new
\.
SELECT test.set_pair('t', 'on_conflict = ''old''');
COPY t (a, b) FROM stdin;
old	new
\.
SELECT a, b FROM t WHERE a = 'old';

-- into partitions whose columns have other numbers
CREATE TABLE p (k int, a text, b text) PARTITION BY LIST (k);
CREATE TABLE p1 (junk int, b text, a text, k int);
ALTER TABLE p1 DROP junk;
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
SELECT test.pair('p', 'a', 'b');
COPY p (k, a) FROM stdin;
1	old one
2	old two
\.
COPY p (b, k) FROM stdin;
new one	1
new two	2
\.
COPY p1 (k, b) FROM stdin;
1	straight
\.
SELECT tableoid::regclass, k, a, b FROM p ORDER BY 1, 3;

SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differ FROM (SELECT a, b FROM t UNION ALL SELECT a, b FROM p) u;
