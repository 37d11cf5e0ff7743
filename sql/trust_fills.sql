--
-- A fill leaves out the triggers of its table, and nothing else: every constraint
-- that PostgreSQL keeps by a trigger is kept, and functions that are called meet
-- what they always meet.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set VERBOSITY terse

CREATE PROCEDURE outcome(what text) LANGUAGE plpgsql AS $$
DECLARE m record;
BEGIN
	WHILE EXISTS (SELECT FROM zdm.migrations WHERE label = what AND state NOT IN ('completed', 'failed')) LOOP
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
	SELECT state, error_state, error INTO m FROM zdm.migrations WHERE label = what;
	RAISE WARNING '% % %', m.state, m.error_state, split_part(m.error, E'\n', 1);
END $$;

-- a foreign key, referencing: of the table, of a partition, deferred
CREATE TABLE p (id int PRIMARY KEY);
INSERT INTO p VALUES (1);
CREATE TABLE c (id int PRIMARY KEY, pid int REFERENCES p);
INSERT INTO c SELECT i, NULL FROM generate_series(1, 5) i;
SELECT zdm.set_not_null('c', 'pid', fill => '7', label => 'c7') IS NOT NULL;
CALL outcome('c7');
SELECT zdm.revert('c7');
CALL zdm.wait('c7', 'reverted', '1 minute');
SELECT zdm.migrate('ALTER TABLE c ALTER pid SET NOT NULL', up => '1', label => 'c1') IS NOT NULL;
CALL outcome('c1');
SELECT pid, count(*) FROM c GROUP BY pid;
CREATE TABLE cp (id int, pid int) PARTITION BY LIST (id);
CREATE TABLE cp1 PARTITION OF cp FOR VALUES IN (1);
ALTER TABLE cp1 ADD FOREIGN KEY (pid) REFERENCES p DEFERRABLE INITIALLY DEFERRED;
INSERT INTO cp VALUES (1, NULL);
SELECT zdm.backfill('cp', 'pid = 7', label => 'cp7') IS NOT NULL;
CALL outcome('cp7');
SELECT zdm.revert('cp7');
CALL zdm.wait('cp7', 'reverted', '1 minute');
SELECT zdm.backfill('cp', 'pid = 1', label => 'cp1') IS NOT NULL;
CALL outcome('cp1');
TABLE cp;

-- referenced, by a key of a partition alone
CREATE TABLE rp (id int, k int) PARTITION BY LIST (id);
CREATE TABLE rp1 PARTITION OF rp FOR VALUES IN (1);
ALTER TABLE rp1 ADD UNIQUE (k);
INSERT INTO rp VALUES (1, 5);
CREATE TABLE rc (k int REFERENCES rp1 (k));
INSERT INTO rc VALUES (5);
SELECT zdm.backfill('rp', 'k = 6', label => 'rp') IS NOT NULL;
CALL outcome('rp');
TABLE rp;

-- deferrable keys
CREATE TABLE u (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, k int UNIQUE DEFERRABLE, e int, EXCLUDE USING btree (e WITH =) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO u SELECT i, i, i FROM generate_series(1, 5) i;
SELECT zdm.backfill('u', 'k = 1', label => 'uk') IS NOT NULL;
CALL outcome('uk');
SELECT zdm.revert('uk');
CALL zdm.wait('uk', 'reverted', '1 minute');
SELECT zdm.backfill('u', 'id = 1', label => 'ui') IS NOT NULL;
CALL outcome('ui');
SELECT zdm.revert('ui');
CALL zdm.wait('ui', 'reverted', '1 minute');
SELECT zdm.backfill('u', 'e = 1', label => 'ue') IS NOT NULL;
CALL outcome('ue');
SELECT zdm.revert('ue');
CALL zdm.wait('ue', 'reverted', '1 minute');
TABLE u ORDER BY id;

-- triggers of the table do not fire, but for ENABLE ALWAYS; those of others do
CREATE TABLE t (id int PRIMARY KEY, x int, y int);
INSERT INTO t (id) SELECT generate_series(1, 3);
CREATE TABLE seen (what text, name text);
CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	INSERT INTO public.seen VALUES (TG_TABLE_NAME, TG_NAME); RETURN NEW; END$$;
CREATE TRIGGER row_before BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION seen();
CREATE TRIGGER row_after AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION seen();
CREATE TRIGGER statement_before BEFORE UPDATE ON t EXECUTE FUNCTION seen();
CREATE TRIGGER statement_after AFTER UPDATE ON t REFERENCING NEW TABLE AS n EXECUTE FUNCTION seen();
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON t INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION seen();
CREATE TRIGGER replica BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION seen();
ALTER TABLE t ENABLE REPLICA TRIGGER replica;
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES p, amount int);
CREATE TRIGGER orders_audit AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION seen();
CREATE FUNCTION order_one(i int) RETURNS int LANGUAGE plpgsql AS $$BEGIN
	INSERT INTO public.orders VALUES (i, 1, 10);
	INSERT INTO public.t VALUES (i + 100, 0, 0) ON CONFLICT (id) DO UPDATE SET y = 0;
	RETURN i; END$$;
SELECT zdm.backfill('t', 'x = public.order_one(id)', 'x IS NULL', label => 't') IS NOT NULL;
CALL outcome('t');
SELECT id, x FROM t ORDER BY id;
SELECT what, name, count(*) FROM seen GROUP BY 1, 2 ORDER BY 1, 2;
CREATE FUNCTION order_none(i int) RETURNS int LANGUAGE plpgsql AS $$BEGIN
	INSERT INTO public.orders VALUES (i + 10, 77, 10); RETURN i; END$$;
SELECT zdm.backfill('t', 'y = public.order_none(id)', 'y IS NULL', label => 't2') IS NOT NULL;
CALL outcome('t2');
SELECT zdm.revert('t2');
CALL zdm.wait('t2', 'reverted', '1 minute');
SELECT count(*) FROM orders WHERE customer = 77;
SELECT zdm.backfill('t', 'x = -1', 'x = 1', fire_triggers => true, label => 't3') IS NOT NULL;
CALL outcome('t3');

-- the key of a partition's partitions, whose columns have other numbers
CREATE TABLE rt (id int, a int, b int) PARTITION BY LIST (a);
CREATE TABLE rs (b int, a int, id int) PARTITION BY LIST (b);
ALTER TABLE rt ATTACH PARTITION rs FOR VALUES IN (1);
CREATE TABLE rs1 PARTITION OF rs FOR VALUES IN (1);
INSERT INTO rt VALUES (1, 1, 1);
SELECT zdm.backfill('rt', 'b = 2', 'b = 1');
SELECT zdm.backfill('rt', 'id = 2', 'id = 1', label => 'rt') IS NOT NULL;
CALL outcome('rt');
TABLE rt;
