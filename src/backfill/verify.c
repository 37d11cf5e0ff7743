/*-------------------------------------------------------------------------
 *
 * verify.c
 *		Reading every row to see that old and new agree.
 *
 * The trigger keeps both sides of a row version equal, and a snapshot sees one
 * version of each row, so any snapshot will do, and each batch can have its
 * own: the worker holds none for long.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "backfill/batch.h"
#include "backfill/cursor.h"
#include "backfill/pace.h"
#include "backfill/rows.h"
#include "backfill/share.h"
#include "backfill/verify.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/step_progress.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "sync/outcome.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verbs/verbs.h"
#include "compat.h"

/* Rows named in the error. */
#define EXAMPLES 5

/* What a batch has found. */
typedef struct Findings
{
	Relation	rel;
	int64		count;
	StringInfoData examples;
} Findings;

static void
count_disagreement(SyncPair *pair, TupleTableSlot *slot, void *context)
{
	Findings   *found = context;

	if (found->count++ < EXAMPLES)
		appendStringInfo(&found->examples, "%s%s", found->examples.len > 0 ? ", " : "",
						 row_key(found->rel, slot));
}

/* Read the rows of a batch where the cursor stands, and move it on. */
static void
verify_blocks(BatchState *state, const Migration *migration, Cursor *cursor, Relation rel, Batch *batch)
{
	RowRange	range = {.rel = rel, .begin = cursor->block};
	Findings	found = {.rel = rel};

	cursor_open_window(cursor, state->verify_blocks, false);
	range.end = cursor->window_end;
	initStringInfo(&found.examples);
	PushActiveSnapshot(GetLatestSnapshot());
	cursor->rows_done += rows_check(&range, migration->id, GetActiveSnapshot(),
									count_disagreement, &found, &batch->naps);
	PopActiveSnapshot();
	if (found.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
				 errmsg("the old and the new column disagree in " INT64_FORMAT " rows of %s, in blocks "
						INT64_FORMAT " to " INT64_FORMAT,
						found.count, names_relation(cursor->leaf), range.begin, range.end - 1),
				 errdetail("Among them: %s.", found.examples.data),
				 errhint("SELECT * FROM zdm.verify(" INT64_FORMAT ") shows all of them; mend them, then SELECT zdm.resume("
						 INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
						 migration->id, migration->id, migration->id)));
	cursor_advance(cursor, range.end, true, NIL);
	batch->work_ms = batch_elapsed(batch);
	if (range.end - range.begin == state->verify_blocks)
		state->verify_blocks = pace_next_blocks(state->verify_blocks, batch->work_ms, guc_batch_time);
}

/* Nothing is left. */
static bool
finish(const Step *step, Cursor *cursor)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor_save(step, cursor, 0, NULL);
	step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
	PopActiveSnapshot();
	CommitTransactionCommand();
	return true;
}

bool
verify_batch(const Migration *migration, const Step *step, BatchState *state, int *pause_ms)
{
	List	   *roots = list_make1_oid(migration->relid);
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
	{
		if (cursor->stretches == 0)
			return finish(step, cursor);
		share_await(step, cursor, pause_ms);
		return false;
	}
	/* a leaf that was attached since the locks were acquired is not among them */
	if (!ConditionalLockRelationOid(cursor->leaf, AccessShareLock))
	{
		CommitTransactionCommand();
		*pause_ms = BATCH_LOCKED_PAUSE_MS;
		return false;
	}
	rel = table_open(cursor->leaf, NoLock);
	cursor_check_storage(cursor, rel);
	verify_blocks(state, migration, cursor, rel, &batch);
	table_close(rel, NoLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	share_hand_out(migration, step, cursor, roots, CURSOR_NEAR_END);
	cursor_save(step, cursor, batch.work_ms, NULL);
	PopActiveSnapshot();
	CommitTransactionCommand();
	*pause_ms = batch_rest(&batch, guc_batch_rest, share_workers(cursor));
	ZDM_DEBUG_POINT("verify-after-batch");
	return false;
}

bool
verify_help(const Migration *migration, const Step *step, int helper, BatchState *state, int *pause_ms)
{
	Batch		batch;
	Share		share;
	ShareOutcome outcome;

	if (!share_take_turn(migration, pause_ms))
		return true;
	batch = batch_begin();
	outcome = share_begin(migration, step, helper, list_make1_oid(migration->relid), AccessShareLock, NULL, &share, pause_ms);
	if (outcome != SHARE_BATCH)
		return outcome == SHARE_LATER;
	verify_blocks(state, migration, share.cursor, share.leaf, &batch);
	share_end(&share);
	*pause_ms = batch_rest(&batch, guc_batch_rest, guc_backfill_workers);
	return true;
}

/* Where verify_table() puts its rows. */
typedef struct Listing
{
	Relation	rel;
	Tuplestorestate *store;
	TupleDesc	desc;
} Listing;

static Datum
side_text(TupleTableSlot *slot, AttrNumber attnum, bool *isnull)
{
	Datum		value = slot_getattr(slot, attnum, isnull);
	Oid			output;
	bool		is_varlena;

	if (*isnull)
		return (Datum) 0;
	getTypeOutputInfo(TupleDescAttr(slot->tts_tupleDescriptor, attnum - 1)->atttypid,
					  &output, &is_varlena);
	return CStringGetTextDatum(OidOutputFunctionCall(output, value));
}

static void
list_disagreement(SyncPair *pair, TupleTableSlot *slot, void *context)
{
	Listing    *listing = context;
	Datum		values[4];
	bool		nulls[4] = {false};

	values[0] = ObjectIdGetDatum(RelationGetRelid(listing->rel));
	values[1] = CStringGetTextDatum(row_key(listing->rel, slot));
	values[2] = side_text(slot, pair->old_side.attnum, &nulls[2]);
	values[3] = side_text(slot, pair->new_side.attnum, &nulls[3]);
	tuplestore_putvalues(listing->store, listing->desc, values, nulls);
}

void
verify_table(const Migration *migration, Tuplestorestate *store, TupleDesc desc)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(migration->relid, AccessShareLock, NULL))
	{
		Relation	rel;
		Listing		listing = {.store = store, .desc = desc};

		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_RELATION)
			continue;
		rel = table_open(lfirst_oid(lc), NoLock);
		listing.rel = rel;
		(void) rows_check(&(RowRange) {
			.rel = rel, .begin = 0, .end = RelationGetNumberOfBlocks(rel),
		}, migration->id, GetActiveSnapshot(), list_disagreement, &listing, NULL);
		table_close(rel, NoLock);
	}
}
