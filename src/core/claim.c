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

#include "core/claim.h"
#include "miscadmin.h"
#include "storage/lock.h"

static void
claim_tag(LOCKTAG *tag, ClaimKind kind, int64 number)
{
	Oid			database = kind == CLAIM_SLOT ? InvalidOid : MyDatabaseId;

	SET_LOCKTAG_ADVISORY(*tag, database, (uint32) (number >> 32), (uint32) number,
						 CLAIM_OBJSUBID(kind));
}

bool
claim_try(ClaimKind kind, int64 number)
{
	LOCKTAG		tag;

	claim_tag(&tag, kind, number);
	return LockAcquire(&tag, ExclusiveLock, kind != CLAIM_STATEMENT, true) !=
		LOCKACQUIRE_NOT_AVAIL;
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
