/*-------------------------------------------------------------------------
 *
 * locks.c
 *		Taking the locks of a step without standing in front of traffic.
 *
 * A request that waits in a lock queue stops everybody who comes after it, so
 * a worker asks without queueing and goes away when refused.  That can starve
 * behind holders that overlap; after many tries one is made in the queue, for
 * zdm.lock_wait at most, and only if no holder is older than that: behind an
 * old one the wait would end in nothing but a stall for the others.
 *
 * A request that is in the way of no reader or writer may queue: SHARE UPDATE
 * EXCLUSIVE and weaker.  And an autovacuum, which PostgreSQL cancels for whoever
 * queues for deadlock_timeout, is cancelled here as well, since it may take hours
 * and be followed by the next; it comes back by itself.  It is the only thing that
 * is ever cancelled, unless it is there to prevent wraparound.
 *
 * All relations a statement will lock are tried before it runs, as ALTER TABLE
 * itself would wait for the second while it holds the first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/lock_room.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/step.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "core/window.h"
#include "miscadmin.h"
#include "run/locks.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define FIRST_PAUSE_MS		10
#define LONGEST_PAUSE_MS	1000
#define TRIES_BEFORE_QUEUEING 20

/* deadlock_timeout may be switched off, as it were: hours. */
#define LONGEST_FOR_AUTOVACUUM_MS 10000
#define QUEUE_BEYOND_MS 500

List *
locks_expand(List *relids)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);

		if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
			all = list_concat_unique_oid(all, find_all_inheritors(relid, NoLock, NULL));
		else
			all = list_append_unique_oid(all, relid);
	}
	list_sort(all, list_oid_cmp);
	return all;
}

List *
locks_with_views(List *relids)
{
	QuerySession session;
	List	   *views;

	query_begin(&session);
	QUERY("WITH RECURSIVE v(oid) AS (SELECT unnest($1) "
		  "UNION SELECT r.ev_class FROM v JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid "
		  "JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN') "
		  "SELECT coalesce(array_agg(c.oid), '{}') FROM v JOIN pg_class c USING (oid) WHERE c.relkind IN ('v', 'm')",
		  arg_oids(relids));
	views = query_oids(0, 1);
	query_end(&session);
	return list_concat_unique_oid(list_copy(relids), views);
}

/*
 * The modes that conflict with "mode", as pg_locks names them.
 */
static List *
conflicting_modes(LOCKMODE mode)
{
	List	   *modes = NIL;

	for (LOCKMODE other = AccessShareLock; other <= AccessExclusiveLock; other++)
	{
		if (DoLockModesConflict(mode, other))
			modes = lappend(modes, pstrdup(GetLockmodeName(DEFAULT_LOCKMETHOD, other)));
	}
	return modes;
}

/* What traffic may be kept waiting for: longer at times that the user has named for that. */
static int
queue_wait_ms(void)
{
	if (guc_window_lock_wait > 0 && guc_batch_window[0] != '\0' &&
		window_is_open(guc_batch_window, GetCurrentTimestamp()))
		return guc_window_lock_wait;
	return guc_lock_wait;
}

/*
 * Is any conflicting holder's transaction older than that?  Holders
 * without a transaction start (prepared ones) count as old.
 */
static bool
holder_is_old(Oid relid, LOCKMODE mode)
{
	QuerySession session;
	bool		old;

	query_begin(&session);
	old = QUERY("SELECT 1 FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) "
				"WHERE l.locktype = 'relation' AND l.granted AND l.relation = $1 "
				"AND l.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) "
				"AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.mode = ANY ($2) "
				"AND (a.xact_start IS NULL OR a.xact_start < clock_timestamp() - $3 * interval '1 millisecond') "
				"LIMIT 1",
				arg_oid(relid), arg_texts(conflicting_modes(mode)),
				arg_int4(queue_wait_ms())) > 0;
	query_end(&session);
	return old;
}

/*
 * Stand in the queue for at most that time.  Raises
 * ERRCODE_LOCK_NOT_AVAILABLE when that is over, which ends the transaction as
 * a refused try does.
 */
