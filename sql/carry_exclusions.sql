--
-- Exclusion constraints go with a column: kept from before ready on, under their own
-- name from cutover on, on the way back too.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
CREATE TABLE room (id int PRIMARY KEY, no int, during int4range, closed bool NOT NULL DEFAULT false, note text,
	CONSTRAINT once EXCLUDE USING gist (during WITH &&) WHERE (NOT closed),
	CONSTRAINT "Late, then" EXCLUDE USING gist (during WITH &&, (int4range(no, no, '[]')) WITH =) DEFERRABLE INITIALLY DEFERRED,
	CONSTRAINT of_predicate EXCLUDE (note WITH =) WHERE (no > 0),
	CONSTRAINT by_hash EXCLUDE USING hash (note COLLATE "C" WITH =));
COMMENT ON CONSTRAINT once ON room IS 'of the constraint';
COMMENT ON INDEX once IS 'of the index';
ALTER TABLE room CLUSTER ON "Late, then";
INSERT INTO room SELECT i, i, int4range(i * 10, i * 10 + 5), i % 2 = 0, 'note ' || i FROM generate_series(1, 200) i;

CREATE VIEW constraints AS SELECT conname, pg_get_constraintdef(c.oid) AS definition, obj_description(c.oid, 'pg_constraint') AS said, obj_description(conindid, 'pg_class') AS of_index,
		indisexclusion AND indisvalid AND indimmediate <> condeferrable AS index, indisclustered,
		(SELECT string_agg(attname, ', ' ORDER BY attname) FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
		 WHERE classid = 'pg_class'::regclass AND objid = conindid AND refclassid = 'pg_class'::regclass) AS depends
	FROM pg_constraint c JOIN pg_index ON indexrelid = conindid WHERE conrelid = 'room'::regclass AND contype = 'x' ORDER BY conname;
\pset format unaligned
SELECT * FROM constraints;

-- the steps
BEGIN;
SELECT zdm.change_column_type('room', 'during', 'int8range', up => 'int8range(lower(during), upper(during))', down => 'int4range(lower(during)::int, upper(during)::int)', label => 'type') > 0 AS stated;
SELECT phase, regexp_replace(statement, '\n.*', ' ...') AS statement, lock FROM zdm.steps WHERE statement ~ 'EXCLUDE|gist|23P01|exchange|CONSTRAINT' ORDER BY step;
COMMIT;
CALL zdm.wait('type', 'ready', '1 minute');
SELECT * FROM constraints;
-- kept for both
INSERT INTO room (id, during) VALUES (1000, '[11,12)');
SELECT zdm.cutover('type');
CALL zdm.wait('type', 'switched', '1 minute');
SELECT * FROM constraints;
INSERT INTO room (id, during) VALUES (1000, '[11,12)');
INSERT INTO room (id, no, during) VALUES (1000, 7, '[5000,5005)');
-- and back
SELECT zdm.revert('type');
CALL zdm.wait('type', 'reverted', '1 minute');
SELECT * FROM constraints;
SELECT attname, format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'room'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
INSERT INTO room (id, during) VALUES (1001, '[11,12)');
-- there again, for good
SELECT zdm.change_column_type('room', 'during', 'int8range', up => 'int8range(lower(during), upper(during))', down => 'int4range(lower(during)::int, upper(during)::int)', label => 'again') > 0 AS stated;
CALL zdm.wait('again', 'ready', '1 minute');
SELECT zdm.cutover('again');
CALL zdm.wait('again', 'switched', '1 minute');
SELECT zdm.contract('again');
CALL zdm.wait('again', 'completed', '1 minute');
SELECT * FROM constraints;
SELECT count(*) FROM pg_index WHERE indrelid = 'room'::regclass;

-- a column that is in expressions and predicates alone
SELECT zdm.rename_column('room', 'no', 'number', 'rename') > 0 AS stated;
CALL zdm.wait('rename', 'ready', '1 minute');
SELECT * FROM constraints;
SELECT zdm.cutover('rename');
CALL zdm.wait('rename', 'switched', '1 minute');
SELECT * FROM constraints;
SELECT zdm.revert('rename');
CALL zdm.wait('rename', 'reverted', '1 minute');
SELECT * FROM constraints;
SELECT zdm.rename_column('room', 'no', 'number', 'rename again') > 0 AS stated;
CALL zdm.wait('rename again', 'ready', '1 minute');
SELECT zdm.cutover('rename again');
CALL zdm.wait('rename again', 'switched', '1 minute');
SELECT zdm.contract('rename again');
CALL zdm.wait('rename again', 'completed', '1 minute');
SELECT * FROM constraints;
SELECT count(*) FROM pg_index WHERE indrelid = 'room'::regclass;

