/*-------------------------------------------------------------------------
 *
 * apply.c
 *		Carrying the rows of a table over to the hidden one beside it.
 *
 * Two kinds of process write the hidden table: sessions that write the table,
 * through its trigger, and the worker that copies what was there before.  Each
 * holds the row of the table when it writes its like: the session has written or
 * deleted it, the worker has locked it.  So at most one at a time is at work on a
 * key, and what the one before it has done is committed or undone by then.  That is
 * why rows are looked up as they are now, whatever the transaction's snapshot sees:
 * a writer at REPEATABLE READ finds a row that was copied after it began, and goes
 * on.
 *
 * The unique indexes of the hidden table but the key are made as if they were not
 * unique, and exclusion constraints as plain indexes: the rows satisfy them whenever
 * those of the table do, which are looked at there; but here they arrive in the order
 * in which triggers fire, not in which they were written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/table_key.h"
#include "core/errors.h"
#include "core/names.h"
#include "executor/executor.h"
#include "sync/apply.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

static bool
same_form(TupleDesc a, TupleDesc b)
{
	if (a->natts != b->natts)
		return false;
	for (int i = 0; i < a->natts; i++)
	{
		Form_pg_attribute one = TupleDescAttr(a, i);
		Form_pg_attribute other = TupleDescAttr(b, i);

		if (one->attisdropped != other->attisdropped || one->attlen != other->attlen ||
			one->attbyval != other->attbyval || one->attalign != other->attalign)
			return false;
	}
	return true;
}

bool
apply_is_possible(Relation source, Relation hidden, Oid key)
{
	return hidden->rd_rel->relrewrite == RelationGetRelid(source) &&
		same_form(RelationGetDescr(source), RelationGetDescr(hidden)) &&
		list_member_oid(RelationGetIndexList(source), key) && table_key_is_one(source, key);
}

/* The hidden table's index that is unique: it has one. */
static int
find_key(Apply *apply)
{
	for (int i = 0; i < apply->result_rel->ri_NumIndices; i++)
	{
		if (apply->result_rel->ri_IndexRelationDescs[i]->rd_index->indisunique)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("table %s has no unique index", names_relation(apply->hidden_id))));
}

/*
 * Where the executor opens indexes for a statement, we do so for each row: a trigger
 * is not told of the end of its statement.  What is made for them is kept.
 */
static void
open_indexes(Apply *apply)
{
	ResultRelInfo *rri = apply->result_rel;
	int			i = 0;
	ListCell   *lc;

	foreach(lc, apply->indexes)
		rri->ri_IndexRelationDescs[i++] = index_open(lfirst_oid(lc), RowExclusiveLock);
}

static void
list_indexes(Apply *apply)
{
	ResultRelInfo *rri = apply->result_rel;
	int			n;

	apply->indexes = RelationGetIndexList(apply->hidden);
	n = list_length(apply->indexes);
	rri->ri_NumIndices = n;
	rri->ri_IndexRelationDescs = palloc0(n * sizeof(Relation));
	rri->ri_IndexRelationInfo = palloc0(n * sizeof(IndexInfo *));
	open_indexes(apply);
	for (int i = 0; i < n; i++)
		rri->ri_IndexRelationInfo[i] = BuildIndexInfo(rri->ri_IndexRelationDescs[i]);
}

bool
apply_begin(Apply *apply, Relation source, Oid hidden, Oid key)
{
	TupleDesc	source_desc;

	memset(apply, 0, sizeof(Apply));
	apply->hidden_id = hidden;
	apply->key_id = key;
	apply->source = source;
	apply->hidden = try_relation_open(hidden, RowExclusiveLock);
	if (apply->hidden == NULL)
		return false;
	if (!apply_is_possible(source, apply->hidden, key))
	{
		table_close(apply->hidden, NoLock);
		apply->hidden = NULL;
		return false;
	}
	/* copies, as what belongs to the relations may be rebuilt between two rows */
	apply->desc = CreateTupleDescCopy(RelationGetDescr(apply->hidden));
	source_desc = CreateTupleDescCopy(RelationGetDescr(source));
	apply->estate = CreateExecutorState();
	apply->result_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(apply->result_rel, apply->hidden, 0, NULL, 0);
	list_indexes(apply);
	apply->key = find_key(apply);
	apply->row = MakeSingleTupleTableSlot(apply->desc, &TTSOpsVirtual);
	apply->found = MakeSingleTupleTableSlot(apply->desc, table_slot_callbacks(apply->hidden));
	apply->own = MakeSingleTupleTableSlot(source_desc, table_slot_callbacks(source));
	apply->scratch = AllocSetContextCreate(CurrentMemoryContext, "zdm apply", ALLOCSET_SMALL_SIZES);
	apply_close(apply);
	return true;
}

