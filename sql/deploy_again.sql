--
-- Deployments are run again, up, down and up, and by several roles: a label
-- answers with its migration only while what that did is there.
--
SET client_min_messages = warning;
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = notice;
SET zdm.batch_rest = 0;
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 10) i;

-- an index: up, up, down by plain DDL, up
SELECT zdm.migrate('CREATE INDEX t_a ON t (a)', label => 'index');
CALL test.await('index', 'completed');
SELECT zdm.migrate('CREATE INDEX t_a ON t (a)', label => 'index');
DROP INDEX t_a;
SELECT zdm.migrate('CREATE INDEX t_a ON t (a)', label => 'index');
CALL test.await('index', 'completed');
SELECT zdm.migrate('CREATE INDEX t_a ON t (a)', label => 'index');
SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass;

-- down by its opposite
SELECT zdm.revert('index');
CALL test.await('index', 'reverted');
SELECT to_regclass('t_a');
SELECT zdm.migrate('CREATE INDEX t_a ON t (a)', label => 'index');
CALL test.await('index', 'completed');
SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass;

-- NOT NULL
SELECT zdm.set_not_null('t', 'a', label => 'not null');
CALL test.await('not null', 'completed');
SELECT zdm.set_not_null('t', 'a', label => 'not null');
ALTER TABLE t ALTER a DROP NOT NULL;
SELECT zdm.set_not_null('t', 'a', label => 'not null');
CALL test.await('not null', 'completed');
SELECT zdm.revert('not null');
CALL test.await('not null', 'reverted');
SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a';

-- a constraint
SELECT zdm.migrate('ALTER TABLE t ADD CONSTRAINT pos CHECK (a > 0)', label => 'check');
CALL test.await('check', 'completed');
ALTER TABLE t DROP CONSTRAINT pos;
SELECT zdm.migrate('ALTER TABLE t ADD CONSTRAINT pos CHECK (a > 0)', label => 'check');
CALL test.await('check', 'completed');
SELECT zdm.revert('check');
CALL test.await('check', 'reverted');
-- the label means the last, though the one before it is not reverted
CALL zdm.wait('check', 'reverted', '60s');
SELECT count(*) FROM pg_constraint WHERE conname = 'pos';

-- a column
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN c int', label => 'column');
CALL test.await('column', 'completed');
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN c int', label => 'column');
ALTER TABLE t DROP COLUMN c;
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN c int', label => 'column');
CALL test.await('column', 'completed');
SELECT zdm.revert('column');

-- what was dropped is there again
SELECT zdm.migrate('DROP INDEX t_a', label => 'drop');
CALL test.await('drop', 'completed');
SELECT zdm.migrate('DROP INDEX t_a', label => 'drop');
CREATE INDEX t_a ON t (a);
SELECT zdm.migrate('DROP INDEX t_a', label => 'drop');
CALL test.await('drop', 'completed');
SELECT to_regclass('t_a');

-- the way back and forward again at once, twice
SELECT zdm.rename_column('t', 'b', 'c2', label => 'rename');
CALL test.await('rename', 'ready');
SELECT pg_advisory_lock(hashtextextended('zdm:state-reverting', 0));
SELECT zdm.revert('rename');
BEGIN;
SELECT zdm.rename_column('t', 'b', 'c2', label => 'rename') > 0 AS stated;
COMMIT;
SELECT pg_advisory_unlock(hashtextextended('zdm:state-reverting', 0));
CALL test.await('rename', 'ready');
SELECT state FROM zdm.migrations WHERE label = 'rename' ORDER BY id DESC LIMIT 1;
SELECT zdm.cutover('rename');
CALL test.await('rename', 'switched');
INSERT INTO t (id, a, c2) VALUES (11, 11, 'new');
BEGIN;
SELECT zdm.revert('rename');
SELECT zdm.rename_column('t', 'b', 'c2', label => 'rename') > 0 AS stated;
SELECT zdm.rename_column('t', 'b', 'c3', label => 'rename');
ROLLBACK;
BEGIN;
SELECT zdm.revert('rename');
SELECT zdm.rename_column('t', 'b', 'c2', label => 'rename') > 0 AS stated;
COMMIT;
CALL test.await('rename', 'ready');
SELECT count(*) FROM t WHERE b IS DISTINCT FROM c2;
SELECT zdm.cutover('rename');
CALL test.await('rename', 'switched');
SELECT zdm.contract('rename');
CALL test.await('rename', 'completed');
SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT zdm.rename_column('t', 'b', 'c2', label => 'rename');

