/*-------------------------------------------------------------------------
 *
 * apply_write.c
 *		Carrying the rows of a table over to the hidden one beside it.
 *
 * The unique indexes of the hidden table but the key are made as if they were not
 * unique, and exclusion constraints as plain indexes: the rows satisfy them whenever
 * those of the table do, which are looked at there; but here they arrive in the order
 * in which triggers fire, not in which they were written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/misfit.h"
#include "core/errors.h"
#include "core/names.h"
#include "executor/executor.h"
#include "sync/apply.h"
#include "sync/apply_parts.h"
#include "sync/outcome.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

static bool
is_wanted_by(Apply *apply, IndexInfo *info, TupleTableSlot *row)
{
	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, apply->estate);
	GetPerTupleExprContext(apply->estate)->ecxt_scantuple = row;
	return ExecQual(info->ii_PredicateState, GetPerTupleExprContext(apply->estate));
}

/* Are two versions of a row the same to the index?  Then it makes room by the entries of dead ones. */
static bool
is_unchanged(const IndexInfo *info, TupleTableSlot *row, TupleTableSlot *before)
{
	for (int i = 0; i < info->ii_NumIndexKeyAttrs; i++)
	{
		AttrNumber	attnum = info->ii_IndexAttrNumbers[i];
		Form_pg_attribute att;
		bool		isnull;
		bool		before_isnull;
		Datum		value;
		Datum		before_value;

		if (attnum <= 0)
			return false;
		att = TupleDescAttr(row->tts_tupleDescriptor, attnum - 1);
		value = slot_getattr(row, attnum, &isnull);
		before_value = slot_getattr(before, attnum, &before_isnull);
		if (!apply_is_value(att, value, isnull, before_value, before_isnull))
			return false;
	}
	return true;
}

/*
 * False, with the entry in the index, if the key has perhaps another row.  "before": what
 * the row was, or NULL: by that it was found, so its key is the same.
 */
static bool
insert_index_entry(Apply *apply, ApplyLeaf *leaf, TupleTableSlot *row, int number, TupleTableSlot *before)
{
	Relation	index = leaf->result_rel->ri_IndexRelationDescs[number];
	IndexInfo  *info = leaf->result_rel->ri_IndexRelationInfo[number];
	bool		unique = before == NULL && RelationGetRelid(index) == leaf->key_id && index->rd_index->indisunique;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	info->ii_Context = apply->scratch;
	if (!info->ii_ReadyForInserts || !is_wanted_by(apply, info, row))
		return true;
	GetPerTupleExprContext(apply->estate)->ecxt_scantuple = row;
	FormIndexDatum(info, row, apply->estate, values, isnull);
	/* PARTIAL: nobody is waited for who may have written another row of the key */
	return index_insert(index, values, isnull, &row->tts_tid, leaf->rel,
						unique ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_NO,
						before != NULL && is_unchanged(info, row, before), info) || !unique;
}

bool
apply_insert_index_entries(Apply *apply, ApplyLeaf *leaf, TupleTableSlot *row, TupleTableSlot *before, bool only_summarizing)
{
	bool		unique = true;

	for (int i = 0; i < leaf->result_rel->ri_NumIndices; i++)
	{
		if (only_summarizing && !zdm_index_is_summarizing(leaf->result_rel->ri_IndexRelationInfo[i]))
			continue;
		unique &= insert_index_entry(apply, leaf, row, i, before);
	}
	ResetPerTupleExprContext(apply->estate);
	return unique;
}

pg_noreturn static void refuse(ApplyLeaf *leaf, TM_Result result);

static void
refuse(ApplyLeaf *leaf, TM_Result result)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("a row of hidden table %s was changed by somebody else (%d)",
					names_relation(leaf->relid), (int) result)));
}

/*
 * A command cannot write again what it has written itself: if that was this transaction,
 * it begins another one.
 */
static void
begin_command(TupleTableSlot *found)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(found, MinTransactionIdAttributeNumber, &isnull);

	if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin)))
		CommandCounterIncrement();
}

static TM_Result
update(Apply *apply, ApplyLeaf *leaf, TupleTableSlot *found)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	zdm_update_indexes update_indexes;
	TM_Result	result = table_tuple_update(leaf->rel, &found->tts_tid, leaf->row, GetCurrentCommandId(true),
											InvalidSnapshot, InvalidSnapshot, true, &failure, &lockmode,
											&update_indexes);

	if (result == TM_Ok && ZDM_NEED_INDEXES(update_indexes))
		(void) apply_insert_index_entries(apply, leaf, leaf->row, found, ZDM_ONLY_SUMMARIZING(update_indexes));
	return result;
}

void
apply_delete(ApplyLeaf *leaf, ItemPointer tid)
{
	TM_FailureData failure;
	TM_Result	result = table_tuple_delete(leaf->rel, tid, GetCurrentCommandId(true), InvalidSnapshot,
											InvalidSnapshot, true, &failure, false);

	if (result != TM_Ok)
		refuse(leaf, result);
}