-- what up makes of it conflicts: found before ready; gone back to from there
SELECT zdm.change_column_type('room', 'note', 'varchar(6)', up => 'left(note, 6)', down => 'note', label => 'short') > 0 AS stated;
DO $$BEGIN WHILE NOT EXISTS (SELECT FROM zdm.migrations WHERE label = 'short' AND state = 'failed') LOOP PERFORM pg_sleep(0.02); COMMIT; END LOOP; END$$;
SELECT error_state, split_part(error, E'\n', 1) AS error FROM zdm.migrations WHERE label = 'short';
SELECT zdm.revert('short');
CALL zdm.wait('short', 'reverted', '1 minute');
SELECT * FROM constraints;
-- what the operator does not take is refused at the call
SELECT zdm.change_column_type('room', 'during', 'int[]', up => 'ARRAY[lower(during)::int]', down => 'int8range(during[1], during[1] + 1)');

-- those of single partitions, whose columns have other numbers
CREATE TABLE parted (k int, x int, y int) PARTITION BY LIST (k);
CREATE TABLE parted1 (gone int, y int, x int, k int);
ALTER TABLE parted1 DROP gone;
ALTER TABLE parted ATTACH PARTITION parted1 FOR VALUES IN (1);
CREATE TABLE parted2 PARTITION OF parted FOR VALUES IN (2) PARTITION BY LIST (k);
CREATE TABLE parted3 PARTITION OF parted2 FOR VALUES IN (2);
INSERT INTO parted SELECT i % 2 + 1, i, i FROM generate_series(1, 100) i;
ALTER TABLE parted1 ADD CONSTRAINT alone EXCLUDE (x WITH =, y WITH =) WHERE (x > 0);
ALTER TABLE parted3 ADD CONSTRAINT "It's" EXCLUDE USING gist (int4range(x, x + y) WITH =) DEFERRABLE;
COMMENT ON CONSTRAINT alone ON parted1 IS 'of a partition';
CREATE VIEW of_partitions AS SELECT conrelid::regclass, conname, pg_get_constraintdef(c.oid) AS definition, obj_description(c.oid, 'pg_constraint') AS said
	FROM pg_constraint c WHERE conrelid IN (SELECT relid FROM pg_partition_tree('parted')) AND contype = 'x' ORDER BY conrelid;
SELECT zdm.change_column_type('parted', 'x', 'smallint', label => 'parts') > 0 AS stated;
CALL zdm.wait('parts', 'ready', '1 minute');
SELECT * FROM of_partitions;
SELECT zdm.cutover('parts');
CALL zdm.wait('parts', 'switched', '1 minute');
SELECT * FROM of_partitions;
INSERT INTO parted VALUES (1, 2, 2);
SELECT zdm.revert('parts');
CALL zdm.wait('parts', 'reverted', '1 minute');
SELECT * FROM of_partitions;
INSERT INTO parted VALUES (1, 2, 2);
SELECT zdm.rename_column('parted', 'y', 'why', 'part names') > 0 AS stated;
CALL zdm.wait('part names', 'ready', '1 minute');
SELECT zdm.cutover('part names');
CALL zdm.wait('part names', 'switched', '1 minute');
SELECT * FROM of_partitions;
SELECT zdm.revert('part names');
CALL zdm.wait('part names', 'reverted', '1 minute');
SELECT * FROM of_partitions;
ALTER TABLE parted3 CLUSTER ON "It's";
SELECT zdm.rename_column('parted', 'y', 'why', 'clustered');
ALTER TABLE parted3 SET WITHOUT CLUSTER;
SELECT zdm.rename_column('parted', 'y', 'why', 'part names again') > 0 AS stated;
CALL zdm.wait('part names again', 'ready', '1 minute');
SELECT zdm.cutover('part names again');
CALL zdm.wait('part names again', 'switched', '1 minute');
SELECT zdm.contract('part names again');
CALL zdm.wait('part names again', 'completed', '1 minute');
SELECT * FROM of_partitions;
SELECT indrelid::regclass, count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('parted')) GROUP BY 1 ORDER BY 1;
