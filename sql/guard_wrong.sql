--
-- What the guard says is right: names that PostgreSQL would choose, hints that can be
-- typed; and what PostgreSQL refuses itself, it is left to refuse.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = refuse;
SET zdm.guard_min_size = 0;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE DOMAIN positive AS numeric(10,2) CHECK (value > 0);
CREATE DOMAIN given AS int DEFAULT 5 NOT NULL;
CREATE TABLE o (id int, qty int, note text, during int4range);
INSERT INTO o VALUES (1, 1, 'x', '[1,2)');
CREATE TABLE n (id int, k int);
INSERT INTO n SELECT i, NULL FROM generate_series(1, 10) i;
ANALYZE n;
CREATE TABLE k (id int PRIMARY KEY);
INSERT INTO k VALUES (1);
CREATE MATERIALIZED VIEW m AS SELECT * FROM o;

-- a domain with constraints: by its base type
ALTER TABLE o ADD COLUMN p positive DEFAULT 3;
ALTER TABLE o ADD COLUMN p given;
ALTER TABLE o ADD COLUMN p numeric(10,2);
ALTER TABLE o ADD CONSTRAINT p CHECK (p > 0) NOT VALID;
ALTER TABLE o VALIDATE CONSTRAINT p;

-- constraints have the names that they will have
SELECT detail FROM zdm.check($$ALTER TABLE o ADD UNIQUE (id, qty) INCLUDE (note)$$) WHERE rule = 'index-not-concurrent';
SELECT detail FROM zdm.check($$ALTER TABLE o ADD EXCLUDE USING gist (during WITH &&, (during) WITH =)$$) WHERE rule = 'index-not-concurrent';
SELECT detail FROM zdm.check($$ALTER TABLE o ADD PRIMARY KEY (id)$$) WHERE rule = 'index-not-concurrent';

-- a primary key is a call; where there are nulls, two
ALTER TABLE o ADD PRIMARY KEY (id, qty);
ALTER TABLE n ADD PRIMARY KEY (id, k);
SELECT zdm.set_not_null('public.n', 'k', 'id') AS id \gset
CALL zdm.wait(:id);
SELECT zdm.migrate('ALTER TABLE n ADD PRIMARY KEY (id, k)', label => 'key') AS id \gset
CALL zdm.wait(:id);
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'n'::regclass AND contype = 'p';

-- written anew: what is in the way is said of each
VACUUM (FULL, ANALYZE) k;
VACUUM FULL k, o;
VACUUM FULL m;
CLUSTER m;

-- PostgreSQL's own word
ALTER TABLE m ALTER id SET NOT NULL;
ALTER MATERIALIZED VIEW m RENAME TO m;
CREATE INDEX ON o ((id + random()));
CREATE INDEX ON o (id) WHERE id > random();
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
SELECT zdm.migrate('CREATE INDEX ON p ((id + random()))');
SELECT zdm.migrate('CREATE INDEX ON p (id) WHERE id > random()');
SELECT zdm.migrate('CREATE INDEX ON o ((id + random()))');
ALTER VIEW o RENAME TO oo;
ALTER VIEW o SET SCHEMA zdm;
ALTER SEQUENCE k RENAME TO kk;
ALTER MATERIALIZED VIEW o SET SCHEMA zdm;
-- and what it does not refuse
ALTER INDEX o RENAME TO oo;
ALTER TABLE m RENAME TO mm;

SET zdm.guard = off;
DROP MATERIALIZED VIEW m;
DROP TABLE o, n, k, p;
DROP DOMAIN positive, given;
DROP EXTENSION pg_zdm CASCADE;
