--
-- What zdm.migrate() leaves behind is what the statement would have: each one
-- is run on a schema, and carried out on its twin.
-- needs libxml
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET zdm.batch_rest = 0;
CREATE FUNCTION five() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 5; END';
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (x int, y text);
CREATE SCHEMA plain;
CREATE SCHEMA zero;
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('search_path', name || ', public', false);
	CREATE TABLE r (id int PRIMARY KEY);
	INSERT INTO r SELECT generate_series(1, 30);
	CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'a', b int, c int DEFAULT 3, rid int,
		CONSTRAINT t_b CHECK (b > 0), CONSTRAINT t_c UNIQUE (id, c), CONSTRAINT t_r FOREIGN KEY (rid) REFERENCES r);
	INSERT INTO t SELECT i, i, i, i, i FROM generate_series(1, 30) i;
	CREATE TABLE empty (k int);
	CREATE TABLE parent (id int);
	CREATE TABLE heir () INHERITS (parent);
	CREATE TABLE typed OF public.pair;
	CREATE TABLE p (id int, k int) PARTITION BY RANGE (k);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
	INSERT INTO p SELECT i, i FROM generate_series(1, 30) i;
	CREATE MATERIALIZED VIEW m AS SELECT id, b FROM t;
END $$;
CREATE FUNCTION shape() RETURNS SETOF text LANGUAGE sql AS $$
SELECT replace(line, current_schema || '.', '') FROM (
	SELECT format('%s.%I %s%s%s%s%s', attrelid::regclass, attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' NOT NULL' END,
		' DEFAULT ' || pg_get_expr(adbin, adrelid), ' IDENTITY ' || nullif(attidentity::text, ''), ' GENERATED ' || nullif(attgenerated::text, ''))
	FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE relnamespace = current_schema::regnamespace AND attnum > 0 AND NOT attisdropped
	UNION ALL
	SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), connoinherit) FROM pg_constraint
	WHERE connamespace = current_schema::regnamespace AND conrelid <> 0
	UNION ALL
	SELECT concat(pg_get_indexdef(indexrelid), indisvalid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
	WHERE relnamespace = current_schema::regnamespace
	UNION ALL
	SELECT concat_ws(' ', relname, relkind, reloptions) FROM pg_class WHERE relnamespace = current_schema::regnamespace AND relkind <> 'c'
	UNION ALL
	SELECT query_to_xml('SELECT * FROM t ORDER BY id', false, false, '')::text) x (line)
