/*-------------------------------------------------------------------------
 *
 * toplevel.c
 *		Running a statement that refuses a transaction block.
 *
 * CREATE INDEX CONCURRENTLY and its like commit in the middle, and accept only
 * to be run as the outermost statement; SPI always is a function call to them.
 * So the statement goes through a portal marked top-level.  Parse tree and
 * source live in a context of their own under TopMemoryContext, as everything
 * allocated in the transaction is gone after the first inner commit, and what
 * those commands carry across commits is found under the portal's context.
 *
 * Between their transactions some ask for a strong lock, and stand in the queue for
 * it in front of everybody: DETACH PARTITION CONCURRENTLY for ACCESS EXCLUSIVE on
 * the partition, REFRESH for EXCLUSIVE.  lock_timeout cannot tell that from the long
 * waits without which nothing would ever be done CONCURRENTLY.  So a clock of ours
 * looks what is waited for, and ends what stands in a queue for more than SHARE
 * UPDATE EXCLUSIVE for longer than zdm.lock_wait, as lock_timeout would.  What is
 * then half done is the step's to finish or to take away.
 *
 * With log_lock_waits PostgreSQL says so each time that a process that waits is woken,
 * and each tick wakes it: so that is on when a wait comes to be told, and once a minute.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/durable.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "catalog/namespace.h"
#include "commands/tablecmds.h"
#include "ddl/own_statement.h"
#include "miscadmin.h"
#include "parser/parse_utilcmd.h"
#include "plan/meaning.h"
#include "run/toplevel.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "compat.h"

/* The clock ticks so many times in zdm.lock_wait, and not more often than this. */
#define TICKS 2
#define SHORTEST_TICK_MS 10

/* A wait is told again after so long. */
#define TELL_AGAIN_MS (60 * 1000)

static TimeoutId watch_id;

static int
tick_ms(void)
{
	return Max(guc_lock_wait / TICKS, SHORTEST_TICK_MS);
}

/*
 * Does this process stand in a relation's queue for a strong lock?  The lock that
 * it waits for stays where it is as long as it cannot go on, and it is interrupted.
 */
static bool
stands_in_the_way(void)
{
	LOCK	   *lock = MyProc->waitLock;

	return lock != NULL && lock->tag.locktag_type == LOCKTAG_RELATION &&
		MyProc->waitLockMode > ShareUpdateExclusiveLock;
}

/* Is a wait to be told that has lasted so long? */
static bool
is_to_be_told(long waited_ms)
{
	return waited_ms < DeadlockTimeout + tick_ms() || waited_ms % TELL_AGAIN_MS < tick_ms();
}

/* Runs in a signal handler, which a process that is at its end has still, but no PGPROC. */
static void
look_at_wait(void)
{
	TimestampTz since;

	if (proc_exit_inprogress)
		return;
	since = (TimestampTz) pg_atomic_read_u64(&MyProc->waitStart);
	if (stands_in_the_way() && since != 0 && !get_timeout_active(LOCK_TIMEOUT) &&
		TimestampDifferenceExceeds(since, GetCurrentTimestamp(), guc_lock_wait))
		enable_timeout_after(LOCK_TIMEOUT, 1);
	log_lock_waits = since == 0 || is_to_be_told(TimestampDifferenceMilliseconds(since, GetCurrentTimestamp()));
	enable_timeout_after(watch_id, tick_ms());
}

void
toplevel_init(void)
{
	watch_id = RegisterTimeout(USER_TIMEOUT, look_at_wait);
}

static void
stop_watching(void)
{
	disable_timeout(watch_id, false);
	log_lock_waits = true;
}

/*
 * What the expressions of an index mean is compared, and they are run as the trees
 * that they were found to be then: the statement would read them only after it has
 * waited for the table.
 */
static void
read_index(int64 migration, RawStmt *parsetree, const char *sql)
{
	IndexStmt  *stmt = (IndexStmt *) parsetree->stmt;
	Oid			relid;

	PushActiveSnapshot(GetTransactionSnapshot());
	relid = RangeVarGetRelidExtended(stmt->relation, ShareUpdateExclusiveLock, 0, RangeVarCallbackOwnsRelation, NULL);
	parsetree->stmt = (Node *) transformIndexStmt(relid, stmt, sql);
	meaning_check(migration, parsetree, sql, NIL);
	PopActiveSnapshot();
}

static void
run(int64 migration, const char *sql, MemoryContext memory)
{
	MemoryContext old;
	RawStmt    *parsetree;
	List	   *parsetrees;
	List	   *querytrees;
	List	   *plantrees;
	Portal		portal;
	DestReceiver *receiver;
	QueryCompletion qc;

	Assert(!IsTransactionState());

	StartTransactionCommand();
	old = MemoryContextSwitchTo(memory);
	sql = pstrdup(sql);
	parsetrees = pg_parse_query(sql);
	if (list_length(parsetrees) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a top-level step must be exactly one statement")));
	parsetree = linitial_node(RawStmt, parsetrees);

	/* REFRESH reads no expression, restricts itself first of all, and makes a temporary table */
	if (!IsA(parsetree->stmt, RefreshMatViewStmt))
		identity_restrict_transaction();
	if (IsA(parsetree->stmt, IndexStmt))
		read_index(migration, parsetree, sql);

	/* analysis of a utility statement looks at nothing: no snapshot is needed */
	querytrees = pg_analyze_and_rewrite_fixedparams(parsetree, sql, NULL, 0, NULL);
	plantrees = pg_plan_queries(querytrees, sql, 0, NULL);

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CreateCommandTag(parsetree->stmt),
					  plantrees, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	receiver = CreateDestReceiver(DestNone);
	MemoryContextSwitchTo(old);

	guard_own = sql;
	(void) zdm_portal_run(portal, receiver, &qc);
	guard_own = NULL;
	receiver->rDestroy(receiver);
	PortalDrop(portal, false);
	CommitTransactionCommand();
}

/*
 * As the role that the work is done for: the statement looks its names up again
 * after each lock that it has waited for, and what they mean by then may belong to
 * somebody else.  PostgreSQL's own check of ownership is ours, too.
 */
void
toplevel_run(const Migration *migration, const char *sql)
{
	MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "zdm top-level statement",
												 ALLOCSET_DEFAULT_SIZES);
	Identity	saved;

	identity_enter_session(migration->owner, &saved);
	enable_timeout_after(watch_id, tick_ms());
	PG_TRY();
	{
		run(migration->id, sql, memory);
	}
	PG_CATCH();
	{
		stop_watching();
		/* an abort gives back the role that its transaction began with: ours */
		HOLD_INTERRUPTS();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
		identity_leave_session(&saved);
		guard_own = NULL;
		MemoryContextDelete(memory);
		PG_RE_THROW();
	}
	PG_END_TRY();
	stop_watching();
	identity_leave_session(&saved);
	MemoryContextDelete(memory);
	durable_wait(XactLastCommitEnd);
}
