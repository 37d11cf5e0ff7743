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
#include "backfill/cursor.h"
#include "backfill/pace.h"
#include "backfill/rows.h"
#include "backfill/verify.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/step_progress.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "sync/outcome.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verbs/verbs.h"
#include "compat.h"

/* Rest before a leaf that somebody has locked is looked at again. */
#define LOCKED_LEAF_PAUSE_MS 250

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

bool
verify_batch(const Migration *migration, const Step *step, BatchState *state, int *pause_ms)
{
	Cursor	   *cursor;
	RowRange	range;
	Findings	found = {0};
	instr_time	start;
	instr_time	end;
	double		elapsed;
	Naps		naps;

	INSTR_TIME_SET_CURRENT(start);
	naps_begin(&naps);
	PushActiveSnapshot(GetLatestSnapshot());
	cursor = cursor_load(step, false, &state->clock);
	if (!cursor_settle(cursor, migration->relid))
	{
		cursor_save(step, cursor, 0, NULL);
		step_mark_done(step, verb_sql(step, false, FLAVOUR_RUN));
		PopActiveSnapshot();
		CommitTransactionCommand();
		return true;
	}
	/* a leaf that was attached since the locks were acquired is not among them */
	if (!ConditionalLockRelationOid(cursor->leaf, AccessShareLock))
	{
		PopActiveSnapshot();
		CommitTransactionCommand();
		*pause_ms = LOCKED_LEAF_PAUSE_MS;
		return false;
	}
	range.rel = table_open(cursor->leaf, NoLock);
	cursor_check_storage(cursor, range.rel);
	range.begin = cursor->block;
	cursor_open_window(cursor, state->verify_blocks, false);
	range.end = cursor->window_end;
	found.rel = range.rel;
	initStringInfo(&found.examples);
	cursor->rows_done += rows_check(&range, migration->id, GetActiveSnapshot(),
									count_disagreement, &found, &naps);
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
	table_close(range.rel, NoLock);
	cursor_advance(cursor, range.end, true, NIL);
	PopActiveSnapshot();

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	elapsed = INSTR_TIME_GET_MILLISEC(end);
	PushActiveSnapshot(GetTransactionSnapshot());
	cursor_save(step, cursor, elapsed, NULL);
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (range.end - range.begin == state->verify_blocks)
		state->verify_blocks = pace_next_blocks(state->verify_blocks, elapsed, guc_batch_time);
	*pause_ms = pace_rest(elapsed, naps.rested_ms, guc_batch_rest, 0, 0);
	return false;
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
