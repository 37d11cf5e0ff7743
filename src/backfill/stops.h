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

/*
 * Is a reading beyond its limit, above it or, with "floor", below?  Once held, it
 * has to come 30 % nearer before it is not, so that nothing flutters.  Pure.
 */
extern bool stops_beyond(double reading, double limit, bool floor, bool held);

/* The stops, the user's own query among them. */
#define STOPS 11

/* The last reading, and what is remembered between two; zeroed before the first. */
typedef struct StopsState
{
	int32		step;			/* that it is about */
	TimestampTz read;			/* 0: not yet */
	uint64		wal_bytes;		/* written by this process when it was read */
	double		headroom;		/* bytes of WAL to the nearest limit */
	char	   *reason;			/* NULL: go on */
	bool		held[STOPS];
	char	   *holder;			/* of the xmin horizon, when last looked; empty: nobody */
	double		holder_size;	/* of the table when that was first seen */
	LagSamples	lag;
} StopsState;

/*
 * Why the step must hold, with reading and limit, or NULL to go on.  Looks once a
 * second, and sooner when so much WAL has been written since that a limit may be
 * near.  The migration's worker notes what holds the step, by which it is counted; a
 * helper then holds as well.
 * Needs a transaction with an active snapshot.
 */
extern const char *stops_look(StopsState *state, const Migration *migration, const Step *step, bool worker);

#endif							/* ZDM_STOPS_H */
