/*-------------------------------------------------------------------------
 *
 * debug_point.c
 *		Named places at which a test can hold or fail a process.
 *
 * Advisory locks are used because a test needs nothing but SQL to set one, to
 * see in pg_locks that a worker has arrived there, and to let it go on.  The
 * lock is taken at session level: some points lie outside any transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/debug_point.h"

#ifdef ZDM_DEBUG

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* The tag that pg_advisory_lock(hashtextextended('zdm:' || name, 0)) takes. */
static void
debug_point_tag(LOCKTAG *tag, const char *name, const char *suffix)
{
	char	   *key = psprintf("zdm:%s%s", name, suffix);
	uint64		hash = DatumGetUInt64(hash_any_extended((unsigned char *) key,
														strlen(key), 0));

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, 1);
	pfree(key);
}

void
debug_point(const char *name)
{
	LOCKTAG		tag;

	debug_point_tag(&tag, name, ":error");
	if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("error injected at debug point \"%s\"", name)));
	LockRelease(&tag, ShareLock, true);

	debug_point_tag(&tag, name, "");
	(void) LockAcquire(&tag, ShareLock, true, false);
	LockRelease(&tag, ShareLock, true);
}

#endif							/* ZDM_DEBUG */
