--
-- Steering: back from every state, pause and resume, labels, dry runs, two at
-- once, settings, waiting, failing and going on.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET zdm.guard = off;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
\set SHOW_CONTEXT never

-- What a statement says, with numbers of migrations taken out.
CREATE FUNCTION saying(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN state || ' ' || regexp_replace(concat_ws(' | ', message, nullif(detail, ''), nullif(hint, '')),
		'(migration |zdm\.\w+\(|migration = )\d+', '\1N', 'g');
END
$$;
-- Whatever the extension may leave on a table.
CREATE FUNCTION ours(r regclass) RETURNS TABLE (what text) LANGUAGE sql AS $$
SELECT 'trigger' FROM pg_trigger WHERE tgrelid = r AND tgfoid = 'zdm.sync'::regproc
UNION ALL
SELECT 'column ' || attname FROM pg_attribute WHERE attrelid = r AND attnum > 0 AND NOT attisdropped AND attname LIKE 'new%'
UNION ALL
SELECT 'constraint ' || conname FROM pg_constraint WHERE conrelid = r AND conname LIKE '%zdm%' AND contype <> 'n'
UNION ALL
SELECT 'index ' || indexrelid::regclass FROM pg_index WHERE indrelid = r AND indexrelid::regclass::text LIKE '%zdm%'
UNION ALL
SELECT 'pair' FROM zdm.pair WHERE relid = r AND new_attnum IS NOT NULL
ORDER BY 1
$$;
CREATE PROCEDURE make(t text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, old text NOT NULL DEFAULT ''x'', n int DEFAULT (random() * 10)::int, CHECK (old <> ''bad''))', t);
	EXECUTE format('CREATE INDEX ON %I (old)', t);
	EXECUTE format('INSERT INTO %I (id, old) SELECT i, ''v'' || i FROM generate_series(1, 400) i', t);
END
$$;

--
-- back from every state
--
CREATE PROCEDURE reach(m bigint, state text) LANGUAGE plpgsql AS $$
BEGIN
	IF state IN ('cutting_over', 'switched', 'contracting') THEN
		CALL zdm.wait(m, 'ready', '60s');
		PERFORM zdm.cutover(m);
		COMMIT;
	END IF;
	IF state = 'contracting' THEN
		CALL zdm.wait(m, 'switched', '60s');
		PERFORM zdm.contract(m);
		COMMIT;
	END IF;
	IF state IN ('ready', 'switched') THEN
		CALL zdm.wait(m, state, '60s');
	ELSE
		CALL test.arrive('state-' || state);
	END IF;
END
$$;
CREATE PROCEDURE back_from(state text) LANGUAGE plpgsql AS $$
DECLARE
	t text := 'back_from_' || state;
	m bigint;
	was text;
	new_is_there boolean;
BEGIN
	CALL make(t);
	COMMIT;
	PERFORM test.hold('state-' || state);
	m := zdm.rename_column(t::regclass, 'old', 'new');
	COMMIT;
	CALL reach(m, state);
	SELECT migrations.state INTO was FROM zdm.migrations WHERE id = m;
	new_is_there := EXISTS (SELECT FROM pg_attribute WHERE attrelid = t::regclass AND attname = 'new');
	EXECUTE format('INSERT INTO %I (id, old) VALUES (1001, ''by old'')', t);
	EXECUTE format('UPDATE %I SET old = ''changed'' WHERE id = 1', t);
	IF new_is_there THEN
		EXECUTE format('INSERT INTO %I (id, new) VALUES (1002, ''by new'')', t);
		EXECUTE format('UPDATE %I SET new = ''changed'' WHERE id = 2', t);
	END IF;
	COMMIT;
	PERFORM zdm.revert(m);
	COMMIT;
	PERFORM test.release('state-' || state);
	CALL zdm.wait(m, 'reverted', '60s');
	EXECUTE format('INSERT INTO back SELECT $1, $2, count(*), count(*) FILTER (WHERE old = ''changed''), '
		'count(*) FILTER (WHERE old LIKE ''by%%''), $3, (SELECT string_agg(what, '', '') FROM ours(%1$L)) FROM %1$I', t)
		USING was, new_is_there, (SELECT migrations.state FROM zdm.migrations WHERE id = m);
END
$$;
CREATE TABLE back (state text, both_names bool, rows int, updated int, inserted int, end_state text, left_on_table text);
CALL back_from('queued');
CALL back_from('expanding');
CALL back_from('migrating');
CALL back_from('ready');
CALL back_from('cutting_over');
CALL back_from('switched');
CALL back_from('contracting');
TABLE back;

-- queued and paused before it has begun: nothing is done, and nothing undone
CALL make('before_start');
BEGIN;
SELECT zdm.rename_column('before_start', 'old', 'new') AS m \gset
SELECT zdm.pause(:m);
COMMIT;
SELECT state, paused, (SELECT waiting_for FROM zdm.progress WHERE id = :m), (SELECT count(*) FROM ours('before_start')) AS ours
  FROM zdm.migrations WHERE id = :m;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '60s');
