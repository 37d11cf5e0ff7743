/*-------------------------------------------------------------------------
 *
 * lock_room.c
 *		Whether the server's lock table has room for what is to be locked.
 *
 * ALTER TABLE on a partitioned table locks each partition with its indexes, in one
 * transaction; there is no doing it by parts.  Where they are thousands the lock
 * table overflows, and that is everybody's: sessions that have nothing to do with it
 * fail.  So the locks are counted before the first is taken, and a part of the room
 * is left to others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "catalog/lock_room.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "miscadmin.h"
#include "storage/lock.h"

/* Of the whole room, what one transaction may take. */
#define SHARE 0.8

/* So few need not be counted. */
#define FEW 16

static int64
count_locks(List *relids)
{
	QuerySession session;
	int64		locks;

	query_begin(&session);
	QUERY("WITH RECURSIVE r(oid) AS (SELECT unnest($1) UNION SELECT i.inhrelid FROM pg_inherits i JOIN r ON i.inhparent = r.oid) "
		  "SELECT count(*) + count(nullif(c.reltoastrelid, 0)) + (SELECT count(*) FROM pg_index x WHERE x.indrelid IN (SELECT oid FROM r)) "
		  "FROM r JOIN pg_class c USING (oid)", arg_oids(relids));
	locks = query_int8(0, 1);
	query_end(&session);
	return locks;
}

void
lock_room_check(List *relids)
{
	int			slots = MaxBackends + max_prepared_xacts;
	int64		room = (int64) (SHARE * max_locks_per_xact * slots);
	int64		locks = count_locks(relids);

	if (locks <= FEW || locks <= room)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("%s, its partitions and their indexes are too many to be locked at once",
					names_relation(linitial_oid(relids))),
			 errdetail("They are " INT64_FORMAT ", and of the server's lock table a transaction should take no more than "
					   INT64_FORMAT " entries: sessions that have nothing to do with it would fail, too.", locks, room),
			 errhint("Set max_locks_per_transaction, which is %d, to at least " INT64_FORMAT " and restart the server; or detach partitions that are no longer needed.",
					 max_locks_per_xact, (int64) (locks / (SHARE * slots)) + 1)));
}
