--
-- RENAME TABLE and row-level security: policies bind whoever uses the view,
-- which they could not before security_invoker.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE ROLE rt_reader;
CREATE ROLE rt_other;
CREATE ROLE rt_log;
CREATE PROCEDURE try(sql text) LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE sql;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE WARNING '%: % rows', sql, n;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '%: % %', sql, SQLSTATE, SQLERRM;
END $$;

-- row-level security: policies bind whoever uses the view
CREATE TABLE log (owner name DEFAULT current_user, what text);
INSERT INTO log VALUES ('rt_reader', 'not yours'), ('rt_other', 'theirs');
ALTER TABLE log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON log USING (owner = current_user);
GRANT INSERT ON log TO rt_log;
GRANT SELECT, UPDATE ON log TO rt_other;
SELECT zdm.migrate('ALTER TABLE log RENAME TO journal', label => 'policies');
CALL zdm.wait('policies', 'ready', '1 min');
SET ROLE rt_log;
CALL try('INSERT INTO journal (what) VALUES (''mine'')');
CALL try('INSERT INTO journal VALUES (''rt_other'', ''not mine'')');
CALL try('SELECT * FROM journal');
SET ROLE rt_reader;
CALL try('SELECT * FROM journal');
SET ROLE rt_other;
CALL try('SELECT * FROM journal');
CALL try('UPDATE journal SET owner = current_user');
RESET ROLE;
SELECT zdm.revert('policies');
CALL zdm.wait('policies', 'reverted', '1 min');
GRANT SELECT (what) ON log TO rt_reader;
SELECT zdm.migrate('ALTER TABLE log RENAME TO journal');

DROP TABLE log;
DROP ROLE rt_reader, rt_other, rt_log;
