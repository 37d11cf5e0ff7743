-- Default privileges give nothing to anybody by the tables that are made beside another, nor
-- by their partitions, which hold rows that the table's own privileges and policies guard.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE ROLE regress_zdm_keeper;
CREATE ROLE regress_zdm_prying;
CREATE SCHEMA kept AUTHORIZATION regress_zdm_keeper;
GRANT USAGE ON SCHEMA kept TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_zdm_keeper GRANT ALL ON TABLES TO regress_zdm_prying;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_zdm_keeper GRANT SELECT ON TABLES TO PUBLIC;
SET search_path = kept, public;

SET ROLE regress_zdm_keeper;
CREATE TABLE one (id int PRIMARY KEY, secret text);
CREATE TABLE two (LIKE one INCLUDING ALL);
CREATE TABLE three (LIKE one INCLUDING ALL);
CREATE TABLE four (LIKE one INCLUDING ALL) PARTITION BY RANGE (id);
CREATE TABLE four_low PARTITION OF four FOR VALUES FROM (0) TO (100);
CREATE TABLE five (LIKE one INCLUDING ALL) PARTITION BY RANGE (id);
CREATE TABLE five_low PARTITION OF five FOR VALUES FROM (0) TO (100);
CREATE TABLE six (LIKE one INCLUDING ALL);
REVOKE ALL ON one, two, three, four, four_low, five, five_low, six FROM regress_zdm_prying, PUBLIC;
INSERT INTO one SELECT g, 'secret' FROM generate_series(1, 50) g;
INSERT INTO two TABLE one;
INSERT INTO three TABLE one;
INSERT INTO four TABLE one;
INSERT INTO five TABLE one;
INSERT INTO six TABLE one;
RESET ROLE;

-- all tables there are, and what of them others may read
CREATE VIEW public.open AS SELECT regexp_replace(relname, '_\d+_', '_N_') AS relname, relacl FROM pg_class WHERE relnamespace = 'kept'::regnamespace AND relkind IN ('r', 'p')
	AND (has_table_privilege('regress_zdm_prying', oid, 'SELECT, INSERT') OR has_any_column_privilege('regress_zdm_prying', oid, 'SELECT')) ORDER BY 1;
SELECT test.hold('copy-with-snapshot');
SELECT zdm.rewrite('one', label => 'one') > 0;
CALL test.arrive('copy-with-snapshot');
SELECT count(*) FROM pg_class WHERE relname ~ '^zdm_\d+_one$';
TABLE public.open;
SELECT test.release('copy-with-snapshot');
CALL zdm.wait('one', 'completed');
SELECT test.hold('copy-with-snapshot');
SELECT zdm.rewrite('two', columns => '{secret,id}', label => 'two') > 0;
SELECT zdm.partition_table('three', 'HASH (id)', ARRAY['three_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'three_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)'], label => 'three') > 0;
SELECT zdm.unpartition_table('four', label => 'four') > 0;
SELECT zdm.migrate('ALTER TABLE six ADD COLUMN short text GENERATED ALWAYS AS (left(secret, 1)) STORED', label => 'six') > 0;
DO $$ BEGIN WHILE (SELECT count(*) FROM pg_class WHERE relname ~ '^zdm_\d+_[a-z]+(_low)?$' AND relkind IN ('r', 'p')) < 4 LOOP PERFORM pg_sleep(0.01); COMMIT; END LOOP; END $$;
TABLE public.open;
SELECT test.release('copy-with-snapshot');
CALL zdm.wait('two', 'ready');
CALL zdm.wait('three', 'ready');
CALL zdm.wait('four', 'ready');
CALL zdm.wait('six', 'ready');
SELECT zdm.split_partition('five_low', ARRAY['five_low FOR VALUES FROM (0) TO (20)', 'five_high FOR VALUES FROM (20) TO (100)'], label => 'five') > 0;
CALL zdm.wait('five', 'completed');
TABLE public.open;
SELECT zdm.cutover(l) FROM unnest(ARRAY['two', 'three', 'four', 'six']) l;
CALL zdm.wait('two', 'switched');
CALL zdm.wait('three', 'switched');
CALL zdm.wait('four', 'switched');
CALL zdm.wait('six', 'switched');
TABLE public.open;
SELECT count(*) FROM zdm.second;
SELECT zdm.revert('four');
CALL zdm.wait('four', 'reverted');
TABLE public.open;

DROP SCHEMA kept CASCADE;
DROP OWNED BY regress_zdm_keeper, regress_zdm_prying CASCADE;
DROP ROLE regress_zdm_keeper, regress_zdm_prying;
