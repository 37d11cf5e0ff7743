--
-- A name is data in every stored statement, whatever it looks like.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_zdm_victim;
CREATE ROLE regress_zdm_mallory;
CREATE ROLE regress_zdm_reader;
-- From the call over the way back to the end.
CREATE PROCEDURE whole_life(m bigint) LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	CALL zdm.wait(m, 'ready', '60s');
	PERFORM zdm.cutover(m);
	COMMIT;
	CALL zdm.wait(m, 'switched', '60s');
	PERFORM zdm.revert(m);
	COMMIT;
	CALL zdm.wait(m, 'reverted', '60s');
END
$$;
CREATE PROCEDURE to_the_end(m bigint) LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	CALL zdm.wait(m, 'ready', '60s');
	PERFORM zdm.cutover(m);
	COMMIT;
	CALL zdm.wait(m, 'switched', '60s');
	PERFORM zdm.contract(m);
	COMMIT;
	CALL zdm.wait(m, 'completed', '60s');
END
$$;

--
-- a trigger's name is not run
--
CREATE SCHEMA mal AUTHORIZATION regress_zdm_mallory;
CREATE SCHEMA vic AUTHORIZATION regress_zdm_victim;
GRANT USAGE ON SCHEMA vic TO regress_zdm_mallory;
SET ROLE regress_zdm_victim;
CREATE TABLE vic.t (id int PRIMARY KEY, a int);
INSERT INTO vic.t SELECT g, g FROM generate_series(1, 10) g;
GRANT TRIGGER ON vic.t TO regress_zdm_mallory;
SET ROLE regress_zdm_mallory;
CREATE FUNCTION mal.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
GRANT USAGE ON SCHEMA mal TO regress_zdm_victim;
CREATE TABLE mal.parent (id int PRIMARY KEY);
CREATE TABLE mal.child (id int PRIMARY KEY, pid int,
	CONSTRAINT ";grant all on vic.t to regress_zdm_mallory;--" FOREIGN KEY (pid) REFERENCES mal.parent);
SELECT zdm.change_column_type('mal.parent', 'id', 'bigint') AS p \gset
CALL zdm.wait(:p, 'ready', '60s');
SELECT zdm.change_column_type('mal.child', 'pid', 'bigint') AS c \gset
CALL zdm.wait(:c, 'ready', '60s');
SELECT format('CREATE TRIGGER %I AFTER UPDATE OF a ON vic.t FOR EACH ROW EXECUTE FUNCTION mal.f()',
	rpad('%>{' || :p || '}', 57, 'z')) \gexec
SET ROLE regress_zdm_victim;
SELECT zdm.change_column_type('vic.t', 'a', 'bigint') AS m \gset
SELECT count(*) FROM zdm.steps WHERE statement LIKE '%grant all%';
CALL to_the_end(:m);
SELECT has_table_privilege('regress_zdm_mallory', 'vic.t', 'SELECT');
SELECT tgname LIKE '\%>{_}zzz%' FROM pg_trigger WHERE tgrelid = 'vic.t'::regclass AND NOT tgisinternal;
RESET ROLE;
SELECT zdm.revert(:c);
CALL zdm.wait(:c, 'reverted', '60s');
SELECT zdm.revert(:p);
CALL zdm.wait(:p, 'reverted', '60s');

--
-- odd names of all that hangs on a column, there, back, and to the end
--
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION everything(r regclass) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT 'column ' || quote_ident(attname) || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
	 WHERE attrelid = r AND attnum > 0 AND NOT attisdropped
	UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = r AND NOT tgisinternal
	UNION ALL SELECT 'policy ' || quote_ident(polname) || pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = r
	UNION ALL SELECT 'constraint ' || quote_ident(conname) || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = r AND contype <> 'n'
	UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = r
	UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE '%\%%' AND prokind = 'f'
	UNION ALL SELECT 'view ' || oid::regclass || pg_get_viewdef(oid) || coalesce(reloptions::text, '') || coalesce(relacl::text, '') FROM pg_class WHERE relname LIKE '%\%%' AND relkind = 'v'
	UNION ALL SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE rulename <> '_RETURN' AND rulename LIKE '%\%%'
$$;
CREATE TABLE "t%<{1}%D{1,1,1,1,1,1,9999999:x}" (id int PRIMARY KEY, "a%A{1.2}}'" int, "other } %" text);
INSERT INTO "t%<{1}%D{1,1,1,1,1,1,9999999:x}" SELECT g, g, 'x' FROM generate_series(1, 10) g;
ALTER TABLE "t%<{1}%D{1,1,1,1,1,1,9999999:x}" ADD CONSTRAINT "c}%;%?{1}" CHECK ("a%A{1.2}}'" > 0);
CREATE INDEX "i%%}%R{1}" ON "t%<{1}%D{1,1,1,1,1,1,9999999:x}" ("a%A{1.2}}'") WHERE "a%A{1.2}}'" <> 7;
CREATE POLICY "p%D{4,1,1,1,1,1,3:}" ON "t%<{1}%D{1,1,1,1,1,1,9999999:x}" USING ("a%A{1.2}}'" < 100);
CREATE TRIGGER "%" AFTER UPDATE OF "a%A{1.2}}'" ON "t%<{1}%D{1,1,1,1,1,1,9999999:x}" FOR EACH ROW EXECUTE FUNCTION note('%>{1}', '}');
CREATE TRIGGER "%>{1}
newline""%D{0," AFTER UPDATE OF "a%A{1.2}}'" ON "t%<{1}%D{1,1,1,1,1,1,9999999:x}" FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER "%M{ffff,3:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%" AFTER UPDATE OF "a%A{1.2}}'" ON "t%<{1}%D{1,1,1,1,1,1,9999999:x}" FOR EACH ROW EXECUTE FUNCTION note();
COMMENT ON TRIGGER "%" ON "t%<{1}%D{1,1,1,1,1,1,9999999:x}" IS '%<{1}}%';
CREATE FUNCTION "f%<{1}}"(text DEFAULT '%R{1}') RETURNS bigint LANGUAGE sql
	BEGIN ATOMIC SELECT sum("a%A{1.2}}'") FROM "t%<{1}%D{1,1,1,1,1,1,9999999:x}" WHERE "other } %" <> $1; END;
