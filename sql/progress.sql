--
-- What zdm.progress says of speed and of the time left: what an onlooker would
-- measure, and nothing of the time in which nobody worked.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
CREATE TABLE speed (id int, old text);
INSERT INTO speed SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i;

-- twenty times as long at rest as at work
SET zdm.batch_time = '1ms';
SET zdm.batch_rest = 20;
SELECT zdm.rename_column('speed', 'old', 'new', 'speed') AS m \gset
RESET zdm.batch_time;
RESET zdm.batch_rest;
DO $$
BEGIN
	WHILE (SELECT coalesce(max(blocks_done), 0) FROM zdm.progress WHERE label = 'speed' AND state = 'migrating') < 100 LOOP
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
SELECT zdm.pause(:m);
DO $$
BEGIN
	WHILE EXISTS (SELECT FROM zdm.progress WHERE worker IS NOT NULL) LOOP
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
SELECT percent BETWEEN 1 AND 99 AS half_way,
       rows_per_second BETWEEN 0.2 * rows_done / seconds AND 5 * rows_done / seconds AS speed_has_rests,
       extract(epoch FROM eta) BETWEEN 0.2 * seconds * (100 - percent) / percent AND 5 * seconds * (100 - percent) / percent AS time_left
  FROM zdm.progress, (SELECT worked_ms / 1000.0 FROM zdm.step JOIN zdm.step_progress USING (migration, step) WHERE action = 'backfill' AND phase = 'migrate') w (seconds);
SELECT worked_ms < 1000 * extract(epoch FROM clock_timestamp() - started) AS no_more_than_the_clock
  FROM zdm.step JOIN zdm.step_progress USING (migration, step) WHERE action = 'backfill' AND phase = 'migrate';

-- a night later it takes no longer
CREATE TEMPORARY TABLE before AS SELECT eta FROM zdm.progress;
UPDATE zdm.step SET started = started - interval '10 hours' WHERE started IS NOT NULL;
SELECT p.eta = b.eta AS the_same FROM zdm.progress p, before b;
SELECT zdm.configure(:m, 'batch_rest', '0');
SELECT zdm.resume(:m);
CALL zdm.wait(:m, 'ready', '60s');
SELECT state, percent, eta FROM zdm.progress;
SELECT worked_ms BETWEEN 1 AND 3600000 AS of_no_night FROM zdm.step JOIN zdm.step_progress USING (migration, step) WHERE action = 'backfill' AND phase = 'migrate';
SELECT zdm.revert(:m);
CALL zdm.wait(:m, 'reverted', '60s');
