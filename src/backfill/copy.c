/*-------------------------------------------------------------------------
 *
 * copy.c
 *		Copying a table to the hidden one beside it, and comparing the two.
 *
 * A batch is a transaction, as of any backfill: a range of the table's blocks, up to
 * the size that it had when the trigger was in place, and the cursor beyond it.
 *
 * Both tables may be partitioned.  The table's leaves are copied one after the other; and
 * which leaf of the hidden one takes a row is asked for each row.
 *
 * With an order, rows are copied in it first (copy_order.c), and then the blocks are
 * gone over for what that has left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "backfill/copy.h"
#include "backfill/copy_order.h"
#include "backfill/copy_rows.h"
#include "backfill/cursor.h"
#include "backfill/lockers.h"
#include "backfill/pace.h"
#include "backfill/rows.h"
#include "backfill/stops.h"
#include "backfill/writeback.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/step_progress.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "executor/instrument.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "sync/outcome.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verbs/verbs.h"
#include "compat.h"

/* Rest while something holds the copy, and before rows that others have locked. */
#define HELD_PAUSE_MS 1000
#define LOCKED_ROWS_PAUSE_MS 250

/* Rows named in the error. */
#define EXAMPLES 5

static double
milliseconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* Nothing is left. */
static bool
finish(const Step *step, Cursor *cursor)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor_save(step, cursor, 0, NULL);
	if (step->only_back)
		step_mark_undone(step);
	else
		step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
	PopActiveSnapshot();
	CommitTransactionCommand();
	return true;
}

static void
save(const Step *step, Cursor *cursor, double work_ms, const char *waiting)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor_save(step, cursor, work_ms, waiting);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* A partition that has come since the locks were acquired is not among them: it is tried again then. */
static Relation
open_leaf(Oid relid, LOCKMODE lock)
{
	if (!ConditionalLockRelationOid(relid, lock))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not lock partition %s", names_relation(relid))));
	return table_open(relid, NoLock);
}

/* Must the copy hold?  Then the reason is noted and the transaction over. */
static bool
is_held(BatchState *state, const Migration *migration, const Step *step)
{
	const char *reason = stops_look(&state->stops, migration, step, true);

	if (reason == NULL)
		return false;
	cursor_break(&state->clock);
	step_set_waiting(step, reason);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return true;
}

/* What the batch has left out for others' sake; NULL: nothing. */
static char *
describe_locked(Relation rel, const FillResult *result)
{
	char	   *who;

	if (result->locked == 0)
		return NULL;
	PushActiveSnapshot(GetTransactionSnapshot());
	who = lockers_describe(rel, result->deferred);
	PopActiveSnapshot();
	return psprintf(INT64_FORMAT " rows locked by other transactions%s%s", result->locked,
					who != NULL ? ": " : "", who != NULL ? who : "");
}

/* How large the next batch is, after one of "range" that came as far as "reached". */
static void
adapt_size(BatchState *state, const RowRange *range, int64 reached, double work_ms)
{
	if (reached < range->end)
		state->copy_blocks = Max(reached - range->begin, 1);
	else if (range->end - range->begin == state->copy_blocks)
		state->copy_blocks = pace_next_blocks(state->copy_blocks, work_ms, guc_batch_time);
}

/* After a batch that has been committed. */
static int
rest_after(instr_time start, const Naps *naps, uint64 wal_before, const FillResult *result)
{
	int			pause_ms = pace_rest(milliseconds_since(start), naps->rested_ms, guc_batch_rest,
									 (int64) (pgWalUsage.wal_bytes - wal_before), guc_max_wal_rate);

	return result->locked > 0 && result->rows == 0 ? Max(pause_ms, LOCKED_ROWS_PAUSE_MS) : pause_ms;
}

static bool
has_order(const Step *step)
{
	const SecondArgs *args = second_args(step);

	return args->order != NIL || OidIsValid(args->index);
}

/*
 * Is the cursor at the beginning, and are there rows to be copied in order before it
 * goes over the blocks?
 */
static bool
order_comes_first(const BatchState *state, const Step *step, const Cursor *cursor, const Second *second)
{
	return has_order(step) && cursor->block == 0 && cursor->end > 0 && !cursor->revisiting &&
		!(copy_order_is_of(state->order, second->hidden) && copy_order_is_done(state->order));
}

