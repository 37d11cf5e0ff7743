/*-------------------------------------------------------------------------
 *
 * places.c
 *		Who may work: the cluster's zdm.max_workers places.
 *
 * What counts is who works, not who is there: a worker that waits for a lock, an
 * old snapshot or the end of a hold gives its place to others, and keeps only its
 * process.  There are two places in reserve: one for what somebody has told to cut
 * over, to contract or to go back, which must not stand behind backfills; and one
 * for a role of whose migrations none is worked on, so that no role's migrations
 * keep another's from running.
 *
 * A place is a claim that names the owner and the process, so that one look at the
 * claims tells all.  A worker inside CREATE INDEX CONCURRENTLY cannot give its
 * place back while it waits for others' transactions: it is found to wait, and not
 * counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/claim.h"
#include "core/guc.h"
#include "core/shmem.h"
#include "miscadmin.h"
#include "run/places.h"

/* The claim on the right to count and take: one worker at a time. */
#define COUNTING 0

static Place
place_number(Oid owner)
{
	return ((int64) owner << 32) | (int64) MyProcPid;
}

void
places_look(Places *places)
{
	ListCell   *lc;

	memset(places, 0, sizeof(Places));
	foreach(lc, claim_holders(CLAIM_PLACE))
	{
		ClaimHolder *holder = lfirst(lc);

		if (!holder->waits)
			places_add(places, (Oid) (holder->number >> 32));
	}
	places->waiting = list_length(claim_holders(CLAIM_MIGRATION)) - places->working;
}

bool
places_has_room(const Places *places, Oid owner, bool urgent)
{
	int			room = guc_max_workers + (urgent ? 1 : 0);

	if (places->working >= guc_max_workers && !list_member_oid(places->owners, owner))
		room++;
	return places->working < room;
}

void
places_add(Places *places, Oid owner)
{
	places->working++;
	places->owners = lappend_oid(places->owners, owner);
}

bool
places_take(Place *place, Oid owner, bool urgent)
{
	Places		places;

	if (*place == place_number(owner))
		return true;

	/* closes the race between two that count the same free place */
	if (!claim_keep(CLAIM_COUNTING, COUNTING))
		return false;
	places_look(&places);
	if (places_has_room(&places, owner, urgent) && claim_keep(CLAIM_PLACE, place_number(owner)))
		*place = place_number(owner);
	claim_release(CLAIM_COUNTING, COUNTING);
	return *place == place_number(owner);
}

bool
places_leave(Place *place)
{
	Places		places;

	if (*place == 0)
		return true;

	/* with a launcher to start it again, none has to stay */
	places_look(&places);
	if (places.waiting >= guc_max_workers)
		return !shmem_available();
	claim_release(CLAIM_PLACE, *place);
	*place = 0;
	return true;
}

void
places_keep(Place *place)
{
	/* lost to a transaction that was rolled back: another may have been given it since */
	if (*place != 0 && !claim_is_ours(CLAIM_PLACE, *place))
		*place = 0;
}
