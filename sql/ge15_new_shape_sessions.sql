-- Sessions of every make state, steer and write while a table gets partitions and gives them
-- up: settings that change how values are written and read, statements prepared before,
-- cursors held across, MERGE.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA sess;
CREATE ROLE sess_owner;
CREATE ROLE sess_other;
GRANT ALL ON SCHEMA sess TO sess_owner;
GRANT USAGE ON SCHEMA sess TO sess_other;
CREATE TABLE sess.event (id int NOT NULL, at timestamptz NOT NULL, on_day date NOT NULL, x float8, i interval, b bytea, v text, PRIMARY KEY (id, at));
CREATE TABLE sess.model (LIKE sess.event INCLUDING ALL);
ALTER TABLE sess.event OWNER TO sess_owner;
GRANT ALL ON sess.event, sess.model TO sess_owner, sess_other;

-- what is written in one step; for both alike
CREATE PROCEDURE sess.write(n int) LANGUAGE plpgsql AS $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['event', 'model'] LOOP
		EXECUTE format('INSERT INTO sess.%I SELECT %s * 100 + g, timestamptz ''2024-01-01 UTC'' + g * interval ''5 days'', date ''2024-02-03'', 0.1::float8 + 0.2, interval ''1 mon 2 days'', decode(''00ff'', ''hex''), repeat(''v'', g) FROM generate_series(1, 20) g', t, n);
		EXECUTE format('UPDATE sess.%I SET x = x + 1e-15, at = at + interval ''40 days'', v = at::text || on_day::text || b::text WHERE id %% 10 = 3', t);
		EXECUTE format('DELETE FROM sess.%I WHERE id %% 10 = 7', t);
		EXECUTE format('MERGE INTO sess.%I e USING (SELECT g AS id, timestamptz ''2024-03-01 UTC'' AS at FROM generate_series(%s * 100 + 15, %s * 100 + 25) g) s ON e.id = s.id AND e.at = s.at
			WHEN MATCHED THEN UPDATE SET v = ''merged'' WHEN NOT MATCHED THEN INSERT (id, at, on_day) VALUES (s.id, s.at, ''2024-02-03'')', t, n, n);
		EXECUTE format('MERGE INTO sess.%I e USING (SELECT 1) s ON e.id %% 20 = 4 WHEN MATCHED AND e.x IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET at = e.at - interval ''33 days''', t);
	END LOOP;
END $$;
CREATE VIEW sess.differ AS SELECT 1 FROM ((TABLE sess.event EXCEPT ALL TABLE sess.model) UNION ALL (TABLE sess.model EXCEPT ALL TABLE sess.event)) d;
ALTER VIEW sess.differ OWNER TO sess_owner;
CREATE FUNCTION sess.hidden_differs(m bigint) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM zdm.verify(m)';
CALL sess.write(0);

-- stated, steered and written by sessions with odd settings
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Kolkata';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SET search_path = pg_catalog;
SET ROLE sess_owner;
SET default_transaction_read_only = off;
SET lock_timeout = '1s';
SELECT zdm.partition_table('sess.event', 'RANGE (at)', every => '1 month', with_default => true) AS m \gset
RESET ROLE;
PREPARE mine (int) AS SELECT count(*), max(v) FROM sess.event WHERE id > $1;
PREPARE writes (int, timestamptz) AS INSERT INTO sess.event (id, at, on_day, v) VALUES ($1, $2, '03/02/2024', 'prepared') RETURNING id, on_day;
EXECUTE mine(0);
EXECUTE writes(5000, '2024-01-05 UTC');
INSERT INTO sess.model (id, at, on_day, v) VALUES (5000, '2024-01-05 UTC', '03/02/2024', 'prepared');
DECLARE held CURSOR WITH HOLD FOR SELECT id, at, x, b FROM sess.event ORDER BY id;
FETCH 2 FROM held;
CALL zdm.wait(:m, 'ready');
CALL sess.write(1);
SELECT sess.hidden_differs(:m);
SET ROLE sess_other;
SET DateStyle = 'German';
SET TimeZone = 'America/New_York';
CALL sess.write(2);
SELECT zdm.cutover(:m);
RESET ROLE;
SELECT sess.hidden_differs(:m), count(*) FROM sess.differ;
SET default_transaction_read_only = on;
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
EXECUTE mine(0);
SET default_transaction_read_only = off;
EXECUTE writes(5001, '2024-04-05 UTC');
INSERT INTO sess.model (id, at, on_day, v) VALUES (5001, '2024-04-05 UTC', '03/02/2024', 'prepared');
FETCH 2 FROM held;
CALL sess.write(3);
SET ROLE sess_other;
SET quote_all_identifiers = on;
SET standard_conforming_strings = off;
CALL sess.write(4);
RESET ROLE;
SELECT sess.hidden_differs(:m), count(*) FROM sess.differ;
SET row_security = off;
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted');
FETCH 1 FROM held;
EXECUTE mine(0);
CALL sess.write(5);
SELECT count(*) FROM sess.differ;

-- and again, to the end, and back to one table
SET ROLE sess_owner;
SELECT zdm.partition_table('sess.event', 'RANGE (at)', every => '1 month', with_default => true) AS m \gset
CALL zdm.wait(:m, 'ready');
CALL sess.write(6);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
CALL sess.write(7);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
SELECT zdm.unpartition_table('sess.event') AS m \gset
CALL zdm.wait(:m, 'ready');
CALL sess.write(8);
SELECT sess.hidden_differs(:m);
SELECT zdm.cutover(:m);
CALL zdm.wait(:m, 'switched');
CALL sess.write(9);
SELECT sess.hidden_differs(:m);
SELECT zdm.contract(:m);
CALL zdm.wait(:m, 'completed');
RESET ROLE;
EXECUTE mine(0);
EXECUTE writes(5002, '2024-04-05 UTC');
INSERT INTO sess.model (id, at, on_day, v) VALUES (5002, '2024-04-05 UTC', '03/02/2024', 'prepared');
MOVE 3 IN held;
CLOSE held;
SELECT count(*) FROM sess.differ;
SELECT count(*) FROM sess.event;

DROP SCHEMA sess CASCADE;
DROP ROLE sess_owner;
DROP ROLE sess_other;
