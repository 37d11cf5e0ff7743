--
-- What a refusal says to type has all its steps, and each passes; what PostgreSQL would
-- refuse itself, and at once, it is left to refuse.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = refuse;
SET zdm.guard_min_size = 0;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE DOMAIN plus AS int CHECK (value > 0);
CREATE DOMAIN lot AS plus DEFAULT 1 + random() NOT NULL CHECK (value <> 66) CHECK ('VALUE $1000000' <> value::text);
CREATE DOMAIN word AS text COLLATE "C" DEFAULT 'a' CHECK (value >= 'a');
CREATE TABLE t (id int, n int, k int, during int4range);
INSERT INTO t SELECT g, nullif(g, 5), g FROM generate_series(1, 10) g;
CREATE TABLE o (id int PRIMARY KEY, k int, x int);
INSERT INTO o VALUES (1, 1, 1);
CREATE MATERIALIZED VIEW m AS SELECT id, x FROM o;

-- a column of a domain
ALTER TABLE t ADD COLUMN "a word" word;
ALTER TABLE public.t ADD COLUMN "a word" text COLLATE "C" DEFAULT 'a'::text;
ALTER TABLE public.t ADD CONSTRAINT "t_a word_check" CHECK (("a word" >= 'a'::text)) NOT VALID;
ALTER TABLE public.t VALIDATE CONSTRAINT "t_a word_check";
ALTER TABLE t ADD COLUMN s lot;
ALTER TABLE t ADD COLUMN p plus NOT NULL;

-- a primary key by an index that is there
CREATE UNIQUE INDEX CONCURRENTLY by_id ON t (id);
CREATE UNIQUE INDEX CONCURRENTLY by_n ON t (n);
ANALYZE t;
ALTER TABLE t ADD PRIMARY KEY USING INDEX by_n;
ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY USING INDEX by_id;
SELECT zdm.set_not_null('public.t', 'id') AS id \gset
CALL zdm.wait(:id, timeout => '1 minute');
ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY USING INDEX by_id;

-- written anew, table by table
VACUUM FULL t, o, m;
VACUUM (FULL, ANALYZE) o;
VACUUM (FULL, ANALYZE) zdm.step;
ALTER TABLE m RENAME COLUMN x TO y;

-- PostgreSQL's own word
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE rest PARTITION OF parts DEFAULT;
INSERT INTO rest VALUES (500);
CREATE TABLE mid (id int);
INSERT INTO mid VALUES (50);
ALTER TABLE parts ATTACH PARTITION mid FOR VALUES FROM (50) TO (150);
ALTER TABLE parts ATTACH PARTITION mid DEFAULT;
ALTER TABLE parts ATTACH PARTITION low FOR VALUES FROM (100) TO (200);
CREATE TABLE high PARTITION OF parts FOR VALUES FROM (90) TO (200);
DROP VIEW o;
DROP INDEX o;
DROP TABLE m;
TRUNCATE m;
CREATE INDEX o_pkey ON t (id);
CREATE INDEX ON t (id) INCLUDE (nothing);
ALTER TABLE t ADD UNIQUE (nothing);
ALTER TABLE o ADD PRIMARY KEY (x);
ALTER TABLE t ADD FOREIGN KEY (k) REFERENCES o (x);
ALTER TABLE o ADD FOREIGN KEY (x) REFERENCES mid;
-- and what it does not refuse
ALTER TABLE parts ATTACH PARTITION mid FOR VALUES FROM (100) TO (150);
CREATE TABLE high PARTITION OF parts FOR VALUES FROM (100) TO (200);
DROP VIEW o, t;
ALTER TABLE o DROP CONSTRAINT o_pkey, ADD PRIMARY KEY (x);
ALTER TABLE t ADD FOREIGN KEY (k) REFERENCES o (id);
-- where it is not about to run, it is said
SELECT rule, detail FROM zdm.check($$
	DROP VIEW o;
	TRUNCATE m;
	CREATE INDEX o_pkey ON t (id);
	CREATE INDEX ON t (nothing);
	CREATE INDEX ON t ((id + random()));
	ALTER TABLE t ADD UNIQUE (nothing);
	ALTER TABLE o ADD PRIMARY KEY (x);
	ALTER TABLE t ADD FOREIGN KEY (k) REFERENCES o (x);
	ALTER TABLE parts DETACH PARTITION low;
	CREATE TABLE other PARTITION OF parts FOR VALUES FROM (0) TO (100);
	CREATE UNIQUE INDEX CONCURRENTLY ON o (x);
	ALTER TABLE t ADD FOREIGN KEY (k) REFERENCES o (x) NOT VALID;
$$) WHERE severity = 'unsafe';

-- constraints have the names that they will have
CREATE FUNCTION named(ddl text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT substring(detail FROM '(?:constraint|foreign key|index of) (\S+)') FROM zdm.check(ddl)
		WHERE rule IN ('index-not-concurrent', 'scan-under-lock')
$$;
CREATE TABLE t_k_key ();
SELECT named('ALTER TABLE t ADD UNIQUE (k)');
SELECT named('ALTER TABLE t ADD UNIQUE (k, n) INCLUDE (id)');
SELECT named('ALTER TABLE t ADD EXCLUDE USING gist (during WITH &&, (during) WITH =, int4range(id, k) WITH &&, (k + 1) WITH =)');
SELECT named('ALTER TABLE t ADD CHECK (k > 0)');
SELECT named('ALTER TABLE t ADD CHECK (k > n)');
SELECT named('ALTER TABLE t ADD CHECK (1 > 0)');
SELECT named('ALTER TABLE t ADD FOREIGN KEY (k) REFERENCES o');
SELECT named('ALTER TABLE t DROP CONSTRAINT pk; ALTER TABLE t ADD CONSTRAINT again CHECK (k > 0)');
SET zdm.guard = off;
ALTER TABLE t ADD UNIQUE (k), ADD UNIQUE (k, n) INCLUDE (id), ADD CHECK (k > 0), ADD CHECK (k + n > 0), ADD CHECK (1 > 0),
	ADD FOREIGN KEY (k) REFERENCES o NOT VALID,
	ADD EXCLUDE USING gist (during WITH &&, (during) WITH =, int4range(id, k) WITH &&);
SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n' ORDER BY oid;

DROP MATERIALIZED VIEW m;
DROP TABLE t, o, parts, mid, t_k_key;
DROP FUNCTION named;
DROP DOMAIN lot, plus, word;
DROP EXTENSION pg_zdm CASCADE;
