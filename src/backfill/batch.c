/*-------------------------------------------------------------------------
 *
 * batch.c
 *		What a batch has done, and what it took.
 *
 * The same for rows that are filled in, copied and compared, by the migration's worker and
 * by its helpers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/batch.h"
#include "backfill/lockers.h"
#include "backfill/pace.h"
#include "core/guc.h"
#include "executor/instrument.h"
#include "utils/snapmgr.h"

Batch
batch_begin(void)
{
	Batch		batch = {.wal_before = pgWalUsage.wal_bytes};

	INSTR_TIME_SET_CURRENT(batch.start);
	naps_begin(&batch.naps);
	return batch;
}

double
batch_elapsed(const Batch *batch)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, batch->start);
	return INSTR_TIME_GET_MILLISEC(now);
}

int
batch_rest(const Batch *batch, double ratio, int workers)
{
	int			pause_ms = pace_rest(batch_elapsed(batch), batch->naps.rested_ms, ratio,
									 (int64) (pgWalUsage.wal_bytes - batch->wal_before),
									 guc_max_wal_rate > 0 ? Max(guc_max_wal_rate / workers, 1) : 0);

	return batch->result.locked > 0 && batch->result.rows == 0 ? Max(pause_ms, BATCH_LOCKED_PAUSE_MS) : pause_ms;
}

char *
batch_describe_locked(const Batch *batch, Relation rel)
{
	char	   *who;

	if (batch->result.locked == 0)
		return NULL;
	PushActiveSnapshot(GetTransactionSnapshot());
	who = lockers_describe(rel, batch->result.deferred);
	PopActiveSnapshot();
	return psprintf(INT64_FORMAT " rows locked by other transactions%s%s", batch->result.locked,
					who != NULL ? ": " : "", who != NULL ? who : "");
}
