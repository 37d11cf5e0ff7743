--
-- Row-level security that is forced on the owner is found at the call, by every
-- change that has a query to run; and a plan shows nothing that is then refused.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
CREATE ROLE regress_zdm_bound;
GRANT USAGE, CREATE ON SCHEMA public TO regress_zdm_bound;
SET ROLE regress_zdm_bound;
CREATE TABLE acc (id int PRIMARY KEY, tenant int);
CREATE TABLE led (id int PRIMARY KEY, acc int, note text, code text, sum int CHECK (sum > 0));
CREATE TABLE free (id int PRIMARY KEY, acc int);
INSERT INTO acc SELECT g, g % 3 FROM generate_series(1, 9) g;
INSERT INTO led SELECT g, g, 'n', g, g FROM generate_series(1, 9) g;
ALTER TABLE led ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON led USING (id > 5);
-- the owner passes it by
BEGIN;
SELECT zdm.set_not_null('led', 'note') > 0;
ROLLBACK;
ALTER TABLE led FORCE ROW LEVEL SECURITY;
ALTER TABLE acc FORCE ROW LEVEL SECURITY;
SELECT zdm.backfill('led', 'note = id');
SELECT zdm.set_not_null('led', 'note');
SELECT zdm.set_not_null('led', 'note', '''x''');
SELECT zdm.migrate('ALTER TABLE led ADD COLUMN g uuid DEFAULT gen_random_uuid()');
SELECT zdm.migrate('ALTER TABLE led ADD FOREIGN KEY (acc) REFERENCES acc');
SELECT zdm.change_column_type('led', 'code', 'int', 'code::int');
SELECT * FROM zdm.plan('ALTER TABLE led ADD FOREIGN KEY (acc) REFERENCES acc');
RESET ROLE;
-- also if a superuser states it: the work is the owner's
SELECT zdm.migrate('ALTER TABLE led ADD FOREIGN KEY (acc) REFERENCES acc');
SET ROLE regress_zdm_bound;
-- what runs no query is not concerned; forced, but not enabled, it binds nobody
SELECT zdm.rename_column('led', 'note', 'remark', 'rename');
SELECT zdm.migrate('ALTER TABLE led ADD CONSTRAINT small CHECK (sum < 100)', label => 'check');
SELECT zdm.migrate('ALTER TABLE free ADD FOREIGN KEY (acc) REFERENCES acc', label => 'key');
CALL zdm.wait('rename', 'ready', '15 seconds');
CALL zdm.wait('check', 'completed', '15 seconds');
CALL zdm.wait('key', 'completed', '15 seconds');
-- another migration is in the way of the plan too
SELECT * FROM zdm.plan('ALTER TABLE led RENAME COLUMN note TO x');
SELECT zdm.revert('rename');
CALL zdm.wait('rename', 'reverted', '15 seconds');
-- to its end: rows that the owner cannot see are filled, indexed and kept
CREATE INDEX ON led (acc);
CREATE TABLE late (id int PRIMARY KEY, v int);
INSERT INTO late SELECT g, g FROM generate_series(1, 9) g;
SELECT zdm.change_column_type('led', 'acc', 'bigint', label => 'type') > 0;
SELECT zdm.change_column_type('late', 'v', 'text', 'v::text', 'v::int', label => 'late') > 0;
CALL zdm.wait('type', 'ready', '15 seconds');
CALL zdm.wait('late', 'ready', '15 seconds');
-- forced in the middle
ALTER TABLE late ENABLE ROW LEVEL SECURITY;
ALTER TABLE late FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON late USING (id > 5);
SELECT zdm.cutover('type');
CALL zdm.wait('type', 'switched', '15 seconds');
SELECT zdm.cutover('late');
CALL zdm.wait('late', 'switched', '15 seconds');
SELECT zdm.contract('type');
CALL zdm.wait('type', 'completed', '15 seconds');
SELECT zdm.contract('late');
CALL zdm.wait('late', 'completed', '15 seconds');
RESET ROLE;
SELECT string_agg(acc::text, ' ' ORDER BY id), min(pg_typeof(acc)::text) FROM led;
SELECT string_agg(v, ' ' ORDER BY id), min(pg_typeof(v)::text) FROM late;
DROP OWNED BY regress_zdm_bound;
DROP ROLE regress_zdm_bound;
