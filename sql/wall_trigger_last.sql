--
-- The sync trigger stays the last to fire also where the statement's names mean
-- other tables at its end than at its beginning.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
SET zdm.guard = off;
\pset format unaligned
\pset tuples_only on
CREATE SCHEMA here;
CREATE SCHEMA there;
CREATE FUNCTION here.key(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'there', false);
	RETURN $1;
END
$$;
CREATE FUNCTION here.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE here.p (id int, a text) PARTITION BY LIST (here.key(id));
CREATE TABLE here.other PARTITION OF here.p FOR VALUES IN (2);
CREATE TABLE there.p (id int);
SELECT zdm.rename_column('here.p', 'a', 'b', 'last') > 0;
CALL zdm.wait('last', 'ready', '1 min');
CREATE TABLE here.leaf (LIKE here.p);
INSERT INTO here.leaf (id) VALUES (1);
CREATE TRIGGER "~~~" BEFORE INSERT ON here.leaf FOR EACH ROW EXECUTE FUNCTION here.fire();
SET search_path = here;
ALTER TABLE p ATTACH PARTITION leaf FOR VALUES IN (1);
SHOW search_path;
RESET search_path;
CREATE TRIGGER "~~~~" BEFORE INSERT ON here.other FOR EACH ROW EXECUTE FUNCTION here.fire();
-- on 14 a partition's part of a trigger counts as internal
SELECT DISTINCT ON (tgrelid) tgrelid::regclass, tgfoid::regproc FROM pg_trigger
	WHERE tgrelid IN ('here.p'::regclass, 'here.leaf'::regclass, 'here.other'::regclass) ORDER BY tgrelid, tgname COLLATE "C" DESC;
