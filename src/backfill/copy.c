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
#include "backfill/batch.h"
#include "backfill/copy.h"
#include "backfill/copy_order.h"
#include "backfill/copy_rows.h"
#include "backfill/cursor.h"
#include "backfill/pace.h"
#include "backfill/rows.h"
#include "backfill/share.h"
#include "backfill/stops.h"
#include "backfill/writeback.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/step_progress.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
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

/* Rows named in the error. */
#define EXAMPLES 5

/* Then the copy is one worker's, from the first row to the last. */
static bool
has_order(const Step *step)
{
	const SecondArgs *args = second_args(step);

	return args->order != NIL || OidIsValid(args->index);
}

bool
copy_is_shared(const Step *step)
{
	return step->action == ACTION_COMPARE || !has_order(step);
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

/* Whose blocks the step goes over: comparing, those of the hidden table too. */
static List *
roots_of(const Step *step, const Second *second)
{
	return step->action == ACTION_COPY ? list_make1_oid(second->relid) : list_make2_oid(second->relid, second->hidden);
}

/* After a batch, with something for helpers to do. */
static void
save(const Migration *migration, const Step *step, List *roots, Cursor *cursor, const Batch *batch, const char *waiting)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	/* from the near end: rows that were beside one another are to stay so, more or less */
	if (copy_is_shared(step))
		share_hand_out(migration, step, cursor, roots, CURSOR_NEAR_END);
	cursor_save(step, cursor, batch->work_ms, waiting);
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

/* How large the next batch is, after one of "range" that came as far as "reached". */
static void
adapt_size(BatchState *state, const RowRange *range, int64 reached, double work_ms)
{
	if (reached < range->end)
		state->copy_blocks = Max(reached - range->begin, 1);
	else if (range->end - range->begin == state->copy_blocks)
		state->copy_blocks = pace_next_blocks(state->copy_blocks, work_ms, guc_batch_time);
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
		 Relation rel, Batch *batch)
{
	if (!copy_order_is_of(state->order, second->hidden))
	{
		copy_order_free(state->order);
		state->order = NULL;
		state->order = copy_order_find(migration, step, rel, second->hidden);
		ZDM_DEBUG_POINT("copy-order-found");
	}
	else
		copy_rows_in_order(state->order, rel, second, batch->start, &batch->naps, &state->writeback, &batch->result);
	ZDM_DEBUG_POINT("copy-before-commit");
	batch->work_ms = batch_elapsed(batch);
	cursor->rows_done += batch->result.rows;
	/* the blocks are gone over twice: shown as one pass after the other */
	cursor->blocks_total = 2 * cursor->end;
	cursor->blocks_done = (int64) (copy_order_share(state->order) * cursor->end);
}

/* Copy the blocks of a batch where the cursor stands, and move it on. */
static void
copy_blocks(BatchState *state, const Step *step, const Second *second, Cursor *cursor, Relation rel, Batch *batch)
{
	RowRange	range = {.rel = rel, .begin = cursor->block};

	cursor_open_window(cursor, state->copy_blocks, false);
	range.end = cursor->window_end;
	if (range.begin < range.end)
		copy_rows(&range, second, has_order(step) || cursor->revisiting, pace_limit_ms(guc_batch_time), batch->start,
				  &batch->naps, &state->writeback, &batch->result);
	else
		batch->result.reached = range.end;
	ZDM_DEBUG_POINT("copy-before-commit");
	batch->work_ms = batch_elapsed(batch);
	cursor->rows_done += batch->result.rows;
	adapt_size(state, &range, batch->result.reached, batch->work_ms);
	cursor_advance(cursor, batch->result.reached, true, batch->result.deferred);
}

/* No row is left that is not out: end the transaction, and the step if none is out. */
static bool
finish_or_await(const Step *step, Cursor *cursor, int *pause_ms)
{
	if (cursor->stretches == 0)
		return finish(step, cursor);
	share_await(step, cursor, pause_ms);
	return false;
}

bool
copy_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms)
{
	List	   *roots = roots_of(step, second);
	Batch		batch;
	Cursor	   *cursor;
	Relation	rel;
	char	   *waiting = NULL;
	bool		ordered;

	if (!share_take_turn(migration, pause_ms))
		return false;
	batch = batch_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (is_held(state, migration, step))
	{
		*pause_ms = BATCH_HELD_PAUSE_MS;
		return false;
	}
	cursor = cursor_load(step, false, &state->clock);
	share_gather(step, cursor);
	PopActiveSnapshot();
	if (!cursor_settle(cursor, roots))
	{
		copy_order_free(state->order);
		state->order = NULL;
		return finish_or_await(step, cursor, pause_ms);
	}
	rel = open_leaf(cursor->leaf, RowExclusiveLock);
	cursor_check_storage(cursor, rel);
	ordered = order_comes_first(state, step, cursor, second);
	if (ordered)
		do_order(state, migration, step, second, cursor, rel, &batch);
	else
	{
		copy_blocks(state, step, second, cursor, rel, &batch);
		waiting = batch_describe_locked(&batch, rel);
	}
	table_close(rel, NoLock);
	save(migration, step, roots, cursor, &batch, waiting);
	if (ordered)
		copy_order_committed(state->order);
	writeback_start(&state->writeback);
	ZDM_DEBUG_POINT("copy-after-batch");
	*pause_ms = batch_rest(&batch, guc_batch_rest, share_workers(cursor));
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

/* Compare the rows of a batch where the cursor stands, of the table ("forth") or of the hidden one. */
static void
compare_blocks(BatchState *state, const Migration *migration, const Second *second, bool forth, Cursor *cursor,
			   Relation rel, Batch *batch)
{
	RowRange	range = {.rel = rel, .begin = cursor->block};
	Differences differences = {0};

	initStringInfo(&differences.examples);
	cursor_open_window(cursor, state->copy_blocks, false);
	range.end = cursor->window_end;
	if (range.begin < range.end)
		cursor->rows_done += copy_compare_rows(&range, second, forth, &batch->naps, note_difference, &differences);
	if (differences.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
				 errmsg("the table and its copy disagree in " INT64_FORMAT " rows of %s, in blocks "
						INT64_FORMAT " to " INT64_FORMAT,
						differences.count, names_relation(RelationGetRelid(rel)), range.begin, range.end - 1),
				 errdetail("Among them: %s.", differences.examples.data),
				 errhint("Begin anew: SELECT zdm.revert(" INT64_FORMAT "), and state it again.", migration->id)));
	batch->work_ms = batch_elapsed(batch);
	adapt_size(state, &range, range.end, batch->work_ms);
	cursor_advance(cursor, range.end, true, NIL);
}

