--
-- What hangs on a column and is changed while the column is being replaced:
-- cutover and revert move it as it is then, and bring back nothing.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_zdm_one;
CREATE ROLE regress_zdm_two;

CREATE TABLE t (id int PRIMARY KEY, "a %" text);
INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY altered ON t USING (id % 2 = 0);
CREATE POLICY dropped ON t USING (id > 0);
CREATE POLICY left_alone ON t USING (id % 3 = 0 AND "a %" <> '100 %');
CREATE VIEW v WITH (security_barrier) AS SELECT id % 2 AS odd, "a %" FROM t;
CREATE VIEW w AS SELECT odd + 1 AS one FROM v;
GRANT SELECT ON v TO regress_zdm_one;
CREATE FUNCTION f(a int) RETURNS text LANGUAGE sql RETURN (SELECT "a %" FROM t WHERE id = a);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER disabled BEFORE UPDATE OF id ON t FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER dropped BEFORE UPDATE OF id ON t FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER left_alone BEFORE UPDATE ON t FOR EACH ROW WHEN (new.id % 2 = 1) EXECUTE FUNCTION nothing();

-- 16 and later leave out the table where there is but one
CREATE FUNCTION defined() RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(regexp_replace(line, '\m[tv]\.', '', 'g'), '\s+', ' ', 'g') FROM (
SELECT concat_ws(' ', 'policy', polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
UNION ALL
SELECT concat_ws(' ', 'trigger', tgname, tgenabled, substring(pg_get_triggerdef(oid), 'BEFORE.*'))
  FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal AND tgname !~ 'zdm'
UNION ALL
SELECT concat_ws(' ', 'function', pg_get_function_sqlbody(oid)) FROM pg_proc WHERE proname = 'f'
UNION ALL
SELECT concat_ws(' ', 'view', relname, pg_get_viewdef(c.oid), reloptions, obj_description(c.oid, 'pg_class'),
	(SELECT array_agg(rolname ORDER BY 1) FROM pg_roles r WHERE rolname ~ 'regress_zdm' AND has_table_privilege(r.oid, c.oid, 'SELECT')),
	(SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0))
  FROM pg_class c WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
) x(line) ORDER BY 1
$$;

-- nothing is changed: a revert gives back each as it was
CREATE TABLE before AS SELECT * FROM defined();
SELECT zdm.change_column_type('t', 'id', 'bigint', label => 'forth and back');
CALL zdm.wait('forth and back', 'ready', '1 minute');
SELECT zdm.cutover('forth and back');
CALL zdm.wait('forth and back', 'switched', '1 minute');
SELECT zdm.revert('forth and back');
CALL zdm.wait('forth and back', 'reverted', '1 minute');
SELECT * FROM defined() EXCEPT TABLE before;

-- before the cutover
SELECT zdm.change_column_type('t', 'id', 'bigint', label => 'type');
CALL zdm.wait('type', 'ready', '1 minute');
ALTER POLICY altered ON t USING (id % 2 = 1);
DROP POLICY dropped ON t;
REVOKE SELECT ON v FROM regress_zdm_one;
GRANT SELECT ON v TO regress_zdm_two;
ALTER VIEW v RESET (security_barrier);
COMMENT ON VIEW v IS 'a comment';
CREATE OR REPLACE FUNCTION f(a int) RETURNS text LANGUAGE sql RETURN (SELECT "a %" || ' %' FROM t WHERE id = a);
ALTER TABLE t DISABLE TRIGGER disabled;
DROP TRIGGER dropped ON t;
SELECT zdm.cutover('type');
CALL zdm.wait('type', 'switched', '1 minute');
SELECT * FROM defined();
-- and before the way back
ALTER POLICY altered ON t USING (id % 2 = 0 AND id > 1);
ALTER TABLE t ENABLE ALWAYS TRIGGER disabled;
REVOKE SELECT ON v FROM regress_zdm_two;
DROP FUNCTION f;
SELECT zdm.revert('type');
CALL zdm.wait('type', 'reverted', '1 minute');
SELECT * FROM defined();

-- a rename, of which applications have taken over a part already
DROP TRIGGER disabled ON t;
DROP TRIGGER left_alone ON t;
SELECT zdm.rename_column('t', 'id', 'number', 'rename');
CALL zdm.wait('rename', 'ready', '1 minute');
ALTER POLICY altered ON t USING (number % 2 = 1);
CREATE OR REPLACE VIEW v WITH (security_barrier) AS SELECT number % 2 AS odd, "a %" FROM t;
SELECT zdm.cutover('rename');
CALL zdm.wait('rename', 'switched', '1 minute');
SELECT * FROM defined();
ALTER POLICY left_alone ON t USING (number % 3 = 1);
SELECT zdm.revert('rename');
CALL zdm.wait('rename', 'reverted', '1 minute');
SELECT * FROM defined();
DROP TABLE t, before CASCADE;
DROP ROLE regress_zdm_one, regress_zdm_two;
