--
-- Exclusion constraints of partitioned tables: partition by partition, and then the
-- whole, which finds theirs.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
\set SHOW_CONTEXT never
SELECT test.finds_exclusions() AS finds \gset
\if :finds
\else
CREATE TABLE refused (k int4range, during int4range) PARTITION BY LIST (k);
SELECT zdm.migrate('ALTER TABLE refused ADD EXCLUDE USING gist (k WITH =, during WITH &&)');
\quit
\endif
CREATE SCHEMA plain;
CREATE SCHEMA online;
CREATE TABLE plain.booking (note text, house int4range NOT NULL, during int4range, dropped int) PARTITION BY LIST (house);
CREATE TABLE plain.one PARTITION OF plain.booking FOR VALUES IN ('[1,2)');
CREATE TABLE plain.two (during int4range, house int4range NOT NULL, gone int, note text, dropped int) PARTITION BY LIST (house);
ALTER TABLE plain.two DROP gone;
ALTER TABLE plain.booking ATTACH PARTITION plain.two FOR VALUES IN ('[2,3)', '[3,4)');
CREATE TABLE plain.three PARTITION OF plain.two FOR VALUES IN ('[3,4)');
CREATE TABLE plain.rest PARTITION OF plain.booking DEFAULT;
ALTER TABLE plain.booking DROP dropped;
CREATE TABLE online.booking (note text, house int4range NOT NULL, during int4range, dropped int) PARTITION BY LIST (house);
CREATE TABLE online.one PARTITION OF online.booking FOR VALUES IN ('[1,2)');
CREATE TABLE online.two (during int4range, house int4range NOT NULL, gone int, note text, dropped int) PARTITION BY LIST (house);
ALTER TABLE online.two DROP gone;
ALTER TABLE online.booking ATTACH PARTITION online.two FOR VALUES IN ('[2,3)', '[3,4)');
CREATE TABLE online.three PARTITION OF online.two FOR VALUES IN ('[3,4)');
CREATE TABLE online.rest PARTITION OF online.booking DEFAULT;
ALTER TABLE online.booking DROP dropped;
INSERT INTO plain.booking SELECT 'note ' || i, int4range(h, h + 1), int4range(i * 10, i * 10 + 5) FROM generate_series(1, 100) i, unnest('{1,3,7}'::int[]) h;
INSERT INTO online.booking SELECT * FROM plain.booking;

CREATE PROCEDURE each_way(what text) LANGUAGE plpgsql AS $$
DECLARE differ text;
BEGIN
	EXECUTE 'ALTER TABLE plain.booking ADD ' || what;
	PERFORM zdm.migrate('ALTER TABLE online.booking ADD ' || what, label => what);
	CALL test.rests(what);
	differ := test.differences('plain', 'online');
	RAISE WARNING '% % of %', coalesce(differ, 'the same:'), (SELECT string_agg(DISTINCT pg_get_constraintdef(oid), '; ') FROM pg_constraint WHERE conrelid = 'online.booking'::regclass AND contype = 'x'),
		(SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('online.booking')));
	PERFORM zdm.revert(what);
	COMMIT;
	CALL test.rests(what);
	EXECUTE format('ALTER TABLE plain.booking DROP CONSTRAINT %I', (SELECT conname FROM pg_constraint WHERE conrelid = 'plain.booking'::regclass AND contype = 'x'));
	RAISE WARNING 'left: %', (SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('online.booking')));
