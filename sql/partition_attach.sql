-- A table becomes the first partition of the one that takes its name: there, back, there again, and to contract.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET TimeZone = 'UTC';
CREATE SCHEMA attach;
SET search_path = attach, public;

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.kind := coalesce(NEW.kind, TG_NAME); RETURN NEW; END';
CREATE TABLE owner_of (id int PRIMARY KEY);
INSERT INTO owner_of VALUES (1), (2);
CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY, gone int, at timestamptz NOT NULL DEFAULT '2024-03-01', kind text,
	owner int DEFAULT 1 REFERENCES owner_of, n int CHECK (n > 0), double int GENERATED ALWAYS AS (n * 2) STORED,
	CONSTRAINT event_pkey PRIMARY KEY (id)) WITH (fillfactor = 90);
ALTER TABLE event DROP COLUMN gone;
ALTER TABLE event ALTER kind SET STATISTICS 77, ALTER kind SET STORAGE EXTERNAL;
INSERT INTO event (at, n) SELECT timestamptz '2024-01-15 12:00+00' + g * interval '1 day', g + 1 FROM generate_series(0, 60) g;
CREATE INDEX event_at_idx ON event (at);
CREATE UNIQUE INDEX "odd ""name""" ON event (at, id) WHERE n > 3;
CREATE TRIGGER touch BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW late AS SELECT id, at FROM event WHERE at > '2024-03-01';
GRANT SELECT ON event TO PUBLIC;
COMMENT ON TABLE event IS 'what happens';

CREATE FUNCTION shape() RETURNS TABLE (what text) LANGUAGE sql AS $$
	SELECT format('%s %s %s', c.oid::regclass, relkind, pg_get_expr(relpartbound, c.oid)) FROM pg_class c WHERE relnamespace = 'attach'::regnamespace AND relkind IN ('r', 'p', 'v') AND relname <> 'owner_of'
	UNION ALL SELECT format('  %s: %s%s', indrelid::regclass, pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN ' INVALID' END) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relnamespace = 'attach'::regnamespace
	UNION ALL SELECT format('  %s: %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'attach'::regnamespace AND contype <> 'n'
	UNION ALL SELECT format('  %s: trigger %s%s', tgrelid::regclass, tgname, CASE WHEN tgparentid <> 0 THEN ' of its parent' END) FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = 'attach'::regnamespace AND NOT tgisinternal
	UNION ALL SELECT format('  %s: %s', conname, reloptions) FROM (SELECT oid::regclass::text AS conname, reloptions FROM pg_class WHERE relnamespace = 'attach'::regnamespace AND reloptions IS NOT NULL) x
	ORDER BY 1 $$;
CREATE FUNCTION held(i bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r event%ROWTYPE;
	e record;
BEGIN
	SELECT * INTO r FROM event WHERE id = i;
	FOR e IN SELECT * FROM event WHERE id = i LOOP
		RETURN format('%s %s %s, %s %s', r.kind, r.n, r.double, e.n, e.owner);
	END LOOP;
END $$;
PREPARE held AS SELECT kind, n FROM event WHERE id = $1;
SELECT held(7);
EXECUTE held(7);
CREATE TABLE was AS SELECT * FROM shape();
SELECT 'event'::regclass::oid AS was_oid \gset

SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', ahead => 2, primary_key => 'id, at', way => 'attach', label => 'p') AS m \gset
SELECT phase, lock, work, note FROM zdm.steps WHERE migration = :m ORDER BY step;
CALL zdm.wait(:m, 'ready');
-- a row beyond the bound goes through
INSERT INTO event (at, n) VALUES ('2024-07-07', 100);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
SELECT * FROM shape();
INSERT INTO event (at, n) VALUES ('2024-08-07', 101) RETURNING id, kind, tableoid::regclass;
UPDATE event SET n = 55 WHERE id = 5;
-- what this session has compiled and prepared goes on
SELECT held(7);
EXECUTE held(7);
SELECT count(*), max(id) FROM event;
SELECT count(*) FROM late;

-- back: all rows that were written since are there
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
SELECT 'event'::regclass::oid = :was_oid AS same_table;
SELECT * FROM was EXCEPT SELECT * FROM shape();
SELECT * FROM shape() EXCEPT SELECT * FROM was;
SELECT held(7);
EXECUTE held(7);
SELECT count(*), max(id) FROM event;
INSERT INTO event (at, n) VALUES ('2024-02-07', 102) RETURNING id, kind;

-- and there again
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', ahead => 2, primary_key => 'id, at', way => 'attach', label => 'p') AS m \gset
CALL zdm.wait(:m, 'ready');
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
INSERT INTO event (at, n) VALUES ('2024-09-07', 103), ('2023-11-11', 107);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT * FROM shape();
INSERT INTO event (at, n) VALUES ('2024-10-07', 104), ('2024-09-08', 105), ('2023-11-01', 106) RETURNING id, kind, tableoid::regclass;
SELECT count(*), count(DISTINCT tableoid), max(id) FROM event;
SELECT attstattarget, attstorage FROM pg_attribute WHERE attrelid = 'event_p20241001'::regclass AND attname = 'kind';
SELECT held(7);
EXECUTE held(7);
