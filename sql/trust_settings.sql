--
-- What is set for a column between call and cutover is set for the one that comes
-- into charge: n_distinct and storage, as the statistics target.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
CREATE TABLE t (id int PRIMARY KEY, v int, a text);
INSERT INTO t VALUES (1, 1, 'a');
CREATE FUNCTION settings() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', attname, attstorage, o) FROM pg_attribute LEFT JOIN LATERAL
		(SELECT option_name || '=' || option_value FROM pg_options_to_table(attoptions) WHERE option_name ~ '^n_') x(o) ON true
	WHERE attrelid = 't'::regclass AND attname IN ('v', 'a', 'b') ORDER BY attname, o
$$;
SELECT zdm.change_column_type('t', 'v', 'bigint', label => 'v') > 0;
SELECT zdm.rename_column('t', 'a', 'b', 'b') > 0;
CALL zdm.wait('v', 'ready', '15 seconds');
CALL zdm.wait('b', 'ready', '15 seconds');
ALTER TABLE t ALTER v SET (n_distinct = -0.5), ALTER v SET (n_distinct_inherited = 7);
ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER a SET (n_distinct = 20);
SELECT zdm.cutover('v'), zdm.cutover('b');
CALL zdm.wait('v', 'switched', '15 seconds');
CALL zdm.wait('b', 'switched', '15 seconds');
SELECT settings();
-- and back
ALTER TABLE t ALTER v SET (n_distinct = -0.25);
SELECT zdm.revert('v');
CALL zdm.wait('v', 'reverted', '15 seconds');
SELECT zdm.contract('b');
CALL zdm.wait('b', 'completed', '15 seconds');
SELECT settings();