-- the table is made anew
DROP TABLE t;
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
SELECT zdm.migrate('CREATE INDEX t_a ON t (a)', label => 'index');
SELECT zdm.rename_column('t', 'b', 'c2', label => 'rename');
CALL test.await('index', 'completed');
CALL test.await('rename', 'ready');

-- a whole life in one transaction, on a table made there
BEGIN;
CREATE TABLE h (id int, a int, b text, c text, gone int);
INSERT INTO h VALUES (1, 1, 'x', NULL, 1);
SELECT zdm.rename_column('h', 'a', 'a2', label => 'h1');
SELECT zdm.cutover('h1');
CALL zdm.wait('h1', 'switched');
SELECT zdm.contract('h1');
CALL zdm.wait('h1');
SELECT zdm.change_column_type('h', 'id', 'bigint', label => 'h2');
SELECT zdm.cutover('h2'), zdm.contract('h2');
SELECT zdm.set_not_null('h', 'c', '''none''', label => 'h3');
SELECT zdm.migrate('CREATE INDEX CONCURRENTLY h_b ON h (b)', label => 'h4');
SELECT zdm.migrate('ALTER TABLE h ALTER COLUMN b TYPE varchar(10)', label => 'h5');
SELECT zdm.migrate('ALTER TABLE h DROP COLUMN gone', label => 'h6');
SELECT zdm.contract('h6');
SELECT zdm.backfill('h', 'b = ''y''', 'b = ''x''', label => 'h7');
SELECT zdm.migrate('ALTER TABLE h RENAME TO h_new', label => 'h8');
SELECT zdm.migrate('DROP INDEX CONCURRENTLY h_b', label => 'h9');
COMMIT;
\d h_new
TABLE h_new;
SELECT label, state FROM zdm.migrations WHERE label LIKE 'h%' ORDER BY id;
SELECT zdm.revert('h3');
CALL test.await('h3', 'reverted');

-- and of one that is rolled back nothing is left
BEGIN;
CREATE TABLE h (a int);
SELECT zdm.rename_column('h', 'a', 'b', label => 'h10');
ROLLBACK;
SELECT count(*) FROM zdm.migrations WHERE label = 'h10';

-- zdm.wait() in a transaction: what is reached is reached
BEGIN;
CALL zdm.wait('index', 'completed');
CALL zdm.wait('rename', 'switched');
ROLLBACK;
DO $$BEGIN CALL zdm.wait('index'); PERFORM zdm.cutover('rename'); END$$;

-- two roles, one label
SET client_min_messages = warning;
CREATE ROLE deploy_one;
CREATE ROLE deploy_two;
CREATE SCHEMA one AUTHORIZATION deploy_one;
CREATE SCHEMA two AUTHORIZATION deploy_two;
SET ROLE deploy_one;
CREATE TABLE one.t (a int);
SELECT zdm.rename_column('one.t', 'a', 'b', label => 'deploy');
SET ROLE deploy_two;
CREATE TABLE two.t (x int);
SELECT zdm.rename_column('two.t', 'x', 'y', label => 'deploy');
SELECT zdm.rename_column('two.t', 'x', 'y', label => 'deploy');
SELECT zdm.rename_column('two.t', 'x', 'z', label => 'deploy');
CALL test.await('deploy', 'ready');
SELECT zdm.revert('deploy');
CALL test.await('deploy', 'reverted');
RESET ROLE;
CALL test.await('deploy', 'ready');
SELECT label, relation, state FROM zdm.migrations WHERE label = 'deploy' ORDER BY id;

SET client_min_messages = warning;
DROP EXTENSION pg_zdm CASCADE;
DROP TABLE t, h_new;
DROP SCHEMA one, two CASCADE;
DROP ROLE deploy_one, deploy_two;
