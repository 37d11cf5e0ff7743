/*-------------------------------------------------------------------------
 *
 * locks.h
 *		Taking the locks of a step without standing in front of traffic.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LOCKS_H
#define ZDM_LOCKS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

/* How the tries for one set of locks have gone; zeroed before the first. */
typedef struct LockPatience
{
	int			tries;
	Oid			refused;		/* the relation that the last try failed on, or InvalidOid */
	LOCKMODE	mode;			/* that it was refused */
	TimestampTz since;			/* since when it has been that relation */
	bool		queue_next;		/* the next try may stand in the queue */
	Oid			behind;			/* what the last try in a queue was refused when it had that lock, or InvalidOid */
} LockPatience;

/*
 * "relids" with, for each partitioned table, all its partitions: sorted by Oid,
 * each once.  Needs a transaction; takes no lock on them.
 */
extern List *locks_expand(List *relids);

/*
 * "relids" with all views over them, which a step drops and makes again: who
 * reads through a view locks it first, and then what is below it.
 */
extern List *locks_with_views(List *relids);

/*
 * Stand in the queue for what was refused last, if a request for it is in the way
 * of no reader or writer: somewhat longer than PostgreSQL takes to find that an
 * autovacuum is what it waits for, and to cancel that.  To be called at the
 * beginning of a transaction, before it has a snapshot: an index that is built
 * CONCURRENTLY waits for those.  Raises ERRCODE_LOCK_NOT_AVAILABLE when it is over.
 */
extern void locks_queue_harmlessly(const LockPatience *patience);

/*
 * Try for "mode" on every relation of the set, in Oid order, all or nothing.
 * On false the caller must end its transaction at once, which gives up what
 * was acquired, and try again after locks_pause() milliseconds.  On true the locks
 * are held to the end of the transaction, and the catalog is up to date.
 * Never waits longer than zdm.lock_wait.  A relation that is gone counts as had.
 */
extern bool locks_try(List *relids, LOCKMODE mode, LockPatience *patience);

/*
 * The same for SHARE UPDATE EXCLUSIVE on the relations alone, which stands in
 * the way of no reader or writer; to be called before locks_try().
 */
extern bool locks_try_beside(List *relids, LockPatience *patience);

/* How long to rest before the next try, in ms: grows, with jitter.  Pure but for the jitter. */
extern int	locks_pause(const LockPatience *patience);

/*
 * When only autovacuums have held what was refused for deadlock_timeout: cancel them,
 * as PostgreSQL does for whoever queues so long; but none that is there to prevent
 * wraparound.  Needs a transaction.
 */
extern void locks_cancel_autovacuum(LockPatience *patience);

/*
 * Who holds what the last try was refused for: "SHARE lock on t, held by pid 123
 * (psql, idle in transaction since ...)".  Needs a transaction; NULL if nobody does
 * any more.
 */
extern char *locks_describe(const LockPatience *patience);

#endif							/* ZDM_LOCKS_H */
