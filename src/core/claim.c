/*-------------------------------------------------------------------------
 *
 * claim.c
 *		Who works on what: locks on numbers of our own.
 *
 * Advisory locks with a fourth field that no SQL function can set: they need no
 * shared memory of ours, so they work without preloading; they are gone with
 * the process that had them, however it died; and pg_locks shows them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "core/claim.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/procarray.h"

static Oid
claim_database(ClaimKind kind)
{
	return kind == CLAIM_SLOT ? InvalidOid : MyDatabaseId;
}

/* To the end of the transaction, rather than of the process? */
static bool
is_transactional(ClaimKind kind)
{
	return kind == CLAIM_STATEMENT || kind == CLAIM_LABEL;
}

static void
claim_tag(LOCKTAG *tag, ClaimKind kind, int64 number)
{
	SET_LOCKTAG_ADVISORY(*tag, claim_database(kind), (uint32) (number >> 32),
						 (uint32) number, CLAIM_OBJSUBID(kind));
}

bool
claim_try(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	return LockAcquire(&tag, ExclusiveLock, !is_transactional(kind), true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

void
claim_wait(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	(void) LockAcquire(&tag, ExclusiveLock, !is_transactional(kind), false);
}

void
claim_release(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

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

void
claim_interrupt(int pid)
{
	/* it can have ended, and its number been given to a stranger */
	if (pid != 0 && BackendPidGetProc(pid) != NULL)
		(void) kill(pid, SIGINT);
}

void
claim_interrupt_all(ClaimKind kind)
{
	LockData   *locks = GetLockStatusData();

	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];

		if (lock->holdMask != 0 && lock->locktag.locktag_type == LOCKTAG_ADVISORY &&
			lock->locktag.locktag_field1 == claim_database(kind) &&
			lock->locktag.locktag_field4 == CLAIM_OBJSUBID(kind))
			claim_interrupt(lock->pid);
	}
}
