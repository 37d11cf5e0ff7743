/*-------------------------------------------------------------------------
 *
 * stopped.c
 *		The end of a worker that is not let stop.
 *
 * To pause or revert a migration, or to switch zdm.enabled off, cancels what its
 * worker runs (stop.c).  A function that the worker runs for a user, up or a
 * trigger's, can catch that error and go on for ever: the worker would keep its
 * place, and its snapshot hold everybody's xmin horizon back.  Whoever catches an
 * error rolls a subtransaction back, and that is heard here.  What has not
 * ended a while after that is ended with the process; another worker finds what
 * is wanted of the migration.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "run/stopped.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"
#include "compat.h"

/* For what is done properly after the error that was caught. */
#define CLEAN_UP_MS 2000

static TimeoutId end_id;
static volatile sig_atomic_t asked = false;
static volatile sig_atomic_t forced = false;

static void
handle_cancel(SIGNAL_ARGS)
{
	asked = true;
	StatementCancelHandler(postgres_signal_arg);
}

static void
end_process(void)
{
	forced = true;
	die(SIGTERM);
}

/* While the cancellation is still pending, it was another error. */
static void
hear_rollback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && asked && !QueryCancelPending && !get_timeout_active(end_id))
		enable_timeout_after(end_id, CLEAN_UP_MS);
}

void
stopped_init(void)
{
	pqsignal(SIGINT, handle_cancel);
	end_id = RegisterTimeout(USER_TIMEOUT, end_process);
	RegisterSubXactCallback(hear_rollback, NULL);
}

void
stopped_begin(void)
{
	asked = false;
}

void
stopped_end(void)
{
	asked = false;
	disable_timeout(end_id, false);
}

bool
stopped_by_force(void)
{
	return forced;
}