void
apply_open(Apply *apply, Relation source)
{
	apply->source = source;
	apply->hidden = table_open(apply->hidden_id, RowExclusiveLock);
	apply->result_rel->ri_RelationDesc = apply->hidden;
	open_indexes(apply);
}

void
apply_close(Apply *apply)
{
	ResultRelInfo *rri = apply->result_rel;

	ExecClearTuple(apply->found);
	ExecClearTuple(apply->own);
	ExecClearTuple(apply->row);
	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		IndexInfo  *info = rri->ri_IndexRelationInfo[i];

		/* what an access method keeps for the next row refers to the open index */
		if (info->ii_AmCache != NULL)
			zdm_index_insert_cleanup(rri->ri_IndexRelationDescs[i], info);
		info->ii_AmCache = NULL;
		index_close(rri->ri_IndexRelationDescs[i], NoLock);
	}
	table_close(apply->hidden, NoLock);
	apply->hidden = NULL;
	MemoryContextReset(apply->scratch);
}

void
apply_end(Apply *apply)
{
	ExecDropSingleTupleTableSlot(apply->row);
	ExecDropSingleTupleTableSlot(apply->found);
	ExecDropSingleTupleTableSlot(apply->own);
	FreeExecutorState(apply->estate);
	MemoryContextDelete(apply->scratch);
}

static bool
find(Apply *apply, Relation heap, Relation index, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot *found)
{
	IndexScanDesc scan;
	ScanKeyData keys[INDEX_MAX_KEYS];
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	bool		had;

	for (int i = 0; i < nkeys; i++)
	{
		Oid			type = index->rd_opcintype[i];
		Oid			operator = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);
		bool		isnull;
		Datum		value = slot_getattr(slot, index->rd_index->indkey.values[i], &isnull);

		if (!OidIsValid(operator) || isnull)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("the key of table %s cannot be looked up", names_relation(RelationGetRelid(heap)))));
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
							   index->rd_indcollation[i], get_opcode(operator), value);
	}
	scan = zdm_index_beginscan(heap, index, snapshot, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	had = index_getnext_slot(scan, ForwardScanDirection, found);
	index_endscan(scan);
	return had;
}

bool
apply_find_hidden(Apply *apply, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot **found)
{
	*found = apply->found;
	return find(apply, apply->hidden, apply->result_rel->ri_IndexRelationDescs[apply->key], slot, snapshot, apply->found);
}

bool
apply_find_source(Apply *apply, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot **found)
{
	Relation	index = index_open(apply->key_id, AccessShareLock);
	bool		had = find(apply, apply->source, index, slot, snapshot, apply->own);

	*found = apply->own;
	index_close(index, NoLock);
	return had;
}

/*
 * A value as the column would store it today: one that is compressed by another
 * method, or stored compressed where it is not to be, is unpacked, and packed again
 * as it is written.
 */
static Datum
settle_value(Form_pg_attribute att, Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);
	ToastCompressionId method;
	char		wanted = CompressionMethodIsValid(att->attcompression) ? att->attcompression : default_toast_compression;

	if (!VARATT_IS_COMPRESSED(stored) && !VARATT_IS_EXTERNAL_ONDISK(stored))
		return value;
	method = toast_get_compression_id(stored);
	if (method == TOAST_INVALID_COMPRESSION_ID)
		return value;
	if (att->attstorage != TYPSTORAGE_PLAIN && att->attstorage != TYPSTORAGE_EXTERNAL &&
		(method == TOAST_LZ4_COMPRESSION_ID) == (wanted == TOAST_LZ4_COMPRESSION))
		return value;
	return PointerGetDatum(detoast_attr(stored));
}

/* The row as the hidden table is to have it: dropped columns hold nothing there. */
static void
make_row(Apply *apply, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	ExecClearTuple(apply->row);
	for (int i = 0; i < apply->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(apply->desc, i);

		apply->row->tts_isnull[i] = slot->tts_isnull[i] || att->attisdropped;
		apply->row->tts_values[i] = apply->row->tts_isnull[i] ? (Datum) 0 :
			att->attlen == -1 ? settle_value(att, slot->tts_values[i]) : slot->tts_values[i];
	}
	ExecStoreVirtualTuple(apply->row);
	apply->row->tts_tableOid = apply->hidden_id;
}

