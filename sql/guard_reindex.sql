--
-- The guard: REINDEX of a materialized view keeps its readers waiting.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET zdm.guard_min_size = '64kB';
SET zdm.guard = off;
SET client_min_messages = warning;
CREATE MATERIALIZED VIEW mv AS SELECT g AS id, repeat('x', 100) AS v FROM generate_series(1, 2000) g;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE INDEX mv_v ON mv (v);
CREATE MATERIALIZED VIEW little AS SELECT g AS id FROM generate_series(1, 10) g;
CREATE INDEX little_id ON little (id);
CREATE MATERIALIZED VIEW unfilled AS SELECT id FROM mv WITH NO DATA;
CREATE INDEX unfilled_id ON unfilled (id);
CREATE MATERIALIZED VIEW bare AS SELECT g AS id FROM generate_series(1, 50000) g;
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t SELECT generate_series(1, 5000);

SET zdm.guard = refuse;
-- sizes differ from version to version
\set VERBOSITY terse
REINDEX INDEX mv_id;
REINDEX TABLE mv;
\set VERBOSITY default
REINDEX INDEX CONCURRENTLY mv_id;
REINDEX TABLE CONCURRENTLY mv;
REINDEX (CONCURRENTLY) INDEX mv_v;
-- what takes no time, and what has no index or no rows
REINDEX TABLE little;
REINDEX INDEX unfilled_id;
REINDEX TABLE bare;
-- each relation of a schema is locked by itself
SELECT rule, severity, object, lock, regexp_replace(detail, '[0-9.]+ MB', 'n MB') AS detail, hint FROM zdm.check('REINDEX SCHEMA public')
WHERE severity = 'unsafe' ORDER BY object, rule;
SELECT rule, severity, object, lock, hint FROM zdm.check('REINDEX INDEX mv_v; REINDEX TABLE mv; REINDEX TABLE CONCURRENTLY mv; REINDEX TABLE little');
-- one that this transaction has made has no readers yet
BEGIN;
CREATE MATERIALIZED VIEW fresh AS SELECT * FROM mv;
CREATE INDEX fresh_id ON fresh (id);
REINDEX TABLE fresh;
COMMIT;

DROP EXTENSION pg_zdm;
DROP MATERIALIZED VIEW mv, little, unfilled, bare, fresh CASCADE;
DROP TABLE t;
