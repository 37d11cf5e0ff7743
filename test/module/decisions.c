/*-------------------------------------------------------------------------
 *
 * decisions.c
 *		The pure decisions, callable from SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/pace.h"
#include "backfill/stops.h"
#include "core/window.h"
#include "catalog/state.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_test_state_next);
PG_FUNCTION_INFO_V1(zdm_test_pace_next_blocks);
PG_FUNCTION_INFO_V1(zdm_test_pace_rows_due);
PG_FUNCTION_INFO_V1(zdm_test_pace_phases_serve);
PG_FUNCTION_INFO_V1(zdm_test_pace_rest);
PG_FUNCTION_INFO_V1(zdm_test_pace_at_once);
PG_FUNCTION_INFO_V1(zdm_test_pace_stretch);
PG_FUNCTION_INFO_V1(zdm_test_stops_beyond);
PG_FUNCTION_INFO_V1(zdm_test_window_is_open);
PG_FUNCTION_INFO_V1(zdm_test_window_opens);

/* (state text, failed_from text, event int) -> the next state, or NULL */
Datum
zdm_test_state_next(PG_FUNCTION_ARGS)
{
	MigrationState next;

	if (!state_next(state_from_name(text_to_cstring(PG_GETARG_TEXT_PP(0))),
					state_from_name(text_to_cstring(PG_GETARG_TEXT_PP(1))),
					(MigrationEvent) PG_GETARG_INT32(2), &next))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(state_name(next)));
}

/* (blocks bigint, elapsed float8, target float8) -> bigint */
Datum
zdm_test_pace_next_blocks(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(pace_next_blocks(PG_GETARG_INT64(0), PG_GETARG_FLOAT8(1),
									 PG_GETARG_FLOAT8(2)));
}

/* (rows int, phase int) -> int */
Datum
zdm_test_pace_rows_due(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(pace_rows_due(PG_GETARG_INT32(0), PG_GETARG_INT32(1)));
}

/* (phase int, rows bigint, kept bigint) -> boolean */
Datum
zdm_test_pace_phases_serve(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(pace_phases_serve(PG_GETARG_INT32(0), PG_GETARG_INT64(1), PG_GETARG_INT64(2)));
}

/* (best float8, elapsed float8, rows bigint) -> float8 */
Datum
zdm_test_pace_stretch(PG_FUNCTION_ARGS)
{
	double		best = PG_GETARG_FLOAT8(0);

	PG_RETURN_FLOAT8(pace_stretch(&best, PG_GETARG_FLOAT8(1), PG_GETARG_INT64(2)));
}

/* (elapsed float8, rested float8, ratio float8, wal bigint, rate bigint) -> int */
Datum
zdm_test_pace_rest(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(pace_rest(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2),
							  PG_GETARG_INT64(3), PG_GETARG_INT64(4)));
}

/* (workers int, ratio float8) -> int */
Datum
zdm_test_pace_at_once(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(pace_at_once(PG_GETARG_INT32(0), PG_GETARG_FLOAT8(1)));
}

/* (reading float8, limit float8, floor bool, held bool) -> bool */
Datum
zdm_test_stops_beyond(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(stops_beyond(PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1),
								PG_GETARG_BOOL(2), PG_GETARG_BOOL(3)));
}

/* (windows text, at timestamptz) -> bool */
Datum
zdm_test_window_is_open(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(window_is_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_TIMESTAMPTZ(1)));
}

/* (windows text, at timestamptz) -> timestamptz, NULL if one is open */
Datum
zdm_test_window_opens(PG_FUNCTION_ARGS)
{
	TimestampTz opens = window_opens(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_TIMESTAMPTZ(1));

	if (opens == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(opens);
}
