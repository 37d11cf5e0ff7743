--
-- RENAME TABLE and SET SCHEMA: both names from the first moment to contract,
-- one of them a view.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE SCHEMA app;
SET search_path = app, public;
CREATE ROLE rt_reader;
CREATE ROLE rt_writer;
CREATE ROLE rt_owner NOLOGIN;
CREATE ROLE rt_other;
GRANT rt_owner TO CURRENT_USER;
GRANT USAGE ON SCHEMA app TO PUBLIC;
GRANT CREATE ON SCHEMA app TO rt_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE rt_owner IN SCHEMA app GRANT SELECT ON TABLES TO rt_other;

CREATE TABLE customer (id serial PRIMARY KEY, "na%me" text NOT NULL, dropped int, secret text, n int DEFAULT 7, g int GENERATED ALWAYS AS (n * 2) STORED);
ALTER TABLE customer DROP COLUMN dropped;
INSERT INTO customer ("na%me", secret) SELECT 'c' || i, 's' || i FROM generate_series(1, 100) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customer);
CREATE VIEW big AS SELECT id FROM customer WHERE n > 5;
ALTER TABLE customer OWNER TO rt_owner;
REVOKE SELECT ON customer FROM rt_other;
GRANT SELECT (id, "na%me"), UPDATE ("na%me") ON customer TO rt_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON customer TO rt_writer WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE customer_id_seq TO rt_writer;

