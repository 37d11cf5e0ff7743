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
 * PostgreSQL's own errors, which are given our SQLSTATE on their way out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "core/errors.h"
#include "core/guc.h"
#include "ddl/hold_timeout.h"
#include "ddl/rules.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timeout.h"
#include "compat.h"

/* How often a statement that waits for its lock is looked at, in ms. */
#define TICK 50

static TimeoutId hold_timeout_id;
static bool registered = false;
static volatile sig_atomic_t armed = false;
static volatile sig_atomic_t granted = false;
static volatile sig_atomic_t expired = false;
static volatile sig_atomic_t depth = 0;
static char held_relation[NAMEDATALEN * 2 + 8];
static LOCKMODE held_mode;
static emit_log_hook_type prev_emit_log_hook = NULL;

static bool
waits_for_lock(void)
{
	return MyProc != NULL && MyProc->waitLock != NULL;
}

/* Runs in a signal handler. */
static void
handle_timeout(void)
{
	if (!armed)
		return;
	if (!granted)
	{
		granted = !waits_for_lock();
		enable_timeout_after(hold_timeout_id, granted ? guc_ddl_hold_timeout : TICK);
		return;
	}
	expired = true;
	if (depth > 0)
		QueryCancelPending = true;
	else
		ProcDiePending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

void
hold_timeout_arm(const char *relation, LOCKMODE mode)
{
	if (guc_ddl_hold_timeout <= 0)
		return;
	if (!registered)
	{
		hold_timeout_id = RegisterTimeout(USER_TIMEOUT, handle_timeout);
		registered = true;
	}
	if (armed)
	{
		/* An error caught at a savepoint has switched all timeouts off. */
		if (!get_timeout_active(hold_timeout_id) && !expired)
			enable_timeout_after(hold_timeout_id, granted ? guc_ddl_hold_timeout : TICK);
		return;
	}
	strlcpy(held_relation, relation, sizeof(held_relation));
	held_mode = mode;
	expired = false;
	granted = false;
	armed = true;
	enable_timeout_after(hold_timeout_id, TICK);
}

void
hold_timeout_disarm(void)
{
	if (!armed)
		return;
	armed = false;
	expired = false;
	disable_timeout(hold_timeout_id, false);
}

bool
hold_timeout_armed(void)
{
	return armed;
}

void
hold_timeout_enter(void)
{
	depth++;
}

void
hold_timeout_leave(void)
{
	if (depth > 0)
		depth--;
}

static char *
hold_message(void)
{
	return psprintf("transaction held %s on %s for more than %d ms",
					rules_lock_name(held_mode), held_relation, guc_ddl_hold_timeout);
}

void
hold_timeout_translate(void)
{
	MemoryContext old;

	/* Inside code that could catch it, it stays the cancellation that it is. */
	if (!expired || depth > 0 || geterrcode() != ERRCODE_QUERY_CANCELED)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	FlushErrorState();
	MemoryContextSwitchTo(old);
	ereport(ERROR,
			(errcode(ERRCODE_ZDM_LOCK_HELD),
			 errmsg_internal("%s", hold_message()),
			 errdetail("The setting zdm.ddl_hold_timeout cancels DDL that blocks the table for longer."),
			 errhint("Do long work in a transaction that holds no such lock, or SET LOCAL zdm.ddl_hold_timeout = 0;")));
}

/* The end of an idle session is no ERROR that could be caught: rename it on its way out. */
static void
rename_termination(ErrorData *edata)
{
	if (expired && edata->elevel == FATAL && edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
	{
		edata->sqlerrcode = ERRCODE_ZDM_LOCK_HELD;
		edata->message = hold_message();
	}
	if (prev_emit_log_hook != NULL)
		prev_emit_log_hook(edata);
}

void
hold_timeout_init(void)
{
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = rename_termination;
}
