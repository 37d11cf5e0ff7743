/*-------------------------------------------------------------------------
 *
 * durable.c
 *		Commits that are waited for when their locks are gone.
 *
 * A commit waits for the disk, and for synchronous standbys, with all locks of its
 * transaction in hand.  For one that has altered a table that means that whoever wants
 * the table waits for them as well: some milliseconds where the disk is fast, and
 * without end where the only synchronous standby is away.  So a worker's transactions
 * commit first, and are waited for then.
 *
 * Nothing is lost by it: what was committed is seen by others a moment before it is
 * durable, and what they make of that has a later place in the WAL.  After a crash in
 * that moment the step is not done, as its mark is not either.  Who is told that a
 * migration has come somewhere is told when that is durable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "core/durable.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "utils/guc.h"

/* Of statements that commit by themselves as well, as CREATE INDEX CONCURRENTLY does. */
static void
commit_without_waiting(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

void
durable_init(void)
{
	RegisterXactCallback(commit_without_waiting, NULL);
}

void
durable_wait(XLogRecPtr upto)
{
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		return;
	XLogFlush(upto);
	/* as it is called by a commit, which lets nothing interrupt it */
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(upto, true);
	RESUME_INTERRUPTS();
}

/*
 * Where the last record ends.  Where that is the end of a page, the next one's place is
 * behind the header of a page that nobody has begun: to flush up to there is an error.
 */
static XLogRecPtr
end_of_wal(void)
{
	XLogRecPtr	next = GetXLogInsertRecPtr();

	if (XLogSegmentOffset(next, wal_segment_size) == SizeOfXLogLongPHD)
		return next - SizeOfXLogLongPHD;
	return next % XLOG_BLCKSZ == SizeOfXLogShortPHD ? next - SizeOfXLogShortPHD : next;
}

void
durable_wait_for_seen(void)
{
	if (!RecoveryInProgress())
		durable_wait(end_of_wal());
}
