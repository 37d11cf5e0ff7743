/*-------------------------------------------------------------------------
 *
 * places.c
 *		Who may work: the cluster's zdm.max_workers places.
 *
 * What counts is who works, not who is there: a worker that waits for a lock, an
 * old snapshot or the end of a hold gives its place to others, and keeps only its
 * process.  A place is in reserve for what somebody has told to cut over, to contract
 * or to go back, which must not stand behind backfills.
 *
 * No role's migrations keep another's from running: a role of whose migrations none
 * is worked on has a place while fewer roles than there are places have one, however
 * many others have taken, and one in reserve beyond.  Who has more than one gives
 * back what that was too much, between two batches; within one nobody is made to.
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
#include "utils/timestamp.h"
#include "compat.h"

/* The claim on the right to count and take: one worker at a time. */
#define COUNTING 0

/* Processes that are left to others: for a dispatcher, and for what it starts. */
#define PROCESSES_IN_RESERVE 2

/* How often a worker looks whether others have started that have no place. */
#define LOOK_INTERVAL_MS 1000

static int64
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
	List	   *roles = NIL;

	if (places->working < room)
		return true;
	if (list_member_oid(places->owners, owner))
		return false;
	roles = list_concat_unique_oid(NIL, places->owners);
	return places->working == room || list_length(roles) < guc_max_workers;
}

void
places_add(Places *places, Oid owner)
{
	places->working++;
	places->owners = lappend_oid(places->owners, owner);
}

/* Do more work than there are places for, and more than one of them for "owner"? */
static bool
is_surplus(Oid owner)
{
	Places		places;
	int			of_owner = 0;
	ListCell   *lc;

	places_look(&places);
	foreach(lc, places.owners)
		of_owner += lfirst_oid(lc) == owner ? 1 : 0;
	return places.working > guc_max_workers && of_owner > 1;
}

/* Give back a place that we have, if others need it more; once in a while. */
static void
share(Place *place, Oid owner, bool urgent)
{
	if (urgent || !TimestampDifferenceExceeds(place->looked, GetCurrentTimestamp(), LOOK_INTERVAL_MS))
		return;
	place->looked = GetCurrentTimestamp();
	/* one at a time, or all of a role's would go at once */
	if (!claim_keep(CLAIM_COUNTING, COUNTING))
		return;
	if (is_surplus(owner))
	{
		claim_release(CLAIM_PLACE, place->number);
		place->number = 0;
	}
	claim_release(CLAIM_COUNTING, COUNTING);
}

bool
places_take(Place *place, Oid owner, bool urgent)
{
	Places		places;
	bool		had = place->number != 0;

	if (had && place->number == place_number(owner))
	{
		share(place, owner, urgent);
		return place->number != 0;
	}

	/* closes the race between two that count the same free place */
	if (!claim_keep(CLAIM_COUNTING, COUNTING))
		return false;
	places_look(&places);
	if (places_has_room(&places, owner, urgent) && claim_keep(CLAIM_PLACE, place_number(owner)))
		place->number = place_number(owner);
	claim_release(CLAIM_COUNTING, COUNTING);
	return place->number == place_number(owner);
}

int
places_spare_processes(void)
{
	return max_worker_processes - zdm_count_workers() - PROCESSES_IN_RESERVE;
}

/* Of several helpers, as many end as have to, the youngest process number last. */
bool
places_helper_must_leave(void)
{
	int			lacking = -places_spare_processes();
	ListCell   *lc;

	if (lacking <= 0)
		return false;
	foreach(lc, claim_holders(CLAIM_HELPER))
	{
		if (((ClaimHolder *) lfirst(lc))->pid < MyProcPid)
			lacking--;
	}
	return lacking > 0;
}

bool
places_leave(Place *place)
{
	Places		places;

	if (place->number == 0)
		return true;

	/* with a launcher to start it again, none has to stay */
	places_look(&places);
	if (places.waiting >= guc_max_workers || places_spare_processes() < 0)
		return !shmem_available();
	claim_release(CLAIM_PLACE, place->number);
	place->number = 0;
	return true;
}

void
places_keep(Place *place)
{
	/* lost to a transaction that was rolled back: another may have been given it since */
	if (place->number != 0 && !claim_is_ours(CLAIM_PLACE, place->number))
		place->number = 0;
}
