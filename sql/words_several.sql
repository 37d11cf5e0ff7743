--
-- Several things in the way of a change are named in one error, each with what to do.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
SET zdm.guard = off;
\set SHOW_CONTEXT never
CREATE ROLE words_owner;
CREATE ROLE words_other;
GRANT CREATE ON SCHEMA public TO words_owner, words_other;
CREATE TABLE t (id int PRIMARY KEY, a text, b text);
CREATE TABLE other (id int);
ALTER TABLE t OWNER TO words_owner;
GRANT SELECT ON t TO words_other;
CREATE VIEW v1 AS SELECT a FROM t;
CREATE VIEW "V'2" AS SELECT a FROM v1;
ALTER VIEW v1 OWNER TO words_other;
ALTER VIEW "V'2" OWNER TO words_other;
CREATE POLICY p ON other USING ((SELECT a FROM t LIMIT 1) = 'x');
CREATE RULE r AS ON INSERT TO other DO ALSO UPDATE t SET a = 'x';
ALTER TABLE other ENABLE ALWAYS RULE r;
COMMENT ON RULE r ON other IS 'it''s a rule';
CREATE POLICY "P 2" ON other AS RESTRICTIVE FOR UPDATE TO words_owner, words_other
	USING (id > 0) WITH CHECK (EXISTS (SELECT FROM t WHERE a = 'x'));
COMMENT ON POLICY "P 2" ON other IS 'second';
SELECT zdm.change_column_type('t', 'a', 'varchar(10)', up => 'a', down => 'a');
SET ROLE words_owner;
SELECT zdm.rename_column('t', 'a', 'a2');
RESET ROLE;
-- what is left, by itself
DROP VIEW "V'2", v1;
-- the statements do what they say
CREATE FUNCTION hint(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END $$;
CREATE VIEW defined AS
	SELECT polname AS name, polpermissive::text || polcmd::text || polroles::text AS how, pg_get_expr(polqual, polrelid) AS a,
		pg_get_expr(polwithcheck, polrelid) AS b, obj_description(oid, 'pg_policy') AS comment FROM pg_policy
	UNION ALL SELECT rulename, ev_enabled::text, pg_get_ruledef(oid), NULL, obj_description(oid, 'pg_rewrite') FROM pg_rewrite WHERE rulename = 'r';
CREATE TABLE before AS TABLE defined;
SELECT replace(statement, ' and, once the migration is completed, for the column as it is then:', '') AS statement
FROM regexp_split_to_table(hint($$SELECT zdm.rename_column('t', 'a', 'a2')$$), '\s+(?=DROP (?:POLICY|RULE))') statement
WHERE statement ~ '^DROP'
\gexec
SELECT hint($$SELECT zdm.rename_column('t', 'a', 'a2')$$) = hint($$SELECT zdm.rename_column('t', 'a', 'a2')$$) AS again,
	(SELECT count(*) FROM (TABLE before EXCEPT TABLE defined) x) AS lost;
DROP RULE r ON other;
SELECT zdm.rename_column('t', 'a', 'a2');
DROP VIEW defined;
DROP TABLE other;
-- a default that comes from the domain is said to go with it
CREATE DOMAIN d AS text DEFAULT 'none';
CREATE TABLE dt (id int PRIMARY KEY, v d);
SELECT count(*) FROM zdm.migrations;
BEGIN;
SELECT zdm.change_column_type('dt', 'v', 'int', up => 'length(v)', down => 'v::text', label => 'dt') > 0 AS stated;
SELECT note FROM zdm.migration, unnest(notes) note WHERE label = 'dt' AND note LIKE '%domain%';
ROLLBACK;
CREATE DOMAIN d2 AS int DEFAULT 7;
CREATE TABLE plain (id int PRIMARY KEY, v text);
BEGIN;
SELECT zdm.change_column_type('plain', 'v', 'd2', up => 'length(v)', down => 'v::text', label => 'dt') > 0 AS stated;
SELECT note FROM zdm.migration, unnest(notes) note WHERE label = 'dt' AND note LIKE '%domain%';
ROLLBACK;
-- carried as a default of the column's own
SELECT zdm.change_column_type('dt', 'v', 'int', up => 'length(v)', down => 'v::text', label => 'dt') > 0 AS stated;
CALL zdm.wait('dt', 'ready', '15 seconds');
SELECT zdm.cutover('dt');
CALL zdm.wait('dt', 'switched', '15 seconds');
INSERT INTO dt (id) VALUES (1) RETURNING id, v;
DROP OWNED BY words_owner, words_other CASCADE;
DROP ROLE words_owner, words_other;
