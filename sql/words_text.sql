--
-- What knows a column by the text of its body: contract drops no column under a
-- trigger that every writer would meet, and says which other functions may.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never

-- a renamed column
CREATE TABLE doc (id int PRIMARY KEY, title text, slug text);
CREATE FUNCTION slugify() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF TG_OP = 'INSERT' THEN NEW.slug := lower( new . title ); END IF; -- so that it is set
	RETURN NEW;
END$$;
CREATE TRIGGER slugs AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION slugify();
CREATE FUNCTION shared() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF TG_TABLE_NAME = 'other' THEN RAISE NOTICE '%', NEW.title; END IF;
	RETURN NEW;
END$$;
CREATE TRIGGER shared AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION shared();
-- what only speaks of it, or is of another name, or is about no row
CREATE FUNCTION comments() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	-- NEW.title was here
	/* and OLD.title,
	   too */
	IF NEW.id = 1 THEN RAISE NOTICE 'title'; END IF;
	RETURN NEW;
END$$;
CREATE TRIGGER comments AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION comments();
CREATE FUNCTION titles() RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT title FROM doc; END$$;
CREATE FUNCTION elsewhere() RETURNS text LANGUAGE sql AS $$SELECT 'title'::text$$;
SELECT zdm.rename_column('doc', 'title', 'name', 'doc') AS m \gset
CALL zdm.wait('doc', 'ready', '15 seconds');
SELECT zdm.cutover('doc');
CALL zdm.wait('doc', 'switched', '15 seconds');
SELECT zdm.contract('doc');
SELECT state FROM zdm.migrations WHERE label = 'doc';
CREATE OR REPLACE FUNCTION slugify() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	NEW.slug := lower(NEW.name); RETURN NEW;
END$$;
SELECT zdm.contract('doc');
CALL zdm.wait('doc', 'completed', '15 seconds');
INSERT INTO doc (id, name) VALUES (1, 'A') RETURNING id, name;

-- a dropped one with a name that has to be quoted, and a trigger of a partition
CREATE TABLE part (k int, "Odd ""name" text) PARTITION BY LIST (k);
CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF OLD."Odd ""name" IS NULL THEN RETURN NULL; END IF;
	RETURN NEW;
END$$;
CREATE TRIGGER odd BEFORE UPDATE ON part1 FOR EACH ROW EXECUTE FUNCTION odd();
SELECT zdm.migrate('ALTER TABLE part DROP COLUMN "Odd ""name"', label => 'part') AS m \gset
CALL zdm.wait('part', 'ready', '15 seconds');
SELECT note FROM zdm.migration, unnest(notes) note WHERE label = 'part' AND note LIKE 'contract%';
SELECT zdm.contract('part');
-- one that comes between the call and the worker stops that too
ALTER TABLE part1 DISABLE TRIGGER odd;
BEGIN;
SELECT zdm.contract('part');
ALTER TABLE part1 ENABLE TRIGGER odd;
COMMIT;
CALL zdm.wait('part', 'completed', '15 seconds');
DROP TRIGGER odd ON part1;
SELECT zdm.resume('part');
CALL zdm.wait('part', 'completed', '15 seconds');
