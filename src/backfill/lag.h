/*-------------------------------------------------------------------------
 *
 * lag.h
 *		How far behind the slowest standby or subscriber is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LAG_H
#define ZDM_LAG_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"

#define LAG_SAMPLES 240

/* Where the WAL ended, and when; zeroed before the first call. */
typedef struct LagSamples
{
	int			count;
	TimestampTz at[LAG_SAMPLES];
	XLogRecPtr	end[LAG_SAMPLES];
} LagSamples;

typedef struct LagReading
{
	char	   *who;			/* "standby x", "subscriber x"; NULL if there is none */
	double		ms;				/* age of the oldest WAL that it has not confirmed */
	int64		bytes;			/* how much there is */
} LagReading;

/*
 * Ask.  Within a QuerySession; to be called about once a second, since what was
 * written when is remembered from call to call.
 */
extern LagReading lag_read(LagSamples *samples);

#endif							/* ZDM_LAG_H */