END $$;
CALL each_way('CONSTRAINT once EXCLUDE USING gist (house WITH =, during WITH &&)');
CALL each_way('EXCLUDE USING gist (house WITH =, int4range(lower(during), upper(during)) WITH &&) WHERE (note <> '''') DEFERRABLE INITIALLY DEFERRED');

-- rows of one partition that exclude each other; a partition that comes meanwhile
INSERT INTO online.booking VALUES ('twice', '[3,4)', '[11,12)');
SELECT zdm.migrate('ALTER TABLE online.booking ADD CONSTRAINT once EXCLUDE USING gist (house WITH =, during WITH &&)', label => 'late') > 0 AS stated;
CALL test.rests('late');
SELECT conrelid::regclass, conname FROM pg_constraint WHERE connamespace = 'online'::regnamespace AND contype = 'x';
DELETE FROM online.booking WHERE note = 'twice';
CREATE TABLE online.late PARTITION OF online.booking FOR VALUES IN ('[9,10)');
SELECT zdm.resume('late');
CALL test.rests('late');
SELECT conrelid::regclass, conname, conparentid <> 0 AS of_parent FROM pg_constraint WHERE connamespace = 'online'::regnamespace AND contype = 'x' ORDER BY 1;
INSERT INTO online.booking VALUES ('twice', '[3,4)', '[11,12)');
SELECT zdm.revert('late');
CALL test.rests('late');

-- with rows, it would be indexed under the lock
INSERT INTO online.booking VALUES ('twice', '[3,4)', '[11,12)');
SELECT zdm.migrate('ALTER TABLE online.booking ADD CONSTRAINT once EXCLUDE USING gist (house WITH =, during WITH &&)', label => 'later') > 0 AS stated;
CALL test.rests('later');
DELETE FROM online.booking WHERE note = 'twice';
CREATE TABLE online.later PARTITION OF online.two FOR VALUES IN ('[2,3)');
INSERT INTO online.later (note, house, during) SELECT repeat('late', 30), '[2,3)', int4range(i * 10, i * 10 + 5) FROM generate_series(1, 100000) i;
SELECT zdm.resume('later');
CALL test.rests('later');
SELECT zdm.revert('later');
CALL test.rests('later');
SELECT count(*) AS left FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('online.booking'));

-- a column of theirs gets another type and goes back, and another name for good
DROP TABLE online.later;
ALTER TABLE online.booking ADD CONSTRAINT once EXCLUDE USING gist (house WITH =, during WITH &&) WHERE (note <> '') DEFERRABLE;
COMMENT ON CONSTRAINT once ON online.booking IS 'of the whole';
CREATE VIEW constraints AS SELECT conrelid::regclass, conname, pg_get_constraintdef(c.oid) AS definition, conparentid <> 0 AS of_parent, obj_description(c.oid, 'pg_constraint') AS said
	FROM pg_constraint c WHERE connamespace = 'online'::regnamespace AND contype = 'x' ORDER BY conrelid;
SELECT * FROM constraints;
SELECT zdm.change_column_type('online.booking', 'during', 'int8range', up => 'int8range(lower(during), upper(during))', down => 'int4range(lower(during)::int, upper(during)::int)', label => 'type') > 0 AS stated;
CALL zdm.wait('type', 'ready', '1 minute');
INSERT INTO online.booking VALUES ('twice', '[3,4)', '[11,12)');
SELECT zdm.cutover('type');
CALL zdm.wait('type', 'switched', '1 minute');
SELECT * FROM constraints;
INSERT INTO online.booking (note, house, during) VALUES ('twice', '[3,4)', '[11,12)');
SELECT zdm.revert('type');
CALL zdm.wait('type', 'reverted', '1 minute');
SELECT * FROM constraints;
SELECT zdm.rename_column('online.booking', 'during', 'span', 'name') > 0 AS stated;
CALL zdm.wait('name', 'ready', '1 minute');
SELECT zdm.cutover('name');
CALL zdm.wait('name', 'switched', '1 minute');
SELECT zdm.revert('name');
CALL zdm.wait('name', 'reverted', '1 minute');
SELECT * FROM constraints;
SELECT zdm.rename_column('online.booking', 'during', 'span', 'name again') > 0 AS stated;
CALL zdm.wait('name again', 'ready', '1 minute');
SELECT zdm.cutover('name again');
CALL zdm.wait('name again', 'switched', '1 minute');
SELECT zdm.contract('name again');
CALL zdm.wait('name again', 'completed', '1 minute');
SELECT * FROM constraints;
SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('online.booking'));

-- long names of partitions are cut to the same one
CREATE TABLE online.long (k int, x int) PARTITION BY LIST (k);
CREATE TABLE online.a_partition_with_a_name_that_is_cut_when_there_is_more_behind_1 PARTITION OF online.long FOR VALUES IN (1);
CREATE TABLE online.a_partition_with_a_name_that_is_cut_when_there_is_more_behind_2 PARTITION OF online.long FOR VALUES IN (2);
INSERT INTO online.long VALUES (1, 1), (2, 2);
SELECT zdm.migrate('ALTER TABLE online.long ADD EXCLUDE (k WITH =, x WITH =)', label => 'long') > 0 AS stated;
CALL test.rests('long');
SELECT conname FROM pg_constraint WHERE conrelid IN (SELECT relid FROM pg_partition_tree('online.long')) ORDER BY 1;

-- mistakes are PostgreSQL's own
SELECT zdm.plan('ALTER TABLE plain.booking ADD EXCLUDE USING gist (during WITH &&)');
SELECT zdm.plan('ALTER TABLE plain.booking ADD EXCLUDE USING gist (house WITH &&, during WITH &&)');
CREATE TABLE by_expression (a int) PARTITION BY LIST ((a + 1));
CREATE TABLE by_expression1 PARTITION OF by_expression FOR VALUES IN (1);
INSERT INTO by_expression VALUES (0);
SELECT zdm.plan('ALTER TABLE by_expression ADD EXCLUDE (a WITH =)');
