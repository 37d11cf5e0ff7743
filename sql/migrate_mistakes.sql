--
-- Mistakes in DDL are found when it is stated, before anything is done, and
-- are those that PostgreSQL itself reports.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE SCHEMA app;
SET search_path = app, public;
CREATE TYPE pair AS (x int, y text);
CREATE TABLE r (id int PRIMARY KEY, code int, other int, UNIQUE (code, other) DEFERRABLE);
CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int, txt text, doc xml,
	twice int GENERATED ALWAYS AS (n * 2) STORED, CONSTRAINT positive CHECK (n > 0), CONSTRAINT once UNIQUE (n));
CREATE TABLE child (id int, t_id int REFERENCES t);
CREATE TABLE p (id int, k int) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE parent (id int);
CREATE TABLE heir () INHERITS (parent);
CREATE TABLE typed OF pair;
CREATE UNIQUE INDEX loose ON t (txt);
ALTER TABLE parent ADD CONSTRAINT handed CHECK (id > 0);
ALTER TABLE p ADD CONSTRAINT handed CHECK (id > 0);
CREATE VIEW v AS SELECT id FROM r;
INSERT INTO r VALUES (1, 1, 1);
INSERT INTO t (n) VALUES (1);
INSERT INTO p VALUES (1, 1);

-- what the server says of a statement, and what the plan does
CREATE FUNCTION said(ddl text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
BEGIN
	EXECUTE ddl;
	RAISE 'it ran';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	RETURN state || ' ' || message;
END $$;
CREATE FUNCTION compare(ddl text) RETURNS text LANGUAGE sql AS $$
	SELECT ddl || ': ' || CASE WHEN server = plan THEN 'the same, ' || left(plan, 5) ELSE format(E'\n server %s\n plan   %s', server, plan) END
	FROM said(ddl) server, said(format('SELECT FROM zdm.plan(%L)', ddl)) plan
$$;

SELECT compare(ddl) FROM unnest(ARRAY[
	-- columns
	'ALTER TABLE t ADD COLUMN n int',
	'ALTER TABLE t ADD COLUMN ctid int',
	'ALTER TABLE t ADD COLUMN c nosuch',
	'ALTER TABLE t ADD COLUMN c int NOT NULL',
	'ALTER TABLE t ADD COLUMN c text REFERENCES r',
	'ALTER TABLE t ADD COLUMN c text, ADD FOREIGN KEY (c) REFERENCES r',
	'ALTER TABLE t ADD COLUMN c xml UNIQUE',
	'ALTER TABLE ONLY p ADD COLUMN c int',
	'ALTER TABLE p1 ADD COLUMN c int',
	'ALTER TABLE typed ADD COLUMN c int',
	'ALTER TABLE p DROP COLUMN k',
	'ALTER TABLE t ALTER twice SET DEFAULT 1',
	'ALTER TABLE t ALTER id SET DEFAULT 1',
	'ALTER TABLE t ALTER id DROP NOT NULL',
	'ALTER TABLE r ALTER id DROP NOT NULL',
	'ALTER TABLE r ALTER other TYPE date',
	'ALTER TABLE t ALTER nosuch TYPE date',
	'ALTER TABLE t RENAME n TO txt',
	'ALTER TABLE t RENAME n TO xmin',
	'ALTER TABLE t RENAME nosuch TO n',
	-- constraints
	'ALTER TABLE t ADD UNIQUE (nosuch)',
	'ALTER TABLE t ADD UNIQUE (n) INCLUDE (nosuch)',
	'ALTER TABLE t ADD UNIQUE (doc)',
	'ALTER TABLE child ADD PRIMARY KEY (nosuch)',
	'ALTER TABLE t ADD PRIMARY KEY (n)',
	'ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX nosuch',
	'ALTER TABLE t ADD FOREIGN KEY (nosuch) REFERENCES r',
	'ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES nosuch',
	'ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES r (nosuch)',
	'ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES child',
	'ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES r (code)',
	'ALTER TABLE t ADD FOREIGN KEY (n, id) REFERENCES r (code, other)',
	'ALTER TABLE t ADD FOREIGN KEY (n, id) REFERENCES r',
	'ALTER TABLE t ADD FOREIGN KEY (txt) REFERENCES r',
	'ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 1)',
	-- names that are taken, also where there is no work
	'ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0)',
	'ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0) NOT VALID',
	'ALTER TABLE t ADD CONSTRAINT once FOREIGN KEY (n) REFERENCES r NOT VALID',
	'ALTER TABLE t ADD CONSTRAINT once UNIQUE USING INDEX loose',
	'ALTER TABLE t ADD CONSTRAINT r UNIQUE USING INDEX loose',
	'ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0), DROP CONSTRAINT once',
	'ALTER TABLE heir ADD CONSTRAINT handed CHECK (id > 1)',
	'ALTER TABLE p1 ADD CONSTRAINT handed CHECK (id > 0)',
	'ALTER TABLE t DROP CONSTRAINT nosuch',
	'ALTER TABLE t VALIDATE CONSTRAINT nosuch',
	'ALTER TABLE t DROP CONSTRAINT t_pkey',
	-- the table
	'ALTER TABLE t SET (nosuch = 1)',
	'ALTER TABLE t SET (fillfactor = 5)',
	'ALTER TABLE t OWNER TO nosuch',
	'ALTER TABLE t DISABLE TRIGGER nosuch',
	'ALTER TABLE t DISABLE RULE nosuch',
	'ALTER TABLE heir NO INHERIT nosuch',
	-- indexes
	'CREATE INDEX ON t (nosuch)',
	'CREATE INDEX ON t (ctid)',
	'CREATE INDEX ON t (doc)',
	'CREATE INDEX ON t ((random() + n))',
	'CREATE INDEX ON t (n) WHERE random() > 1',
	'CREATE INDEX ON t USING nosuch (n)',
	'CREATE UNIQUE INDEX ON t USING hash (n)',
	'CREATE INDEX ON t USING hash (n, id)',
	'DROP INDEX nosuch',
	'DROP INDEX once',
	-- drops
	'DROP TABLE nosuch',
	'DROP TABLE nosuch.t',
	'DROP VIEW nosuch',
	'DROP SEQUENCE nosuch',
	'DROP MATERIALIZED VIEW nosuch',
	'DROP VIEW t']) ddl;

-- the rest of the grammar: what is run as it stands is tried, where its locks are to be had at once
CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int, txt text, nn int NOT NULL DEFAULT 1,
	twice int GENERATED ALWAYS AS (n * 2) STORED, CONSTRAINT g_positive CHECK (n > 0), CONSTRAINT g_once UNIQUE (n));
