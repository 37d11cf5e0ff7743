/*-------------------------------------------------------------------------
 *
 * assign.c
 *		Updating a range of rows by the user's own assignments.
 *
 * Unlike the columns that a pair fills in, these may be indexed, checked and
 * generated from.  So it is PostgreSQL's own UPDATE that writes them, found by
 * ctid and locked with SKIP LOCKED, so that it waits for nobody.
 *
 * Others may wait for the rows until the batch commits, and a statement cannot
 * stop when its time is up: so it is told how many rows it may take.  They are
 * sought in the order of blocks, before any of them is locked, so that what lies
 * before the last of them is done.
 *
 * The table's own triggers are left out of that one statement, and of nothing
 * else: what functions in it do to other tables, or to this one, is audited,
 * limited and checked as always.  Those by which PostgreSQL keeps constraints
 * (foreign keys at both ends, deferrable keys) stay, and are asked at the end of
 * the statement, since a restricted operation leaves nothing for the commit.
 *
 * The condition is looked at again in RETURNING, for the row as it is then: one
 * that still holds would be updated again in the next pass, and for ever.
 *
 * A batch that fails is tried row by row, so that the error names the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/assign.h"
#include "backfill/cursor.h"
#include "backfill/failing.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "plan/meaning.h"
#include "storage/itemptr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verbs/verbs.h"
#include "compat.h"

/* How many rows were due, were updated, and are due even so. */
typedef struct AssignCounts
{
	int64		due;
	int64		updated;
	int64		restless;
	int64		last_block;		/* of those that were due */
} AssignCounts;

static ExecutorStart_hook_type prev_ExecutorStart = NULL;

/* The statement that is to leave out its table's triggers, while it runs. */
static const char *quiet_statement = NULL;

static char *
batch_sql(const RowRange *range, const Step *step)
{
	char	   *table = names_relation(RelationGetRelid(range->rel));
	const FillArgs *fill = fill_args(step);
	char	   *condition = fill_condition(fill);

	return psprintf("WITH seen AS MATERIALIZED (SELECT ctid FROM ONLY %s WHERE ctid >= $1 AND ctid < $2 AND (%s) ORDER BY ctid LIMIT $3), "
					"free AS MATERIALIZED (SELECT ctid FROM ONLY %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM seen)) AND (%s) FOR NO KEY UPDATE SKIP LOCKED), "
					"done AS (UPDATE ONLY %s SET %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM free)) RETURNING (%s) AS due) "
					"SELECT (SELECT count(*) FROM seen), count(*), count(*) FILTER (WHERE due), (SELECT max(ctid) FROM seen) FROM done",
					table, condition, table, condition, table,
					fill_assignments(fill), condition);
}

static int64
count_column(int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull));
}

/* The block of a tid; -1 for NULL. */
static int64
block_column(int column)
{
	bool		isnull;
	Datum		tid = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? -1 : (int64) ItemPointerGetBlockNumber((ItemPointer) DatumGetPointer(tid));
}

/* A batch that is tried. */
typedef struct Batch
{
	Oid			owner;
	List	   *settings;		/* of identity_settings() */
	const char *sql;
	bool		fire_triggers;
	int64		most;			/* rows */
	AssignCounts counts;
} Batch;

static AssignCounts
run_batch(const Batch *batch, ItemPointer first, ItemPointer last)
{
	AssignCounts counts;
	int			rc;

	SPI_connect();
	rc = SPI_execute_with_args(batch->sql, 3, (Oid[]) {TIDOID, TIDOID, INT8OID},
							   (Datum[]) {PointerGetDatum(first), PointerGetDatum(last), Int64GetDatum(batch->most)},
							   NULL, false, 0);
	if (rc != SPI_OK_SELECT || SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("batch failed: %s", SPI_result_code_string(rc))));
	counts.due = count_column(1);
	counts.updated = count_column(2);
	counts.restless = count_column(3);
	counts.last_block = block_column(4);
	SPI_finish();
	return counts;
}

/* Is it one that keeps a constraint, or fires whatever is set? */
static bool
trigger_stays(const Trigger *trigger)
{
	return trigger->tgenabled == TRIGGER_FIRES_ALWAYS ||
		trigger->tgfoid == F_UNIQUE_KEY_RECHECK ||
		RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_NONE;
}

/* The batch's own statement: its copy of the table's triggers has them switched off. */
static void
assign_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	ListCell   *lc;

	if (prev_ExecutorStart)
		prev_ExecutorStart(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	if (quiet_statement == NULL || strcmp(queryDesc->sourceText, quiet_statement) != 0)
		return;
	foreach(lc, queryDesc->estate->es_opened_result_relations)
	{
		TriggerDesc *triggers = ((ResultRelInfo *) lfirst(lc))->ri_TrigDesc;

		for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		{
			if (!trigger_stays(&triggers->triggers[i]))
				triggers->triggers[i].tgenabled = TRIGGER_DISABLED;
		}
	}
}

