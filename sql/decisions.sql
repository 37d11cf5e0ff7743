-- The pure decisions: the state machine, the size of a batch, its rest, stops.
\set ECHO none
\i test/lib/decisions.sql
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

-- each row of a page has its turn in one phase, or at once; the first of a page in the first
SELECT phases, count(*) FROM (SELECT array_agg(phase) FILTER (WHERE test.pace_has_turn(o, phase)) AS phases
	FROM generate_series(1, 290) o, generate_series(-1, 9) phase GROUP BY o) x GROUP BY phases ORDER BY phases;

-- phases in which updates leave their page all the same serve nothing, nor where the
-- first finds no row; it makes room
SELECT test.pace_phases_serve(0, 100, 0) AS first, test.pace_phases_serve(0, 0, 0) AS idle, test.pace_phases_serve(1, 100, 49) AS few,
	test.pace_phases_serve(1, 100, 50) AS enough, test.pace_phases_serve(9, 0, 0) AS none,
	test.pace_phases_serve(-1, 100, 0) AS at_once;

-- a rest of some times its length, longer if the WAL asks for it
SELECT test.pace_rest(100, 1, 0, 0) AS same, test.pace_rest(100, 0, 0, 0) AS none, test.pace_rest(100, 2.5, 0, 0) AS more,
	test.pace_rest(100, 1, 1024 * 1024, 1024 * 1024) AS wal, test.pace_rest(100, 1, 1024, 1024 * 1024) AS little_wal,
	test.pace_rest(1e9, 1000, 0, 0) AS longest;

-- stops, with hysteresis; a reading that could not be had is one
SELECT test.throttle(0, 0, 10000, 4096, false) AS fine;
SELECT test.throttle(10001, 0, 10000, 4096, false) AS lag;
SELECT test.throttle(0, 4097, 10000, 4096, false) AS slot;
SELECT test.throttle(8000, 0, 10000, 4096, false) AS below, test.throttle(8000, 0, 10000, 4096, true) AS not_far_enough,
	test.throttle(7000, 0, 10000, 4096, true) AS far_enough;
SELECT test.throttle(-1, 0, 10000, 4096, false) AS unknown_lag;
