/*-------------------------------------------------------------------------
 *
 * places.h
 *		Who may work: the cluster's zdm.max_workers places.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PLACES_H
#define ZDM_PLACES_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "postgres_ext.h"

/* Who works and who waits, as found at one moment. */
typedef struct Places
{
	int			working;
	int			waiting;		/* workers without a place */
	List	   *owners;			/* Oids: the owner of each migration worked on */
} Places;

/* A worker's place; zeroed: it has none. */
typedef struct Place
{
	int64		number;			/* of the claim that it is, or 0 */
	TimestampTz looked;			/* when it was last looked whether others need it more */
} Place;

/* Look at all workers of the cluster.  Needs memory. */
extern void places_look(Places *places);

/*
 * Would a migration of "owner" have a place?  "urgent" is one that somebody has
 * told to cut over, to contract or to go back.
 */
extern bool places_has_room(const Places *places, Oid owner, bool urgent);

/* Count one more that works. */
extern void places_add(Places *places, Oid owner);

/*
 * How many processes can be started of max_worker_processes so that others find
 * theirs: one that looks what there is to do, and one that does it.  To be called
 * outside any transaction, or in one that has not asked before.
 */
extern int	places_spare_processes(void);

/* A helper: are there too few processes left for others, and is it this one's turn to end? */
extern bool places_helper_must_leave(void);

/*
 * A worker: have a place, from before or a free one, until places_leave() or the
 * end of the process.  To be called outside any transaction.  False if none is free.
 */
extern bool places_take(Place *place, Oid owner, bool urgent);

/*
 * A worker: give the place back, since what is to be done has to wait.  False if
 * so many wait already, or so few processes are left, that this one should end, and be
 * started again.
 */
extern bool places_leave(Place *place);

/*
 * A worker: notice if a rolled back transaction has let the place go, so that the
 * next places_take() counts anew.
 */
extern void places_keep(Place *place);

#endif							/* ZDM_PLACES_H */
