/*-------------------------------------------------------------------------
 *
 * apply_find.c
 *		Where the like of a row is.
 *
 * Of partitioned tables the column that the two have of different types can be in the
 * partition key, and so in every key: then its value there is computed first, and partition
 * and row are sought by that.  So that no two rows come to have one key, the value has to make
 * again the one that it was made of; a row of which it does not is one that the hidden table
 * cannot hold.  That holds for whatever the two expressions are, as long as they read this
 * column alone.
 *
 * Where the key has the column and nothing is partitioned (integers only: what the change
 * is allowed for), rows are found by the operators that compare the two types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "core/attempt.h"
#include "core/claim.h"
#include "core/errors.h"
#include "executor/executor.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "sync/apply.h"
#include "sync/apply_parts.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

static ApplyLevel *
open_level(Apply *apply, ApplySide *side, Oid relid, Relation *rel)
{
	MemoryContext caller = MemoryContextSwitchTo(apply->context);
	ApplyLevel *level = NULL;
	ListCell   *lc;

	*rel = table_open(relid, side->hidden ? RowExclusiveLock : AccessShareLock);
	side->open = lappend(side->open, *rel);
	foreach(lc, side->levels)
	{
		level = lfirst(lc);
		if (level->relid == relid)
			break;
		level = NULL;
	}
	if (level == NULL)
	{
		level = palloc0(sizeof(ApplyLevel));
		level->relid = relid;
		level->att = apply_columns_of(apply, RelationGetDescr(*rel));
		level->route.estate = apply->estate;
		level->slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(*rel)), &TTSOpsVirtual);
		side->levels = lappend(side->levels, level);
	}
	MemoryContextSwitchTo(caller);
	return level;
}

Datum
apply_get_column(const Apply *apply, const ApplyRow *row, int column, bool *isnull)
{
	if (!row->translated || apply->converted->column != column)
		return slot_getattr(row->slot, row->att[column], isnull);
	*isnull = row->isnull;
	return row->value;
}

void
apply_fill_level(Apply *apply, ApplyLevel *level, const ApplyRow *row)
{
	ExecClearTuple(level->slot);
	memset(level->slot->tts_isnull, true, level->slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot_getallattrs(row->slot);
	for (int i = 0; i < apply->ncolumns; i++)
	{
		int			to = level->att[i] - 1;

		level->slot->tts_values[to] = apply_get_column(apply, row, i, &level->slot->tts_isnull[to]);
	}
	ExecStoreVirtualTuple(level->slot);
	level->slot->tts_tableOid = level->relid;
}

/* ---- the value that the other side has of the column ---- */

/* The expression's value of a row of the side's, of which it reads that column alone. */
static Datum
compute_alone(Apply *apply, ApplySide *side, SyncExpr *expr, Datum value, bool isnull, bool *result_isnull)
{
	TupleTableSlot *slot = side->whole.slot;
	int			place = side->whole.att[apply->converted->column] - 1;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot->tts_values[place] = value;
	slot->tts_isnull[place] = isnull;
	ExecStoreVirtualTuple(slot);
	return expr_eval(expr, slot, result_isnull);
}

typedef struct Translation
{
	Apply	   *apply;
	ApplyRow   *row;
	bool		to_hidden;
} Translation;

bool
apply_is_value(Form_pg_attribute att, Datum one, bool one_isnull, Datum other, bool other_isnull)
{
	if (one_isnull || other_isnull)
		return one_isnull && other_isnull;
	return datum_image_eq(one, other, att->attbyval, att->attlen);
}

/* Two rows of the source could come to have one key in the hidden table, if values need not come back. */
static void
check_comes_back(const Translation *translation, Datum value, bool isnull)
{
	const ApplyConverted *converted = translation->apply->converted;
	const ApplyRow *row = translation->row;
	bool		again_isnull;
	Datum		again = compute_alone(translation->apply, &translation->apply->hidden, translation->apply->conversion->back, row->value, row->isnull,
									  &again_isnull);

	if (!apply_is_value(converted->source, value, isnull, again, again_isnull))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("it would not come back as it is, and another row could get its key")));
}

