--
-- What the views and the errors tell, and to whom; and who may steer.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_zdm_owner NOLOGIN;
CREATE ROLE regress_zdm_member IN ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_aloof NOINHERIT IN ROLE regress_zdm_owner;
CREATE ROLE regress_zdm_reader;
CREATE ROLE regress_zdm_filtered;
CREATE ROLE regress_zdm_writer;
CREATE ROLE regress_zdm_stranger;
CREATE ROLE regress_zdm_heir;
CREATE SCHEMA vault AUTHORIZATION regress_zdm_owner;
GRANT USAGE ON SCHEMA vault TO PUBLIC;
GRANT CREATE ON SCHEMA vault TO regress_zdm_heir;
CREATE SCHEMA open;
GRANT ALL ON SCHEMA open TO PUBLIC;

SET ROLE regress_zdm_owner;
CREATE TABLE vault.secrets (id int PRIMARY KEY, a text, b text);
INSERT INTO vault.secrets VALUES (1, 'sesame'), (2, 'sesame');
GRANT SELECT ON vault.secrets TO regress_zdm_reader;
GRANT INSERT ON vault.secrets TO regress_zdm_writer;
-- fails, and the error quotes a row
SELECT zdm.migrate('CREATE UNIQUE INDEX secrets_a ON vault.secrets (a)', label => 'unique') AS m \gset
CALL zdm.wait('unique', 'failed', '60s');
RESET ROLE;

--
-- errors that quote rows
--
CREATE FUNCTION pg_temp.told(OUT who name, OUT migrations bigint, OUT error bool, OUT step_error bool, OUT state text, OUT notes bool) LANGUAGE sql AS $$
	SELECT current_user, count(*), bool_or(error LIKE '%sesame%'),
	       (SELECT bool_or(error IS NOT NULL) FROM zdm.steps), max(error_state), bool_or(notes IS NOT NULL) FROM zdm.migrations $$;
GRANT USAGE ON SCHEMA vault TO PUBLIC;
SET ROLE regress_zdm_owner;
SELECT * FROM pg_temp.told();
RESET ROLE;
SET ROLE regress_zdm_member;
SELECT * FROM pg_temp.told();
RESET ROLE;
SET ROLE regress_zdm_reader;
SELECT * FROM pg_temp.told();
RESET ROLE;
SET ROLE regress_zdm_writer;
SELECT * FROM pg_temp.told();
SELECT state, waiting_for FROM zdm.progress;
RESET ROLE;
SET ROLE regress_zdm_stranger;
SELECT * FROM pg_temp.told();
RESET ROLE;
-- a reader whose rows are filtered
GRANT SELECT ON vault.secrets TO regress_zdm_filtered;
ALTER TABLE vault.secrets ENABLE ROW LEVEL SECURITY;
SET ROLE regress_zdm_filtered;
SELECT * FROM pg_temp.told();
SELECT count(*) FROM vault.secrets;
RESET ROLE;
ALTER TABLE vault.secrets DISABLE ROW LEVEL SECURITY;

--
-- what a step waits for: other people's sessions
--
BEGIN;
UPDATE zdm.step_progress SET waiting_for = 'ACCESS EXCLUSIVE lock on vault.secrets, held by pid 1 (idle in transaction since 00:00)' WHERE migration = :m;
UPDATE zdm.migration SET state = 'migrating', changed = clock_timestamp() + interval '1 hour' WHERE id = :m;
SET LOCAL ROLE regress_zdm_owner;
SELECT waiting_for FROM zdm.progress;
SET LOCAL ROLE regress_zdm_writer;
SELECT waiting_for FROM zdm.progress;
ROLLBACK;