$$;
-- both ways, and what differs in the end
CREATE PROCEDURE agree(ddl text, up text DEFAULT NULL, plainly text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	migration bigint;
	there text[];
	here text[];
BEGIN
	DROP SCHEMA plain, zero CASCADE;
	CREATE SCHEMA plain;
	CREATE SCHEMA zero;
	CALL make('plain');
	EXECUTE coalesce(plainly, ddl);
	SELECT array_agg(line ORDER BY line) INTO there FROM shape() line;
	CALL make('zero');
	COMMIT;
	migration := zdm.migrate(ddl, up);
	COMMIT;
	CALL zdm.wait(migration, timeout => '1 min');
	IF (SELECT state FROM zdm.migrations WHERE id = migration) = 'ready' THEN
		PERFORM zdm.contract(migration);
		COMMIT;
		CALL zdm.wait(migration, timeout => '1 min');
	END IF;
	SELECT array_agg(line ORDER BY line) INTO here FROM shape() line;
	PERFORM set_config('search_path', 'public', false);
	RAISE INFO '%: %', ddl, CASE WHEN here = there THEN 'the same' ELSE format('plain %s, zero %s',
		ARRAY(SELECT unnest(there) EXCEPT SELECT unnest(here)), ARRAY(SELECT unnest(here) EXCEPT SELECT unnest(there))) END;
END $$;

-- columns
CALL agree('ALTER TABLE t ADD COLUMN d int DEFAULT public.five() CONSTRAINT d_b CHECK (d < b + 5) NO INHERIT');
CALL agree('ALTER TABLE t ADD d int, ADD CHECK (d > b), ADD CHECK (d > 0 AND d < 9), ADD UNIQUE (d), ADD FOREIGN KEY (d) REFERENCES r');
CALL agree('ALTER TABLE t ADD d int DEFAULT public.five(), ADD CONSTRAINT is5 CHECK (d = 5)');

-- of an empty table PostgreSQL asks less
CALL agree('ALTER TABLE empty ADD COLUMN d int NOT NULL');
CALL agree('ALTER TABLE empty ADD COLUMN d int PRIMARY KEY');
CALL agree('ALTER TABLE empty ADD COLUMN d int GENERATED ALWAYS AS (k + 1) STORED');
CALL agree('ALTER TABLE empty ADD COLUMN d public.positive');
CALL agree('ALTER TABLE empty ADD COLUMN d int GENERATED ALWAYS AS IDENTITY (START 7)');

-- tables that could not be given a trigger, but need none
CALL agree('ALTER TABLE parent ADD COLUMN d int');
CALL agree('ALTER TABLE p1 SET (fillfactor = 50)');
CALL agree('ALTER TABLE p1 ALTER id SET DEFAULT 4');
CALL agree('ALTER TABLE typed NOT OF');
CALL agree('CREATE INDEX p1_id ON p1 (id)');
CALL agree('CREATE INDEX ON parent (id)');
CALL agree('CREATE UNIQUE INDEX m_id ON m (id)');

-- what takes something away goes along with what is added
CALL agree('ALTER TABLE t DROP CONSTRAINT t_b, ALTER b SET NOT NULL, ALTER a DROP NOT NULL, ALTER c SET DEFAULT 9');
CALL agree('ALTER TABLE t DROP CONSTRAINT t_b, ADD CONSTRAINT t_b CHECK (b >= 0)');
CALL agree('ALTER TABLE t DROP CONSTRAINT t_c, ADD CONSTRAINT t_c UNIQUE (id, b, c)');
CALL agree('ALTER TABLE t DROP CONSTRAINT t_r, ADD CONSTRAINT t_r FOREIGN KEY (rid) REFERENCES r ON DELETE CASCADE');
CALL agree('ALTER TABLE t ADD d int DEFAULT public.five() NOT NULL, ALTER b SET NOT NULL', '0');

-- until the last step all of it can be undone: one that waits for a row to be mended
DROP SCHEMA plain, zero CASCADE;
CREATE SCHEMA plain;
CREATE SCHEMA zero;
CALL make('zero');
UPDATE t SET b = NULL WHERE id = 3;
CREATE TABLE public.before AS SELECT shape() AS line;
SELECT zdm.migrate('ALTER TABLE t DROP CONSTRAINT t_c, ALTER a DROP NOT NULL, ALTER c SET DEFAULT 9, ALTER id SET DEFAULT 1, ALTER b SET NOT NULL', label => 'undone');
CALL zdm.wait('undone', timeout => '1 min');
SELECT zdm.revert('undone');
CALL zdm.wait('undone', 'reverted', '1 min');
(SELECT shape() EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT SELECT shape());

-- an identity column too, once it is one: a CHECK beside it is violated
SELECT zdm.migrate('ALTER TABLE t ADD COLUMN d int GENERATED ALWAYS AS IDENTITY UNIQUE CHECK (d < 9)', label => 'identity');
CALL zdm.wait('identity', timeout => '1 min');
SELECT attidentity FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'd';
SELECT zdm.revert('identity');
CALL zdm.wait('identity', 'reverted', '1 min');
(SELECT shape() EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT SELECT shape());

-- a table is dropped by what it was when that was stated, not by its name
SELECT zdm.migrate('DROP TABLE empty', label => 'drop');
ALTER TABLE empty RENAME TO renamed;
CREATE TABLE empty (precious int);
CALL zdm.wait('drop', timeout => '1 min');
SELECT zdm.contract('drop');
CALL zdm.wait('drop', timeout => '1 min');
SELECT to_regclass('renamed'), to_regclass('empty');

DROP SCHEMA plain, zero CASCADE;
DROP EXTENSION pg_zdm;
DROP TABLE public.before;
DROP FUNCTION five, shape;
DROP PROCEDURE make, agree;
DROP DOMAIN positive;
DROP TYPE pair;
