-- What is said of a table that is partitioned: a domain as its key, a replica identity that
-- is lost, an owner who can make no table where it stands.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET TimeZone = 'UTC';
CREATE SCHEMA words;
SET search_path = words, public;
CREATE FUNCTION error_of(m bigint) RETURNS text LANGUAGE sql AS 'SELECT regexp_replace(error, ''\m'' || m || ''\M'', ''M'', ''g'') FROM zdm.migrations WHERE id = m';

-- a domain, by a copy and by attaching
CREATE DOMAIN day AS date CHECK (VALUE > '2000-01-01');
CREATE DOMAIN small AS int CHECK (VALUE < 5000);
CREATE TABLE event (id int, at day NOT NULL, PRIMARY KEY (id, at));
INSERT INTO event SELECT i, date '2024-01-10' + i FROM generate_series(1, 60) i;
CREATE TABLE entry (id small PRIMARY KEY, v text);
INSERT INTO entry SELECT i, 'v' FROM generate_series(1, 2500) i;
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', ahead => 1) AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT tableoid::regclass, count(*) FROM event GROUP BY 1 ORDER BY 1;
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT zdm.partition_table('entry', 'RANGE (id)', every => '1000', ahead => 1, way => 'attach') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT relid::regclass, pg_get_expr(relpartbound, oid) FROM pg_partition_tree('entry') JOIN pg_class ON oid = relid WHERE isleaf ORDER BY 1;
-- a width of which a bound is none of the domain's
CREATE TABLE few (id small PRIMARY KEY);
INSERT INTO few SELECT generate_series(4900, 4990);
SELECT zdm.partition_table('few', 'RANGE (id)', every => '1000', ahead => 1);
SELECT zdm.partition_table('few', 'RANGE (id)', every => '1000', ahead => 1, way => 'attach');

-- subscribers know rows by an index that is another one then, or given up
CREATE TABLE seen (id int NOT NULL, at date NOT NULL, CONSTRAINT seen_pkey PRIMARY KEY (id));
ALTER TABLE seen REPLICA IDENTITY USING INDEX seen_pkey;
INSERT INTO seen SELECT i, '2024-01-10' FROM generate_series(1, 10) i;
SELECT zdm.partition_table('seen', 'RANGE (at)', every => '1 month', primary_key => 'id, at') AS m \gset
SELECT n FROM zdm.migrations, unnest(notes) n WHERE id = :m AND n ~ 'identity';
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT relreplident, indexrelid::regclass FROM pg_class c LEFT JOIN pg_index ON indrelid = c.oid AND indisreplident WHERE c.oid = 'seen'::regclass;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT relreplident, indexrelid::regclass FROM pg_class c LEFT JOIN pg_index ON indrelid = c.oid AND indisreplident WHERE c.oid = 'seen'::regclass;
SELECT zdm.partition_table('seen', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach') AS m \gset
SELECT n FROM zdm.migrations, unnest(notes) n WHERE id = :m AND n ~ 'identity';
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT relreplident, indexrelid::regclass FROM pg_class c LEFT JOIN pg_index ON indrelid = c.oid AND indisreplident WHERE c.oid = 'seen'::regclass;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT relreplident, indexrelid::regclass FROM pg_class c LEFT JOIN pg_index ON indrelid = c.oid AND indisreplident WHERE c.oid = 'seen'::regclass;

SELECT zdm.partition_table('seen', 'RANGE (at)', every => '1 month', primary_key => '', way => 'attach') AS m \gset
SELECT n FROM zdm.migrations, unnest(notes) n WHERE id = :m AND n ~ 'identity';
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT relreplident, indexrelid::regclass FROM pg_class c LEFT JOIN pg_index ON indrelid = c.oid AND indisreplident WHERE c.oid = 'seen'::regclass;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');

-- the owner can make no table there: at the call, and one that it has got since
CREATE ROLE words_owner;
CREATE TABLE given (id int PRIMARY KEY, v text);
INSERT INTO given SELECT i, 'v' FROM generate_series(1, 100) i;
ALTER TABLE given OWNER TO words_owner;
\set VERBOSITY default
SELECT zdm.partition_table('given', 'RANGE (id)', every => '1000', ahead => 1, way => 'attach');
GRANT USAGE ON SCHEMA words TO words_owner;
SELECT zdm.partition_table('given', 'RANGE (id)', every => '1000', ahead => 1);
\set VERBOSITY terse
ALTER TABLE given OWNER TO CURRENT_USER;
SELECT zdm.partition_table('given', 'RANGE (id)', every => '1000', ahead => 1, way => 'attach') AS m \gset
CALL zdm.wait(:m, 'ready');
ALTER TABLE given OWNER TO words_owner;
ALTER TABLE given FORCE ROW LEVEL SECURITY;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT error_of(:m) ~ '^the owner of words.given has changed';
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'switched');
SELECT error_of(:m);
GRANT CREATE ON SCHEMA words TO words_owner;
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'switched');
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT relid::regclass, pg_get_expr(relpartbound, oid), pg_get_userbyid(relowner), relforcerowsecurity FROM pg_partition_tree('given') JOIN pg_class ON oid = relid ORDER BY 1;

DROP SCHEMA words CASCADE;
DROP ROLE words_owner;
