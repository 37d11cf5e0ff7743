--
-- What a grantee of MAINTAIN, of pg_maintain, pg_read_all_data and pg_write_all_data,
-- and a member with or without INHERIT and SET can do with another's table: nothing of
-- ours, but who has the owner's rights.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_zdm_vic;
CREATE ROLE regress_zdm_maintain;
CREATE ROLE regress_zdm_all IN ROLE pg_maintain, pg_read_all_data, pg_write_all_data;
CREATE ROLE regress_zdm_inherit;
CREATE ROLE regress_zdm_set;
GRANT regress_zdm_vic TO regress_zdm_inherit WITH INHERIT TRUE, SET FALSE;
GRANT regress_zdm_vic TO regress_zdm_set WITH INHERIT FALSE, SET TRUE;
CREATE SCHEMA vic AUTHORIZATION regress_zdm_vic;
GRANT USAGE ON SCHEMA vic TO PUBLIC;
SET ROLE regress_zdm_vic;
CREATE TABLE vic.t (id int PRIMARY KEY, a text, b int);
INSERT INTO vic.t VALUES (1, 'secret', 1), (2, 'secret', NULL);
CREATE MATERIALIZED VIEW vic.m AS SELECT * FROM vic.t;
GRANT MAINTAIN ON vic.t, vic.m TO regress_zdm_maintain;
SELECT zdm.rename_column('vic.t', 'a', 'c', label => 'own') > 0;
RESET ROLE;
CALL zdm.wait('own', 'ready', '1 min');
SELECT id FROM zdm.migrations \gset
CREATE PROCEDURE try(id bigint) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY ARRAY['SELECT zdm.rename_column(''vic.t'', ''b'', ''d'')', 'SELECT zdm.backfill(''vic.t'', ''b = 7'', ''b IS NULL'')',
		'SELECT zdm.migrate(''VACUUM FULL vic.t'')', 'SELECT zdm.migrate(''REINDEX TABLE CONCURRENTLY vic.t'')', 'SELECT zdm.rewrite(''vic.t'')',
		'SELECT zdm.migrate(''REFRESH MATERIALIZED VIEW vic.m'')', 'SELECT FROM zdm.plan(''ALTER TABLE vic.t ALTER b SET NOT NULL'')',
		'SELECT FROM zdm.script(''ALTER TABLE vic.t RENAME b TO d'')', format('SELECT FROM zdm.script(%s)', id), format('SELECT zdm.pause(%s)', id),
		format('SELECT zdm.revert(%s)', id), format('SELECT zdm.configure(%s, ''batch_rest'', ''0'')', id), format('SELECT FROM zdm.verify(%s)', id)] LOOP
		BEGIN
			EXECUTE statement;
			RAISE WARNING '%: done', statement;
			RAISE EXCEPTION SQLSTATE 'ZZZZZ';
		EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN NULL;
		WHEN OTHERS THEN
			RAISE WARNING '%: % %', left(statement, 45), SQLSTATE, SQLERRM;
		END;
	END LOOP;
END
$$;
SET ROLE regress_zdm_maintain;
CALL try(:id);
-- nor is it told what is in the table
SELECT detail FROM zdm.check('ALTER TABLE vic.t ALTER b SET NOT NULL');
SELECT detail FROM zdm.check('CREATE UNIQUE INDEX ON vic.t (a)');
SET ROLE regress_zdm_all;
CALL try(:id);
SET ROLE regress_zdm_set;
CALL try(:id);
SET ROLE regress_zdm_inherit;
CALL try(:id);
RESET ROLE;
SELECT state, paused FROM zdm.migrations;

-- what the grantee of MAINTAIN does by PostgreSQL's own means runs nobody's code as him
SET ROLE regress_zdm_vic;
CREATE SEQUENCE vic.heard;
GRANT USAGE ON SEQUENCE vic.heard TO PUBLIC;
CREATE FUNCTION vic.sing(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_zdm_vic' THEN
		PERFORM vic.tell();
	END IF;
	RETURN $1;
END
$$;
CREATE FUNCTION vic.tell() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''vic.heard''); END';
CREATE TABLE vic.s (id int PRIMARY KEY, a text, CHECK (vic.sing(a) IS NOT NULL));
CREATE INDEX ON vic.s (vic.sing(a));
CREATE INDEX part ON vic.s (id) WHERE vic.sing('x') IS NOT NULL;
INSERT INTO vic.s SELECT g, 'a' || g FROM generate_series(1, 10) g;
GRANT MAINTAIN ON vic.s TO regress_zdm_maintain;
SELECT zdm.rename_column('vic.s', 'a', 'c', label => 'sings') > 0;
RESET ROLE;
CALL zdm.wait('sings', 'ready', '1 min');
SET zdm.guard = warn;
SET zdm.guard_min_size = 0;
SET ROLE regress_zdm_maintain;
SET client_min_messages = error;
REINDEX TABLE vic.s;
ANALYZE vic.s;
CLUSTER vic.s USING s_pkey;
VACUUM FULL vic.s;
REINDEX INDEX vic.part;
RESET ROLE;
SELECT is_called AS heard FROM vic.heard;
SELECT zdm.cutover('sings') IS NOT NULL;
CALL zdm.wait('sings', 'switched', '1 min');
SELECT state FROM zdm.migrations WHERE label = 'sings';