/* The order is found in a transaction of its own, and then followed in batches. */
static void
do_order(BatchState *state, const Migration *migration, const Step *step, const Second *second, Cursor *cursor,
		 Relation rel, instr_time start, Naps *naps, FillResult *result)
{
	if (!copy_order_is_of(state->order, second->hidden))
	{
		copy_order_free(state->order);
		state->order = NULL;
		state->order = copy_order_find(migration, step, rel, second->hidden);
		ZDM_DEBUG_POINT("copy-order-found");
	}
	else
		copy_rows_in_order(state->order, rel, second, start, naps, &state->writeback, result);
	/* the blocks are gone over twice: shown as one pass after the other */
	cursor->blocks_total = 2 * cursor->end;
	cursor->blocks_done = (int64) (copy_order_share(state->order) * cursor->end);
}

bool
copy_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms)
{
	uint64		wal_before = pgWalUsage.wal_bytes;
	FillResult	result = {0};
	RowRange	range;
	Cursor	   *cursor;
	instr_time	start;
	double		work_ms;
	char	   *waiting;
	bool		ordered;
	Naps		naps;

	INSTR_TIME_SET_CURRENT(start);
	naps_begin(&naps);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_held(state, migration, step))
	{
		*pause_ms = HELD_PAUSE_MS;
		return false;
	}
	cursor = cursor_load(step, false, &state->clock);
	PopActiveSnapshot();
	if (!cursor_settle(cursor, second->relid))
	{
		copy_order_free(state->order);
		state->order = NULL;
		return finish(step, cursor);
	}
	range.rel = open_leaf(cursor->leaf, RowExclusiveLock);
	cursor_check_storage(cursor, range.rel);
	ordered = order_comes_first(state, step, cursor, second);
	if (ordered)
		do_order(state, migration, step, second, cursor, range.rel, start, &naps, &result);
	else
	{
		cursor_open_window(cursor, state->copy_blocks, false);
		range.begin = cursor->block;
		range.end = cursor->window_end;
		if (range.begin < range.end)
			copy_rows(&range, second, has_order(step) || cursor->revisiting, pace_limit_ms(guc_batch_time), start, &naps,
					  &state->writeback, &result);
		else
			result.reached = range.end;
	}
	ZDM_DEBUG_POINT("copy-before-commit");
	work_ms = milliseconds_since(start);
	cursor->rows_done += result.rows;
	if (!ordered)
	{
		adapt_size(state, &range, result.reached, work_ms);
		cursor_advance(cursor, result.reached, true, result.deferred);
	}
	waiting = ordered ? NULL : describe_locked(range.rel, &result);
	table_close(range.rel, NoLock);
	save(step, cursor, work_ms, waiting);
	if (ordered)
		copy_order_committed(state->order);
	writeback_start(&state->writeback);
	ZDM_DEBUG_POINT("copy-after-batch");
	*pause_ms = rest_after(start, &naps, wal_before, &result);
	return false;
}

/* The rows of a batch that differ. */
typedef struct Differences
{
	int64		count;
	StringInfoData examples;
} Differences;

static void
note_difference(Relation rel, TupleTableSlot *slot, TupleTableSlot *other, void *context)
{
	Differences *differences = context;
	char	   *key;

	if (differences->count++ >= EXAMPLES)
		return;
	key = row_key(rel, slot);
	appendStringInfo(&differences->examples, "%s%s", differences->examples.len > 0 ? ", " : "", key != NULL ? key : "a row");
}

/* The relation on which the cursor stands, first of the table, then of the hidden one; NULL: at the end. */
static Relation
settle_either(Cursor *cursor, const Second *second, bool *forth)
{
	Oid			before = cursor->leaf;
	Relation	rel;

	*forth = cursor_settle(cursor, second->relid);
	if (!*forth && !cursor_settle(cursor, second->hidden))
		return NULL;
	rel = open_leaf(cursor->leaf, AccessShareLock);
	if (!*forth && before != cursor->leaf)
		cursor->blocks_total += RelationGetNumberOfBlocks(rel);
	return rel;
}

