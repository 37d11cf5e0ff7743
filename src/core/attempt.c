/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		Try something, and take the error.
 *
 * The rule: nothing else in the library begins an internal subtransaction or
 * keeps an error (the loop of a worker apart, which ends the whole transaction
 * by it; test/include_order looks after that).  A subtransaction that an error
 * leaves open poisons the session: outside of a transaction block PostgreSQL
 * then takes itself to be inside one, holds the locks, and in the end crashes.
 *
 * So the subtransaction is ended first of all, while the error is still where
 * it was raised.  Copying it can fail as well (of a message of half a gigabyte
 * there is no second copy), and passing it on needs no copy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

static bool undoing = false;

bool
attempt_is_undoing(void)
{
	return undoing;
}

bool
attempt_answers_nothing(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
				sqlerrcode == ERRCODE_ZDM_LOCK_HELD;
	}
}

bool
attempt_blames_server(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTERNAL_ERROR;
}

static void
undo(void)
{
	undoing = true;
	RollbackAndReleaseCurrentSubTransaction();
	undoing = false;
}

/* A string that stays for the life of the process, like the one it was copied from. */
static const char *
lasting(const char *string)
{
	static List *strings = NIL;
	ListCell   *lc;
	MemoryContext caller;

	if (string == NULL)
		return NULL;
	foreach(lc, strings)
	{
		if (strcmp(lfirst(lc), string) == 0)
			return lfirst(lc);
	}
	caller = MemoryContextSwitchTo(TopMemoryContext);
	strings = lcons(pstrdup(string), strings);
	MemoryContextSwitchTo(caller);
	return linitial(strings);
}

/*
 * CopyErrorData() copies places, domains and message ids too, constants of the
 * program's text, and ReThrowError() does not: passed on, they would end with the
 * memory of whatever the error leaves.
 */
static void
keep_places(ErrorData *error)
{
	error->filename = lasting(error->filename);
	error->funcname = lasting(error->funcname);
	error->domain = lasting(error->domain);
	error->context_domain = lasting(error->context_domain);
	error->message_id = lasting(error->message_id);
}

/* Run it; what answers nothing is passed on, but a cancellation after "limit". */
static bool
run_until(void (*callback) (void *arg), void *arg, AttemptEnd end, TimestampTz limit, ErrorData **error)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		callback(arg);
		if (end == ATTEMPT_KEEP)
			ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		undo();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (attempt_answers_nothing(geterrcode()) &&
			!(geterrcode() == ERRCODE_QUERY_CANCELED && GetCurrentTimestamp() >= limit))
			PG_RE_THROW();
		*error = CopyErrorData();
		FlushErrorState();
		keep_places(*error);
		errors_clip(*error);
	}
	PG_END_TRY();
	if (done && end == ATTEMPT_UNDO)
		undo();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return done;
}

bool
attempt_run(void (*callback) (void *arg), void *arg, AttemptEnd end, ErrorData **error)
{
	return run_until(callback, arg, end, DT_NOEND, error);
}

bool
attempt_run_within(int ms, void (*callback) (void *arg), void *arg, AttemptEnd end, ErrorData **error)
{
	TimestampTz limit = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	volatile bool done = false;

	enable_timeout_at(STATEMENT_TIMEOUT, limit);
	PG_TRY();
	{
		done = run_until(callback, arg, end, limit, error);
	}
	PG_FINALLY();
	{
		/* an error that is passed on must not leave the alarm to strike later work */
		disable_timeout(STATEMENT_TIMEOUT, false);
	}
	PG_END_TRY();
	return done;
}