static void
insert_index_entries(Apply *apply, bool update, bool only_summarizing)
{
	for (int i = 0; i < apply->result_rel->ri_NumIndices; i++)
		apply->result_rel->ri_IndexRelationInfo[i]->ii_Context = apply->scratch;
	list_free(zdm_exec_insert_index_tuples(apply->result_rel, apply->row, apply->estate, update, only_summarizing));
	ResetPerTupleExprContext(apply->estate);
}

static void
insert(Apply *apply, TupleTableSlot *slot)
{
	make_row(apply, slot);
	/* logical decoding leaves the table out anyway; so nothing need be kept for it */
	table_tuple_insert(apply->hidden, apply->row, GetCurrentCommandId(true),
					   TABLE_INSERT_NO_LOGICAL | (apply->at_the_end ? TABLE_INSERT_SKIP_FSM : 0), NULL);
	insert_index_entries(apply, false, false);
}

pg_noreturn static void refuse(Apply *apply, TM_Result result);

static void
refuse(Apply *apply, TM_Result result)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("a row of hidden table %s was changed by somebody else (%d)",
					names_relation(apply->hidden_id), (int) result)));
}

/* Was it written by the very command that is now to write it again? */
static bool
is_own(TM_Result result)
{
	return result == TM_Invisible || result == TM_SelfModified;
}

static TM_Result
try_update(Apply *apply, ItemPointer tid)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	zdm_update_indexes update_indexes;
	TM_Result	result = table_tuple_update(apply->hidden, tid, apply->row, GetCurrentCommandId(true),
											InvalidSnapshot, InvalidSnapshot, true, &failure, &lockmode,
											&update_indexes);

	if (result == TM_Ok && ZDM_NEED_INDEXES(update_indexes))
		insert_index_entries(apply, true, ZDM_ONLY_SUMMARIZING(update_indexes));
	return result;
}

void
apply_put(Apply *apply, TupleTableSlot *slot)
{
	TupleTableSlot *found;
	TM_Result	result;

	if (!apply_find_hidden(apply, slot, SnapshotSelf, &found))
	{
		insert(apply, slot);
		return;
	}
	make_row(apply, slot);
	result = try_update(apply, &found->tts_tid);
	if (is_own(result))
	{
		CommandCounterIncrement();
		result = try_update(apply, &found->tts_tid);
	}
	if (result != TM_Ok)
		refuse(apply, result);
}

bool
apply_add(Apply *apply, TupleTableSlot *slot)
{
	TupleTableSlot *found;

	if (apply_find_hidden(apply, slot, SnapshotSelf, &found))
		return false;
	insert(apply, slot);
	return true;
}

static TM_Result
try_delete(Apply *apply, ItemPointer tid)
{
	TM_FailureData failure;

	return table_tuple_delete(apply->hidden, tid, GetCurrentCommandId(true), InvalidSnapshot,
							  InvalidSnapshot, true, &failure, false);
}

void
apply_remove(Apply *apply, TupleTableSlot *slot)
{
	TupleTableSlot *found;
	TM_Result	result;

	/* deleted and inserted again by one transaction: the later is, or will be, put in its place */
	if (apply_find_source(apply, slot, SnapshotSelf, &found))
		return;
	/* not copied yet, and never will be */
	if (!apply_find_hidden(apply, slot, SnapshotSelf, &found))
		return;
	result = try_delete(apply, &found->tts_tid);
	if (is_own(result))
	{
		CommandCounterIncrement();
		result = try_delete(apply, &found->tts_tid);
	}
	if (result != TM_Ok)
		refuse(apply, result);
}

bool
apply_same_row(Apply *apply, TupleTableSlot *source, TupleTableSlot *hidden)
{
	slot_getallattrs(source);
	slot_getallattrs(hidden);
	for (int i = 0; i < apply->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(apply->desc, i);

		if (att->attisdropped)
			continue;
		if (source->tts_isnull[i] != hidden->tts_isnull[i])
			return false;
		if (!source->tts_isnull[i] &&
			!datum_image_eq(source->tts_values[i], hidden->tts_values[i], att->attbyval, att->attlen))
			return false;
	}
	return true;
}

bool
apply_same_key(Apply *apply, TupleTableSlot *a, TupleTableSlot *b)
{
	Relation	index = apply->result_rel->ri_IndexRelationDescs[apply->key];

	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		AttrNumber	attnum = index->rd_index->indkey.values[i];
		Form_pg_attribute att = TupleDescAttr(apply->desc, attnum - 1);
		bool		isnull;
		Datum		one = slot_getattr(a, attnum, &isnull);
		Datum		other = slot_getattr(b, attnum, &isnull);

		if (!datum_image_eq(one, other, att->attbyval, att->attlen))
			return false;
	}
	return true;
}
