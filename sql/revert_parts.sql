--
-- What partitions and children had of their own before a migration gave the table the
-- like, they have after its way back: a CHECK, a NOT NULL.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE TABLE ev (id int, v int, "W" int) PARTITION BY RANGE (id);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (10);
CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
CREATE TABLE ev21 PARTITION OF ev2 FOR VALUES FROM (10) TO (15);
CREATE TABLE ev22 PARTITION OF ev2 FOR VALUES FROM (15) TO (20);
CREATE TABLE ev3 PARTITION OF ev FOR VALUES FROM (20) TO (30);
ALTER TABLE ev1 ADD CONSTRAINT c CHECK (v > 0), ALTER "W" SET NOT NULL;
ALTER TABLE ev2 ADD CONSTRAINT c CHECK (v > 0);
CREATE TABLE ev5 PARTITION OF ev FOR VALUES FROM (40) TO (50);
ALTER TABLE ev5 ADD CONSTRAINT c CHECK (v > 0);
ALTER TABLE ev21 ALTER "W" SET NOT NULL;
INSERT INTO ev SELECT i, i + 1, 1 FROM generate_series(0, 29) i;
CREATE TABLE k (v int, "W" int);
CREATE TABLE k1 () INHERITS (k);
CREATE TABLE k2 () INHERITS (k);
ALTER TABLE k1 ADD CONSTRAINT c CHECK (v > 0), ALTER "W" SET NOT NULL;
CREATE VIEW state AS
	SELECT attrelid::regclass::text AS relation, attnotnull AS not_null,
		(SELECT format('%s local %s inherited %s valid %s', conname, conislocal, coninhcount, convalidated)
		 FROM pg_constraint WHERE conrelid = attrelid AND conname = 'c') AS "check",
		(SELECT format('local %s inherited %s valid %s', conislocal, coninhcount, convalidated)
		 FROM pg_constraint WHERE conrelid = attrelid AND contype = 'n' AND conkey = ARRAY[attnum]) AS constraint
	FROM pg_attribute WHERE attname = 'W' AND attrelid::regclass::text ~ '^(ev|k)';
CREATE TABLE before AS SELECT * FROM state;

-- both, forth and back
SELECT zdm.migrate('ALTER TABLE ev ADD CONSTRAINT c CHECK (v > 0)') AS c \gset
CALL zdm.wait(:c);
SELECT zdm.migrate('ALTER TABLE ev ALTER "W" SET NOT NULL') AS n \gset
CALL zdm.wait(:n);
SELECT zdm.migrate('ALTER TABLE k ADD CONSTRAINT c CHECK (v > 0)') AS kc \gset
CALL zdm.wait(:kc);
SELECT zdm.migrate('ALTER TABLE k ALTER "W" SET NOT NULL') AS kn \gset
CALL zdm.wait(:kn);
SELECT relation, not_null, "check" FROM state ORDER BY 1;
-- a partition that comes meanwhile has nothing before; one that was detached, and has its own anew, keeps it
CREATE TABLE ev4 PARTITION OF ev FOR VALUES FROM (30) TO (40);
ALTER TABLE ev DETACH PARTITION ev5;
ALTER TABLE ev5 DROP CONSTRAINT c;
ALTER TABLE ev5 ADD CONSTRAINT c CHECK (v > 0);
ALTER TABLE ev ATTACH PARTITION ev5 FOR VALUES FROM (40) TO (50);
SELECT zdm.revert(:c), zdm.revert(:n), zdm.revert(:kc), zdm.revert(:kn);
CALL zdm.wait(:c);
CALL zdm.wait(:n);
CALL zdm.wait(:kc);
CALL zdm.wait(:kn);
SELECT id, state, error FROM zdm.migrations ORDER BY 1;
SELECT * FROM before EXCEPT SELECT * FROM state;
SELECT * FROM state EXCEPT SELECT * FROM before;

-- and they bind as before
INSERT INTO ev VALUES (11, 0, 1);
INSERT INTO ev VALUES (11, 1, NULL);
INSERT INTO ev1 VALUES (1, 1, NULL);
INSERT INTO ev VALUES (21, 0, NULL), (35, 0, NULL);
INSERT INTO k1 VALUES (1, NULL);
INSERT INTO k1 VALUES (0, 1);
INSERT INTO k2 VALUES (0, NULL);

-- an index of a partition stays its own, and the plan says that there are two then
CREATE INDEX own ON ev21 (v) WHERE "W" > 0;
CREATE INDEX other ON ev22 (v) WHERE "W" > 1;
SELECT zdm.migrate('CREATE INDEX ev_v ON ev (v) WHERE "W" > 0') AS i \gset
CALL zdm.wait(:i);
SELECT state, notes FROM zdm.migrations WHERE id = :i;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid::regclass::text ~ '^ev' ORDER BY indexrelid::regclass::text;
SELECT zdm.revert(:i);
CALL zdm.wait(:i);
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid::regclass::text ~ '^ev' ORDER BY indexrelid::regclass::text;

-- nobody else's
CREATE ROLE regress_zdm_parts;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_parts;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA zdm TO regress_zdm_parts;
SET ROLE regress_zdm_parts;
SELECT zdm.drop_not_null('k1', '"W"', '{}');
SELECT zdm.own_checks('k1', 'c', '{}');
RESET ROLE;
SELECT zdm.drop_not_null('k1', 'W', '{}');
SELECT zdm.drop_not_null('k1', 'k1.v', '{}');
DROP OWNED BY regress_zdm_parts;
DROP ROLE regress_zdm_parts;
DROP VIEW state;
DROP TABLE before, ev, k, k1, k2;
DROP EXTENSION pg_zdm CASCADE;