bool
copy_compare_batch(const Migration *migration, const Step *step, const Second *second, BatchState *state, int *pause_ms)
{
	List	   *roots = roots_of(step, second);
	Batch		batch;
	Cursor	   *cursor;
	Relation	rel;

	if (!share_take_turn(migration, pause_ms))
		return false;
	batch = batch_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor = cursor_load(step, false, &state->clock);
	share_gather(step, cursor);
	PopActiveSnapshot();
	if (!cursor_settle(cursor, roots))
		return finish_or_await(step, cursor, pause_ms);
	rel = open_leaf(cursor->leaf, AccessShareLock);
	cursor_check_storage(cursor, rel);
	compare_blocks(state, migration, second, cursor_root_of(cursor->leaf, roots) == second->relid, cursor, rel, &batch);
	table_close(rel, NoLock);
	save(migration, step, roots, cursor, &batch, NULL);
	ZDM_DEBUG_POINT("compare-after-batch");
	*pause_ms = batch_rest(&batch, guc_batch_rest, share_workers(cursor));
	return false;
}

bool
copy_help(const Migration *migration, const Step *step, int helper, const Second *second, BatchState *state, int *pause_ms)
{
	bool		copies = step->action == ACTION_COPY;
	Batch		batch;
	Share		share;
	ShareOutcome outcome;

	if (!share_take_turn(migration, pause_ms))
		return true;
	batch = batch_begin();
	outcome = share_begin(migration, step, helper, roots_of(step, second), copies ? RowExclusiveLock : AccessShareLock,
						  copies ? &state->stops : NULL, &share, pause_ms);
	if (outcome != SHARE_BATCH)
		return outcome == SHARE_LATER;
	if (copies)
		copy_blocks(state, step, second, share.cursor, share.leaf, &batch);
	else
		compare_blocks(state, migration, second, share.root == second->relid, share.cursor, share.leaf, &batch);
	share_end(&share);
	writeback_start(&state->writeback);
	*pause_ms = batch_rest(&batch, guc_batch_rest, guc_backfill_workers);
	return true;
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
