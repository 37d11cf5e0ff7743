/*-------------------------------------------------------------------------
 *
 * retry.h
 *		Which errors of a step are worth another try, and when.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RETRY_H
#define ZDM_RETRY_H

/* So many failures of a step in a row, and the migration fails. */
#define RETRY_LIMIT 12

typedef enum RetryVerdict
{
	RETRY_NEVER,				/* somebody has to mend something */
	RETRY_BOUNDED,				/* it may pass by itself */
	RETRY_ALWAYS				/* another session has what we want, and will give it up */
} RetryVerdict;

/* What to do about an error.  Pure. */
extern RetryVerdict retry_judge(const ErrorData *error);

/* How long to rest after so many failures in a row, in ms.  Pure. */
extern int	retry_pause(int failures);

#endif							/* ZDM_RETRY_H */