CREATE INDEX gx ON g (txt);
CREATE INDEX gp ON g (n) WHERE n > 5;
CREATE UNIQUE INDEX gnull ON g (txt);
CREATE TABLE like_pair (x int, y text);
CREATE MATERIALIZED VIEW mv AS SELECT id FROM r;
CREATE SEQUENCE sq;
CREATE FUNCTION fn(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
SELECT compare(ddl) FROM unnest(ARRAY[
	'ALTER TABLE g ALTER nosuch SET STATISTICS 10',
	'ALTER TABLE g ALTER nosuch SET (n_distinct = 1)',
	'ALTER TABLE g ALTER n SET (nosuch = 1)',
	'ALTER TABLE g ALTER n SET (n_distinct = -5)',
	'ALTER TABLE g ALTER txt SET STORAGE nosuch',
	'ALTER TABLE g ALTER id ADD GENERATED ALWAYS AS IDENTITY',
	'ALTER TABLE g ALTER nosuch SET GENERATED ALWAYS',
	'ALTER TABLE g ALTER n DROP IDENTITY',
	'ALTER TABLE g ALTER nosuch DROP IDENTITY',
	'ALTER TABLE g ALTER n RESTART',
	'ALTER TABLE g CLUSTER ON nosuch',
	'ALTER TABLE g CLUSTER ON gp',
	'ALTER TABLE g REPLICA IDENTITY USING INDEX nosuch',
	'ALTER TABLE g REPLICA IDENTITY USING INDEX gx',
	'ALTER TABLE g REPLICA IDENTITY USING INDEX gnull',
	'ALTER TABLE g REPLICA IDENTITY USING INDEX gp',
	'ALTER TABLE g OF nosuch',
	'ALTER TABLE g OF pair',
	'ALTER TABLE like_pair OF pair',
	'ALTER TABLE g NOT OF',
	'ALTER TABLE g INHERIT parent',
	'ALTER TABLE g INHERIT p',
	'ALTER TABLE heir NO INHERIT r',
	'ALTER TABLE heir INHERIT parent',
	'ALTER TABLE p1 INHERIT parent',
	'ALTER TABLE g RENAME CONSTRAINT nosuch TO x',
	'ALTER TABLE g RENAME CONSTRAINT g_positive TO g_once',
	'ALTER TABLE g RENAME CONSTRAINT g_once TO g_positive',
	'ALTER TABLE g RESET (nosuch)',
	'ALTER TABLE p ATTACH PARTITION nosuch FOR VALUES FROM (10) TO (20)',
	'ALTER TABLE p DETACH PARTITION g',
	'ALTER TABLE p DETACH PARTITION nosuch',
	'ALTER TABLE g VALIDATE CONSTRAINT g_once',
	'ALTER TABLE g ADD UNIQUE USING INDEX gp',
	'ALTER TABLE g ADD UNIQUE USING INDEX gx',
	'ALTER TABLE r ADD UNIQUE USING INDEX gnull',
	'ALTER VIEW v ALTER nosuch SET DEFAULT 1',
	'ALTER INDEX nosuch SET (fillfactor = 50)',
	'ALTER INDEX gx SET (fillfactor = 5)',
	'ALTER INDEX gx ATTACH PARTITION gp',
	'ALTER INDEX gx RENAME TO gp',
	'ALTER SEQUENCE sq INCREMENT 0',
	'ALTER SEQUENCE nosuch RESTART',
	'ALTER SEQUENCE sq OWNED BY g.nosuch',
	'ALTER SEQUENCE sq AS text',
	'ALTER SEQUENCE g_id_seq OWNED BY NONE',
	'ALTER MATERIALIZED VIEW nosuch SET (fillfactor = 50)',
	'ALTER TABLE nosuch RENAME TO x',
	'ALTER TABLE g SET SCHEMA nosuch',
	'ALTER TYPE pair ADD ATTRIBUTE x int',
	'ALTER TYPE pair DROP ATTRIBUTE nosuch',
	'ALTER TYPE pair ALTER ATTRIBUTE y TYPE int',
	'ALTER TYPE nosuch RENAME TO x',
	'ALTER FUNCTION nosuch(int) STABLE',
	'CREATE TABLE new_t (a nosuch)',
	'CREATE TABLE new_t (a int REFERENCES nosuch)',
	'CREATE TABLE new_t (LIKE nosuch)',
	'CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (5) TO (20)',
	'CREATE TABLE p2 PARTITION OF g DEFAULT',
	'CREATE VIEW v AS SELECT 1',
	'CREATE VIEW v2 AS SELECT nosuch FROM g',
	'CREATE SEQUENCE sq',
	'CREATE TRIGGER x BEFORE INSERT ON nosuch EXECUTE FUNCTION fn()',
	'CREATE TRIGGER x BEFORE INSERT ON g EXECUTE FUNCTION nosuch()',
	'CREATE POLICY x ON nosuch',
	'CREATE POLICY x ON g USING (nosuch)',
	'CREATE RULE x AS ON INSERT TO nosuch DO NOTHING',
	'CREATE RULE x AS ON INSERT TO t DO ALSO nosuch',
	'CREATE STATISTICS x ON n, nosuch FROM g',
	'CREATE TYPE pair AS (a int)',
	'CREATE DOMAIN dd AS nosuch',
	'ALTER DOMAIN nosuch SET NOT NULL',
	'CREATE FUNCTION fn(int) RETURNS int LANGUAGE sql AS ''SELECT 1''',
	'CREATE FUNCTION fn2() RETURNS int LANGUAGE sql AS ''SELECT nosuch''',
	'CREATE PUBLICATION x FOR TABLE nosuch',
	'ALTER PUBLICATION nosuch ADD TABLE g',
	'GRANT SELECT ON nosuch TO PUBLIC',
	'GRANT SELECT ON g TO nosuch',
	'COMMENT ON TABLE nosuch IS ''x''',
	'COMMENT ON COLUMN g.nosuch IS ''x''',
	'DROP FUNCTION nosuch(int)',
	'DROP TYPE pair',
	'DROP TRIGGER x ON g',
	'DROP POLICY x ON g',
	'DROP RULE x ON g',
	'DROP STATISTICS nosuch']) ddl;

-- one that cannot be tried now is taken; so is one that only this transaction is in the way of
BEGIN;
DECLARE c CURSOR FOR SELECT FROM g;
FETCH c;
SELECT said('SELECT FROM zdm.plan(''ALTER TABLE g CLUSTER ON gx'')');
ROLLBACK;

-- with the position
SELECT * FROM zdm.plan('ALTER TABLE t ADD COLUMN c int, ADD CONSTRAINT many UNIQUE (nosuch)');
SELECT * FROM zdm.plan('ALTER TABLE t ADD CONSTRAINT many UNIQUE (nosuch)');

-- a foreign key of a partitioned table that is NOT VALID: 18 has it
SELECT (current_setting('server_version_num')::int < 180000) = (zdm LIKE '42809 cannot add NOT VALID foreign key%')
FROM said('SELECT FROM zdm.plan(''ALTER TABLE p ADD FOREIGN KEY (id) REFERENCES r NOT VALID'')') zdm;

-- what needs rights that the owner has not
CREATE ROLE zdm_owner;
CREATE ROLE zdm_other;
GRANT CREATE ON SCHEMA app TO zdm_owner;
ALTER TABLE child OWNER TO zdm_owner;
SELECT left(said('SELECT FROM zdm.plan(''ALTER TABLE child OWNER TO zdm_other'')'), 5);
GRANT zdm_other TO zdm_owner;
SELECT said('SELECT FROM zdm.plan(''ALTER TABLE child OWNER TO zdm_other'')');

-- the hint is for what the statement is about
SELECT hint FROM zdm.check('ALTER VIEW v RENAME COLUMN id TO number') WHERE severity = 'unsafe';
CREATE SEQUENCE s;
SELECT hint FROM zdm.check('ALTER SEQUENCE s RENAME TO s2') WHERE severity = 'unsafe';
SELECT said('SELECT FROM zdm.plan(''ALTER TABLE t ALTER n SET NOT NULL, ALTER txt SET NOT NULL'', up => ''0'')');

DROP SCHEMA app CASCADE;
DROP EXTENSION pg_zdm;
DROP ROLE zdm_owner, zdm_other;
