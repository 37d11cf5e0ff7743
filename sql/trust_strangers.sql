--
-- What came out when strangers tried the product once more: what was wrong with rows,
-- what could not go on, and what was another's.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;
SET zdm.guard = off;
SET zdm.batch_rest = 0;
CREATE ROLE stranger_a NOLOGIN;
CREATE ROLE stranger_b NOLOGIN;

-- a CHECK that is not valid is not valid of the partitions either: rows that break it are read
CREATE TABLE nv (id int PRIMARY KEY, a int);
INSERT INTO nv SELECT i, i FROM generate_series(1, 60) i;
ALTER TABLE nv ADD CONSTRAINT nv CHECK (a > 50) NOT VALID;
CREATE TABLE nvp (id int, a int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE nvp_1 PARTITION OF nvp DEFAULT;
INSERT INTO nvp SELECT i, i FROM generate_series(1, 60) i;
ALTER TABLE nvp ADD CONSTRAINT nvp CHECK (a > 50) NOT VALID;
SELECT zdm.partition_table('nv', 'RANGE (id)', every => '100', label => 'nv') > 0 AS stated;
SELECT zdm.change_column_type('nvp', 'id', 'bigint', label => 'nvp') > 0 AS stated;
CALL zdm.wait('nv', 'ready');
CALL zdm.wait('nvp', 'ready');
SELECT zdm.cutover('nv');
SELECT zdm.cutover('nvp');
CALL zdm.wait('nv', 'switched');
CALL zdm.wait('nvp', 'switched');
SELECT count(*), (SELECT count(*) FROM nvp WHERE a < 40) AS nvp FROM nv WHERE a < 40;
SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE contype = 'c' AND conname IN ('nv', 'nvp') AND conrelid::regclass::text !~ 'zdm' ORDER BY conrelid::regclass::text;
SELECT zdm.contract('nv');
CALL zdm.wait('nv', 'completed');
SELECT zdm.contract('nvp');
CALL zdm.wait('nvp', 'completed');

-- one that is not inherited is refused, however partitions are made
CREATE TABLE ni (id int PRIMARY KEY, a int CONSTRAINT "Cn" CHECK (a > 0) NO INHERIT);
SELECT zdm.partition_table('ni', 'RANGE (id)', every => '10', way => 'attach');
SELECT zdm.partition_table('ni', 'RANGE (id)', every => '10');

-- nor without a replica identity for what is published
CREATE TABLE pub (id int PRIMARY KEY, d date NOT NULL, x int);
INSERT INTO pub VALUES (1, '2024-01-05', 1);
CREATE PUBLICATION pub FOR TABLE pub;
SELECT zdm.partition_table('pub', 'RANGE (d)', every => '1 month', primary_key => '', way => 'attach');
SELECT zdm.partition_table('pub', 'RANGE (d)', every => '1 month', primary_key => '');
CREATE UNIQUE INDEX pub_key ON pub (id, d);
ALTER TABLE pub REPLICA IDENTITY USING INDEX pub_key;
SELECT zdm.partition_table('pub', 'RANGE (d)', every => '1 month', primary_key => '', way => 'attach');
DROP PUBLICATION pub;

-- a column with a compression and a collation
CREATE TABLE cc (id int PRIMARY KEY, a text COMPRESSION pglz COLLATE "C", b int);
SELECT zdm.rewrite('cc', columns => '{b,a,id}', label => 'cc') > 0 AS stated;
CALL zdm.wait('cc', 'ready');

-- names are compared as they are, whatever the session has quoted
CREATE TABLE qi (id int PRIMARY KEY, f int);
CREATE POLICY p ON qi USING (f > 0);
SET quote_all_identifiers = on;
SELECT zdm.rename_column('qi', 'f', 'g', label => 'qi') > 0 AS stated;
RESET quote_all_identifiers;
CALL zdm.wait('qi', 'ready');

-- what has got another name goes along, there and back and there again: a trigger, a policy and a view's rule
CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '% of %', TG_NAME, NEW.id; RETURN NULL; END$$;
CREATE TABLE rn (id int PRIMARY KEY, a int);
INSERT INTO rn VALUES (1, 1);
CREATE TRIGGER tr AFTER UPDATE OF a ON rn FOR EACH ROW EXECUTE FUNCTION say();
CREATE TRIGGER ts AFTER UPDATE OF a ON rn FOR EACH ROW EXECUTE FUNCTION say();
CREATE POLICY p ON rn USING (a > 0);
CREATE POLICY q ON rn USING (a > 1);
SELECT zdm.change_column_type('rn', 'a', 'bigint', label => 'rn') > 0 AS stated;
CALL zdm.wait('rn', 'ready');
ALTER TRIGGER tr ON rn RENAME TO tr2;
ALTER TRIGGER ts ON rn RENAME TO ts2;
ALTER POLICY p ON rn RENAME TO p2;
SELECT zdm.cutover('rn');
CALL zdm.wait('rn', 'switched');
UPDATE rn SET a = 2;
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'rn'::regclass AND NOT tgisinternal AND tgname !~ 'zdm' ORDER BY 1;
SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'rn'::regclass ORDER BY 1;
ALTER POLICY q ON rn RENAME TO q2;
ALTER TRIGGER ts2 ON rn RENAME TO ts3;
SELECT zdm.revert('rn');
CALL zdm.wait('rn', 'reverted');
UPDATE rn SET a = 3;
SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'rn'::regclass ORDER BY 1;
SELECT attname FROM pg_attribute WHERE attrelid = 'rn'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;

-- a view that has been dropped stays away
CREATE TABLE dv (id int PRIMARY KEY, a int);
CREATE VIEW dv_1 AS SELECT a FROM dv;
CREATE VIEW dv_2 AS SELECT * FROM dv_1;
SELECT zdm.change_column_type('dv', 'a', 'bigint', label => 'dv') > 0 AS stated;
CALL zdm.wait('dv', 'ready');
DROP VIEW dv_2;
SELECT zdm.cutover('dv');
CALL zdm.wait('dv', 'switched');
DROP VIEW dv_1;
SELECT zdm.revert('dv');
CALL zdm.wait('dv', 'reverted');
SELECT count(*) FROM pg_class WHERE relname LIKE 'dv\_%' AND relkind = 'v';

-- what another than its owner has granted on a view would be the owner's, if that is made anew
CREATE TABLE gr (id int PRIMARY KEY, a int);
CREATE VIEW gr_1 AS SELECT id, a FROM gr;
GRANT SELECT ON gr_1 TO stranger_a WITH GRANT OPTION;
SET ROLE stranger_a;
GRANT SELECT ON gr_1 TO stranger_b;
RESET ROLE;
SELECT zdm.change_column_type('gr', 'a', 'bigint');
SELECT zdm.change_column_type('gr', 'a', 'bigint', keep_place => true);
REVOKE SELECT ON gr_1 FROM stranger_a CASCADE;

-- a query that holds is that of who states the migration
CREATE FUNCTION wraps(setting text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$SELECT zdm.rename_column('gr', 'a', 'c', label => 'wraps') > 0$$;
SET zdm.hold_when = 'SELECT false';
SELECT wraps('session');
RESET zdm.hold_when;
SELECT wraps('none');
SELECT current_database() AS db \gset
ALTER DATABASE :"db" OWNER TO stranger_a;
ALTER DATABASE :"db" SET zdm.hold_when = 'SELECT true';
\c -
SET client_min_messages = warning;
SELECT zdm.rename_column('dv', 'a', 'c');
SELECT count(*) FROM zdm.script('ALTER TABLE dv RENAME a TO c');
SET zdm.hold_when = '';
SELECT zdm.rename_column('dv', 'a', 'c', label => 'own') > 0 AS stated;
ALTER DATABASE :"db" OWNER TO CURRENT_USER;
ALTER DATABASE :"db" RESET zdm.hold_when;

SET zdm.guard = off;
SELECT zdm.revert(id) FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted');
CALL zdm.wait('own', 'reverted');
CALL zdm.wait('wraps', 'reverted');
DROP ROLE stranger_a, stranger_b;

-- what is about whole rows, and what is about where a row is, is named at the call
CREATE TABLE wr (id int PRIMARY KEY, a int, CONSTRAINT wr_row CHECK (wr IS NOT NULL OR a > 0));
CREATE INDEX wr_index ON wr ((wr IS NULL));
INSERT INTO wr VALUES (1, 1);
SELECT zdm.rewrite('wr', columns => '{a,id}');
SELECT zdm.partition_table('wr', 'RANGE (id)', every => '10');
SELECT zdm.partition_table('wr', 'RANGE (id)', every => '10', way => 'attach');
SELECT zdm.migrate('ALTER TABLE cc ADD g oid GENERATED ALWAYS AS (tableoid) STORED');
INSERT INTO qi VALUES (1, 1);
SELECT zdm.migrate('ALTER TABLE qi ADD g oid GENERATED ALWAYS AS (tableoid) STORED');
SELECT zdm.migrate('ALTER TABLE IF EXISTS nowhere ADD COLUMN x int', label => 'nowhere') > 0 AS stated;
CALL zdm.wait('nowhere', 'completed');
SELECT zdm.migrate('ALTER TABLE IF EXISTS nowhere ALTER x SET NOT NULL', label => 'nowhere either') > 0 AS stated;
CALL zdm.wait('nowhere either', 'completed');

-- a body with ON CONFLICT DO UPDATE hangs on every column, and would hang on both
CREATE TABLE oc (id int PRIMARY KEY, a int, c int);
CREATE FUNCTION oc_up(x int) RETURNS void LANGUAGE sql BEGIN ATOMIC
	INSERT INTO oc VALUES (x, x) ON CONFLICT (id) DO UPDATE SET a = oc.a + 1; END;
CREATE FUNCTION oc_quiet(x int) RETURNS void LANGUAGE sql BEGIN ATOMIC
	INSERT INTO oc (id) VALUES (x) ON CONFLICT (id) DO NOTHING; END;
CREATE VIEW oc_view AS SELECT id, a FROM oc;
CREATE RULE oc_rule AS ON INSERT TO oc_view DO INSTEAD
	INSERT INTO oc (id, a) VALUES (NEW.id, NEW.a) ON CONFLICT (id) DO UPDATE SET a = excluded.a;
SELECT zdm.rename_column('oc', 'c', 'cc');
SELECT zdm.change_column_type('oc', 'c', 'bigint');
DROP FUNCTION oc_up;
DROP VIEW oc_view;
SELECT zdm.rename_column('oc', 'c', 'cc', label => 'oc') > 0 AS stated;
CALL zdm.wait('oc', 'ready');
SELECT zdm.cutover('oc');
CALL zdm.wait('oc', 'switched');
SELECT zdm.contract('oc');
CALL zdm.wait('oc', 'completed');
SELECT oc_quiet(1);

-- what names single partitions is named before they are to go
CREATE TABLE un (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
CREATE TABLE un_1 PARTITION OF un DEFAULT;
CREATE VIEW un_view AS SELECT * FROM un_1;
CREATE TABLE un_child (id int REFERENCES un_1, whole int REFERENCES un);
SELECT zdm.unpartition_table('un');
DROP VIEW un_view;
ALTER TABLE un_child DROP CONSTRAINT un_child_id_fkey;
SELECT zdm.unpartition_table('un', label => 'un') > 0 AS stated;
CALL zdm.wait('un', 'ready');
SELECT zdm.cutover('un');
CALL zdm.wait('un', 'switched');
SELECT zdm.contract('un');
CALL zdm.wait('un', 'completed');

-- nor what goes by a primary key that is to be another
CREATE TABLE pk (id int PRIMARY KEY, a int NOT NULL, b text);
CREATE VIEW pk_view AS SELECT id, a, b, count(*) FROM pk GROUP BY id;
SELECT zdm.partition_table('pk', 'RANGE (a)', partitions => '{pk_1 DEFAULT}', primary_key => 'id, a');
SELECT zdm.partition_table('pk', 'RANGE (a)', partitions => '{pk_1 DEFAULT}', primary_key => '', way => 'attach');
SELECT zdm.partition_table('pk', 'RANGE (id)', every => '10', label => 'pk') > 0 AS stated;
CALL zdm.wait('pk', 'ready');
SELECT zdm.cutover('pk');
CALL zdm.wait('pk', 'switched');
SELECT zdm.contract('pk');
CALL zdm.wait('pk', 'completed');
SELECT count(*) FROM pk_view;

-- nor a function that its owner could not make again as it is
CREATE ROLE stranger_l NOLOGIN;
CREATE SCHEMA lp AUTHORIZATION stranger_l;
SET ROLE stranger_l;
CREATE TABLE lp.t (id int PRIMARY KEY, a int);
CREATE FUNCTION lp.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM lp.t; END;
RESET ROLE;
ALTER FUNCTION lp.f() LEAKPROOF;
SELECT zdm.rewrite('lp.t', columns => '{a,id}');
DROP SCHEMA lp CASCADE;
DROP ROLE stranger_l;

-- a default that differs each time stands with one of two columns, and DEFAULT for the other is NULL
CREATE TABLE df (id int PRIMARY KEY, tok text DEFAULT 'given', u uuid DEFAULT gen_random_uuid());
SELECT zdm.rename_column('df', 'tok', 'tok2', label => 'df.tok') > 0 AS tok, zdm.rename_column('df', 'u', 'u2', label => 'df.u') > 0 AS u;
CALL zdm.wait('df.tok', 'ready');
CALL zdm.wait('df.u', 'ready');
INSERT INTO df (id, tok2, u) VALUES (1, DEFAULT, DEFAULT) RETURNING tok, tok2, u IS NOT NULL AND u = u2 AS both;
INSERT INTO df (id, u2) VALUES (2, DEFAULT) RETURNING tok, tok2, u, u2;
INSERT INTO df (id) VALUES (3) RETURNING tok, tok2, u IS NOT NULL AND u = u2 AS both;
SELECT zdm.cutover('df.tok'), zdm.cutover('df.u');
CALL zdm.wait('df.tok', 'switched');
CALL zdm.wait('df.u', 'switched');
INSERT INTO df (id, tok, u2) VALUES (4, DEFAULT, DEFAULT) RETURNING tok, tok2, u IS NOT NULL AND u = u2 AS both;
INSERT INTO df (id, u) VALUES (5, DEFAULT) RETURNING tok, tok2, u, u2;