static void
run_translation(void *arg)
{
	Translation *translation = arg;
	Apply	   *apply = translation->apply;
	ApplyRow   *row = translation->row;
	bool		isnull;
	Datum		value = slot_getattr(row->slot, row->att[apply->converted->column], &isnull);

	row->value = compute_alone(apply, translation->to_hidden ? &apply->source : &apply->hidden,
							   translation->to_hidden ? apply->conversion->value : apply->conversion->back,
							   value, isnull, &row->isnull);
	if (translation->to_hidden && !apply->converted->exact)
		check_comes_back(translation, value, isnull);
}

static void
compute_translation(Apply *apply, const ApplySide *side, ApplyRow *row)
{
	const ApplyConverted *converted = apply->converted;
	Translation translation = {.apply = apply, .row = row, .to_hidden = side->hidden};

	row->translated = true;
	if ((converted->exact || !side->hidden) && !expr_can_fail(side->hidden ? apply->conversion->value : apply->conversion->back))
		run_translation(&translation);
	else if (!attempt_run(run_translation, &translation, ATTEMPT_KEEP, &row->error))
	{
		if (attempt_blames_server(row->error))
			ReThrowError(row->error);
		row->error->message = psprintf("column \"%s\" cannot be computed: %s", NameStr(converted->source->attname), row->error->message);
	}
}

ApplyRow
apply_row_for(Apply *apply, const ApplySide *side, TupleTableSlot *slot, const AttrNumber *att, ApplyForm form)
{
	ApplyRow	row = {.slot = slot, .att = att, .other = form == FORM_OTHER};

	if (row.other && apply_is_sought(apply))
		compute_translation(apply, side, &row);
	return row;
}

/* ---- which one it is ---- */

ApplyLeaf *
apply_find_leaf(Apply *apply, ApplySide *side, const ApplyRow *row)
{
	Oid			relid = side->root;

	if (row->error != NULL)
		return NULL;
	if (!side->partitioned)
		return apply_open_leaf(apply, side, side->root);
	do
	{
		Relation	rel;
		ApplyLevel *level = open_level(apply, side, relid, &rel);

		apply_fill_level(apply, level, row);
		relid = route_find(&level->route, rel, level->slot);
		ExecClearTuple(level->slot);
	} while (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE);
	return OidIsValid(relid) ? apply_open_leaf(apply, side, relid) : NULL;
}

/* The key that the row has; false if it has a NULL in it, as no row's has. */
static bool
fill_scan_keys(const Apply *apply, const ApplySide *side, const ApplyRow *row, ScanKeyData *keys)
{
	for (int i = 0; i < side->nkeys; i++)
	{
		bool		isnull;
		Datum		value = apply_get_column(apply, row, side->keys[i], &isnull);

		if (isnull)
			return false;
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber,
							   row->other ? side->foreign_types[i] : InvalidOid, side->collations[i],
							   row->other ? side->foreign_equal[i] : side->equal[i].fn_oid, value);
	}
	return true;
}

bool
apply_equal_keys(const Apply *apply, ApplySide *side, const ApplyRow *a, const ApplyRow *b)
{
	if (a->error != NULL || b->error != NULL)
		return false;
	for (int i = 0; i < side->nkeys; i++)
	{
		bool		one_null;
		bool		other_null;
		Datum		one = apply_get_column(apply, a, side->keys[i], &one_null);
		Datum		other = apply_get_column(apply, b, side->keys[i], &other_null);

		if (one_null || other_null || !DatumGetBool(FunctionCall2Coll(&side->equal[i], side->collations[i], one, other)))
			return false;
	}
	return true;
}

