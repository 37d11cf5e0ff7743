--
-- What triggers, functions of the row type and readers by position will meet is
-- said at the call.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
\set SHOW_CONTEXT never
CREATE TABLE doc (id int PRIMARY KEY, name text, bio text, tsv tsvector, slug text);
CREATE TABLE doc_audit (at timestamptz, op text, id int, name text, bio text, tsv tsvector, slug text);
CREATE FUNCTION slug() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.slug := lower(NEW.name); RETURN NEW; END$$;
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO doc_audit SELECT now(), TG_OP, NEW.*; RETURN NULL; END$$;
CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER s BEFORE INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION slug();
CREATE TRIGGER a AFTER INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER q AFTER INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION quiet();
CREATE TRIGGER "words in" BEFORE INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger(tsv, 'pg_catalog.simple', name, bio);
CREATE FUNCTION doc_path(int) RETURNS SETOF doc LANGUAGE sql AS $$SELECT id, name, bio, tsv, slug FROM doc WHERE id = $1$$;
CREATE FUNCTION doc_save(d doc) RETURNS int LANGUAGE sql AS $$SELECT d.id$$;
CREATE FUNCTION doc_many(d doc[]) RETURNS int LANGUAGE sql AS $$SELECT 1$$;
-- a trigger in C that is told the name cannot know two
SELECT zdm.rename_column('doc', 'name', 'full_name');
SELECT zdm.rename_column('doc', 'bio', 'biography');
-- its type it may change
SELECT zdm.change_column_type('doc', 'name', 'varchar(100)', label => 'n');
SELECT zdm.revert('n');
CALL zdm.wait('n', 'reverted', '15 seconds');
DROP TRIGGER "words in" ON doc;
-- nor can one in PL/pgSQL, unless it is disabled, fires afterwards, or asks for which table it is called
SELECT zdm.rename_column('doc', 'name', 'full_name', 'r');
ALTER TABLE doc DISABLE TRIGGER s;
CREATE TRIGGER s2 AFTER INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION slug();
SELECT zdm.rename_column('doc', 'name', 'full_name', 'r');
SELECT label, note FROM zdm.migration, unnest(notes) note WHERE note ~ 'trigger functions|row type|prepared|names table' ORDER BY id, note COLLATE "C";
CALL zdm.wait('r', 'ready', '15 seconds');
SELECT zdm.revert('r');
CALL zdm.wait('r', 'reverted', '15 seconds');
