--
-- What a migration has made, or still needs, is refused by name to be dropped or
-- altered, with the migration's id and the call that leads on from where it is.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE zdm_needed_app;
CREATE TABLE k (id serial PRIMARY KEY, x text, "C" text);
CREATE TABLE h (id serial PRIMARY KEY, k_id int NOT NULL REFERENCES k, email text UNIQUE CHECK (email <> ''), plain text);
CREATE INDEX h_lower ON h (lower(email));
CREATE INDEX h_plain ON h (plain);
INSERT INTO k SELECT g, 'x' FROM generate_series(1, 1000) g;
INSERT INTO h SELECT g, g, g::text FROM generate_series(1, 1000) g;
GRANT ALL ON k, h TO zdm_needed_app;
SELECT zdm.change_column_type('k', 'id', 'bigint', label => 'k');
SELECT zdm.change_column_type('h', 'k_id', 'bigint', label => 'h');
SELECT zdm.rename_column('h', 'email', 'mail', label => 'm');
CALL zdm.wait('k', 'ready', '1 minute');
CALL zdm.wait('h', 'ready', '1 minute');
CALL zdm.wait('m', 'ready', '1 minute');

-- What is said of each statement; "passes" is undone.
CREATE FUNCTION said(ddl text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	SET LOCAL zdm.guard = refuse;
	EXECUTE ddl;
	RAISE EXCEPTION 'passes' USING ERRCODE = 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN RETURN 'passes';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
		RETURN CASE SQLSTATE WHEN 'ZD001' THEN message || ' / ' || detail ELSE SQLSTATE || ' ' || message END;
END $$;
SELECT ddl, said(ddl) FROM unnest(ARRAY[
	'DROP INDEX h_email_key_zdm3',
	'ALTER INDEX h_email_key_zdm3 RENAME TO other',
	'ALTER INDEX h_email_key_zdm3 SET (fillfactor = 50)',
	'DROP INDEX h_lower_zdm3',
	'DROP INDEX h_lower',
	'ALTER INDEX h_lower RENAME TO other',
	'DROP INDEX k_pkey_zdm1',
	'ALTER TABLE h DROP CONSTRAINT h_k_id_fkey_zdm1',
	'ALTER TABLE h DROP CONSTRAINT h_k_id_fkey_zdm2',
	'ALTER TABLE h DROP CONSTRAINT h_k_id_fkey',
	'ALTER TABLE h ALTER CONSTRAINT h_k_id_fkey DEFERRABLE',
	'ALTER TABLE h RENAME CONSTRAINT h_k_id_fkey TO other',
	'ALTER TABLE h DROP CONSTRAINT h_email_check',
	'ALTER TABLE h DROP CONSTRAINT h_email_check_zdm3',
	'ALTER TABLE h DROP CONSTRAINT h_email_key',
	'ALTER TABLE h DROP COLUMN k_id_zdm2',
	'ALTER TABLE h ALTER COLUMN k_id_zdm2 DROP NOT NULL',
	'ALTER TABLE h RENAME COLUMN k_id_zdm2 TO other',
	'ALTER TABLE h DISABLE TRIGGER "~zdm_sync"',
	'ALTER TABLE h ENABLE ALWAYS TRIGGER "~zdm_sync"',
	'ALTER TABLE h RENAME TO other',
	'ALTER TABLE h SET SCHEMA zdm',
	'DROP INDEX h_plain',
	'ALTER TABLE h RENAME CONSTRAINT h_pkey TO other']) ddl;

-- A table is swapped away: refused where its name goes.
SET zdm.guard = refuse;
BEGIN;
CREATE TABLE k__tmp (LIKE k);
INSERT INTO k__tmp SELECT * FROM k;
ALTER TABLE k RENAME TO k__backup;
ROLLBACK;
BEGIN;
CREATE TABLE k__tmp AS SELECT id, x FROM k;
ALTER TABLE k RENAME TO k__backup;
ROLLBACK;

-- The trigger, disabled by somebody past the guard, is enabled as it has to be.
SET zdm.guard = off;
ALTER TABLE h DISABLE TRIGGER USER;
SET zdm.guard = refuse;
ALTER TABLE h ENABLE ALWAYS TRIGGER "~zdm_sync";
SELECT tgenabled FROM pg_trigger WHERE tgname = '~zdm_sync' AND tgrelid = 'h'::regclass;

-- The call that leads on: in ready, paused, switched.
ALTER TABLE h DROP COLUMN email;
SELECT zdm.pause('m');
ALTER TABLE h DROP COLUMN email;
SELECT zdm.resume('m');
SELECT zdm.cutover('m');
CALL zdm.wait('m', 'switched', '1 minute');
ALTER TABLE h DROP COLUMN email;
SELECT ddl, said(ddl) FROM unnest(ARRAY[
	'DROP INDEX h_email_key_old_zdm3',
	'DROP INDEX h_lower',
	'ALTER TABLE h DROP CONSTRAINT h_email_check']) ddl;
SELECT zdm.migrate('ALTER TABLE k DROP COLUMN "C"', label => 'drop') > 0;
CALL zdm.wait('drop', 'ready', '1 minute');
ALTER TABLE k ALTER COLUMN "C" TYPE varchar(10);
SET zdm.guard = off;
SELECT zdm.revert(m) FROM unnest(ARRAY['k', 'h', 'm', 'drop']) m;
CALL zdm.wait('k', 'reverted', '1 minute');
CALL zdm.wait('h', 'reverted', '1 minute');
CALL zdm.wait('m', 'reverted', '1 minute');
CALL zdm.wait('drop', 'reverted', '1 minute');
SET zdm.guard = refuse;
-- It is over: the names are the users' again.
ALTER TABLE h DROP CONSTRAINT h_k_id_fkey;
DROP INDEX h_lower;
SET zdm.guard = off;
DROP OWNED BY zdm_needed_app;
DROP ROLE zdm_needed_app;