/* Can a row be looked for by its place, and be compared with one that has its key in that side's types? */
static bool
has_neighbours(const Apply *apply, const ApplySide *side, const ApplyLeaf *leaf)
{
	if (!apply->abreast || !neighbour_is_known(leaf->rel))
		return false;
	for (int i = 0; i < side->nkeys; i++)
	{
		if (OidIsValid(side->foreign_types[i]))
			return false;
	}
	return true;
}

/* Is the row where it is if both tables have them in one order: behind the one that was found last? */
static bool
is_next(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, Snapshot snapshot)
{
	ApplyRow	next = {.slot = leaf->found, .att = leaf->att};

	return neighbour_next(&leaf->neighbour, leaf->rel, snapshot, leaf->found) && apply_equal_keys(apply, side, &next, row);
}

/* What looks a row up by the index; NULL: it has a NULL in its key, as no row's has. */
static IndexScanDesc
begin_search(const Apply *apply, const ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, Snapshot snapshot)
{
	IndexScanDesc scan;
	ScanKeyData keys[INDEX_MAX_KEYS];

	if (!fill_scan_keys(apply, side, row, keys))
		return NULL;
	scan = zdm_index_beginscan(leaf->rel, apply_key(leaf), snapshot, side->nkeys);
	index_rescan(scan, keys, side->nkeys, NULL, 0);
	return scan;
}

static bool
search(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, Snapshot snapshot)
{
	IndexScanDesc scan = begin_search(apply, side, leaf, row, snapshot);
	bool		found = scan != NULL && index_getnext_slot(scan, ForwardScanDirection, leaf->found);

	if (scan != NULL)
		index_endscan(scan);
	return found;
}

bool
apply_find_row(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, Snapshot snapshot)
{
	if (!has_neighbours(apply, side, leaf))
		return search(apply, side, leaf, row, snapshot);
	if (!is_next(apply, side, leaf, row, snapshot) && !search(apply, side, leaf, row, snapshot))
		return false;
	leaf->neighbour.last = leaf->found->tts_tid;
	return true;
}

/* Is the process the migration's worker, or one of its helpers? */
static bool
is_copier(int pid, int64 migration)
{
	ListCell   *lc;

	if (pid == claim_holder(CLAIM_MIGRATION, migration))
		return true;
	foreach(lc, claim_holders(CLAIM_HELPER))
	{
		const ClaimHolder *holder = lfirst(lc);

		if (holder->pid == pid && claim_helped(holder->number) == migration)
			return true;
	}
	return false;
}

/*
 * Is the transaction a batch of the copy's, or over by now?  As long as that is in progress
 * its process has the claim; one that is asked for after it may be gone, and so may that.
 */
static bool
is_copys(const Apply *apply, TransactionId xid)
{
	int			pid = BackendXidGetPid(xid);

	return (pid != 0 && is_copier(pid, apply->migration)) || !TransactionIdIsInProgress(xid);
}

bool
apply_find_row_now(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, TransactionId *writer)
{
	SnapshotData dirty;
	IndexScanDesc scan;
	bool		found = false;

	InitDirtySnapshot(dirty);
	*writer = InvalidTransactionId;
	scan = begin_search(apply, side, leaf, row, &dirty);
	while (scan != NULL && !found && index_getnext_slot(scan, ForwardScanDirection, leaf->found))
	{
		found = !TransactionIdIsValid(dirty.xmin);
		if (!found && (!TransactionIdIsValid(*writer) || is_copys(apply, dirty.xmin)))
			*writer = dirty.xmin;
	}
	if (scan != NULL)
		index_endscan(scan);
	return found;
}

bool
apply_seek_hidden(Apply *apply, TupleTableSlot *slot)
{
	apply->wanted = apply_row_for(apply, &apply->hidden, slot, apply->here->att, FORM_OTHER);
	apply->there = apply_find_leaf(apply, &apply->hidden, &apply->wanted);
	return apply->there != NULL;
}

