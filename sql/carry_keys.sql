--
-- Keys and foreign keys of a column that changes its type or its name, where
-- partitioned tables and deferrable constraints are in it: forth and back, and
-- to the end, and all constraints and indexes are as they were.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time

-- Every key and foreign key, and every index.  What PostgreSQL keeps for each
-- partition of a referenced table has names of its own choice.
CREATE FUNCTION keys() RETURNS TABLE (line text) LANGUAGE sql AS $$
SELECT concat_ws(' ', o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid), o.convalidated, o.condeferrable, o.condeferred,
                 'of ' || p.conname, 'comment ' || obj_description(o.oid, 'pg_constraint'))
  FROM pg_constraint o LEFT JOIN pg_constraint p ON p.oid = o.conparentid
 WHERE o.contype IN ('p', 'u', 'f') AND o.connamespace = 'public'::regnamespace AND o.confrelid IS NOT DISTINCT FROM coalesce(p.confrelid, o.confrelid)
UNION ALL
SELECT concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisprimary, i.indimmediate,
                 'of ' || (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = i.indexrelid),
                 'comment ' || obj_description(i.indexrelid, 'pg_class'))
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace
$$;
CREATE FUNCTION triggers() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'public'::regnamespace
$$;
CREATE TABLE before (line text);

CREATE FUNCTION changes() RETURNS TABLE (change text, line text) LANGUAGE sql AS $$
(SELECT 'lost', * FROM before EXCEPT ALL SELECT 'lost', * FROM keys())
UNION ALL
(SELECT 'found', * FROM keys() EXCEPT ALL SELECT 'found', * FROM before)
ORDER BY 2, 1 DESC
$$;

