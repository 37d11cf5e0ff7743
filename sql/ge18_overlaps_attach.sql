--
-- A key WITHOUT OVERLAPS is given to a partition to be.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SELECT test.finds_exclusions() AS finds \gset
\if :finds
\else
CREATE TABLE refused (k int4range, during daterange, PRIMARY KEY (k, during WITHOUT OVERLAPS)) PARTITION BY LIST (k);
CREATE TABLE one (LIKE refused INCLUDING ALL);
SELECT zdm.migrate('ALTER TABLE refused ATTACH PARTITION one DEFAULT');
\quit
\endif
CREATE TABLE wo (k int4range, during daterange, PRIMARY KEY (k, during WITHOUT OVERLAPS)) PARTITION BY LIST (k);
CREATE TABLE wo1 (k int4range NOT NULL, during daterange NOT NULL);
INSERT INTO wo1 VALUES ('[1,2)', '[2020-01-01,2020-02-01)');
CREATE TABLE wo2 (LIKE wo1);
SELECT zdm.migrate($$ALTER TABLE wo ATTACH PARTITION wo1 FOR VALUES IN ('[1,2)')$$, label => 'wo') > 0 AS stated;
CALL zdm.wait('wo', 'completed', '15 seconds');
ALTER TABLE wo2 ADD PRIMARY KEY (k, during WITHOUT OVERLAPS);
SELECT zdm.migrate($$ALTER TABLE wo ATTACH PARTITION wo2 FOR VALUES IN ('[2,3)')$$, label => 'wo2') > 0 AS stated;
CALL zdm.wait('wo2', 'completed', '15 seconds');
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), conparentid <> 0 AS attached FROM pg_constraint WHERE conrelid IN ('wo1'::regclass, 'wo2'::regclass) ORDER BY 1, 2;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid IN ('wo1'::regclass, 'wo2'::regclass) ORDER BY 1;