/* Insert the row that was made; false, with nothing inserted, if the key has another row. */
static bool
insert(Apply *apply, ApplyLeaf *leaf)
{
	ItemPointerData tid;

	/* logical decoding leaves the table out anyway; so nothing need be kept for it */
	table_tuple_insert(leaf->rel, leaf->row, GetCurrentCommandId(true), TABLE_INSERT_NO_LOGICAL, NULL);
	tid = leaf->row->tts_tid;
	if (apply_insert_index_entries(apply, leaf, leaf->row, NULL, false))
		return true;
	/* to this very command it is not there yet */
	CommandCounterIncrement();
	apply_delete(leaf, &tid);
	return false;
}

/*
 * The row is one that the hidden table cannot hold.  Before it has the name, that is to
 * be mended; afterwards, it closes the way back.  One in a statement says enough.
 */
static void
note_misfit(Apply *apply, TupleTableSlot *slot, int sqlstate, const char *message)
{
	char	   *key;

	if (apply->noted)
		return;
	key = row_key(apply->here->rel, slot);
	misfit_insert(&(Misfit) {
		.migration = apply->migration,
		.direction = apply->turned ? MISFIT_DOWN : MISFIT_UP,
		.relation = names_relation(apply->source.root),
		.key = key ? psprintf("row %s", key) : "a row (the table has no primary key)",
		.sqlstate = unpack_sql_state(sqlstate),
		.message = message,
	});
	apply->noted = true;
}

/* Put a row there that the hidden table has no like of; false if one came first. */
static bool
put_new(Apply *apply, TupleTableSlot *slot)
{
	ErrorData  *error;

	if (apply->wanted.error != NULL)
		note_misfit(apply, slot, apply->wanted.error->sqlerrcode, apply->wanted.error->message);
	else if (apply->there == NULL)
		note_misfit(apply, slot, ERRCODE_CHECK_VIOLATION, APPLY_NO_PARTITION);
	else if (!apply_make_row(apply, slot, apply->there->row, NULL, &error))
		note_misfit(apply, slot, error->sqlerrcode, error->message);
	else
		return insert(apply, apply->there);
	return true;
}

static void
put_over(Apply *apply, TupleTableSlot *slot, TupleTableSlot *found)
{
	TM_Result	result;
	ErrorData  *error;

	if (apply_is_others(apply, slot))
	{
		note_misfit(apply, slot, ERRCODE_UNIQUE_VIOLATION, APPLY_SAME_KEY);
		return;
	}
	begin_command(found);
	if (!apply_make_row(apply, slot, apply->there->row, found, &error))
	{
		note_misfit(apply, slot, error->sqlerrcode, error->message);
		/* not as it was, either: so that it is missed, and copied once it is mended */
		apply_delete(apply->there, &found->tts_tid);
		return;
	}
	result = update(apply, apply->there, found);
	if (result != TM_Ok)
		refuse(apply->there, result);
}

void
apply_put(Apply *apply, TupleTableSlot *slot)
{
	TupleTableSlot *found;

	/* the copy can come first once; it does not come back to a row before this transaction is over */
	for (int tries = 0; tries < 2; tries++)
	{
		if (apply_find_for_writer(apply, slot, &found))
		{
			put_over(apply, slot, found);
			return;
		}
		if (put_new(apply, slot))
			return;
	}
	note_misfit(apply, slot, ERRCODE_UNIQUE_VIOLATION, APPLY_SAME_KEY);
}

/*
 * Deleted and inserted again by one transaction: the later one is, or will be, put in
 * its place.  It may be in another partition: then in that of the values which the
 * hidden row has by now.
 */
static bool
is_again(Apply *apply, ApplyLeaf *there, TupleTableSlot *slot)
{
	return apply_has_place(apply, apply->here, there, slot, apply->here->att, FORM_OTHER, SnapshotSelf) ||
		(!apply->same_keys && apply_find_source(apply, there, there->found, SnapshotSelf));
}

/* Is the hidden row that was found that of the row in the slot? */
static bool
is_like(Apply *apply, TupleTableSlot *found, TupleTableSlot *slot)
{
	ApplyRow	one = apply_row_for(apply, &apply->source, found, apply->there->att, FORM_OTHER);
	ApplyRow	other = apply_row_for(apply, &apply->source, slot, apply->here->att, FORM_OWN);

	return apply_equal_keys(apply, &apply->source, &one, &other);
}

void
apply_remove(Apply *apply, TupleTableSlot *slot)
{
	TupleTableSlot *found;
	ApplyLeaf  *there;

	/* not copied yet, and never will be */
	if (!apply_find_for_writer(apply, slot, &found))
		return;
	there = apply->there;
	if (!apply->same_keys && !is_like(apply, found, slot))
		return;
	if (is_again(apply, there, slot))
		return;
	begin_command(found);
	apply_delete(there, &found->tts_tid);
}
