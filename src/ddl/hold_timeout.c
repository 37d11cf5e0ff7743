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
 * and statements pay nothing for the clock.
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
#include "tcop/tcopprot.h"
#include "utils/timeout.h"
#include "compat.h"

/* How often a statement that waits for its lock is looked at, in ms. */
#define TICK 50

static TimeoutId hold_timeout_id;
static volatile sig_atomic_t armed = false;
static volatile sig_atomic_t granted = false;
static volatile sig_atomic_t expired = false;

/* log_min_messages, while it is lowered so that the log hook is called at all. */
static volatile sig_atomic_t log_lowered = false;
static int	user_log_level;

static char held_relation[NAMEDATALEN * 2 + 8];
static LOCKMODE held_mode;
static SubTransactionId armed_in;	/* the subtransaction that took the lock */
static emit_log_hook_type prev_emit_log_hook = NULL;

static bool
waits_for_lock(void)
{
	return MyProc != NULL && MyProc->waitLock != NULL;
}

/* Runs in a signal handler.  A server that logs no errors calls no log hook for them. */
static void
lower_log_level(void)
{
	if (log_lowered || (log_min_messages <= ERROR && log_min_messages != LOG))
		return;
	user_log_level = log_min_messages;
	log_min_messages = ERROR;
	log_lowered = true;
}

/*
 * Runs in a signal handler.  Between two commands there is nothing to cancel
 * but the session.  Ticks on, in case what was cancelled came to its end first,
 * or caught it.
 */
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
	lower_log_level();
	if (debug_query_string != NULL || AmBackgroundWorkerProcess())
		QueryCancelPending = true;
	else
		ProcDiePending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	enable_timeout_after(hold_timeout_id, Max(guc_ddl_hold_timeout, TICK));
}

/* Is it the error that handle_timeout() asked for? */
static bool
is_ours(const ErrorData *edata)
{
	return expired &&
		((edata->elevel == ERROR && edata->sqlerrcode == ERRCODE_QUERY_CANCELED) ||
		 (edata->elevel == FATAL && edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN));
}

/* The error is on its way to the client and the log, in its own memory context. */
static void
rename_error(ErrorData *edata)
{
	if (is_ours(edata))
	{
		edata->sqlerrcode = ERRCODE_ZDM_LOCK_HELD;
		edata->message = psprintf("transaction held %s on %s for more than %d ms",
								  rules_lock_name(held_mode), held_relation, guc_ddl_hold_timeout);
		edata->detail = pstrdup("The setting zdm.ddl_hold_timeout cancels DDL that blocks the table for longer.");
		edata->hint = pstrdup("Do long work in a transaction that holds no such lock, or SET LOCAL zdm.ddl_hold_timeout = 0;");
	}
	if (log_lowered && (edata->elevel < FATAL || user_log_level > FATAL))
		edata->output_to_server = false;
	if (prev_emit_log_hook != NULL)
		prev_emit_log_hook(edata);
}

static void
set_up_once(void)
{
	static bool done = false;

	if (done)
		return;
	done = true;
	hold_timeout_id = RegisterTimeout(USER_TIMEOUT, handle_timeout);
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = rename_error;
}

void
hold_timeout_arm(const char *relation, LOCKMODE mode)
{
	if (guc_ddl_hold_timeout <= 0)
		return;
	set_up_once();
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
	armed_in = GetCurrentSubTransactionId();
	enable_timeout_after(hold_timeout_id, TICK);
}

void
hold_timeout_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent)
{
	if (!armed || armed_in < subid)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		armed_in = parent;
	else if (event == SUBXACT_EVENT_ABORT_SUB && !expired)
		/* its locks go with it; once the time is up, no code may catch the error */
		hold_timeout_disarm();
}

void
hold_timeout_disarm(void)
{
	if (!armed)
		return;
	armed = false;
	expired = false;
	disable_timeout(hold_timeout_id, false);
	if (log_lowered)
		log_min_messages = user_log_level;
	log_lowered = false;
}
