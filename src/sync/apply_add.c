/*-------------------------------------------------------------------------
 *
 * apply_add.c
 *		Rows that were there before the trigger was.
 *
 * What the copy does (backfill/copy_rows.c): rows as a snapshot has seen them, many at once,
 * as that takes one place in the WAL for all of a page and looks for none of them.  Whether
 * one is there already shows as it is put there; then it is taken back, and so is one that
 * somebody else has begun to write (apply_open.c tells why no row need be locked for that).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/names.h"
#include "executor/tuptable.h"
#include "sync/apply.h"
#include "sync/apply_parts.h"
#include "sync/outcome.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

pg_noreturn static void refuse_row(Apply *apply, TupleTableSlot *slot, int sqlstate, const char *message);

static void
refuse_row(Apply *apply, TupleTableSlot *slot, int sqlstate, const char *message)
{
	char	   *key = row_key(apply->here->rel, slot);

	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s: %s", names_relation(apply->hidden.root), message),
			 errdetail("It is %s of %s.", key != NULL ? key : "a row", names_relation(apply->here->relid)),
			 apply_is_sought(apply) ?
			 errhint("Mend the row, or, if it is a partition that it lacks, give %s one of which the bound becomes that, or a default one; then SELECT zdm.resume(" INT64_FORMAT ").",
					 names_relation(apply->source.root), apply->migration) : 0));
}

/* How the version of a row is now that a snapshot has seen: ADDED if it is still that. */
static ApplyOutcome
look_again(Apply *apply, TupleTableSlot *slot)
{
	SnapshotData dirty;

	InitDirtySnapshot(dirty);
	if (!table_tuple_satisfies_snapshot(apply->here->rel, slot, &dirty))
		return APPLY_GONE;
	return TransactionIdIsValid(dirty.xmax) ? APPLY_LATER : APPLY_ADDED;
}

/* An error, unless somebody is at the row. */
static void
refuse_new(Apply *apply, ApplyNew *new, int sqlstate, const char *message)
{
	new->outcome = look_again(apply, new->slot);
	if (new->outcome == APPLY_ADDED)
		refuse_row(apply, new->slot, sqlstate, message);
}

/* Its key has a row, which was found. */
static void
settle(Apply *apply, ApplyNew *new)
{
	new->outcome = APPLY_WAS_THERE;
	if (apply_is_others(apply, new->slot))
		refuse_new(apply, new, ERRCODE_UNIQUE_VIOLATION, APPLY_SAME_KEY);
}

/*
 * Can the row's like have been put there by a trigger?  Not that of one from before the
 * hidden table.  That is a hint which spares the search, as either table's rows may have been
 * frozen since: that one is there shows as it is put there, where the key is unique.
 */
static bool
may_be_there(ApplyLeaf *leaf, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return !apply_key(leaf)->rd_index->indisunique ||
		!TransactionIdPrecedes(DatumGetTransactionId(xmin), leaf->rel->rd_rel->relfrozenxid);
}

/* A slot for one more of the leaf's rows. */
static TupleTableSlot *
next_slot(Apply *apply, ApplyLeaf *leaf)
{
	if (leaf->nrows == leaf->room)
	{
		MemoryContext caller = MemoryContextSwitchTo(apply->context);
		int			room = leaf->room == 0 ? 8 : 2 * leaf->room;

		leaf->rows = leaf->room == 0 ? palloc(room * sizeof(TupleTableSlot *)) : repalloc(leaf->rows, room * sizeof(TupleTableSlot *));
		leaf->news = leaf->room == 0 ? palloc(room * sizeof(ApplyNew *)) : repalloc(leaf->news, room * sizeof(ApplyNew *));
		for (; leaf->room < room; leaf->room++)
			leaf->rows[leaf->room] = apply_row_slot(leaf);
		MemoryContextSwitchTo(caller);
	}
	return leaf->rows[leaf->nrows];
}

/* Make a tuple of it that stays until add_to_leaf(). */
static void
make_new(Apply *apply, ApplyNew *new)
{
	ApplyLeaf  *leaf = apply->there;
	TupleTableSlot *row = next_slot(apply, leaf);
	ErrorData  *error;

	if (!apply_make_row(apply, new->slot, row, NULL, &error))
	{
		refuse_new(apply, new, error->sqlerrcode, error->message);
		return;
	}
	ExecMaterializeSlot(row);
	new->leaf = leaf;
	leaf->news[leaf->nrows++] = new;
}

