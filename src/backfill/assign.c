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
 * The condition is looked at again in RETURNING, for the row as it is then: one
 * that still holds would be updated again in the next pass, and for ever.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/assign.h"
#include "backfill/cursor.h"
#include "catalog/pg_type.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/spi.h"
#include "storage/itemptr.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* How many rows were due, were updated, and are due even so. */
typedef struct AssignCounts
{
	int64		due;
	int64		updated;
	int64		restless;
	int64		last_block;		/* of those that were due */
} AssignCounts;

static char *
batch_sql(const RowRange *range, const Step *step)
{
	char	   *table = names_relation(RelationGetRelid(range->rel));
	char	   *condition = names_render(step->condition, false);

	return psprintf("WITH seen AS MATERIALIZED (SELECT ctid FROM ONLY %s WHERE ctid >= $1 AND ctid < $2 AND (%s) ORDER BY ctid LIMIT $3), "
					"free AS MATERIALIZED (SELECT ctid FROM ONLY %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM seen)) AND (%s) FOR NO KEY UPDATE SKIP LOCKED), "
					"done AS (UPDATE ONLY %s SET %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM free)) RETURNING (%s) AS due) "
					"SELECT (SELECT count(*) FROM seen), count(*), count(*) FILTER (WHERE due), (SELECT max(ctid) FROM seen) FROM done",
					table, condition, table, condition, table,
					names_render(step->assignments, false), condition);
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

static AssignCounts
run_batch(const RowRange *range, const char *sql, int64 most)
{
	ItemPointerData first;
	ItemPointerData last;
	AssignCounts counts;
	int			rc;

	ItemPointerSet(&first, (BlockNumber) range->begin, 0);
	ItemPointerSet(&last, (BlockNumber) range->end, 0);
	SPI_connect();
	rc = SPI_execute_with_args(sql, 3, (Oid[]) {TIDOID, TIDOID, INT8OID},
							   (Datum[]) {PointerGetDatum(&first), PointerGetDatum(&last), Int64GetDatum(most)},
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

/* As long as the batch runs: no trigger but those that must, and no long wait. */
static void
set_for_batch(const Step *step)
{
	if (!step->fire_triggers)
		(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);

	/* a key that another row refers to is locked more weakly than it is updated */
	(void) set_config_option("lock_timeout", psprintf("%d", guc_lock_wait), PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
defer_range(const RowRange *range, int64 end, FillResult *result)
{
	BlockRange *deferred = palloc(sizeof(BlockRange));

	deferred->leaf = RelationGetRelid(range->rel);
	deferred->filenode = zdm_relfilenode(range->rel);
	deferred->begin = range->begin;
	deferred->end = end;
	result->deferred = lappend(result->deferred, deferred);
}

void
assign_rows(const RowRange *range, const Step *step, int64 most, FillResult *result)
{
	Identity identity;
	AssignCounts counts;
	char	   *sql;
	int			nestlevel;

	result->reached = range->end;
	if (range->begin >= range->end)
		return;
	sql = batch_sql(range, step);
	nestlevel = NewGUCNestLevel();
	set_for_batch(step);
	identity_enter(range->rel->rd_rel->relowner, NIL, &identity);
	PushActiveSnapshot(GetTransactionSnapshot());
	counts = run_batch(range, sql, most);
	PopActiveSnapshot();
	identity_leave(&identity);
	AtEOXact_GUC(false, nestlevel);

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