CREATE VIEW "v%V{x}" WITH (security_barrier) AS SELECT "a%A{1.2}}'", '%}' AS x FROM "t%<{1}%D{1,1,1,1,1,1,9999999:x}";
GRANT SELECT ON "v%V{x}" TO regress_zdm_reader;
CREATE RULE "r%>{1}}" AS ON DELETE TO "v%V{x}" DO INSTEAD DELETE FROM "t%<{1}%D{1,1,1,1,1,1,9999999:x}" WHERE "a%A{1.2}}'" = OLD."a%A{1.2}}'";
CREATE TEMP TABLE before AS SELECT everything('"t%<{1}%D{1,1,1,1,1,1,9999999:x}"') AS line;
SELECT zdm.change_column_type('"t%<{1}%D{1,1,1,1,1,1,9999999:x}"', $$a%A{1.2}}'$$, 'bigint') AS m \gset
CALL whole_life(:m);
SELECT * FROM (SELECT everything('"t%<{1}%D{1,1,1,1,1,1,9999999:x}"') EXCEPT TABLE before) x ORDER BY 1;
SELECT * FROM (TABLE before EXCEPT SELECT everything('"t%<{1}%D{1,1,1,1,1,1,9999999:x}"')) x ORDER BY 1;
SELECT zdm.change_column_type('"t%<{1}%D{1,1,1,1,1,1,9999999:x}"', $$a%A{1.2}}'$$, 'bigint') AS m \gset
CALL to_the_end(:m);
-- what is of another type has another text, and nothing else
SELECT * FROM (SELECT everything('"t%<{1}%D{1,1,1,1,1,1,9999999:x}"') EXCEPT TABLE before) x ORDER BY 1;
SELECT * FROM (TABLE before EXCEPT SELECT everything('"t%<{1}%D{1,1,1,1,1,1,9999999:x}"')) x ORDER BY 1;
SELECT obj_description(oid, 'pg_trigger') FROM pg_trigger WHERE tgname = '%';

--
-- a plan can be read by whoever may know of the migration, whatever it names
--
CREATE SCHEMA "private%";
CREATE TABLE plain (id int PRIMARY KEY, a int);
CREATE MATERIALIZED VIEW "private%"."m%}" AS SELECT a FROM plain;
ALTER MATERIALIZED VIEW "private%"."m%}" ALTER COLUMN a SET STATISTICS 7;
GRANT SELECT ON "private%"."m%}" TO regress_zdm_reader;
GRANT SELECT ON plain TO PUBLIC;
SELECT zdm.rename_column('plain', 'a', 'b') AS m \gset
SET ROLE regress_zdm_reader;
SELECT count(*) > 5 FROM zdm.steps WHERE migration = :m;
SELECT statement LIKE '%CREATE MATERIALIZED VIEW "private\%"."m\%}_zdm%ALTER COLUMN a SET STATISTICS 7%' FROM zdm.steps WHERE migration = :m AND statement LIKE '%CREATE MAT%';
SELECT count(*) FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace AND 'template' = ANY (proargnames);
SELECT zdm.step_sql(:m, 1, false) LIKE 'CREATE TRIGGER "~zdm_sync"%', zdm.step_sql(:m, 9999, true), zdm.step_sql(-1, 1, true), zdm.step_sql(NULL, 1, true);
RESET ROLE;
CALL zdm.wait(:m, 'ready', '60s');
REVOKE SELECT ON plain FROM PUBLIC;
SET ROLE regress_zdm_reader;
SELECT zdm.step_sql(:m, 1, false);
RESET ROLE;
CALL to_the_end(:m);
SELECT attstattarget, relacl::text LIKE '%regress_zdm_reader=r%' FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attrelid = '"private%"."m%}"'::regclass AND attname = 'a';

--
-- a trigger that none can fire after is found at the call
--
CREATE TABLE last (id int PRIMARY KEY, a int);
CREATE TRIGGER "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~" BEFORE INSERT ON last FOR EACH ROW EXECUTE FUNCTION note();
SELECT zdm.rename_column('last', 'a', 'b');
SELECT zdm.change_column_type('last', 'a', 'bigint');
-- and one that is made later does not keep the plan from being read
ALTER TRIGGER "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~" ON last RENAME TO early;
SELECT zdm.rename_column('last', 'a', 'b') AS m \gset
CALL zdm.wait(:m, 'ready', '60s');
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '60s');
ALTER TRIGGER early ON last RENAME TO "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~";
SELECT undo FROM zdm.steps WHERE migration = :m AND step = 1;

DROP SCHEMA mal, vic CASCADE;
DROP VIEW "v%V{x}";
DROP SCHEMA "private%" CASCADE;
DROP OWNED BY regress_zdm_reader;
DROP ROLE regress_zdm_victim, regress_zdm_mallory, regress_zdm_reader;