bool
copy_compare_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms)
{
	Cursor	   *cursor;
	RowRange	range;
	Differences differences = {0};
	instr_time	start;
	double		work_ms;
	bool		forth;
	Naps		naps;

	INSTR_TIME_SET_CURRENT(start);
	naps_begin(&naps);
	initStringInfo(&differences.examples);
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor = cursor_load(step, false, &state->clock);
	PopActiveSnapshot();
	range.rel = settle_either(cursor, second, &forth);
	if (range.rel == NULL)
		return finish(step, cursor);
	cursor_check_storage(cursor, range.rel);
	cursor_open_window(cursor, state->copy_blocks, false);
	range.begin = cursor->block;
	range.end = cursor->window_end;
	if (range.begin < range.end)
		cursor->rows_done += copy_compare_rows(&range, second, forth, &naps, note_difference, &differences);
	if (differences.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
				 errmsg("the table and its copy disagree in " INT64_FORMAT " rows of %s, in blocks "
						INT64_FORMAT " to " INT64_FORMAT,
						differences.count, names_relation(RelationGetRelid(range.rel)), range.begin, range.end - 1),
				 errdetail("Among them: %s.", differences.examples.data),
				 errhint("Begin anew: SELECT zdm.revert(" INT64_FORMAT "), and state it again.", migration->id)));
	table_close(range.rel, NoLock);
	work_ms = milliseconds_since(start);
	adapt_size(state, &range, range.end, work_ms);
	cursor_advance(cursor, range.end, true, NIL);
	save(step, cursor, work_ms, NULL);
	ZDM_DEBUG_POINT("compare-after-batch");
	*pause_ms = pace_rest(work_ms, naps.rested_ms, guc_batch_rest, 0, 0);
	return false;
}

/* Where copy_verify() puts its rows. */
typedef struct Listing
{
	bool		old_first;		/* the relation that is read is of the table that was there first */
	Tuplestorestate *store;
	TupleDesc	desc;
} Listing;

static Datum
row_text(TupleTableSlot *slot, bool *isnull)
{
	*isnull = slot == NULL;
	if (*isnull)
		return (Datum) 0;
	return CStringGetTextDatum(OidOutputFunctionCall(F_RECORD_OUT, ExecFetchSlotHeapTupleDatum(slot)));
}

static void
show_difference(Relation rel, TupleTableSlot *slot, TupleTableSlot *other, void *context)
{
	Listing    *listing = context;
	char	   *key = row_key(rel, slot);
	Datum		values[4];
	bool		nulls[4] = {false};

	values[0] = ObjectIdGetDatum(RelationGetRelid(rel));
	nulls[1] = key == NULL;
	values[1] = key == NULL ? (Datum) 0 : CStringGetTextDatum(key);
	values[2] = row_text(listing->old_first ? slot : other, &nulls[2]);
	values[3] = row_text(listing->old_first ? other : slot, &nulls[3]);
	tuplestore_putvalues(listing->store, listing->desc, values, nulls);
}

void
copy_verify(const Second *second, Tuplestorestate *store, TupleDesc desc)
{
	List	   *source;
	List	   *hidden;
	ListCell   *lc;

	if (get_rel_name(second->hidden) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hidden table beside %s has been dropped", names_relation(second->relid)),
				 errdetail("There is nothing to compare with."),
				 errhint("SELECT * FROM zdm.migrations WHERE id = " INT64_FORMAT "; says what becomes of it.", second->migration)));
	source = find_all_inheritors(second->relid, AccessShareLock, NULL);
	hidden = find_all_inheritors(second->hidden, AccessShareLock, NULL);
	foreach(lc, list_concat(list_copy(source), hidden))
	{
		bool		forth = list_member_oid(source, lfirst_oid(lc));
		Listing		listing = {.old_first = forth != second->turned, .store = store, .desc = desc};
		RowRange	range = {0};

		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_RELATION)
			continue;
		range.rel = table_open(lfirst_oid(lc), NoLock);
		range.end = RelationGetNumberOfBlocks(range.rel);
		if (range.end > 0)
			(void) copy_compare_rows(&range, second, forth, NULL, show_difference, &listing);
		table_close(range.rel, NoLock);
	}
}