-- what both names can do
CREATE FUNCTION kinds() RETURNS SETOF text LANGUAGE sql AS $$
SELECT relname || ' ' || relkind::text FROM pg_class
WHERE relnamespace = 'app'::regnamespace AND relname IN ('customer', 'client', 'Ein "Name"') OR relname LIKE '%zdm%' AND relnamespace <> 'zdm'::regnamespace ORDER BY 1
$$;
CREATE FUNCTION grants(name) RETURNS SETOF text LANGUAGE sql AS $$
SELECT concat_ws(' ', x.grantee::regrole::text, x.privilege_type, x.is_grantable) FROM pg_class c, aclexplode(c.relacl) x WHERE relname = $1 AND x.privilege_type <> 'MAINTAIN' AND relnamespace = 'app'::regnamespace
UNION ALL
SELECT concat_ws(' ', x.grantee::regrole::text, x.privilege_type, attname, x.is_grantable) FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid, aclexplode(a.attacl) x WHERE relname = $1 AND relnamespace = 'app'::regnamespace
ORDER BY 1
$$;
CREATE PROCEDURE try(sql text) LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE sql;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE WARNING '%: % rows', sql, n;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '%: % %', sql, SQLSTATE, SQLERRM;
END $$;
CREATE PROCEDURE use(name text) LANGUAGE plpgsql AS $$
BEGIN
	CALL try(format('SELECT * FROM %s WHERE id = 1', name));
	CALL try(format('INSERT INTO %s ("na%%me") VALUES (''new'')', name));
	CALL try(format('INSERT INTO %s AS c (id, "na%%me") VALUES (1, ''one'') ON CONFLICT (id) DO UPDATE SET "na%%me" = excluded."na%%me" RETURNING c.n, c.g', name));
	CALL try(format('UPDATE %s SET n = n + 1 WHERE id <= 3', name));
	CALL try(format('SELECT 1 FROM %s WHERE id = 2 FOR UPDATE', name));
	CALL try(format('DELETE FROM %s WHERE "na%%me" = ''new'' AND id > 100', name));
	CALL try(format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', name));
END $$;
CREATE PROCEDURE cannot(name text) LANGUAGE plpgsql AS $$
BEGIN
	CALL try(format('COPY %s FROM ''/dev/null''', name));
	CALL try(format('COPY %s TO ''/dev/null''', name));
	CALL try(format('COPY (SELECT * FROM %s LIMIT 3) TO ''/dev/null''', name));
	CALL try(format('INSERT INTO %s ("na%%me") VALUES (1) ON CONFLICT ON CONSTRAINT customer_pkey DO NOTHING', name));
	CALL try(format('SELECT ctid FROM %s', name));
	CALL try(format('SELECT tableoid FROM %s', name));
	CALL try(format('SELECT "na%%me" FROM %s WHERE id < 3 GROUP BY id', name));
	CALL try(format('CREATE TABLE never (r int REFERENCES %s)', name));
	CALL try(format('TRUNCATE %s', name));
	CALL try(format('SELECT 1 WHERE pg_get_serial_sequence(%L, ''id'') IS NOT NULL', name));
END $$;

SELECT step, phase, lock, work FROM zdm.plan('ALTER TABLE customer RENAME TO client');
SELECT statement FROM zdm.plan('ALTER TABLE customer RENAME TO client') WHERE step > 1;

-- prepared before it begins, used to its end
PREPARE old_name(int) AS SELECT * FROM customer WHERE id = $1;
PREPARE old_write(int) AS UPDATE customer SET n = n + 1 WHERE id = $1 RETURNING *;
EXECUTE old_name(5);
SELECT zdm.migrate('ALTER TABLE customer RENAME TO client', label => 'rename');
CALL zdm.wait('rename', 'ready', '1 min');
SELECT kinds();
PREPARE new_name(int) AS SELECT * FROM client WHERE id = $1;
PREPARE new_write(int) AS UPDATE client SET n = n + 1 WHERE id = $1 RETURNING *;
EXECUTE old_write(5);
EXECUTE new_write(5);
EXECUTE old_name(5);
EXECUTE new_name(5);
SELECT grants('customer');
SELECT grants('client');
CALL use('customer');
CALL use('client');
CALL cannot('client');

-- privileges are those of whoever reads
SET ROLE rt_reader;
CALL try('SELECT id, "na%me" FROM client');
CALL try('SELECT secret FROM client');
CALL try('UPDATE client SET "na%me" = ''r'' WHERE id = 9');
CALL try('UPDATE client SET n = 9 WHERE id = 9');
SET ROLE rt_other;
CALL try('SELECT id FROM client');
SET ROLE rt_writer;
CALL use('client');
RESET ROLE;

-- what shares a column has to wait
SELECT zdm.rename_column('customer', 'secret', 'm');
SELECT zdm.migrate('DROP TABLE customer');
SELECT zdm.contract('rename');

-- back, and once more
SELECT zdm.revert('rename');
CALL zdm.wait('rename', 'reverted', '1 min');
SELECT kinds();
EXECUTE old_name(5);
SELECT zdm.migrate('ALTER TABLE customer RENAME TO client', label => 'rename 2');
CALL zdm.wait('rename 2', 'ready', '1 min');
SELECT zdm.cutover('rename 2');
CALL zdm.wait('rename 2', 'switched', '1 min');
SELECT kinds();
SELECT relation FROM zdm.migrations WHERE label = 'rename 2';
EXECUTE old_write(5);
EXECUTE new_write(5);
EXECUTE old_name(5);
EXECUTE new_name(5);
CALL use('customer');
CALL use('client');
CALL cannot('customer');
SELECT count(*) FROM big;
SELECT conrelid::regclass, confrelid::regclass FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'f';

-- back from there, too
SELECT zdm.revert('rename 2');
CALL zdm.wait('rename 2', 'reverted', '1 min');
SELECT kinds();
EXECUTE old_write(5);

-- to the end; the same call then answers with the same migration
SELECT zdm.migrate('ALTER TABLE customer RENAME TO client', label => 'rename 3');
CALL zdm.wait('rename 3', 'ready', '1 min');
SELECT zdm.cutover('rename 3');
CALL zdm.wait('rename 3', 'switched', '1 min');
SELECT zdm.contract('rename 3');
CALL zdm.wait('rename 3', 'completed', '1 min');
SELECT kinds();
EXECUTE new_write(5);
EXECUTE old_name(5);
SELECT zdm.migrate('ALTER TABLE customer RENAME TO client', label => 'rename 3') = id FROM zdm.migrations WHERE label = 'rename 3';
SELECT grants('client');

-- a view over the view stops contract, with nothing lost
SELECT zdm.migrate('ALTER TABLE client RENAME TO "Ein ""Name"""', label => 'odd');
CALL zdm.wait('odd', 'ready', '1 min');
SELECT zdm.cutover('odd');
CALL zdm.wait('odd', 'switched', '1 min');
CREATE VIEW over AS SELECT id FROM client;
SELECT zdm.contract('odd');
CALL zdm.wait('odd', 'completed', '1 min');
SELECT split_part(error, E'\n', 1) FROM zdm.migrations WHERE label = 'odd';
DROP VIEW over;
SELECT zdm.resume('odd');
CALL zdm.wait('odd', 'completed', '1 min');
SELECT kinds();

-- to another schema, the sequence and the indexes with it
CREATE SCHEMA "Other";
GRANT ALL ON SCHEMA "Other" TO rt_owner;
PREPARE two AS SELECT (SELECT max(id) FROM app."Ein ""Name""") = (SELECT max(id) FROM "Other"."Ein ""Name""");
SELECT statement, lock, note FROM zdm.plan('ALTER TABLE "Ein ""Name""" SET SCHEMA "Other"') WHERE step > 1;
SELECT zdm.migrate('ALTER TABLE "Ein ""Name""" SET SCHEMA "Other"', label => 'schema');
CALL zdm.wait('schema', 'ready', '1 min');
PREPARE two AS SELECT (SELECT max(id) FROM app."Ein ""Name""") = (SELECT max(id) FROM "Other"."Ein ""Name""");
EXECUTE two;
SELECT zdm.cutover('schema');
CALL zdm.wait('schema', 'switched', '1 min');
EXECUTE two;
SELECT relnamespace::regnamespace, relname, relkind FROM pg_class WHERE relname LIKE 'Ein%' OR relname LIKE 'customer\_%' ORDER BY 1, 2;
INSERT INTO app."Ein ""Name""" ("na%me") VALUES ('through the view') RETURNING id > 100;
SELECT zdm.revert('schema');
CALL zdm.wait('schema', 'reverted', '1 min');
EXECUTE two;
SELECT relnamespace::regnamespace, relname, relkind FROM pg_class WHERE relname LIKE 'Ein%' OR relname LIKE 'customer\_%' ORDER BY 1, 2;

-- partitioned
CREATE TABLE p (id int, k int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (1000);
SELECT zdm.migrate('ALTER TABLE p RENAME TO q', label => 'partitioned');
CALL zdm.wait('partitioned', 'ready', '1 min');
INSERT INTO q VALUES (1, 1);
SELECT zdm.cutover('partitioned');
CALL zdm.wait('partitioned', 'switched', '1 min');
INSERT INTO p VALUES (2, 2);
SELECT * FROM p, q WHERE p.id = q.id ORDER BY 1;
SELECT zdm.contract('partitioned');
CALL zdm.wait('partitioned', 'completed', '1 min');
SELECT to_regclass('p'), to_regclass('q');

-- who goes by the name, or by the row type, is in the plan's notes
CREATE PUBLICATION rt_published FOR TABLE orders;
CREATE FUNCTION takes_row(q) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION asks_name() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', TG_TABLE_NAME; RETURN new; END';
CREATE TRIGGER asks BEFORE INSERT ON q FOR EACH ROW EXECUTE FUNCTION asks_name();
SELECT regexp_replace(note, '^.*other DDL(, MERGE)?(; what is granted[^;]*)?(; row-level security cannot[^;]*)?', '') FROM zdm.plan('ALTER TABLE q RENAME TO q2') WHERE step = 1;
SELECT regexp_replace(note, '^.*other DDL(, MERGE)?(; what is granted[^;]*)?(; row-level security cannot[^;]*)?', '') FROM zdm.plan('ALTER TABLE orders RENAME TO o2') WHERE step = 1;
DROP PUBLICATION rt_published;
DROP TRIGGER asks ON q;
DROP FUNCTION takes_row, asks_name;

-- what is refused
SELECT zdm.migrate('ALTER TABLE q RENAME TO orders');
SELECT zdm.migrate('ALTER TABLE q RENAME TO q');
CREATE TYPE mood AS ENUM ('glad');
SELECT zdm.migrate('ALTER TABLE q RENAME TO mood');
SELECT zdm.migrate('ALTER TABLE nowhere RENAME TO somewhere');
SELECT zdm.migrate('ALTER TABLE big RENAME TO small');
SELECT zdm.migrate('ALTER TABLE p1 RENAME TO p2');
SELECT zdm.migrate('ALTER TABLE q SET SCHEMA nowhere');
CREATE TABLE "Other".q_pkey (a int);
ALTER TABLE q ADD PRIMARY KEY (id);
SELECT zdm.migrate('ALTER TABLE q SET SCHEMA "Other"');
REVOKE CREATE ON SCHEMA app FROM rt_owner;
SET ROLE rt_owner;
SELECT zdm.migrate('ALTER TABLE "Ein ""Name""" RENAME TO client');
RESET ROLE;
SET ROLE rt_writer;
SELECT zdm.migrate('ALTER TABLE "Ein ""Name""" RENAME TO client');
RESET ROLE;

-- nothing is left behind
DROP TABLE orders, "Ein ""Name""" CASCADE;
ALTER DEFAULT PRIVILEGES FOR ROLE rt_owner IN SCHEMA app REVOKE SELECT ON TABLES FROM rt_other;
REVOKE ALL ON SCHEMA app, "Other" FROM rt_owner;
DROP OWNED BY rt_reader, rt_writer, rt_owner, rt_other;
DROP ROLE rt_reader, rt_writer, rt_owner, rt_other;
