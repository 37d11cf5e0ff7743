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
 * All relations a statement will lock are tried before it runs, as ALTER TABLE
 * itself would wait for the second while it holds the first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/step.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "miscadmin.h"
#include "run/locks.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define FIRST_PAUSE_MS		10
#define LONGEST_PAUSE_MS	1000
#define TRIES_BEFORE_QUEUEING 20

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
		  "SELECT coalesce(array_agg(c.oid), '{}') FROM v JOIN pg_class c USING (oid) WHERE c.relkind = 'v'",
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

/*
 * Is any conflicting holder's transaction older than zdm.lock_wait?  Holders
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
				arg_int4(guc_lock_wait)) > 0;
	query_end(&session);
	return old;
}

/*
 * Stand in the queue for at most zdm.lock_wait.  Raises
 * ERRCODE_LOCK_NOT_AVAILABLE when that is over, which ends the transaction as
 * a refused try does.
 */
static void
lock_in_queue(Oid relid, LOCKMODE mode)
{
	int			nestlevel = NewGUCNestLevel();

	/* closes the race between the look at the holders and a new long one */
	guc_bound_lock_waits();
	LockRelationOid(relid, mode);
	AtEOXact_GUC(false, nestlevel);
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
		patience->refused = lfirst_oid(lc);
		patience->queue_next = false;
		return false;
	}
	return true;
}

bool
locks_try(List *relids, LOCKMODE mode, LockPatience *patience)
{
	List	   *set;
	ListCell   *lc;

	if (mode == NoLock)
		return true;
	patience->tries++;
	set = locks_expand(relids);

	/* before any other lock is had: nobody waits behind those while we do */
	if (patience->queue_next && list_member_oid(set, patience->refused) &&
		!holder_is_old(patience->refused, mode))
	{
		patience->queue_next = false;
		lock_in_queue(patience->refused, mode);
	}
	foreach(lc, set)
	{
		Oid			relid = lfirst_oid(lc);

		if (ConditionalLockRelationOid(relid, mode))
			continue;
		patience->queue_next = patience->tries % TRIES_BEFORE_QUEUEING == 0;
		patience->refused = relid;
		return false;
	}

	/*
	 * A partition can have been attached between the look at the catalog and the
	 * lock; now that the locks are had, none can.
	 */
	if (!equal(set, locks_expand(relids)))
	{
		patience->refused = linitial_oid(relids);
		return false;
	}
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
locks_describe(const LockPatience *patience, LOCKMODE mode)
{
	QuerySession session;
	char	   *holders;
	char	   *relation = names_relation(patience->refused);

	if (relation == NULL)
		return NULL;
	query_begin(&session);
	QUERY("SELECT string_agg(holder, ', ' ORDER BY holder) FROM (SELECT DISTINCT "
		  "coalesce('pid ' || l.pid || coalesce(' (' || coalesce(a.state, a.backend_type) "
		  "|| ' since ' || to_char(a.xact_start, 'HH24:MI:SS') || ')', ''), 'a prepared transaction') AS holder "
		  "FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) "
		  "WHERE l.locktype = 'relation' AND l.relation = $1 "
		  "AND l.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) "
		  "AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.mode = ANY ($2)) h",
		  arg_oid(patience->refused), arg_texts(conflicting_modes(mode)));
	holders = query_text(0, 1);
	query_end(&session);
	if (holders == NULL)
		return NULL;
	return psprintf("%s lock on %s, held by %s", step_lock_name(mode), relation, holders);
}
