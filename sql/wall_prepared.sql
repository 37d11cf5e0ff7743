--
-- Who would wait for a transaction that was PREPAREd with a migration stated or
-- steered in it is told its name, and how it ends.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
SET lock_timeout = '200ms';
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', sqlstate || ' ' || sqlerrm, regexp_replace(replace(detail, session_user, 'SESSION_USER'), '\d\d\d\d-\S+ \S+', 'TIME'), hint);
END
$$;
CREATE TABLE one (id int PRIMARY KEY, a text);
CREATE TABLE two (id int PRIMARY KEY, a text);
SELECT zdm.rename_column('two', 'a', 'b', label => 'two') > 0;
CALL zdm.wait('two', 'ready', '60s');
SET zdm.batch_time = '10ms';
BEGIN;
SELECT zdm.rename_column('one', 'a', 'b', label => 'dry') > 0;
PREPARE TRANSACTION 'zdm''s dry run';
BEGIN;
SELECT zdm.pause('two') IS NOT NULL;
PREPARE TRANSACTION 'zdm pause';
-- the same label, the same table, the same migration
SELECT told($$SELECT zdm.rename_column('two', 'id', 'nr', label => 'dry')$$);
SELECT told($$SELECT zdm.migrate('ALTER TABLE two RENAME id TO nr', label => 'dry')$$);
SELECT told($$SELECT zdm.rename_column('one', 'id', 'nr', label => 'other')$$);
SELECT told($$SELECT zdm.resume('two')$$);
SELECT told($$SELECT zdm.cutover('two')$$);
-- who may not steer it is told nothing of that, and waits for nobody
CREATE ROLE regress_prepared;
GRANT SELECT ON two TO regress_prepared;
SET ROLE regress_prepared;
SELECT told($$SELECT zdm.resume(1)$$);
RESET ROLE;
-- a worker shows it, too
BEGIN;
LOCK TABLE two IN ROW EXCLUSIVE MODE;
PREPARE TRANSACTION 'zdm reader';
ROLLBACK PREPARED 'zdm pause';
SELECT zdm.cutover('two') IS NOT NULL;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM zdm.progress WHERE waiting_for LIKE '%zdm reader%');
		COMMIT;
		PERFORM pg_sleep(0.1);
	END LOOP;
END
$$;
SELECT waiting_for FROM zdm.progress WHERE id = 1;
ROLLBACK PREPARED 'zdm reader';
ROLLBACK PREPARED 'zdm''s dry run';
CALL zdm.wait('two', 'switched', '60s');
SELECT told($$SELECT zdm.rename_column('one', 'a', 'b', label => 'dry')$$);
SELECT label, state FROM zdm.migrations WHERE label = 'two';
DROP OWNED BY regress_prepared;
DROP ROLE regress_prepared;
