-- The pure decisions: the state machine, the size of a batch, its rest, stops.
\set ECHO none
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
\set ECHO all

-- which event leads where: the whole table
WITH s(state, n) AS (
	SELECT * FROM unnest('{queued,expanding,migrating,ready,cutting_over,switched,contracting,completed,reverting,reverted,failed}'::text[]) WITH ORDINALITY),
e(event, n) AS (
	SELECT * FROM unnest('{start,expanded,migrated,finished,cutover,switched,contract,contract_ready,contracted,revert,reverted,fail,resume}'::text[]) WITH ORDINALITY)
SELECT state, event, test.state_next(state, 'migrating', e.n::int - 1) AS next
  FROM s, e WHERE state <> 'failed' AND test.state_next(state, 'migrating', e.n::int - 1) IS NOT NULL
 ORDER BY s.n, e.n;

-- a failed migration goes back to where it was, or all the way
SELECT test.state_next('failed', 'contracting', 12) AS resumed, test.state_next('failed', 'contracting', 9) AS reverted,
	test.state_next('failed', 'contracting', 4) AS cut_over;

-- a batch grows by half at most, shrinks at once, and never below one block
SELECT test.pace_next_blocks(100, 10, 100) AS fast, test.pace_next_blocks(100, 90, 100) AS nearly,
	test.pace_next_blocks(100, 100, 100) AS just, test.pace_next_blocks(100, 400, 100) AS slow,
	test.pace_next_blocks(1, 1000000, 100) AS least, test.pace_next_blocks(1, 1, 100) AS from_one,
	test.pace_next_blocks(1000000, 0, 100) AS most;

-- rows of a page that have their turn by the end of each phase: all in the end, or at once
SELECT array_agg(test.pace_rows_due(100, phase) ORDER BY phase) AS of_hundred, array_agg(test.pace_rows_due(3, phase) ORDER BY phase) AS of_three
	FROM generate_series(-1, 9) phase;

-- phases in which updates leave their page all the same serve nothing, nor where the
-- first finds no row; it makes room
SELECT test.pace_phases_serve(0, 100, 0) AS first, test.pace_phases_serve(0, 0, 0) AS idle, test.pace_phases_serve(1, 100, 24) AS few,
	test.pace_phases_serve(1, 100, 25) AS enough, test.pace_phases_serve(9, 0, 0) AS none,
	test.pace_phases_serve(-1, 100, 0) AS at_once;

-- a rest of some times its length, longer if the WAL asks for it, and less what it has rested within
SELECT test.pace_rest(100, 0, 1, 0, 0) AS same, test.pace_rest(100, 0, 0, 0, 0) AS none, test.pace_rest(100, 0, 2.5, 0, 0) AS more,
	test.pace_rest(100, 0, 1, 1024 * 1024, 1024 * 1024) AS wal, test.pace_rest(100, 0, 1, 1024, 1024 * 1024) AS little_wal,
	test.pace_rest(1e9, 0, 1000, 0, 0) AS longest,
	test.pace_rest(100, 20, 1, 0, 0) AS rested, test.pace_rest(100, 60, 0.5, 0, 0) AS rested_enough;

-- the rest is stretched when rows take longer than at their best
SELECT test.pace_stretch(0, 10, 100) AS first, test.pace_stretch(0.1, 10, 100) AS best, test.pace_stretch(0.1, 40, 100) AS slow,
	test.pace_stretch(0.1, 1e6, 100) AS very_slow, test.pace_stretch(0.1, 1e6, 5) AS few_rows;

-- workers that rest as long as they work take turns; who does not rest need not
SELECT test.pace_at_once(2, 1) AS half, test.pace_at_once(3, 1) AS two_of_three, test.pace_at_once(4, 3) AS quarters,
	test.pace_at_once(2, 0) AS both, test.pace_at_once(2, 1000) AS at_least, test.pace_at_once(4, 0.5) AS two_thirds;

-- stops, with hysteresis
SELECT test.stops_beyond(10, 10, false, false) AS at_limit, test.stops_beyond(11, 10, false, false) AS above,
	test.stops_beyond(8, 10, false, false) AS below, test.stops_beyond(8, 10, false, true) AS not_far_enough,
	test.stops_beyond(7, 10, false, true) AS far_enough;
SELECT test.stops_beyond(10, 10, true, false) AS at_floor, test.stops_beyond(9, 10, true, false) AS below,
	test.stops_beyond(12, 10, true, true) AS not_far_enough, test.stops_beyond(15, 10, true, true) AS far_enough;

-- windows: by the clock of their zone, over midnight, on the days on which they open
SET TimeZone = 'UTC';
SELECT w AS windows, array_agg(test.window_is_open(w, at::timestamptz) ORDER BY at) AS open
FROM unnest(ARRAY['', '22:00-06:00', '22:00-06:00 Europe/Berlin', 'fri 22:00-06:00', 'sat-mon 00:00-24:00',
	'08:00-09:00, 23:00-23:30', 'mon-fri 21:00-05:00 Europe/Berlin']) WITH ORDINALITY w (w, n),
	unnest(ARRAY['2026-07-03 20:30', '2026-07-03 21:59', '2026-07-03 23:15', '2026-07-04 04:30', '2026-07-04 05:30', '2026-07-05 05:30']) at
GROUP BY n, w ORDER BY n;
SELECT w AS windows, test.window_opens(w, '2026-07-03 20:30') AS opens
FROM unnest(ARRAY['22:00-06:00', '22:00-06:00 Europe/Berlin', 'fri 20:00-21:00', 'fri 20:00-20:30', 'sat-mon 00:00-24:00']) w;
SET zdm.batch_window = '22:00-25:00';
SET zdm.batch_window = 'mon,tue 22:00-06:00';
SET zdm.batch_window = '22:00-06:00 Europe/Nowhere';
SET zdm.batch_window = '22:00-22:00';
