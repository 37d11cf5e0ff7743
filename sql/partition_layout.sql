-- What zdm.partition_table() makes of what it is given, and all that can be wrong with it.
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET client_min_messages = error;
SET TimeZone = 'Europe/Berlin';
CREATE SCHEMA layout;
SET search_path = layout, public;

CREATE TABLE event (gone int, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, day date, kind text, n numeric, i int);
ALTER TABLE event DROP COLUMN gone;
INSERT INTO event (at, day, kind, n, i)
	SELECT timestamptz '2024-01-15 12:00+01' + g * interval '1 day', date '2024-01-15' + g, CASE WHEN g % 2 = 0 THEN 'a' ELSE 'b' END, g / 10.0, g FROM generate_series(0, 90) g;

CREATE FUNCTION parts(m bigint) RETURNS TABLE (part text) LANGUAGE sql AS $$
	SELECT n FROM zdm.migration, unnest(notes) WITH ORDINALITY u(n, o) WHERE id = m AND (n ~ '^[^ ]* (FOR|DEFAULT)' OR n ~ 'primary key') ORDER BY o $$;

-- by width: months of the session's calendar, summer time included; weeks from Monday; multiples
BEGIN;
SELECT * FROM parts(zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach'));
ROLLBACK;
BEGIN;
SELECT * FROM parts(zdm.partition_table('event', 'RANGE (at)', every => '3 months', ahead => 0, primary_key => 'id, at', way => 'attach', with_default => true));
ROLLBACK;
BEGIN;
SELECT * FROM parts(zdm.partition_table('event', 'RANGE (day)', every => '2 weeks', ahead => 1, primary_key => '', way => 'attach'));
ROLLBACK;
BEGIN;
SELECT * FROM parts(zdm.partition_table('event', 'RANGE (n)', every => '2.5', ahead => 2, primary_key => '', way => 'attach'));
ROLLBACK;
BEGIN;
SELECT * FROM parts(zdm.partition_table('event', 'RANGE (id)', every => '30', way => 'attach'));
ROLLBACK;

-- given one by one
BEGIN;
SELECT * FROM parts(zdm.partition_table('event', 'list (kind)', ARRAY['"Ev A" FOR VALUES IN (''a'', ''b'')', 'public.ev_b FOR VALUES IN (''c'', NULL)'], primary_key => '', way => 'attach'));
ROLLBACK;
BEGIN;
SELECT * FROM parts(zdm.partition_table('event', 'RANGE ((at AT TIME ZONE ''UTC''))', ARRAY['a FOR VALUES FROM (MINVALUE) TO (date ''2026-01-01'' + 100000)', 'b DEFAULT'], primary_key => '', way => 'attach'));
ROLLBACK;

-- mistakes
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['x DEFAULT'], every => '1 month', way => 'attach');
\set VERBOSITY sqlstate
SELECT zdm.partition_table('event', 'RANG (at)', every => '1 month', way => 'attach');
\set VERBOSITY default
SELECT zdm.partition_table('event', 'RANGE (at) WITH (fillfactor = 10)', every => '1 month', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (nope)', every => '1 month', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at', every => '1 month', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 mnth', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month 1 day', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '-1 month', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 second', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (kind)', every => '1 month', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (day)', every => '1 hour', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (i)', every => '0.5', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (i)', every => '1 month', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'LIST (i)', every => '1', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', ahead => -1, way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', way => 'move');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (day)', every => '1 month', primary_key => 'id, day', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id, at, id', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id); DROP TABLE event', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (date_trunc(''month'', at, ''UTC''))', ARRAY['a DEFAULT'], way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a FOR VALUES FROM (''2024-01-01'') TO (''2024-05-01'')', 'b FOR VALUES FROM (''2024-01-31'') TO (''2030-01-01'')'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a FOR VALUES FROM (''2024-01-01'') TO (''2024-05-01'')', 'a FOR VALUES FROM (''2024-05-01'') TO (''2030-01-01'')'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a FOR VALUES FROM (''2024-01-01'') TO (''2024-04-01'')', 'b FOR VALUES FROM (''2024-04-01'') TO (MAXVALUE)'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a FOR VALUES FROM (''2024-04-01'') TO (''2024-01-01'')'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a FOR VALUES FROM (''x'') TO (''2024-01-01'')'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a FOR VALUES IN (''2024-01-01'')'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['event DEFAULT'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['nowhere.x DEFAULT'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY['a DEFAULT, ADD COLUMN x int'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (at)', ARRAY[NULL], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'LIST (id, kind)', ARRAY['h0 DEFAULT'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (random())', ARRAY['h0 DEFAULT'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (date_trunc(''month'', at))', ARRAY['h0 DEFAULT'], primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE ((SELECT 1))', ARRAY['h0 DEFAULT'], primary_key => '', way => 'attach');

SELECT zdm.partition_table('event', 'HASH (id)', ARRAY['h FOR VALUES WITH (MODULUS 1, REMAINDER 0)'], way => 'attach');

-- names that are taken, rows without a place, keys that others need
CREATE TABLE event_p20240501 ();
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => '', way => 'attach');
DROP TABLE event_p20240501;
INSERT INTO event (at, day) VALUES ('infinity', NULL);
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => '', way => 'attach');
SELECT zdm.partition_table('event', 'RANGE (day)', every => '1 month', primary_key => '', way => 'attach');
CREATE TABLE line (event bigint REFERENCES event);
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach');
DROP TABLE line;
CREATE UNIQUE INDEX event_u ON event (i);
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach');
DROP INDEX event_u;
\set VERBOSITY terse
ALTER TABLE event ADD CONSTRAINT event_x EXCLUDE (n WITH =);
SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach');

-- nothing of what was tried is left
SELECT relname FROM pg_class WHERE relnamespace = 'layout'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1;
