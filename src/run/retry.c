/*-------------------------------------------------------------------------
 *
 * retry.c
 *		Which errors of a step are worth another try, and when.
 *
 * A migration runs for days, so that a full disk, a deadlock or somebody's
 * pg_cancel_backend() will meet it, and most of these pass.  They are tried
 * again with growing rests; but not for ever, since a disk that stays full has
 * to be somebody's business.  A refused lock is the exception: whoever has it
 * can have good reasons to keep it for days.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/debug_point.h"
#include "core/errors.h"
#include "run/retry.h"

#define FIRST_PAUSE_MS ZDM_DEBUG_MS(500, 10)
#define LONGEST_PAUSE_MS ZDM_DEBUG_MS(60000, 200)

/*
 * Two sessions have changed the same catalog row, or one has dropped what the
 * other was about to open.  PostgreSQL has no code for that.
 */
static bool
is_catalog_race(const ErrorData *error)
{
	static const char *const beginnings[] = {
		"tuple concurrently ",
		"could not open relation with OID",
		"cache lookup failed for ",
	};

	if (error->sqlerrcode != ERRCODE_INTERNAL_ERROR || error->message == NULL)
		return false;
	for (int i = 0; i < lengthof(beginnings); i++)
	{
		if (strncmp(error->message, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	}
	return false;
}

RetryVerdict
retry_judge(const ErrorData *error)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
			return RETRY_ALWAYS;
		case ERRCODE_IO_ERROR:
		case ERRCODE_OBJECT_IN_USE:
		case ERRCODE_QUERY_CANCELED:
		case ERRCODE_T_R_DEADLOCK_DETECTED:
		case ERRCODE_T_R_SERIALIZATION_FAILURE:
			return RETRY_BOUNDED;
		default:
			break;
	}
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return RETRY_BOUNDED;
		default:
			return is_catalog_race(error) ? RETRY_BOUNDED : RETRY_NEVER;
	}
}

int
retry_pause(int failures)
{
	int			doublings = Max(Min(failures, RETRY_LIMIT) - 1, 0);

	return Min(FIRST_PAUSE_MS << doublings, LONGEST_PAUSE_MS);
}
