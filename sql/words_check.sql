--
-- What a text makes is not in the catalog when a later statement of it is judged:
-- of a large table the worst is assumed.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET zdm.guard_min_size = 0;
CREATE TABLE t (id int PRIMARY KEY, a text);
INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g;
CREATE FUNCTION verdict(ddl text) RETURNS TABLE (statement int, rule text, severity text, object text) LANGUAGE sql AS
	$$SELECT statement, rule, severity, object FROM zdm.check(ddl) WHERE severity = 'unsafe' OR rule = 'not-judged'$$;
SELECT * FROM verdict($$CREATE TYPE e AS ENUM ('x'); ALTER TABLE t ALTER a TYPE e USING a::e$$);
SELECT * FROM verdict($$CREATE DOMAIN d AS text CHECK (value <> ''); ALTER TABLE t ALTER a TYPE d$$);
SELECT * FROM verdict($$CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'; CREATE INDEX ON t (f(a))$$);
SELECT * FROM verdict($$CREATE FUNCTION f(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; ALTER TABLE t ADD CHECK (f(a))$$);
SELECT detail, hint FROM zdm.check($$CREATE TYPE e AS ENUM ('x'); ALTER TABLE t ALTER a TYPE e USING a::e$$);
-- what reads nothing, is new or small, or is a mistake
SELECT * FROM verdict($$CREATE FUNCTION f(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; ALTER TABLE t ADD CHECK (f(a)) NOT VALID$$);
SELECT * FROM verdict($$CREATE TYPE e AS ENUM ('x'); CREATE TABLE n (a text); ALTER TABLE n ALTER a TYPE e USING a::e$$);
SELECT * FROM verdict($$ALTER TABLE t ALTER a TYPE nosuch$$);
SET zdm.guard_min_size = '8MB';
SELECT * FROM verdict($$CREATE TYPE e AS ENUM ('x'); ALTER TABLE t ALTER a TYPE e USING a::e$$);