static void
lock_in_queue(Oid relid, LOCKMODE mode)
{
	int			nestlevel = NewGUCNestLevel();

	/* closes the race between the look at the holders and a new long one */
	(void) set_config_option("lock_timeout", psprintf("%d", queue_wait_ms()), PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	LockRelationOid(relid, mode);
	AtEOXact_GUC(false, nestlevel);
}

/* Is a request for it in nobody's way who reads or writes rows? */
static bool
is_harmless(LOCKMODE mode)
{
	return mode <= ShareUpdateExclusiveLock;
}

static int
autovacuum_patience_ms(void)
{
	return Min(DeadlockTimeout, LONGEST_FOR_AUTOVACUUM_MS);
}

void
locks_queue_harmlessly(const LockPatience *patience)
{
	int			nestlevel;

	if (!OidIsValid(patience->refused) || !is_harmless(patience->mode))
		return;
	nestlevel = NewGUCNestLevel();
	(void) set_config_option("lock_timeout", psprintf("%d", autovacuum_patience_ms() + QUEUE_BEYOND_MS),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	LockRelationOid(patience->refused, patience->mode);
	AtEOXact_GUC(false, nestlevel);
}

/*
 * Cancel the process if it is an autovacuum that may be.  Under the lock that it
 * needs to become another, or one that must not be cancelled.
 */
static bool
cancel_autovacuum(int pid)
{
	PGPROC	   *proc;
	bool		cancelled = false;

	LWLockAcquire(ProcArrayLock, LW_SHARED);
	proc = BackendPidGetProcWithLock(pid);
	if (proc != NULL && (proc->statusFlags & PROC_IS_AUTOVACUUM) &&
		!(proc->statusFlags & PROC_VACUUM_FOR_WRAPAROUND))
		cancelled = kill(pid, SIGINT) == 0;
	LWLockRelease(ProcArrayLock);
	return cancelled;
}

void
locks_cancel_autovacuum(LockPatience *patience)
{
	QuerySession session;
	uint64		n;

	if (!OidIsValid(patience->refused) ||
		!TimestampDifferenceExceeds(patience->since, GetCurrentTimestamp(), autovacuum_patience_ms()))
		return;
	query_begin(&session);
	n = QUERY("SELECT l.pid, coalesce(a.backend_type = 'autovacuum worker', false) FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) "
			  "WHERE l.locktype = 'relation' AND l.granted AND l.relation = $1 "
			  "AND l.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) "
			  "AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.mode = ANY ($2) ORDER BY 2",
			  arg_oid(patience->refused), arg_texts(conflicting_modes(patience->mode)));
	/* those that are none come first: with one of them in the way, it would help nobody */
	for (uint64 row = 0; row < n && query_bool(0, 2); row++)
	{
		if (!cancel_autovacuum(query_int4(row, 1)))
			continue;
		ereport(LOG,
				(errmsg("cancelled autovacuum of %s, pid %d", names_relation(patience->refused), query_int4(row, 1)),
				 errdetail("A migration has waited %d ms for a lock that it holds; it will come back by itself.",
						   autovacuum_patience_ms())));
		/* the next try soon, before it does */
		patience->tries = 1;
	}
	query_end(&session);
}

/* The try has failed on the relation. */
static void
refuse(LockPatience *patience, Oid relid, LOCKMODE mode)
{
	if (patience->refused != relid || patience->mode != mode)
		patience->since = GetCurrentTimestamp();
	patience->refused = relid;
	patience->mode = mode;
}

bool
locks_try_beside(List *relids, LockPatience *patience)
{
	ListCell   *lc;

	foreach(lc, relids)
	{
		if (ConditionalLockRelationOid(lfirst_oid(lc), ShareUpdateExclusiveLock))
			continue;
		patience->tries++;
		refuse(patience, lfirst_oid(lc), ShareUpdateExclusiveLock);
		patience->queue_next = false;
		return false;
	}
	return true;
}

/*
 * Whose queue to stand in.  Who writes a table of two that are in step locks that one first,
 * and then the other.  In the queue of the other we would get that lock, time and again, with
 * somebody behind us who has the first: so what it failed on then is what is queued for now.
 */
static Oid
queue_for(const LockPatience *patience, List *set)
{
	return list_member_oid(set, patience->behind) ? patience->behind : patience->refused;
}

bool
locks_try(List *relids, LOCKMODE mode, LockPatience *patience)
{
	List	   *set;
	ListCell   *lc;
	bool		queued = false;
	Oid			queue;

	if (mode == NoLock)
	{
		patience->refused = InvalidOid;
		return true;
	}
	patience->tries++;
	set = locks_expand(relids);
	if (list_length(set) > list_length(relids))
		lock_room_check(relids);

	/* before any other lock is acquired: nobody waits behind those while we do */
	queue = queue_for(patience, set);
	if (patience->queue_next && patience->mode == mode && list_member_oid(set, queue) && !holder_is_old(queue, mode))
	{
		patience->queue_next = false;
		queued = true;
		lock_in_queue(queue, mode);
	}
	foreach(lc, set)
	{
		Oid			relid = lfirst_oid(lc);

		if (ConditionalLockRelationOid(relid, mode))
			continue;
		if (queued)
			patience->behind = relid;
		patience->queue_next = patience->tries % TRIES_BEFORE_QUEUEING == 0;
		refuse(patience, relid, mode);
		return false;
	}

	/*
	 * A partition can have been attached between the look at the catalog and the
	 * lock; now that the locks are held, none can.
	 */
	if (!equal(set, locks_expand(relids)))
	{
		refuse(patience, linitial_oid(relids), mode);
		return false;
	}
	patience->refused = patience->behind = InvalidOid;
	return true;
}

int
locks_pause(const LockPatience *patience)
{
	int			doublings = Min(patience->tries / 10, 10);
	int			longest = Min(FIRST_PAUSE_MS << doublings, LONGEST_PAUSE_MS);

	return longest / 2 + (int) (random() % (longest / 2 + 1));
}

char *
locks_describe(const LockPatience *patience)
{
	QuerySession session;
	char	   *holders;
	char	   *relation = OidIsValid(patience->refused) ? names_relation(patience->refused) : NULL;

	if (relation == NULL)
		return NULL;
	query_begin(&session);
	QUERY("SELECT string_agg(coalesce(zdm.session_text(h.pid), 'the prepared transaction ' || quote_literal(x.gid), 'a prepared transaction'), "
		  "  ', ' ORDER BY h.pid, x.gid) FROM (SELECT DISTINCT pid, CASE WHEN pid IS NULL THEN virtualtransaction END AS number "
		  "FROM pg_locks WHERE locktype = 'relation' AND relation = $1 "
		  "AND database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) "
		  "AND pid IS DISTINCT FROM pg_backend_pid() AND mode = ANY ($2)) h "
		  /* its locks have the number that its session had; among them is that of its own */
		  "LEFT JOIN (pg_prepared_xacts x JOIN pg_locks t ON t.pid IS NULL AND t.locktype = 'transactionid' AND t.transactionid = x.transaction) "
		  "  ON t.virtualtransaction = h.number",
		  arg_oid(patience->refused), arg_texts(conflicting_modes(patience->mode)));
	holders = query_text(0, 1);
	query_end(&session);
	if (holders == NULL)
		return NULL;
	return psprintf("%s lock on %s, held by %s", step_lock_name(patience->mode), relation, holders);
}