SELECT state, paused FROM zdm.migrations WHERE id = :m;
SELECT DISTINCT state FROM zdm.steps WHERE migration = :m;
-- and another can be stated at once
SELECT zdm.rename_column('before_start', 'old', 'new', 'again') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '60s');

--
-- failing, mending, going on
--
CREATE PROCEDURE fail_at(point text, state text) LANGUAGE plpgsql AS $$
DECLARE
	t text := 'fails_in_' || state;
	m bigint;
	failure record;
BEGIN
	CALL make(t);
	COMMIT;
	PERFORM test.hold('state-' || state);
	m := zdm.rename_column(t::regclass, 'old', 'new');
	COMMIT;
	IF state = 'reverting' THEN
		CALL zdm.wait(m, 'ready', '60s');
		PERFORM zdm.revert(m);
		COMMIT;
		CALL test.arrive('state-reverting');
	ELSE
		CALL reach(m, state);
	END IF;
	PERFORM test.hold(point || ':error');
	PERFORM test.release('state-' || state);
	CALL zdm.wait(m, 'failed', '60s');
	SELECT * INTO failure FROM zdm.migrations WHERE id = m;
	INSERT INTO failures SELECT state, failure.state, failure.error_state, failure.error, (SELECT error FROM zdm.steps WHERE migration = m AND error IS NOT NULL),
		(SELECT waiting_for FROM zdm.progress WHERE id = m);
	EXECUTE format('INSERT INTO %I (id, old) VALUES (1001, ''meanwhile'')', t);
	PERFORM test.release(point || ':error');
	PERFORM zdm.resume(m);
	COMMIT;
	CALL zdm.wait(m, timeout => '60s');
	UPDATE failures SET after_resume = (SELECT migrations.state FROM zdm.migrations WHERE id = m),
		error_is_gone = (SELECT error = '' AND error_state IS NULL FROM zdm.migrations WHERE id = m) WHERE failed_in = fail_at.state;
	IF state NOT IN ('reverting', 'contracting') THEN
		PERFORM zdm.revert(m);
		COMMIT;
		CALL zdm.wait(m, timeout => '60s');
	END IF;
	UPDATE failures SET left_on_table = (SELECT string_agg(what, ', ') FROM ours(t::regclass)) WHERE failed_in = fail_at.state;
END
$$;
CREATE TABLE failures (failed_in text, state text, error_state text, error text, step_error text, waiting_for text, after_resume text, error_is_gone bool, left_on_table text);
CALL fail_at('step-before-commit', 'expanding');
CALL fail_at('backfill-before-commit', 'migrating');
CALL fail_at('step-before-commit', 'cutting_over');
CALL fail_at('step-before-commit', 'contracting');
CALL fail_at('undo-before-commit', 'reverting');
\x on
TABLE failures;
\x off
SELECT count(*), count(new) FROM fails_in_contracting;