void
assign_init(void)
{
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = assign_ExecutorStart;
}

/* As long as the batch runs: no long wait, and nothing that is left for later. */
static void
set_for_batch(void)
{
	/* a key that another row refers to is locked more weakly than it is updated */
	(void) set_config_option("lock_timeout", psprintf("%d", guc_lock_wait), PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	AfterTriggerSetState(makeNode(ConstraintsSetStmt));
}

/* The batch's statement, as the owner, for the rows between the two. */
static void
run_quietly(Oid leaf, ItemPointer first, ItemPointer last, void *arg)
{
	Batch	   *batch = arg;
	Identity	identity;

	identity_enter(batch->owner, batch->settings, &identity);
	set_for_batch();
	PushActiveSnapshot(GetTransactionSnapshot());
	quiet_statement = batch->fire_triggers ? NULL : batch->sql;
	PG_TRY();
	{
		batch->counts = run_batch(batch, first, last);
	}
	PG_FINALLY();
	{
		quiet_statement = NULL;
	}
	PG_END_TRY();
	PopActiveSnapshot();
	identity_leave(&identity);
}

/* What run_quietly() is told, for attempt_run(). */
typedef struct BatchTry
{
	const RowRange *range;
	Batch	   *batch;
} BatchTry;

static void
run_range(void *arg)
{
	const BatchTry *try = arg;
	ItemPointerData first;
	ItemPointerData last;

	ItemPointerSet(&first, (BlockNumber) try->range->begin, 0);
	ItemPointerSet(&last, (BlockNumber) try->range->end, 0);
	run_quietly(RelationGetRelid(try->range->rel), &first, &last, try->batch);
}

/* The range as one batch; an error names the rows for which it comes. */
static void
run_or_name_rows(const RowRange *range, Batch *batch)
{
	BatchTry	try = {range, batch};
	ErrorData  *error;
	List	   *failing;

	if (attempt_run(run_range, &try, ATTEMPT_KEEP, &error))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	failing = failing_find(RelationGetRelid(range->rel), range->begin, range->end,
						   batch->owner, run_quietly, batch, NIL);
	if (failing == NIL)
		ReThrowError(error);
	failing_raise(failing, NULL);
}

static void
defer_range(const RowRange *range, int64 end, FillResult *result)
{
	BlockRange *deferred = palloc(sizeof(BlockRange));

	deferred->leaf = RelationGetRelid(range->rel);
	deferred->filenode = zdm_relfilenode(range->rel);
	deferred->fresh = false;
	deferred->begin = range->begin;
	deferred->end = end;
	result->deferred = lappend(result->deferred, deferred);
}

/*
 * What the assignments and the condition call: by the statement that is shown, which has
 * both.  Not in the attempt: it is about no row.
 */
static void
check_meaning(const Migration *migration, const Step *step, const Batch *batch)
{
	Identity	identity;

	identity_enter(batch->owner, batch->settings, &identity);
	PushActiveSnapshot(GetTransactionSnapshot());
	meaning_check_text(migration->id, verb_sql(step, false, FLAVOUR_RUN));
	PopActiveSnapshot();
	identity_leave(&identity);
}

void
assign_rows(const RowRange *range, const Migration *migration, const Step *step, int64 most, FillResult *result)
{
	/* as the stated owner: one that a partition has been given to since wrote none of it */
	Batch		batch = {
		.owner = migration->owner, .settings = migration->result_settings,
		.fire_triggers = fill_args(step)->fire_triggers, .most = most,
	};
	AssignCounts counts;

	result->reached = range->end;
	if (range->begin >= range->end)
		return;
	batch.sql = batch_sql(range, step);
	check_meaning(migration, step, &batch);
	run_or_name_rows(range, &batch);
	counts = batch.counts;

	if (counts.restless > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the assignments do not come to rest: rows of %s are due again after their update",
						names_relation(RelationGetRelid(range->rel))),
				 errdetail("Nothing of this batch was written."),
				 errhint("Give a condition that no longer holds for a row that has been updated.")));
	/* there may be more in the last block: it is the next batch's first */
	if (counts.due >= most)
		result->reached = Max(counts.last_block, range->begin + 1);
	result->rows += counts.updated;
	if (counts.due > counts.updated)
	{
		result->locked += counts.due - counts.updated;
		defer_range(range, counts.last_block + 1, result);
	}
}