--
-- steering: the owner, and who has the owner's rights
--
CREATE PROCEDURE pg_temp.steer(what text, m text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT zdm.%s(%s)', what, m);
	RAISE WARNING '%: % allowed', current_user, what;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '%: % %', current_user, what, sqlstate || ' ' || sqlerrm;
END $$;
CREATE PROCEDURE pg_temp.steer_all(m text) LANGUAGE plpgsql AS $$
BEGIN
	CALL pg_temp.steer('pause', m);
	CALL pg_temp.steer('resume', m);
	CALL pg_temp.steer('cutover', m);
	CALL pg_temp.steer('contract', m);
	CALL pg_temp.steer('revert', m);
	CALL pg_temp.steer('verify', m);
	CALL pg_temp.steer('configure', m || ', ''batch_rest'', ''0''');
END $$;
BEGIN;
SET LOCAL ROLE regress_zdm_stranger;
CALL pg_temp.steer_all($$'unique'$$);
CALL pg_temp.steer_all(:'m');
SET LOCAL ROLE regress_zdm_reader;
CALL pg_temp.steer('revert', $$'unique'$$);
SET LOCAL ROLE regress_zdm_aloof;
CALL pg_temp.steer('revert', $$'unique'$$);
SET LOCAL ROLE regress_zdm_member;
CALL pg_temp.steer('configure', $$'unique', 'batch_rest', '0'$$);
CALL pg_temp.steer('revert', $$'unique'$$);
ROLLBACK;
SET ROLE regress_zdm_stranger;
CALL zdm.wait('unique');
CALL zdm.wait(:m);
CALL zdm.wait(987654321);
RESET ROLE;

--
-- a label that somebody else has taken
--
SET ROLE regress_zdm_stranger;
CREATE TABLE open.own (id int, a text, b text);

-- the label is free for it: labels belong to roles
BEGIN;
SELECT zdm.rename_column('open.own', 'a', 'c', 'unique') > 0;
ROLLBACK;
SELECT zdm.migrate('CREATE UNIQUE INDEX secrets_a ON vault.secrets (a)', label => 'unique');

RESET ROLE;

--
-- the guard, and zdm.check: DDL on another's table
--
SELECT zdm.revert('unique');
CALL zdm.wait('unique');
SET ROLE regress_zdm_owner;
SELECT zdm.rename_column('vault.secrets', 'b', 'c', 'renamed') > 0;
CALL zdm.wait('renamed', timeout => '60s');
RESET ROLE;
SET zdm.guard = refuse;
SET ROLE regress_zdm_stranger;
ALTER TABLE vault.secrets DROP COLUMN b;
DROP TABLE vault.secrets;
SELECT rule, object FROM zdm.check('ALTER TABLE vault.secrets DROP COLUMN b') WHERE rule = 'migration-in-progress';
RESET ROLE;
SET ROLE regress_zdm_reader;
SELECT rule, object FROM zdm.check('ALTER TABLE vault.secrets DROP COLUMN b') WHERE rule = 'migration-in-progress';
RESET ROLE;
SET zdm.guard = off;
--
-- a table that changes hands: the old owner has nothing to say any more
--
ALTER TABLE vault.secrets OWNER TO regress_zdm_heir;
BEGIN;
SET LOCAL ROLE regress_zdm_owner;
CALL pg_temp.steer_all($$'renamed'$$);
SET LOCAL ROLE regress_zdm_heir;
CALL pg_temp.steer('pause', $$'renamed'$$);
CALL pg_temp.steer('resume', $$'renamed'$$);
CALL pg_temp.steer('configure', $$'renamed', 'batch_rest', '0'$$);
CALL pg_temp.steer('verify', $$'renamed'$$);
CALL pg_temp.steer('cutover', $$'renamed'$$);
ROLLBACK;
-- whose role is gone altogether
SET ROLE regress_zdm_owner;
CREATE TYPE open.unrelated AS (a int);
SELECT zdm.migrate('CREATE TYPE open.made AS (a int)', label => 'type') > 0;
CALL zdm.wait('type', timeout => '60s');
SELECT zdm.migrate('DROP TYPE open.unrelated', label => 'drop type') > 0;
CALL zdm.wait('drop type', timeout => '60s');
RESET ROLE;
REASSIGN OWNED BY regress_zdm_owner TO regress_zdm_heir;
DROP OWNED BY regress_zdm_owner;
DROP ROLE regress_zdm_member, regress_zdm_aloof, regress_zdm_owner;
SELECT label, state, owner ~ '^\d+$' AS owner_is_gone FROM zdm.migrations ORDER BY id;
SET ROLE regress_zdm_heir;
SELECT label, state FROM zdm.migrations ORDER BY id;
SELECT zdm.contract('drop type');
SELECT zdm.revert('renamed');
CALL zdm.wait('renamed', timeout => '60s');
RESET ROLE;
-- nothing is done in the name of nobody
SELECT zdm.contract('drop type');
CALL zdm.wait('drop type', 'failed', '60s');
SELECT error_state, error FROM zdm.migrations WHERE label = 'drop type';
SELECT to_regtype('open.unrelated');
SELECT zdm.revert('drop type');
CALL zdm.wait('drop type', timeout => '60s');
SELECT attname FROM pg_attribute WHERE attrelid = 'vault.secrets'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;

-- the view behind the views is nobody's
SET ROLE regress_zdm_reader;
SELECT * FROM zdm.visible;
RESET ROLE;
DROP SCHEMA vault, open CASCADE;
DROP OWNED BY regress_zdm_reader, regress_zdm_filtered, regress_zdm_writer, regress_zdm_stranger, regress_zdm_heir;
DROP ROLE regress_zdm_reader, regress_zdm_filtered, regress_zdm_writer, regress_zdm_stranger, regress_zdm_heir;
