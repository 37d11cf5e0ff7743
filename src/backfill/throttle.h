/*-------------------------------------------------------------------------
 *
 * throttle.h
 *		Whether a backfill batch may run now.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_THROTTLE_H
#define ZDM_THROTTLE_H

/* What is read of the server; negative where a reading could not be had. */
typedef struct ThrottleReadings
{
	int64		replica_lag_ms; /* of the slowest streaming standby */
	int64		slot_wal_mb;	/* kept back by the slot that is furthest behind */
} ThrottleReadings;

typedef struct ThrottleLimits
{
	int64		replica_lag_ms;
	int64		slot_wal_mb;
} ThrottleLimits;

/*
 * The reason to hold, with reading and limit, or NULL to go on.  Once held, it
 * goes on only below 70 % of the limit, so that it does not flutter.  A reading
 * that could not be had is a reason to hold.  Pure.
 */
extern char *throttle_decide(const ThrottleReadings *readings, const ThrottleLimits *limits,
							 bool held);

/*
 * The same with fresh readings and the migration's settings; looks at most once
 * a second.  Needs a transaction with an active snapshot.
 */
extern char *throttle_reason(void);

#endif							/* ZDM_THROTTLE_H */
