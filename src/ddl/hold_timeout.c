/*-------------------------------------------------------------------------
 *
 * hold_timeout.c
 *		zdm.ddl_hold_timeout: the longest that DDL may hold a blocking lock.
 *
 * lock_timeout bounds the wait for a lock, statement_timeout wait and work
 * together; nothing in PostgreSQL bounds how long others wait for us.  The
 * clock is one of PostgreSQL's own timeouts.  While the statement still waits
 * for its lock it ticks, and starts counting at the first tick that finds it
 * granted.  When it runs out, a running statement is cancelled as by
 * statement_timeout.  A session that is idle in its transaction has nothing to
 * cancel; it is ended, as by idle_in_transaction_session_timeout.  Both raise
 * PostgreSQL's own errors, which code treats as what they are (a handler for
 * OTHERS does not catch a cancellation); where they leave the server, the log
 * hook gives them our SQLSTATE.  So nothing has to catch errors on the way,
 * and statements pay nothing for the hold.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "core/errors.h"
#include "core/guc.h"
#include "ddl/hold_timeout.h"
#include "ddl/log_level.h"
#include "rules/rules.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"
#include "compat.h"

/* How often a statement that waits for its lock is looked at, in ms. */
#define TICK 50

static struct
{
	TimeoutId	id;				/* 0: not registered in this process yet */
	volatile sig_atomic_t armed;
	volatile sig_atomic_t granted;
	volatile sig_atomic_t expired;
	char		relation[NAMEDATALEN * 2 + 8];
	LOCKMODE	mode;
	SubTransactionId subid;		/* that took the lock */
}			hold;

static bool
waits_for_lock(void)
{
	return MyProc != NULL && MyProc->waitLock != NULL;
}

/*
 * Runs in a signal handler.  Between two commands there is nothing to cancel
 * but the session.  Ticks on, in case what was cancelled came to its end first,
 * or caught it.
 */
static void
handle_timeout(void)
{
	if (!hold.armed)
		return;
	if (!hold.granted)
	{
		hold.granted = !waits_for_lock();
		enable_timeout_after(hold.id, hold.granted ? guc_ddl_hold_timeout : TICK);
		return;
	}
	hold.expired = true;
	if (debug_query_string != NULL || AmBackgroundWorkerProcess())
		QueryCancelPending = true;
	else
		ProcDiePending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	enable_timeout_after(hold.id, Max(guc_ddl_hold_timeout, TICK));
}

/* Is it the error that handle_timeout() asked for? */
static bool
is_ours(const ErrorData *edata)
{
	return hold.expired &&
		((edata->elevel == ERROR && edata->sqlerrcode == ERRCODE_QUERY_CANCELED) ||
		 (edata->elevel == FATAL && edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN));
}

/* The error is on its way to the client and the log, in its own memory context. */
void
hold_timeout_hear(ErrorData *edata)
{
	if (!is_ours(edata))
		return;
	edata->sqlerrcode = ERRCODE_ZDM_LOCK_HELD;
	edata->message = psprintf("transaction held %s on %s for more than %d ms",
							  rules_lock_name(hold.mode), hold.relation, guc_ddl_hold_timeout);
	edata->detail = pstrdup("The setting zdm.ddl_hold_timeout cancels DDL that blocks the table for longer.");
	edata->hint = pstrdup("Do long work in a transaction that holds no such lock, or SET LOCAL zdm.ddl_hold_timeout = 0;");
}

void
hold_timeout_arm(const char *relation, LOCKMODE mode)
{
	if (guc_ddl_hold_timeout <= 0)
		return;
	/* not at load: a process forgets what the postmaster had registered */
	if (hold.id == 0)
		hold.id = RegisterTimeout(USER_TIMEOUT, handle_timeout);
	if (hold.armed)
	{
		/* An error caught at a savepoint has switched all timeouts off. */
		if (!get_timeout_active(hold.id) && !hold.expired)
			enable_timeout_after(hold.id, hold.granted ? guc_ddl_hold_timeout : TICK);
		return;
	}
	strlcpy(hold.relation, relation, sizeof(hold.relation));
	hold.mode = mode;
	hold.expired = false;
	hold.granted = false;
	hold.armed = true;
	hold.subid = GetCurrentSubTransactionId();
	/* a server that logs no errors calls no log hook for them */
	log_level_need(LOG_NEED_ERRORS);
	enable_timeout_after(hold.id, TICK);
}

void
hold_timeout_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent)
{
	if (!hold.armed || hold.subid < subid)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		hold.subid = parent;
	else if (event == SUBXACT_EVENT_ABORT_SUB && !hold.expired)
		/* its locks go with it; once the time is up, no code may catch the error */
		hold_timeout_disarm();
}

void
hold_timeout_disarm(void)
{
	if (!hold.armed)
		return;
	hold.armed = false;
	hold.expired = false;
	disable_timeout(hold.id, false);
	log_level_leave(LOG_NEED_ERRORS);
}
