--
-- An exclusion constraint's index cannot be built CONCURRENTLY: a partition to be
-- must have its own, or have no rows.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
\set SHOW_CONTEXT never
CREATE TABLE ep (k int4range, during daterange, CONSTRAINT once EXCLUDE USING gist (k WITH =, during WITH &&)) PARTITION BY LIST (k);
CREATE TABLE ep1 (k int4range NOT NULL, during daterange);
CREATE TABLE ep2 (k int4range NOT NULL, during daterange);
INSERT INTO ep1 VALUES ('[1,2)', '[2020-01-01,2020-02-01)');
SELECT zdm.migrate($$ALTER TABLE ep ATTACH PARTITION ep1 FOR VALUES IN ('[1,2)')$$);
SELECT zdm.migrate($$ALTER TABLE ep ATTACH PARTITION ep2 FOR VALUES IN ('[2,3)')$$, label => 'empty');
ALTER TABLE ep1 ADD EXCLUDE USING gist (k WITH =, during WITH &&);
SELECT zdm.migrate($$ALTER TABLE ep ATTACH PARTITION ep1 FOR VALUES IN ('[1,2)')$$, label => 'own');
CALL zdm.wait('empty', 'completed', '15 seconds');
CALL zdm.wait('own', 'completed', '15 seconds');
SELECT indrelid::regclass, count(*) FROM pg_index WHERE indrelid IN ('ep1'::regclass, 'ep2'::regclass) GROUP BY 1 ORDER BY 1;
-- the guard does not send anybody to an index that would not do
SET zdm.guard_min_size = '64kB';
CREATE TABLE ep3 (k int4range NOT NULL, during daterange);
INSERT INTO ep3 SELECT '[3,4)', daterange(d, d + 1) FROM generate_series(1, 5000) i, LATERAL (SELECT '2020-01-01'::date + i) x(d);
ANALYZE ep3;
SELECT hint FROM zdm.check($$ALTER TABLE ep ATTACH PARTITION ep3 FOR VALUES IN ('[3,4)')$$) WHERE severity = 'unsafe';