bool
apply_find_hidden(Apply *apply, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot **found)
{
	bool		had = apply_seek_hidden(apply, slot) && apply_find_row(apply, &apply->hidden, apply->there, &apply->wanted, snapshot);

	*found = apply->there != NULL ? apply->there->found : NULL;
	return had;
}

bool
apply_find_for_writer(Apply *apply, TupleTableSlot *slot, TupleTableSlot **found)
{
	TransactionId writer;
	bool		had;

	*found = NULL;
	if (!apply_seek_hidden(apply, slot))
		return false;
	*found = apply->there->found;
	/*
	 * A batch is short, and waits for no row, so for nobody who waits for it; who else has
	 * put a row there writes another one of the table.
	 */
	while (!(had = apply_find_row_now(apply, &apply->hidden, apply->there, &apply->wanted, &writer)) &&
		   TransactionIdIsValid(writer) && is_copys(apply, writer))
		XactLockTableWait(writer, NULL, NULL, XLTW_None);
	return had;
}

/* Has the leaf at hand another row of the key, where that is not unique? */
static bool
has_twin(Apply *apply, const ApplyRow *row)
{
	ApplySide  *side = &apply->source;
	ApplyLeaf  *leaf = apply->here;
	IndexScanDesc scan = apply->loose ? begin_search(apply, side, leaf, row, SnapshotSelf) : NULL;
	bool		twin = false;

	while (scan != NULL && !twin && index_getnext_slot(scan, ForwardScanDirection, leaf->found))
		twin = !ItemPointerEquals(&leaf->found->tts_tid, &row->slot->tts_tid);
	if (scan != NULL)
		index_endscan(scan);
	return twin;
}

bool
apply_is_others(Apply *apply, TupleTableSlot *slot)
{
	ApplyLeaf  *there = apply->there;
	ApplyLeaf  *leaf;
	ApplyRow	own;
	ApplyRow	found;

	if (apply->same_keys)
		return false;
	found = apply_row_for(apply, &apply->source, there->found, there->att, FORM_OTHER);
	leaf = apply_find_leaf(apply, &apply->source, &found);
	if (leaf == NULL)
		return false;
	own = apply_row_for(apply, &apply->source, slot, apply->here->att, FORM_OWN);
	if (leaf == apply->here && apply_equal_keys(apply, &apply->source, &found, &own))
		return has_twin(apply, &own);
	return apply_find_row(apply, &apply->source, leaf, &found, SnapshotSelf);
}

bool
apply_has_place(Apply *apply, ApplyLeaf *source, ApplyLeaf *there, TupleTableSlot *slot, const AttrNumber *att,
				ApplyForm form, Snapshot snapshot)
{
	ApplyRow	sought = apply_row_for(apply, &apply->source, slot, att, form == FORM_OWN ? FORM_OTHER : FORM_OWN);
	ApplyRow	place;
	ApplyRow	found;

	if (source == NULL || sought.error != NULL || !apply_find_row(apply, &apply->source, source, &sought, snapshot))
		return false;
	if (apply->same_keys)
		return true;
	place = apply_row_for(apply, &apply->hidden, slot, att, form);
	found = apply_row_for(apply, &apply->hidden, source->found, source->att, FORM_OTHER);
	return apply_equal_keys(apply, &apply->hidden, &found, &place) && apply_find_leaf(apply, &apply->hidden, &found) == there;
}

bool
apply_find_source(Apply *apply, ApplyLeaf *there, TupleTableSlot *slot, Snapshot snapshot)
{
	ApplyRow	row = apply_row_for(apply, &apply->source, slot, there->att, FORM_OTHER);

	return apply_has_place(apply, apply_find_leaf(apply, &apply->source, &row), there, slot, there->att, FORM_OWN, snapshot);
}

bool
apply_has_source(Apply *apply, Relation hidden, TupleTableSlot *slot, Snapshot snapshot)
{
	return apply_find_source(apply, apply_open_leaf(apply, &apply->hidden, RelationGetRelid(hidden)), slot, snapshot);
}
