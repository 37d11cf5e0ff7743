-- What the trigger of a table pair keeps for a session outlives an error in the midst of it,
-- DDL in between, a write within a write, and the end of the hidden table.
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA calls;
SET search_path = calls, public;
CREATE SEQUENCE asked;
CREATE FUNCTION adds(int) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO calls.t VALUES ($1, 0, ''inner''); END';
CREATE FUNCTION asks(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	-- once for the table, once for the one beside it
	IF $1 < 0 AND nextval('calls.asked') % 2 = 0 THEN
		IF $1 < -1000 THEN
			PERFORM calls.adds($1 + 1000);
		ELSE
			RAISE 'asked for %', $1;
		END IF;
	END IF;
	RETURN $1;
END $$;
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
CREATE INDEX t_asks ON t (asks(a));
CREATE INDEX t_b ON t (b);
INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 50) i;
SELECT test.hold('second-before-index');
SELECT zdm.rewrite('t', columns => '{b,a,id}', label => 'calls');
-- what is kept from before the hidden table has its other indexes knows nothing of them
CALL test.arrive('second-before-index');
INSERT INTO t VALUES (98, 1, 'early');
SELECT test.release('second-before-index');
CALL test.await('calls', 'ready');
INSERT INTO t VALUES (99, 1, 'late');
SELECT hidden::regclass AS hidden FROM zdm.second \gset
SET enable_seqscan = off;
SELECT id FROM :hidden WHERE b = 'early';
SELECT id FROM :hidden WHERE b = 'late';
RESET enable_seqscan;
INSERT INTO t VALUES (100, 1, 'first');
-- an error in the midst of carrying a row over, and on with it: in a savepoint, in a block, in another transaction
BEGIN;
INSERT INTO t VALUES (101, 1, 'before');
SAVEPOINT s;
INSERT INTO t VALUES (102, 1, 'lost'), (103, -7, 'lost');
ROLLBACK TO s;
INSERT INTO t VALUES (104, 1, 'after');
UPDATE t SET b = 'again' WHERE id IN (1, 101, 104);
COMMIT;
DO $$
BEGIN
	BEGIN
		UPDATE t SET a = -8 WHERE id = 2;
	EXCEPTION WHEN raise_exception THEN
		UPDATE t SET b = 'caught' WHERE id = 2;
	END;
END $$;
UPDATE t SET a = -9 WHERE id = 3;
UPDATE t SET b = 'then' WHERE id = 3;
SELECT count(*) FROM zdm.verify('calls');
-- a write of the table within a write of the one beside it
INSERT INTO t VALUES (200, -2000, 'outer'), (201, 1, 'outer');
SELECT id, a, b FROM t WHERE id < 0 OR id >= 200 ORDER BY id;
SELECT count(*) FROM zdm.verify('calls');
DELETE FROM t WHERE id = -1000;
-- another index, another name, other rights: asked anew
CREATE INDEX t_late ON t (b);
ALTER TABLE t RENAME COLUMN b TO c;
INSERT INTO t VALUES (300, 3, 'renamed');
ALTER TABLE t RENAME COLUMN c TO b;
UPDATE t SET b = 'more' WHERE id IN (5, 300);
SELECT zdm.cutover('calls');
CALL test.await('calls', 'switched');
INSERT INTO t (id, a, b) VALUES (400, 4, 'there');
UPDATE t SET b = 'there' WHERE id = 6;
SELECT count(*) FROM zdm.verify('calls');
SELECT zdm.revert('calls');
CALL test.await('calls', 'reverted');
INSERT INTO t VALUES (500, 5, 'back');
SELECT count(*), count(*) FILTER (WHERE b IN ('there', 'back', 'more', 'then', 'caught', 'again')) FROM t;
SET client_min_messages = error;
DROP SCHEMA calls CASCADE;