-- a real obstacle: a name that the plan wants for itself
CALL make('clash');
SELECT coalesce(max(id), 0) + 1 AS next FROM zdm.migration \gset
SELECT format('ALTER TABLE clash ADD CONSTRAINT clash_old_check_zdm%s CHECK (id > 0)', :next) \gexec
SELECT zdm.rename_column('clash', 'old', 'new', 'clash') = :next AS as_foreseen;
CALL zdm.wait('clash', timeout => '60s');
SELECT state, error_state, regexp_replace(error, 'zdm\d+', 'zdmN') AS error, regexp_replace(error_context, 'zdm\d+', 'zdmN', 'g') AS error_context FROM zdm.migrations WHERE label = 'clash';
INSERT INTO clash (id, new) VALUES (1001, 'still in step') RETURNING old, new;
SELECT format('ALTER TABLE clash DROP CONSTRAINT clash_old_check_zdm%s', :next) \gexec
SELECT zdm.resume('clash');
CALL zdm.wait('clash', timeout => '60s');
SELECT state, error FROM zdm.migrations WHERE label = 'clash';
SELECT max(attempts) FROM zdm.steps WHERE migration = :next;
-- a failed migration can be reverted, too
SELECT zdm.revert('clash');
CALL zdm.wait('clash', 'reverted', '60s');
SELECT * FROM ours('clash');

-- rows that differ are never contracted
CALL make('differs');
SELECT zdm.rename_column('differs', 'old', 'new', 'differs') AS m \gset
CALL zdm.wait('differs', timeout => '60s');
ALTER TABLE differs DISABLE TRIGGER USER;
UPDATE differs SET old = 'astray' WHERE id IN (3, 4);
ALTER TABLE differs ENABLE ALWAYS TRIGGER "~zdm_sync";
SELECT * FROM zdm.verify('differs') ORDER BY key;
SELECT zdm.cutover('differs');
CALL zdm.wait('differs', timeout => '60s');
SELECT zdm.contract('differs');
CALL zdm.wait('differs', 'failed', '60s');
SELECT regexp_replace(error, '(blocks \d+ to) \d+', '\1 N'), error_state FROM zdm.migrations WHERE label = 'differs';
SELECT count(old) FROM differs;
UPDATE differs SET old = 'mended', new = 'mended' WHERE id IN (3, 4);
SELECT zdm.resume('differs');
CALL zdm.wait('differs', 'completed', '60s');
SELECT * FROM ours('differs');

--
-- pause and resume
--
CALL make('pauses');
SELECT test.hold('state-migrating');
SELECT zdm.rename_column('pauses', 'old', 'new', 'pauses') AS m \gset
CALL test.arrive('state-migrating');
SELECT zdm.pause('pauses');
SELECT test.release('state-migrating');
SELECT saying('SELECT zdm.pause(''pauses'')');
SELECT saying('SELECT zdm.cutover(''pauses'')');
-- the worker goes; both names are kept in step meanwhile
DO $$ BEGIN WHILE EXISTS (SELECT FROM zdm.progress WHERE label = 'pauses' AND worker IS NOT NULL) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;
SELECT state, paused, (SELECT waiting_for FROM zdm.progress WHERE label = 'pauses') FROM zdm.migrations WHERE label = 'pauses';
INSERT INTO pauses (id, new) VALUES (1001, 'paused') RETURNING old, new;
SELECT zdm.resume('pauses');
CALL zdm.wait('pauses', timeout => '60s');
SELECT state, paused FROM zdm.migrations WHERE label = 'pauses';
SELECT zdm.pause('pauses');
SELECT saying('SELECT zdm.cutover(''pauses'')');
SELECT saying('SELECT zdm.contract(''pauses'')');
SELECT zdm.resume('pauses');
SELECT saying('SELECT zdm.resume(''pauses'')');
SELECT * FROM zdm.verify('pauses');

