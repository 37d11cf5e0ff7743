--
-- The relation cache simplifies the expressions of an index and of a partition key as it
-- reads them, which runs functions of whoever wrote them: as that role, whoever asks, and
-- in a worker between two statements as well.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;
SET zdm.guard = off;

CREATE ROLE folded_owner NOLOGIN;
CREATE SCHEMA f AUTHORIZATION folded_owner;
GRANT USAGE ON SCHEMA zdm TO folded_owner;
CREATE TABLE f.witness (seen text);
ALTER TABLE f.witness OWNER TO folded_owner;
SET ROLE folded_owner;

-- who else than the owner runs them cannot go on
CREATE FUNCTION f.deed(x text) RETURNS text LANGUAGE plpgsql VOLATILE AS
	$$BEGIN IF current_user <> 'folded_owner' THEN RAISE 'run as %', current_user; END IF; RETURN x; END$$;
CREATE FUNCTION f.says(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN f.deed(x); END$$;
-- one that reads by the active snapshot
CREATE FUNCTION f.reads(x text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT max(v) FROM (VALUES (x), ('a')) t(v)$$;

CREATE FUNCTION f.fill(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE f.%I (id int PRIMARY KEY, n int, EXCLUDE USING btree (n WITH =) WHERE (f.says(''x'') IS NOT NULL AND n > 90))', name);
	EXECUTE format('INSERT INTO f.%I SELECT g, g FROM generate_series(1, 90) g', name);
	EXECUTE format('CREATE INDEX ON f.%I (n) WHERE f.says(''k'') IS NOT NULL OR n > 0', name);
	EXECUTE format('CREATE INDEX ON f.%I ((n + length(f.reads(''k'')))) WHERE f.reads(''k'') IS NOT NULL OR n > 0', name);
END$$;

-- a table is written anew, as it is and with its columns in another order, and back and there again
SELECT f.fill('same'), f.fill('places');
SELECT zdm.rewrite('f.same', label => 'same') > 0 AS same, zdm.rewrite('f.places', columns => '{n,id}', label => 'places') > 0 AS places;
RESET ROLE;
CALL zdm.wait('same', 'completed');
CALL zdm.wait('places', 'ready');
SELECT zdm.cutover('places');
CALL zdm.wait('places', 'switched');
SET ROLE folded_owner;
INSERT INTO f.places (id, n) VALUES (91, 91);
RESET ROLE;
SELECT zdm.contract('places');
CALL zdm.wait('places', 'completed');
SELECT label, state, error FROM zdm.migrations ORDER BY id;
SET ROLE folded_owner;
SELECT count(*), (SELECT count(*) FROM pg_index WHERE indrelid = 'f.places'::regclass) AS indexes FROM f.places;

-- by a unique index whose predicate says nothing, rows are not told apart: its predicate is not simplified
CREATE TABLE f.keyless (id int NOT NULL, n int);
CREATE UNIQUE INDEX ON f.keyless (id) WHERE f.reads('k') IS NOT NULL OR id > 0;
SELECT zdm.rewrite('f.keyless');

-- beside a partition key of an owner's, whoever asks
CREATE TABLE f.parted (id int, a text, n int) PARTITION BY LIST ((a || f.says('pk')));
CREATE TABLE f.parted_1 PARTITION OF f.parted DEFAULT;
\c -
SET client_min_messages = warning;
SELECT count(*) AS findings FROM zdm.check('ALTER TABLE f.parted RENAME n TO m');
\c -
SET client_min_messages = warning;
SELECT count(*) AS findings FROM zdm.check('ALTER TABLE f.parted DROP COLUMN n');
\c -
SET client_min_messages = warning;
SELECT count(*) AS findings FROM zdm.check('CREATE UNIQUE INDEX ON f.parted (n)');
\c -
SET client_min_messages = warning;
SET zdm.guard = off;
ALTER TABLE f.parted RENAME n TO m;
SELECT zdm.rename_column('f.parted', 'm', 'o', label => 'parted') > 0 AS parted;
CALL zdm.wait('parted', 'ready');
SELECT zdm.revert('parted');
CALL zdm.wait('parted', 'reverted');

DROP SCHEMA f CASCADE;
DROP OWNED BY folded_owner;
DROP ROLE folded_owner;