void
apply_prepare_new(Apply *apply, ApplyNew *new, bool look)
{
	TransactionId writer = InvalidTransactionId;
	bool		had = false;

	new->leaf = NULL;
	/* what somebody is writing would be taken back again */
	new->outcome = look_again(apply, new->slot);
	if (new->outcome != APPLY_ADDED)
		return;
	if (apply_seek_hidden(apply, new->slot) && (look || may_be_there(apply->there, new->slot)))
	{
		had = apply_find_row_now(apply, &apply->hidden, apply->there, &apply->wanted, &writer);
		if (had)
			settle(apply, new);
		else if (TransactionIdIsValid(writer))
			new->outcome = APPLY_LATER;	/* it would only be taken back, each time we come */
	}
	if (had || new->outcome != APPLY_ADDED)
		return;
	if (apply->wanted.error != NULL)
		refuse_new(apply, new, apply->wanted.error->sqlerrcode, apply->wanted.error->message);
	else if (apply->there == NULL)
		refuse_new(apply, new, ERRCODE_CHECK_VIOLATION, APPLY_NO_PARTITION);
	else
		make_new(apply, new);
}

static void
add_to_leaf(Apply *apply, ApplyLeaf *leaf)
{
	int			options = apply->at_the_end ? TABLE_INSERT_SKIP_FSM : 0;

	/* logical decoding leaves the table out anyway; but only of single rows nothing need be kept for it */
	if (!RelationIsLogicallyLogged(leaf->rel))
		table_multi_insert(leaf->rel, leaf->rows, leaf->nrows, GetCurrentCommandId(true), options, NULL);
	else
	{
		for (int i = 0; i < leaf->nrows; i++)
			table_tuple_insert(leaf->rel, leaf->rows[i], GetCurrentCommandId(true), options | TABLE_INSERT_NO_LOGICAL, NULL);
	}
	for (int i = 0; i < leaf->nrows; i++)
	{
		leaf->news[i]->tid = leaf->rows[i]->tts_tid;
		if (!apply_insert_index_entries(apply, leaf, leaf->rows[i], NULL, false))
			leaf->news[i]->outcome = APPLY_WAS_THERE;
		ExecClearTuple(leaf->rows[i]);
	}
	leaf->nrows = 0;
}

/* It has been put there, and should not have been. */
static void
take_back(ApplyNew *new)
{
	/* to this very command it is not there yet */
	CommandCounterIncrement();
	apply_delete(new->leaf, &new->tid);
}

/* The key had a row: one that stays, or one that is not committed. */
static void
settle_taken(Apply *apply, ApplyNew *new)
{
	TupleTableSlot *found;

	if (apply_find_hidden(apply, new->slot, SnapshotSelf, &found))
	{
		settle(apply, new);
		return;
	}
	new->outcome = look_again(apply, new->slot);
	if (new->outcome == APPLY_ADDED)
		new->outcome = APPLY_LATER;
}

void
apply_add_prepared(Apply *apply, ApplyNew *news, int count)
{
	ListCell   *lc;

	foreach(lc, apply->hidden.leaves)
	{
		if (((ApplyLeaf *) lfirst(lc))->nrows > 0)
			add_to_leaf(apply, lfirst(lc));
	}
	ZDM_DEBUG_POINT("copy-rows-added");
	for (int i = 0; i < count; i++)
	{
		ApplyNew   *new = &news[i];
		bool		taken = new->outcome == APPLY_WAS_THERE;

		if (new->leaf == NULL)
			continue;
		/*
		 * Closes the race with who writes the row meanwhile: they mark it first, and look
		 * for its like then; we have put that there first, and look for the mark now.  One
		 * of us sees the other.
		 */
		if (!taken)
			new->outcome = look_again(apply, new->slot);
		if (taken || new->outcome != APPLY_ADDED)
			take_back(new);
		if (taken)
			settle_taken(apply, new);
	}
}