--
-- the wrong state
--
-- what is fine is done and undone again by the subtransaction
CREATE FUNCTION dry(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	says text;
BEGIN
	says := saying(statement);
	RAISE EXCEPTION USING errcode = 'ZZ999', message = says;
EXCEPTION WHEN sqlstate 'ZZ999' THEN
	RETURN sqlerrm;
END
$$;
CREATE FUNCTION verbs(m bigint) RETURNS TABLE (state text, verb text, says text) LANGUAGE sql AS $$
SELECT g.state, v.verb, dry(format(v.call, m))
  FROM zdm.migrations g, (VALUES ('cutover', 'SELECT zdm.cutover(%s)'), ('contract', 'SELECT zdm.contract(%s)'),
       ('revert', 'SELECT zdm.revert(%s)'), ('pause', 'SELECT zdm.pause(%s)'), ('resume', 'SELECT zdm.resume(%s)'),
       ('configure', 'SELECT zdm.configure(%s, ''batch_rest'', ''2'')')) AS v (verb, call)
 WHERE g.id = m
$$;
\pset format unaligned
\pset tuples_only on
CALL make('verbs');
SELECT test.hold('state-expanding'), test.hold('state-migrating'), test.hold('state-cutting_over'), test.hold('state-contracting'), test.hold('state-reverting');
SELECT zdm.rename_column('verbs', 'old', 'new') AS m \gset
CALL test.arrive('state-expanding');
SELECT * FROM verbs(:m);
SELECT test.release('state-expanding');
CALL test.arrive('state-migrating');
SELECT * FROM verbs(:m);
SELECT test.release('state-migrating');
CALL zdm.wait(:m, 'ready', '60s');
SELECT * FROM verbs(:m);
SELECT zdm.cutover(:m);
CALL test.arrive('state-cutting_over');
SELECT * FROM verbs(:m);
SELECT test.release('state-cutting_over');
CALL zdm.wait(:m, 'switched', '60s');
SELECT * FROM verbs(:m);
SELECT zdm.contract(:m);
CALL test.arrive('state-contracting');
SELECT * FROM verbs(:m);
SELECT test.release('state-contracting');
CALL zdm.wait(:m, 'completed', '60s');
SELECT * FROM verbs(:m);
SELECT zdm.rename_column('verbs', 'new', 'newer') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
SELECT zdm.revert(:m);
CALL test.arrive('state-reverting');
SELECT * FROM verbs(:m);
SELECT test.release('state-reverting');
CALL zdm.wait(:m, 'reverted', '60s');
SELECT * FROM verbs(:m);
SELECT saying('SELECT zdm.cutover(0)');
SELECT saying('SELECT zdm.cutover(''no such label'')');
SELECT zdm.cutover(NULL::bigint);
SELECT zdm.verify(NULL::text);
-- nothing is left between the verification and the end that could be reverted
SELECT zdm.rename_column('verbs', 'new', 'newer') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched', '60s');
SELECT test.hold('state-contracting');
SELECT zdm.contract(:m);
CALL test.arrive('state-contracting');
SELECT test.hold('step-before-commit');
SELECT test.release('state-contracting');
CALL test.arrive('step-before-commit');
SELECT test.hold('state-contracting');
SELECT test.release('step-before-commit');
CALL test.arrive('state-contracting');
SELECT saying(format('SELECT zdm.revert(%s)', :m));
SELECT test.release('state-contracting');
CALL zdm.wait(:m, 'completed', '60s');
SELECT * FROM ours('verbs');
\pset format aligned
\pset tuples_only off

--
-- labels
--
CALL make('labels');
SELECT zdm.rename_column('labels', 'old', 'new', 'L''abel %1$s') AS m \gset
SELECT zdm.rename_column('labels', 'old', 'new', 'L''abel %1$s') = :m AS same;
SELECT saying($$SELECT zdm.rename_column('labels', 'n', 'new_n', 'L''abel %1$s')$$);
SELECT saying($$SELECT zdm.rename_column('clash', 'old', 'new', 'L''abel %1$s')$$);
CALL zdm.wait(:m, timeout => '60s');
SET client_min_messages = notice;
SELECT zdm.rename_column('labels', 'old', 'new', 'L''abel %1$s') = :m AS same;
SET client_min_messages = warning;
SELECT zdm.cutover('L''abel %1$s');
CALL zdm.wait(:m, timeout => '60s');
SELECT zdm.contract('L''abel %1$s');
CALL zdm.wait(:m, timeout => '60s');
-- after the end, too, when the column is no longer there
SELECT zdm.rename_column('labels', 'old', 'new', 'L''abel %1$s') = :m AS same;
SELECT state FROM zdm.migrations WHERE label = 'L''abel %1$s';
-- what has been reverted is begun anew, and the label means the new one
CALL make('anew');
SELECT zdm.rename_column('anew', 'old', 'new', 'anew') AS m \gset
CALL zdm.wait('anew', timeout => '60s');
SELECT zdm.revert('anew');
CALL zdm.wait('anew', timeout => '60s');
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT saying($$SELECT zdm.rename_column('anew', 'n', 'new_n', 'anew')$$);
SET client_min_messages = notice;
SELECT zdm.rename_column('anew', 'old', 'new', 'anew') AS second \gset
SET client_min_messages = warning;
SELECT zdm.rename_column('anew', 'old', 'new', 'anew') = :second AS same;
SELECT :second > :m AS anew;
CALL zdm.wait('anew', timeout => '60s');
SELECT zdm.cutover('anew');
CALL zdm.wait('anew', timeout => '60s');
SELECT state FROM zdm.migrations WHERE label = 'anew' ORDER BY id;
SELECT zdm.revert('anew');
CALL zdm.wait('anew', timeout => '60s');
SELECT state FROM zdm.migrations WHERE label = 'anew' ORDER BY id;

--
-- dry run
--
CALL make('dry');
BEGIN;
SELECT zdm.rename_column('dry', 'old', 'new', 'dry') AS m \gset
-- (from PostgreSQL 18 on, NOT NULL has a name, too)
SELECT phase, action, lock, regexp_replace(regexp_replace(statement, ';\n[^\n]*not_null\S*$', ''), 'zdm\d+', 'zdmN', 'g') AS statement FROM zdm.steps WHERE migration = :m AND phase <> 'migrate';
SELECT state FROM zdm.migrations WHERE id = :m;
SELECT mode FROM pg_locks WHERE relation = 'dry'::regclass AND pid = pg_backend_pid() AND mode <> 'AccessShareLock';
SAVEPOINT s;
SELECT zdm.rename_column('dry', 'n', 'new_n') > 0 AS stated;
ROLLBACK TO s;
SELECT count(*) FROM zdm.migrations WHERE relation = 'dry';
ROLLBACK;
SELECT count(*) FROM zdm.migrations WHERE relation = 'dry';
SELECT count(*) FROM zdm.step WHERE migration = :m;
SELECT * FROM ours('dry');

--
-- two at once on one table
--
CALL make('two');
SELECT zdm.rename_column('two', 'old', 'new', 'one') AS one \gset
SELECT zdm.rename_column('two', 'n', 'new_n', 'other') AS other \gset
CALL zdm.wait(:one, timeout => '60s');
CALL zdm.wait(:other, timeout => '60s');
SELECT saying('SELECT zdm.rename_column(''two'', ''old'', ''x'')');
SELECT saying('SELECT zdm.rename_column(''two'', ''id'', ''new_n'')');
SELECT saying('SELECT zdm.rename_column(''two'', ''new'', ''x'')');
INSERT INTO two (id, new, new_n) VALUES (1001, 'both', 5) RETURNING old, n;
SELECT * FROM ours('two');
SELECT zdm.revert('one');
CALL zdm.wait(:one, timeout => '60s');
SELECT * FROM ours('two');
INSERT INTO two (id, new_n) VALUES (1002, 6) RETURNING old, n;
SELECT zdm.cutover('other');
CALL zdm.wait(:other, timeout => '60s');
SELECT zdm.contract('other');
CALL zdm.wait(:other, timeout => '60s');
SELECT * FROM ours('two');

--
-- settings
--
CALL make('settings');
SET zdm.batch_time = '7ms';
SET zdm.on_conflict = error;
SELECT zdm.rename_column('settings', 'old', 'new', 'settings') AS m \gset
RESET zdm.batch_time;
RESET zdm.on_conflict;
CALL zdm.wait('settings', timeout => '60s');
SELECT settings ->> 'zdm.batch_time' AS batch_time, settings ->> 'zdm.on_conflict' AS on_conflict FROM zdm.migrations WHERE label = 'settings';
SELECT regexp_replace(saying($$INSERT INTO settings (id, old, new) VALUES (1001, 'this', 'that')$$), 'Migration \d+', 'Migration N');
INSERT INTO settings (id, old, new) VALUES (1001, 'this', 'this');
SELECT zdm.configure('settings', 'on_conflict', 'old');
INSERT INTO settings (id, old, new) VALUES (1002, 'this', 'that') RETURNING old, new;
SELECT zdm.configure('settings', 'zdm.batch_rest', '0.5');
SELECT settings ->> 'zdm.batch_rest' AS batch_rest FROM zdm.migrations WHERE label = 'settings';
SELECT saying($$SELECT zdm.configure('settings', 'on_conflict', 'both')$$);
SELECT saying($$SELECT zdm.configure('settings', 'batch_time', 'soon')$$);
SELECT saying($$SELECT zdm.configure('settings', 'guard', 'off')$$);
SELECT saying($$SELECT zdm.configure('settings', 'work_mem', '1GB')$$);
SELECT saying($$SELECT zdm.configure('settings', 'batch_time', NULL)$$);
SHOW zdm.batch_rest;
-- no way back
SELECT zdm.configure('settings', 'reversible', 'off');
SELECT saying($$SELECT zdm.revert('settings')$$);
SELECT zdm.configure('settings', 'reversible', 'on');
SELECT zdm.revert('settings');
CALL zdm.wait('settings', 'reverted', '60s');
SELECT * FROM ours('settings');

--
-- waiting
--
CALL make('waits');
SELECT test.hold('state-expanding');
SELECT zdm.rename_column('waits', 'old', 'new', 'waits') AS m \gset
CALL test.arrive('state-expanding');
-- (the detail names sessions)
\set VERBOSITY terse
CALL zdm.wait('waits', timeout => '0');
CALL zdm.wait('waits', 'ready', '10ms');
BEGIN;
CALL zdm.wait('waits');
ROLLBACK;
DO $$ BEGIN PERFORM 1; CALL zdm.wait('waits', timeout => '1ms'); END $$;
\set VERBOSITY default
CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL zdm.wait('waits', timeout => '1ms'); END $$;
SELECT waits();
CALL zdm.wait('waits', 'nowhere');
CALL zdm.wait(NULL::bigint);
CALL zdm.wait('waits', 'queued', '1ms');
SELECT test.release('state-expanding');
CALL zdm.wait('waits', 'ready', '60s');
CALL zdm.wait('waits', 'completed', '10ms');
SELECT pg_advisory_lock(hashtextextended('zdm:state-reverting', 0));
SELECT zdm.revert('waits');
CALL zdm.wait('waits', 'ready', '60s');
SELECT pg_advisory_unlock(hashtextextended('zdm:state-reverting', 0));
CALL zdm.wait('waits', 'reverted', '60s');
CALL zdm.wait('waits', 'completed', '60s');
CALL zdm.wait('waits');

SELECT tgrelid::regclass FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc;
SELECT count(*) FROM zdm.pair WHERE new_attnum IS NOT NULL AND migration NOT IN (SELECT id FROM zdm.migration WHERE state NOT IN ('completed', 'reverted'));
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
