/*-------------------------------------------------------------------------
 *
 * points.c
 *		Holds or fails a process at a debug point of the extension.
 *
 * Advisory locks are used because a test needs nothing but SQL to set one, to
 * see in pg_locks that a worker has arrived there, and to let it go on.  The
 * lock is taken at session level: some points lie outside any transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "core/debug_point.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "zdm_test.h"

/* The tag that pg_advisory_lock(hashtextextended('zdm:' || name, 0)) takes. */
static void
point_tag(LOCKTAG *tag, const char *name, const char *suffix)
{
	char	   *key = psprintf("zdm:%s%s", name, suffix);
	uint64		hash = DatumGetUInt64(hash_any_extended((unsigned char *) key,
														strlen(key), 0));

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, 1);
	pfree(key);
}

/* Errors that a test can ask for, by what it adds to the name. */
static const struct
{
	const char *suffix;
	int			sqlerrcode;
	const char *message;
}			injections[] = {
	{":error", ERRCODE_INTERNAL_ERROR, "error injected"},
	{":race", ERRCODE_INTERNAL_ERROR, "tuple concurrently updated, injected"},
	{":08006", ERRCODE_CONNECTION_FAILURE, "connection failure injected"},
	{":40001", ERRCODE_T_R_SERIALIZATION_FAILURE, "serialization failure injected"},
	{":40P01", ERRCODE_T_R_DEADLOCK_DETECTED, "deadlock injected"},
	{":53100", ERRCODE_DISK_FULL, "disk full injected"},
	{":53200", ERRCODE_OUT_OF_MEMORY, "out of memory injected"},
	{":55006", ERRCODE_OBJECT_IN_USE, "object in use injected"},
	{":57014", ERRCODE_QUERY_CANCELED, "cancellation injected"},
	{":55P03", ERRCODE_LOCK_NOT_AVAILABLE, "refused lock injected"},
};

/* Outside a transaction, nobody else takes a process that ends out of the queue. */
static void
leave_queue(int code, Datum arg)
{
	LockErrorCleanup();
}

/* Until nobody holds the point any more. */
static void
stay(const LOCKTAG *tag)
{
	PG_ENSURE_ERROR_CLEANUP(leave_queue, (Datum) 0);
	{
		(void) LockAcquire(tag, ShareLock, true, false);
	}
	PG_END_ENSURE_ERROR_CLEANUP(leave_queue, (Datum) 0);
	LockRelease(tag, ShareLock, true);
}

static void
reach(const char *name)
{
	LOCKTAG		tag;
	int			lock_timeout = LockTimeout;

	slow_reached_point(name);
	for (int i = 0; i < lengthof(injections); i++)
	{
		point_tag(&tag, name, injections[i].suffix);
		if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
			ereport(ERROR,
					(errcode(injections[i].sqlerrcode),
					 errmsg_internal("%s at debug point \"%s\"", injections[i].message, name)));
		LockRelease(&tag, ShareLock, true);
	}

	point_tag(&tag, name, "");
	/* who is held stays there: the timeout is for the locks that the code there waits for */
	LockTimeout = 0;
	PG_TRY();
	{
		stay(&tag);
	}
	PG_FINALLY();
	{
		LockTimeout = lock_timeout;
	}
	PG_END_TRY();
}

void
points_init(void)
{
	static DebugPoints points = {.reach = reach};

	*find_rendezvous_variable("zdm_debug_points") = &points;
}
