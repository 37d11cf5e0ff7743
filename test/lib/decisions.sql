-- What sql/decisions.sql calls; the functions are in a library built with
-- ZDM_DEBUG only.  \i test/lib/decisions.sql

CREATE EXTENSION pg_zdm;
CREATE SCHEMA test;

CREATE FUNCTION test.state_next(state text, failed_from text, event int) RETURNS text STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_state_next';
CREATE FUNCTION test.pace_next_blocks(blocks bigint, elapsed float8, target float8) RETURNS bigint STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_pace_next_blocks';
CREATE FUNCTION test.pace_rows_due(rows int, phase int) RETURNS int STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_pace_rows_due';
CREATE FUNCTION test.pace_phases_serve(phase int, rows bigint, kept bigint) RETURNS boolean STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_pace_phases_serve';
CREATE FUNCTION test.pace_rest(elapsed float8, ratio float8, wal bigint, rate bigint) RETURNS int STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_pace_rest';
CREATE FUNCTION test.pace_stretch(best float8, elapsed float8, rows bigint) RETURNS float8 STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_pace_stretch';
CREATE FUNCTION test.pace_at_once(workers int, ratio float8) RETURNS int STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_pace_at_once';
CREATE FUNCTION test.stops_beyond(reading float8, "limit" float8, floor boolean, held boolean) RETURNS boolean STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_stops_beyond';
CREATE FUNCTION test.window_is_open(windows text, at timestamptz) RETURNS boolean STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_window_is_open';
CREATE FUNCTION test.window_opens(windows text, at timestamptz) RETURNS timestamptz STRICT
	LANGUAGE c AS 'pg_zdm', 'zdm_debug_window_opens';
