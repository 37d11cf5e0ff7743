--
-- A partition that comes, comes back, or was loaded by one name only, loses
-- nothing, whatever the state.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;

-- until nothing that was opened again is left to be done
CREATE PROCEDURE at_rest(what text) LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration
				   WHERE m.label = what AND m.state <> 'failed' AND s.phase = 'migrate' AND s.state <> 'done') LOOP
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
CREATE PROCEDURE cut_over(what text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM zdm.cutover(what);
	CALL zdm.wait(what, 'switched', '1 minute');
END $$;
CREATE PROCEDURE contract(what text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM zdm.contract(what);
	CALL zdm.wait(what, 'completed', '1 minute');
END $$;
CREATE FUNCTION side(label text, side text) RETURNS text LANGUAGE sql AS $$
	SELECT format('%I', attname) FROM zdm.migrations m JOIN zdm.pair p ON p.migration = m.id
	  JOIN pg_attribute a ON attrelid = p.relid AND attnum = CASE $2 WHEN 'old' THEN old_attnum ELSE new_attnum END
	 WHERE m.label = $1 $$;

-- a key, attached after cutover with the one name that applications know
CREATE TABLE k (id int NOT NULL, at date NOT NULL, v int NOT NULL CHECK (v > 0), PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE k1 PARTITION OF k FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
INSERT INTO k VALUES (1, '2025-01-02', 1);
SELECT zdm.change_column_type('k', 'id', 'bigint', label => 'kid') IS NOT NULL;
SELECT zdm.change_column_type('k', 'v', 'bigint', label => 'kv') IS NOT NULL;
CALL zdm.wait('kid', 'ready', '1 minute');
CALL zdm.wait('kv', 'ready', '1 minute');
CALL cut_over('kid');
CALL cut_over('kv');
CREATE TABLE k3 (LIKE k INCLUDING ALL);
INSERT INTO k3 (id, at, v) VALUES (3, '2025-03-02', 3), (4, '2025-03-02', 3000000000);
ALTER TABLE k ATTACH PARTITION k3 FOR VALUES FROM ('2025-03-01') TO ('2025-04-01');
CALL at_rest('kid');
CALL at_rest('kv');
SELECT id, at, v, (to_jsonb(k) ->> btrim(side('kid', 'old'), '"'))::int AS id_old, (to_jsonb(k) ->> btrim(side('kv', 'old'), '"'))::int AS v_old FROM k ORDER BY id;
SELECT one_way_since IS NOT NULL AS one_way FROM zdm.migrations WHERE label = 'kv';
SELECT * FROM zdm.verify('kid');
SELECT * FROM zdm.verify('kv');
CALL contract('kid');
CALL contract('kv');
SELECT id, at, v FROM k ORDER BY id;

-- a rename: loaded by either name, in ready
CREATE TABLE r (id int, code text, note text) PARTITION BY RANGE (id);
CREATE TABLE r0 PARTITION OF r FOR VALUES FROM (0) TO (100);
CREATE TABLE rd PARTITION OF r DEFAULT;
INSERT INTO r VALUES (1, 'a', 'n'), (301, 'moves', 'n');
SELECT zdm.rename_column('r', 'code', 'kode', label => 'r') IS NOT NULL;
CALL zdm.wait('r', 'ready', '1 minute');
CREATE TABLE r1 (LIKE r);
INSERT INTO r1 (id, kode) VALUES (101, 'new name');
INSERT INTO r1 (id, code) VALUES (102, 'old name');
INSERT INTO r1 (id, code, kode) VALUES (103, 'old counts', 'not yet'), (104, NULL, NULL);
ALTER TABLE r ATTACH PARTITION r1 FOR VALUES FROM (100) TO (200);
-- without the column, which is added then: no attribute, in whatever place
CREATE TABLE r2 (note text, id int, kode text);
INSERT INTO r2 VALUES ('n', 201, 'new name');
ALTER TABLE r2 ADD code text;
ALTER TABLE r ATTACH PARTITION r2 FOR VALUES FROM (200) TO (300);
CALL at_rest('r');
TABLE r ORDER BY id;
-- comes back: what was written while it was away
ALTER TABLE r DETACH PARTITION r0;
UPDATE r0 SET code = '77' WHERE id = 1;
INSERT INTO r0 (id, code) VALUES (2, 'meanwhile');
INSERT INTO r0 (id, kode) VALUES (3, 'by the new name');
ALTER TABLE r ATTACH PARTITION r0 FOR VALUES FROM (0) TO (100);
CALL cut_over('r');
TABLE r ORDER BY id;
SELECT * FROM zdm.verify('r');
-- the same after cutover, where the new name counts
ALTER TABLE r DETACH PARTITION r0;
UPDATE r0 SET kode = '78' WHERE id = 1;
INSERT INTO r0 (id, code) VALUES (4, 'by the old name');
INSERT INTO r0 (id, kode) VALUES (5, 'by the new name');
INSERT INTO r0 (id, code, kode) VALUES (6, 'not any more', 'new counts');
ALTER TABLE r ATTACH PARTITION r0 FOR VALUES FROM (0) TO (100);
-- rows moved by named columns out of the default partition
BEGIN;
CREATE TABLE r3 (LIKE r);
WITH gone AS (DELETE FROM rd WHERE id = 301 RETURNING id, kode, note) INSERT INTO r3 (id, kode, note) SELECT * FROM gone;
ALTER TABLE r ATTACH PARTITION r3 FOR VALUES FROM (300) TO (400);
COMMIT;
-- ... and at once back: the old name has all of it
SELECT zdm.revert('r');
CALL zdm.wait('r', 'reverted', '1 minute');
TABLE r ORDER BY id;

-- revert from ready, with a partition that has the new name alone
SELECT zdm.rename_column('r', 'code', 'kode', label => 'r') IS NOT NULL;
CALL zdm.wait('r', 'ready', '1 minute');
BEGIN;
CREATE TABLE r4 (LIKE r);
INSERT INTO r4 (id, kode) VALUES (401, 'new name');
ALTER TABLE r ATTACH PARTITION r4 FOR VALUES FROM (400) TO (500);
SELECT zdm.revert('r');
COMMIT;
CALL zdm.wait('r', 'reverted', '1 minute');
TABLE r4;
-- the same before the backfill has begun
SELECT pg_advisory_lock(hashtextextended('zdm:state-migrating', 0));
SELECT zdm.rename_column('r', 'code', 'kode', label => 'r soon') IS NOT NULL;
CALL zdm.wait('r soon', 'migrating', '1 minute');
CREATE TABLE r5 (LIKE r);
INSERT INTO r5 (id, kode) VALUES (501, 'new name');
ALTER TABLE r ATTACH PARTITION r5 FOR VALUES FROM (500) TO (600);
SELECT zdm.revert('r soon');
SELECT pg_advisory_unlock(hashtextextended('zdm:state-migrating', 0));
CALL zdm.wait('r soon', 'reverted', '1 minute');
TABLE r5;

-- by zdm.migrate, to a type change that is switched
CREATE TABLE m (id int NOT NULL, v int) PARTITION BY RANGE (id);
CREATE TABLE m0 PARTITION OF m FOR VALUES FROM (0) TO (100);
INSERT INTO m VALUES (1, 1);
SELECT zdm.change_column_type('m', 'v', 'bigint', label => 'm') IS NOT NULL;
CALL zdm.wait('m', 'ready', '1 minute');
CALL cut_over('m');
CREATE TABLE m1 (LIKE m);
INSERT INTO m1 (id, v) VALUES (101, 7);
SELECT zdm.migrate('ALTER TABLE m ATTACH PARTITION m1 FOR VALUES FROM (100) TO (200)', label => 'attach') IS NOT NULL;
CALL zdm.wait('attach', 'completed', '1 minute');
CALL contract('m');
TABLE m ORDER BY id;

-- rewritten in the middle, by ALTER TABLE
CREATE TABLE w (id int PRIMARY KEY, active boolean, x int) PARTITION BY RANGE (id);
CREATE TABLE w0 PARTITION OF w FOR VALUES FROM (0) TO (100);
INSERT INTO w VALUES (1, true, 1), (2, false, 2), (3, NULL, 3);
SELECT pg_advisory_lock(hashtextextended('zdm:state-migrating', 0));
SELECT zdm.change_column_type('w', 'active', 'text', up => $$CASE WHEN active THEN 'active' ELSE 'inactive' END$$,
	down => $$coalesce(active = 'active', false)$$, label => 'w') IS NOT NULL;
CALL zdm.wait('w', 'migrating', '1 minute');
ALTER TABLE w ALTER x TYPE bigint USING x + 1;
ALTER TABLE w ADD y text DEFAULT clock_timestamp()::text;
SELECT pg_advisory_unlock(hashtextextended('zdm:state-migrating', 0));
CALL zdm.wait('w', 'ready', '1 minute');
CALL cut_over('w');
CALL contract('w');
SELECT id, active FROM w ORDER BY id;

-- made LIKE the table with its defaults: the one name by which it was loaded counts,
-- and of a type change the one that applications know
CREATE TABLE d (id int, code text DEFAULT 'none', n int DEFAULT 5) PARTITION BY RANGE (id);
CREATE TABLE d0 PARTITION OF d FOR VALUES FROM (0) TO (100);
INSERT INTO d VALUES (1, 'none', 5), (2, 'x', 6), (3, NULL, NULL);
SELECT zdm.rename_column('d', 'code', 'kode', label => 'd') IS NOT NULL;
SELECT zdm.change_column_type('d', 'n', 'int[]', up => 'ARRAY[n]', down => 'n[1]', label => 'n') IS NOT NULL;
CALL zdm.wait('d', 'ready', '1 minute');
CALL zdm.wait('n', 'ready', '1 minute');
CREATE TABLE d1 (LIKE d INCLUDING DEFAULTS);
INSERT INTO d1 (id, kode, n) VALUES (101, 'new name', NULL), (102, 'none', 5);
INSERT INTO d1 (id, code) VALUES (103, 'old name'), (104, NULL), (105, 'none');
ALTER TABLE d ATTACH PARTITION d1 FOR VALUES FROM (100) TO (200);
CALL at_rest('d');
CALL at_rest('n');
SELECT id, code, kode, n, to_jsonb(d) -> btrim(side('n', 'new'), '"') AS n_new FROM d ORDER BY id;
CALL cut_over('d');
CALL cut_over('n');
CREATE TABLE d2 (LIKE d INCLUDING DEFAULTS);
INSERT INTO d2 (id, code, n) VALUES (201, 'old name', NULL), (202, 'none', '{5, 6}');
INSERT INTO d2 (id, kode) VALUES (203, 'new name'), (204, NULL);
ALTER TABLE d ATTACH PARTITION d2 FOR VALUES FROM (200) TO (300);
ALTER TABLE d DETACH PARTITION d1;
UPDATE d1 SET n = NULL WHERE id = 103;
ALTER TABLE d ATTACH PARTITION d1 FOR VALUES FROM (100) TO (200);
CALL at_rest('d');
CALL at_rest('n');
SELECT id, code, kode, n, to_jsonb(d) -> btrim(side('n', 'old'), '"') AS n_old FROM d ORDER BY id;
SELECT * FROM zdm.verify('d');
SELECT * FROM zdm.verify('n');
CALL contract('d');
CALL contract('n');
SELECT id, kode, n FROM d ORDER BY id;

-- the hidden column's default is text that up would not make of the same number
CREATE TABLE f (id int, x float8 DEFAULT 1e20) PARTITION BY RANGE (id);
CREATE TABLE f0 PARTITION OF f FOR VALUES FROM (0) TO (100);
SELECT zdm.migrate('ALTER TABLE f ALTER x TYPE text', label => 'f') IS NOT NULL;
CALL zdm.wait('f', 'ready', '1 minute');
CREATE TABLE f1 (LIKE f INCLUDING DEFAULTS);
INSERT INTO f1 (id, x) VALUES (101, 1e20), (102, DEFAULT), (103, 2), (104, NULL);
ALTER TABLE f ATTACH PARTITION f1 FOR VALUES FROM (100) TO (200);
CALL at_rest('f');
SELECT id, x, to_jsonb(f) ->> btrim(side('f', 'new'), '"') AS x_new FROM f ORDER BY id;
SELECT * FROM zdm.verify('f');
CALL cut_over('f');
-- from here on it is the text that counts
CREATE TABLE f2 (LIKE f INCLUDING DEFAULTS);
INSERT INTO f2 (id, x) VALUES (201, '1e+20'), (202, DEFAULT), (203, '2'), (204, NULL);
ALTER TABLE f ATTACH PARTITION f2 FOR VALUES FROM (200) TO (300);
CALL at_rest('f');
SELECT id, x, (to_jsonb(f) ->> btrim(side('f', 'old'), '"'))::float8 AS x_old FROM f ORDER BY id;
CALL contract('f');
TABLE f ORDER BY id;

-- what rows had come past the trigger is forgotten with the end of a migration
SELECT count(*) FROM zdm.migrations m WHERE state IN ('completed', 'reverted') AND EXISTS
	(SELECT FROM zdm.arrival WHERE migration = m.id UNION ALL SELECT FROM zdm.unfilled WHERE migration = m.id);
