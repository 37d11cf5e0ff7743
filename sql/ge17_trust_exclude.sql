--
-- A partition to be is given the exclusion constraints of the partitioned table before it is
-- attached.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
\set SHOW_CONTEXT never
SELECT test.finds_exclusions() AS finds \gset
\if :finds
\else
CREATE TABLE refused (k int4range, during int4range, EXCLUDE USING gist (k WITH =, during WITH &&)) PARTITION BY LIST (k);
CREATE TABLE one (k int4range, during int4range);
SELECT zdm.migrate('ALTER TABLE refused ATTACH PARTITION one DEFAULT');
SELECT zdm.change_column_type('refused', 'during', 'int8range', 'int8range(lower(during), upper(during))');
CREATE TABLE attached (k int4range NOT NULL, during daterange, EXCLUDE USING gist (k WITH =, during WITH &&));
SELECT zdm.partition_table('attached', 'LIST (k)', ARRAY['attached_1 FOR VALUES IN (''[1,2)'')'], way => 'attach');
\quit
\endif
CREATE TABLE ep (k int4range, during daterange, CONSTRAINT once EXCLUDE USING gist (k WITH =, during WITH &&)) PARTITION BY LIST (k);
CREATE TABLE ep1 (k int4range NOT NULL, during daterange);
CREATE TABLE ep2 (k int4range NOT NULL, during daterange);
INSERT INTO ep1 VALUES ('[1,2)', '[2020-01-01,2020-02-01)');
-- rows that exclude each other are named, before anything is attached
INSERT INTO ep1 VALUES ('[1,2)', '[2020-01-10,2020-01-12)');
SELECT zdm.migrate($$ALTER TABLE ep ATTACH PARTITION ep1 FOR VALUES IN ('[1,2)')$$, label => 'own') > 0 AS stated;
CALL test.rests('own');
DELETE FROM ep1 WHERE upper(during) = '2020-01-12';
SELECT zdm.resume('own');
CALL test.rests('own');
-- one that has it already is given no other
ALTER TABLE ep2 ADD EXCLUDE USING gist (k WITH =, during WITH &&);
SELECT zdm.migrate($$ALTER TABLE ep ATTACH PARTITION ep2 FOR VALUES IN ('[2,3)')$$, label => 'has') > 0 AS stated;
CALL test.rests('has');
-- partitions of its own, with columns of other numbers
CREATE TABLE ep4 (x int, during daterange, k int4range NOT NULL) PARTITION BY LIST (k);
ALTER TABLE ep4 DROP x;
CREATE TABLE ep4a PARTITION OF ep4 DEFAULT;
INSERT INTO ep4 VALUES ('[2020-01-01,2020-02-01)', '[4,5)');
SELECT zdm.migrate($$ALTER TABLE ep ATTACH PARTITION ep4 FOR VALUES IN ('[4,5)')$$, label => 'parts') > 0 AS stated;
CALL test.rests('parts');
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), conparentid <> 0 AS attached FROM pg_constraint WHERE contype = 'x' ORDER BY conrelid::regclass::text;
SELECT indrelid::regclass, count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('ep')) GROUP BY 1 ORDER BY 1;
-- the guard does not send anybody to an index that would not do
SET zdm.guard_min_size = '64kB';
CREATE TABLE ep3 (k int4range NOT NULL, during daterange);
INSERT INTO ep3 SELECT '[3,4)', daterange(d, d + 1) FROM generate_series(1, 5000) i, LATERAL (SELECT '2020-01-01'::date + i) x(d);
ANALYZE ep3;
SELECT hint FROM zdm.check($$ALTER TABLE ep ATTACH PARTITION ep3 FOR VALUES IN ('[3,4)')$$) WHERE severity = 'unsafe';
-- and sees one that is there
ALTER TABLE ep3 ADD EXCLUDE USING gist (k WITH =, during WITH &&), ADD CHECK (k IS NOT NULL AND k = '[3,4)');
SELECT rule, severity FROM zdm.check($$ALTER TABLE ep ATTACH PARTITION ep3 FOR VALUES IN ('[3,4)')$$) WHERE severity = 'unsafe';
