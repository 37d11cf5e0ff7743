/*-------------------------------------------------------------------------
 *
 * stops.h
 *		What holds a backfill.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STOPS_H
#define ZDM_STOPS_H

#include "backfill/lag.h"
#include "catalog/migration.h"
#include "catalog/step.h"

/* A reason to hold. */
typedef struct Hold
{
	const char *name;			/* of the stop, by which it is counted */
	char	   *reason;			/* with reading and limit, for people */
} Hold;

/* The last reading, and what has to be remembered between two; zeroed before the first. */
typedef struct StopsState
{
	TimestampTz read;			/* 0: not yet */
	uint64		wal_bytes;		/* written by this process when it was read */
	double		headroom;		/* bytes of WAL to the nearest limit */
	Hold		hold;			/* reason NULL: go on */
	char	   *holder;			/* of the xmin horizon, when last looked */
	double		holder_size;	/* of the table when that was first seen */
	LagSamples	lag;
} StopsState;

/*
 * Is a reading beyond its limit, above it or, with "floor", below?  Once held, it
 * has to come 30 % nearer before it is not, so that nothing flutters.  Pure.
 */
extern bool stops_beyond(double reading, double limit, bool floor, bool held);

/*
 * Why the backfill of the step must hold, or NULL to go on.  Looks once a second,
 * and sooner when so much WAL has been written since that a limit may be near.
 * Unless "count", that it begins to hold is not counted.
 * Needs a transaction with an active snapshot.
 */
extern const Hold *stops_look(StopsState *state, const Migration *migration, const Step *step, bool count);

#endif							/* ZDM_STOPS_H */
