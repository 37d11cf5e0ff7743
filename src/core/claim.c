/*-------------------------------------------------------------------------
 *
 * claim.c
 *		Who works on what: locks on numbers of our own.
 *
 * Locks with the tag of advisory ones and a fourth field that no SQL function can
 * set: they need no shared memory of ours, so they work without preloading; they
 * are gone with the process that had them, however it died; and pg_locks shows
 * them.  They are in the table of ordinary locks, not in that of advisory ones:
 * no function that an owner may call, such as pg_advisory_unlock_all(), can let
 * them go.  The price is that a transaction that is rolled back lets go those of
 * the process as well, so a worker takes them up again (claim_keep) before it
 * begins another one; and that the end of a process does not, so it has to drop
 * them itself (claim_drop_all).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "core/claim.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"
#include "compat.h"

/* How long a claim that was let go by a rollback may be seen taken by a look. */
#define KEEP_TRIES 20
#define KEEP_PAUSE_US 5000

/* Who waits for no longer than this for a lock works. */
#define SHORT_WAIT_MS 500

static Oid
claim_database(ClaimKind kind)
{
	return kind == CLAIM_PLACE || kind == CLAIM_COUNTING || kind == CLAIM_TRIAL ? InvalidOid : MyDatabaseId;
}

/* To the end of the transaction, rather than of the process? */
static bool
is_transactional(ClaimKind kind)
{
	return kind == CLAIM_STATEMENT || kind == CLAIM_LABEL || kind == CLAIM_TURN;
}

static void
claim_tag(LOCKTAG *tag, ClaimKind kind, int64 number)
{
	SET_LOCKTAG_ADVISORY(*tag, claim_database(kind), (uint32) (number >> 32),
						 (uint32) number, CLAIM_OBJSUBID(kind));
	tag->locktag_lockmethodid = DEFAULT_LOCKMETHOD;
}

bool
claim_try(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	return LockAcquire(&tag, ExclusiveLock, !is_transactional(kind), true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

bool
claim_keep(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	for (int tries = 0; tries < KEEP_TRIES; tries++)
	{
		switch (LockAcquire(&tag, ExclusiveLock, true, true))
		{
			case LOCKACQUIRE_OK:
				return true;
			case LOCKACQUIRE_NOT_AVAIL:
				/* whoever only looks whether it is taken has it for a moment */
				pg_usleep(KEEP_PAUSE_US);
				break;
			default:
				/* had already: it must not count twice */
				(void) LockRelease(&tag, ExclusiveLock, true);
				return true;
		}
	}
	return false;
}

void
claim_drop_all(void)
{
	LockReleaseSession(DEFAULT_LOCKMETHOD);
}

void
claim_wait(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	(void) LockAcquire(&tag, ExclusiveLock, !is_transactional(kind), false);
}

bool
claim_is_ours(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	switch (LockAcquire(&tag, ExclusiveLock, true, true))
	{
		case LOCKACQUIRE_NOT_AVAIL:
			return false;
		case LOCKACQUIRE_OK:
			(void) LockRelease(&tag, ExclusiveLock, true);
			return false;
		default:
			/* it must not count twice */
			(void) LockRelease(&tag, ExclusiveLock, true);
			return true;
	}
}

void
claim_release(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	if (!claim_is_ours(kind, number))
		return;
	claim_tag(&tag, kind, number);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

bool
claim_is_taken(ClaimKind kind, int64 number)
{
	if (!claim_try(kind, number))
		return true;
	claim_release(kind, number);
	return false;
}

int
claim_holder(ClaimKind kind, int64 number)
{
	LockData   *locks = GetLockStatusData();
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];

		if (lock->holdMask != 0 && memcmp(&lock->locktag, &tag, sizeof(tag)) == 0)
			return lock->pid;
	}
	return 0;
}

char *
claim_describe(ClaimKind kind, int64 number)
{
	return claim_describe_session(claim_holder(kind, number));
}

char *
claim_describe_session(int pid)
{
	PGPROC	   *proc = pid != 0 ? BackendPidGetProc(pid) : NULL;
	char	   *role = proc != NULL ? GetUserNameFromId(proc->roleId, true) : NULL;
	const char *application;

	if (role == NULL)
		return NULL;
	application = zdm_application_of(pid);
	return psprintf("It is a transaction of role %s: process %d, application \"%s\".", role, pid,
					application != NULL ? application : "");
}

void
claim_interrupt(int pid)
{
	/* it can have ended, and its number been given to a stranger */
	if (pid != 0 && BackendPidGetProc(pid) != NULL)
		(void) kill(pid, SIGINT);
}

List *
claim_holders(ClaimKind kind)
{
	LockData   *locks = GetLockStatusData();
	List	   *holders = NIL;
	List	   *waiting = NIL;
	ListCell   *lc;

	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];
		ClaimHolder *holder;

		/* what user code does with advisory locks is its work; a short wait is none */
		if (lock->waitLockMode != NoLock && lock->locktag.locktag_type != LOCKTAG_ADVISORY &&
			lock->waitStart != 0 &&
			TimestampDifferenceExceeds(lock->waitStart, GetCurrentTimestamp(), SHORT_WAIT_MS))
			waiting = lappend_int(waiting, lock->pid);
		if (lock->holdMask == 0 || lock->locktag.locktag_type != LOCKTAG_ADVISORY ||
			lock->locktag.locktag_field4 != CLAIM_OBJSUBID(kind))
			continue;
		holder = palloc0(sizeof(ClaimHolder));
		holder->pid = lock->pid;
		holder->number = ((int64) lock->locktag.locktag_field2 << 32) | lock->locktag.locktag_field3;
		holders = lappend(holders, holder);
	}
	foreach(lc, holders)
	{
		ClaimHolder *holder = lfirst(lc);

		holder->waits = list_member_int(waiting, holder->pid);
	}
	return holders;
}

bool
claim_among(List *holders, int64 number)
{
	ListCell   *lc;

	foreach(lc, holders)
	{
		if (((ClaimHolder *) lfirst(lc))->number == number)
			return true;
	}
	return false;
}

void
claim_interrupt_all(ClaimKind kind)
{
	ListCell   *lc;

	foreach(lc, claim_holders(kind))
		claim_interrupt(((ClaimHolder *) lfirst(lc))->pid);
}
