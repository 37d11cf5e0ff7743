/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		Try something, and take the error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ATTEMPT_H
#define ZDM_ATTEMPT_H

#include "utils/elog.h"

/* What becomes of what the attempt did, when it succeeds. */
typedef enum AttemptEnd
{
	ATTEMPT_UNDO,				/* it only looked: no lock or reference stays */
	ATTEMPT_KEEP
} AttemptEnd;

/*
 * Runs "callback" in a subtransaction.  True if it came to its end; false,
 * with the error in *error (in the caller's memory context), if it raised one.
 * In every case the subtransaction is over afterwards, also when an error is
 * passed on, and memory context, resource owner, user and settings are what
 * they were.
 *
 * Passed on are errors that answer nothing: see attempt_answers_nothing().
 * Needs a transaction, and no parallel mode; takes no lock itself.
 */
extern bool attempt_run(void (*callback) (void *arg), void *arg, AttemptEnd end, ErrorData **error);

/*
 * The same for so many milliseconds at most: that the time is up is an error of
 * the attempt's own.  For processes that have no statement_timeout running.
 */
extern bool attempt_run_within(int ms, void (*callback) (void *arg), void *arg, AttemptEnd end,
							   ErrorData **error);

/*
 * Is this the SQLSTATE of an error that says nothing about what was tried: a
 * cancellation or timeout, a lock that was not granted, a lack of resources, a
 * failing system, a serialization failure or deadlock?  Whoever waits for the
 * statement must see it.
 */
extern bool attempt_answers_nothing(int sqlerrcode);

/* Is it a fault of the server, besides: nothing that what was tried could be blamed for? */
extern bool attempt_blames_server(const ErrorData *error);

/* Is an attempt undoing its own subtransaction right now?  For callbacks. */
extern bool attempt_is_undoing(void);

#endif							/* ZDM_ATTEMPT_H */