CREATE PROCEDURE go(m bigint, verb text, state text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT zdm.%I($1)', verb) USING m;
	COMMIT;
	CALL zdm.wait(m, state, '1 minute');
END
$$;

-- There and back, and what is not as it was; then all the way.
CREATE PROCEDURE there_and_back(statement text) LANGUAGE plpgsql AS $$
DECLARE
	m bigint;
	found record;
	held bigint := triggers();
BEGIN
	DELETE FROM before;
	INSERT INTO before SELECT * FROM keys();
	EXECUTE statement INTO m;
	COMMIT;
	CALL zdm.wait(m, 'ready', '1 minute');
	CALL go(m, 'cutover', 'switched');
	FOR found IN SELECT * FROM changes() WHERE statement ~ 'type' LOOP
		RAISE WARNING 'when switched: % %', found.change, found.line;
	END LOOP;
	CALL go(m, 'revert', 'reverted');
	FOR found IN SELECT * FROM changes() LOOP
		RAISE WARNING 'after revert: % %', found.change, found.line;
	END LOOP;
	COMMIT;
	EXECUTE statement INTO m;
	COMMIT;
	CALL zdm.wait(m, 'ready', '1 minute');
	CALL go(m, 'cutover', 'switched');
	CALL go(m, 'contract', 'completed');
	-- before 14.14, attaching a partition's foreign key to its table's left some behind
	IF triggers() <> held AND current_setting('server_version_num')::int >= 140014 THEN
		RAISE WARNING '% triggers, and there were %', triggers(), held;
	END IF;
END
$$;

-- all four ways in which a foreign key can have partitions: r is referenced, p
-- references, both with partitions of partitions; q and f are plain
CREATE TABLE q (id int PRIMARY KEY);
CREATE TABLE r (k int NOT NULL, id int NOT NULL, up_k int, up_id int, CONSTRAINT "r key" PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE r1 (gone int, id int NOT NULL, up_id int, up_k int, k int NOT NULL);
ALTER TABLE r1 DROP COLUMN gone;
ALTER TABLE r ATTACH PARTITION r1 FOR VALUES FROM (0) TO (10);
CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (k);
CREATE TABLE r21 PARTITION OF r2 FOR VALUES FROM (10) TO (15);
CREATE TABLE r22 PARTITION OF r2 FOR VALUES FROM (15) TO (20);
CREATE TABLE p (n int, q int CONSTRAINT p_to_q REFERENCES q ON DELETE SET NULL, k int, id int,
	CONSTRAINT p_to_r FOREIGN KEY (k, id) REFERENCES r (k, id) MATCH FULL ON UPDATE CASCADE DEFERRABLE) PARTITION BY LIST (n);
CREATE TABLE p1 (k int, id int, q int, n int);
ALTER TABLE p1 ADD CONSTRAINT own FOREIGN KEY (q) REFERENCES q ON DELETE SET NULL;
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2, 3) PARTITION BY LIST (n);
CREATE TABLE p22 PARTITION OF p2 FOR VALUES IN (2);
CREATE TABLE f (n int, k int, id int, FOREIGN KEY (id, k) REFERENCES r ON DELETE CASCADE);
ALTER TABLE r ADD CONSTRAINT r_self FOREIGN KEY (up_k, up_id) REFERENCES r (k, id) DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT r_self ON r IS 'up';
COMMENT ON CONSTRAINT r_self ON r22 IS 'of a partition';
COMMENT ON CONSTRAINT p_to_q ON p IS 'to q';
COMMENT ON CONSTRAINT own ON p1 IS 'its own';
COMMENT ON CONSTRAINT "r key" ON r IS 'the key';
COMMENT ON INDEX r22_pkey IS 'an index';
INSERT INTO q SELECT i FROM generate_series(0, 99) i;
INSERT INTO r (k, id, up_k, up_id) SELECT i % 20, i, (i / 2) % 20, i / 2 FROM generate_series(0, 99) i;
INSERT INTO p (n, q, k, id) SELECT i % 2 + 1, i, i % 20, i FROM generate_series(0, 99) i;
INSERT INTO f (n, k, id) SELECT i, i % 20, i FROM generate_series(0, 99) i;

CALL there_and_back($$SELECT zdm.change_column_type('q', 'id', 'bigint')$$);
SELECT * FROM changes();
CALL there_and_back($$SELECT zdm.change_column_type('p', 'q', 'bigint')$$);
SELECT * FROM changes();
CALL there_and_back($$SELECT zdm.change_column_type('p', 'id', 'bigint')$$);
SELECT * FROM changes();
CALL there_and_back($$SELECT zdm.change_column_type('f', 'id', 'bigint')$$);
SELECT * FROM changes();
CALL there_and_back($$SELECT zdm.change_column_type('r', 'id', 'bigint')$$);
SELECT * FROM changes();
CALL there_and_back($$SELECT zdm.change_column_type('r', 'up_id', 'bigint')$$);
SELECT * FROM changes();
-- the plan: what is made before cutover, and what only then
SELECT phase, regexp_replace(statement, '\m\d{5,}\M', 'N', 'g') AS statement, lock, work FROM zdm.steps WHERE statement ~ 'FOREIGN|VALIDATE|EXCEPT|ADD CONSTRAINT'
   AND migration = (SELECT max(id) FROM zdm.migrations) ORDER BY step;

-- the constraints hold, in both directions
\set VERBOSITY terse
INSERT INTO p (n, q, k, id) VALUES (1, 1000, NULL, NULL);
INSERT INTO p (n, q, k, id) VALUES (2, NULL, 1, 1000);
INSERT INTO f (n, k, id) VALUES (1, 1, 1000);
UPDATE r SET up_id = 1000 WHERE id = 7;
DELETE FROM q WHERE id = 1;
SELECT count(*) FROM p WHERE q IS NULL;
DELETE FROM f WHERE id = 99;
UPDATE r SET id = 3000000000, up_id = NULL, up_k = NULL WHERE id = 99;
SELECT n, k, id FROM p WHERE id > 99;
DELETE FROM p WHERE id = 60;
DELETE FROM r WHERE id = 60;
SELECT count(*) FROM f WHERE id = 60;

-- a rename, at either end; while both names are in use, both are checked
CALL there_and_back($$SELECT zdm.rename_column('p', 'id', 'number')$$);
SELECT line FROM changes() WHERE change = 'found' ORDER BY 1;
SELECT zdm.rename_column('r', 'id', 'number', 'r number');
CALL zdm.wait('r number', 'ready', '1 minute');
INSERT INTO f (n, k, id) VALUES (1, 1, 1000);
SELECT zdm.cutover('r number');
CALL zdm.wait('r number', 'switched', '1 minute');
INSERT INTO r (k, id) VALUES (3, 1003);
INSERT INTO r (k, number) VALUES (4, 1004);
INSERT INTO f (n, k, id) VALUES (1, 3, 1003), (1, 4, 1004);
INSERT INTO f (n, k, id) VALUES (1, 4, 1005);
SELECT zdm.contract('r number');
CALL zdm.wait('r number', 'completed', '1 minute');
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
 WHERE contype = 'f' AND conparentid = 0 AND confrelid = 'r'::regclass ORDER BY 1, 2;

-- partitions that come and go meanwhile: a small one is taken along
SELECT zdm.change_column_type('p', 'k', 'bigint', label => 'p k');
CALL zdm.wait('p k', 'ready', '1 minute');
CREATE TABLE p3 PARTITION OF p2 FOR VALUES IN (3);
INSERT INTO p (n, k, number) VALUES (3, 4, 1004);
DROP TABLE p22;
SELECT zdm.cutover('p k');
CALL zdm.wait('p k', 'switched', '1 minute');
INSERT INTO p (n, k, number) VALUES (3, 4, 1005);
SELECT zdm.revert('p k');
CALL zdm.wait('p k', 'reverted', '1 minute');
INSERT INTO p (n, k, number) VALUES (3, 4, 1005);
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'p3'::regclass AND contype = 'f' ORDER BY 1;

-- an up by which keys lose their rows is found before anything is exchanged
SELECT zdm.change_column_type('f', 'k', 'bigint', 'k + 1', 'k - 1', 'lost');
\set VERBOSITY terse
CALL zdm.wait('lost', 'ready', '1 minute');
SELECT state, error FROM zdm.migrations WHERE label = 'lost';
SELECT zdm.revert('lost');
CALL zdm.wait('lost', 'reverted', '1 minute');

-- a partition's own foreign key: of the column itself, and at the other end
CREATE TABLE solo (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE solo1 PARTITION OF solo (FOREIGN KEY (b) REFERENCES q) FOR VALUES FROM (0) TO (10);
INSERT INTO solo VALUES (1, 2);
SELECT zdm.change_column_type('solo', 'b', 'bigint');
CALL there_and_back($$SELECT zdm.change_column_type('q', 'id', 'int')$$);
SELECT * FROM changes();
-- a foreign key to one partition
CREATE TABLE to_solo (b int);
ALTER TABLE solo1 ADD UNIQUE (b);
ALTER TABLE to_solo ADD FOREIGN KEY (b) REFERENCES solo1 (b);
CALL there_and_back($$SELECT zdm.change_column_type('to_solo', 'b', 'bigint')$$);
SELECT * FROM changes();

-- deferrable keys: two rows may exchange their numbers at any time
CREATE TABLE d (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, u int, CONSTRAINT "d u" UNIQUE (u) INCLUDE (id) DEFERRABLE);
INSERT INTO d SELECT i, i FROM generate_series(1, 10) i;
COMMENT ON CONSTRAINT "d u" ON d IS 'deferrable';
CALL there_and_back($$SELECT zdm.change_column_type('d', 'id', 'bigint')$$);
SELECT * FROM changes();
CALL there_and_back($$SELECT zdm.change_column_type('d', 'u', 'bigint')$$);
SELECT * FROM changes();
SELECT zdm.change_column_type('d', 'id', 'int', label => 'd');
CALL zdm.wait('d', 'ready', '1 minute');
UPDATE d SET id = 3 - id, u = 3 - u WHERE id IN (1, 2);
SELECT zdm.cutover('d');
CALL zdm.wait('d', 'switched', '1 minute');
UPDATE d SET id = 3 - id WHERE id IN (1, 2);
INSERT INTO d VALUES (1, 100);
SELECT zdm.revert('d');
CALL zdm.wait('d', 'reverted', '1 minute');
UPDATE d SET id = 3 - id WHERE id IN (1, 2);
CALL there_and_back($$SELECT zdm.rename_column('d', 'id', 'number')$$);
SELECT line FROM changes() WHERE change = 'found' ORDER BY 1;
SELECT zdm.rename_column('d', 'number', 'id', 'd again');
CALL zdm.wait('d again', 'ready', '1 minute');
UPDATE d SET id = 3 - id WHERE id IN (1, 2);
UPDATE d SET number = 3 - number WHERE id IN (1, 2);
SELECT zdm.cutover('d again');
CALL zdm.wait('d again', 'switched', '1 minute');
UPDATE d SET id = 3 - id WHERE id IN (1, 2);
UPDATE d SET number = 3 - number WHERE id IN (1, 2);
SELECT pg_get_indexdef(indexrelid), indimmediate FROM pg_index WHERE indrelid = 'd'::regclass ORDER BY 1;
SELECT zdm.revert('d again');
CALL zdm.wait('d again', 'reverted', '1 minute');

-- deferrable ones of partitions
CREATE TABLE dp (k int, id int, PRIMARY KEY (k, id) DEFERRABLE, CONSTRAINT dp_late UNIQUE (id, k) DEFERRABLE INITIALLY DEFERRED) PARTITION BY RANGE (k);
CREATE TABLE dp1 (gone int, k int NOT NULL, id int NOT NULL);
ALTER TABLE dp1 DROP gone;
ALTER TABLE dp ATTACH PARTITION dp1 FOR VALUES FROM (0) TO (10);
CREATE TABLE dp2 PARTITION OF dp FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (k);
CREATE TABLE dp21 PARTITION OF dp2 FOR VALUES FROM (10) TO (20);
INSERT INTO dp SELECT i, i FROM generate_series(1, 19) i;
CALL there_and_back($$SELECT zdm.change_column_type('dp', 'id', 'bigint')$$);
SELECT * FROM changes();
CALL there_and_back($$SELECT zdm.rename_column('dp', 'id', 'number')$$);
SELECT line FROM changes() WHERE change = 'found' ORDER BY 1;

-- a partition that is detached meanwhile keeps what it had
CREATE TABLE dt (k int, id int, PRIMARY KEY (k, id), FOREIGN KEY (id) REFERENCES q) PARTITION BY RANGE (k);
CREATE TABLE dt1 PARTITION OF dt FOR VALUES FROM (0) TO (10);
CREATE TABLE dt2 PARTITION OF dt FOR VALUES FROM (10) TO (20);
INSERT INTO dt SELECT i, i FROM generate_series(2, 19) i;
SELECT zdm.change_column_type('dt', 'id', 'bigint', label => 'detached');
CALL zdm.wait('detached', 'ready', '1 minute');
ALTER TABLE dt DETACH PARTITION dt1;
SELECT zdm.cutover('detached');
CALL zdm.wait('detached', 'switched', '1 minute');
SELECT zdm.revert('detached');
CALL zdm.wait('detached', 'reverted', '1 minute');
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid IN ('dt'::regclass, 'dt1'::regclass, 'dt2'::regclass) AND contype IN ('p', 'f') ORDER BY 1, 2;
SELECT count(*) FROM zdm.pair WHERE new_attnum IS NOT NULL;

-- one with rows that has come meanwhile is not read under the lock that adopts its foreign key
CREATE TABLE late_p (k int, id int, PRIMARY KEY (k, id)) PARTITION BY RANGE (k);
CREATE TABLE late_p1 PARTITION OF late_p FOR VALUES FROM (0) TO (10);
CREATE TABLE late_c (n int, k int, id int, pad text, FOREIGN KEY (k, id) REFERENCES late_p) PARTITION BY RANGE (n);
CREATE TABLE late_c1 PARTITION OF late_c FOR VALUES FROM (0) TO (10);
INSERT INTO late_p SELECT i, i FROM generate_series(0, 9) i;
INSERT INTO late_c SELECT i, i, i FROM generate_series(0, 9) i;
SELECT zdm.change_column_type('late_p', 'id', 'bigint', label => 'late');
CALL zdm.wait('late', 'ready', '1 minute');
CREATE TABLE late_c2 PARTITION OF late_c FOR VALUES FROM (10) TO (20);
INSERT INTO late_c SELECT 10, 1, 1, repeat('x', 1000) FROM generate_series(1, 10000);
SELECT zdm.cutover('late');
CALL zdm.wait('late', 'switched', '1 minute');
SELECT error LIKE 'partitions with rows have come%public.late_c2' AS late FROM zdm.migrations WHERE label = 'late';
SELECT verb, state FROM zdm.step WHERE migration = (SELECT id FROM zdm.migrations WHERE label = 'late') AND state = 'failed';
DROP TABLE late_c2;
SELECT zdm.resume('late');
CALL zdm.wait('late', 'switched', '1 minute');
SELECT conrelid::regclass, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'late_c'::regclass AND contype = 'f' AND conparentid = 0;
