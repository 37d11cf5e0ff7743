/*-------------------------------------------------------------------------
 *
 * apply.c
 *		Carrying the rows of a table over to the hidden one beside it.
 *
 * Two kinds of process write the hidden table: sessions that write the table,
 * through its trigger, and the worker that copies what was there before.  A session
 * holds the row of the table when it writes its like, as it has written or deleted it.
 * So at most one session at a time is at work on a key, and what the one before it has
 * done is committed or undone by then.  That is why rows are looked up as they are now,
 * whatever the transaction's snapshot sees: a writer at REPEATABLE READ finds a row that
 * was copied after it began, and goes on.
 *
 * The worker locks no row: an application that asks for one with NOWAIT or SKIP LOCKED
 * must not notice it, and locks are expensive.  It puts the like of a row there first,
 * and looks then whether anybody has written the row, which would show in it: if so, it
 * takes it back.  A session marks the row first, and looks for its like then: what the
 * worker has put there and not committed it waits for, for the rest of a batch.  So one
 * of the two sees the other, whichever comes first.
 *
 * The unique indexes of the hidden table but the key are made as if they were not
 * unique, and exclusion constraints as plain indexes: the rows satisfy them whenever
 * those of the table do, which are looked at there; but here they arrive in the order
 * in which triggers fire, not in which they were written.
 *
 * What is generated in both is taken from the row.  A column that the hidden table alone
 * has, or has of another expression, is computed there: from the hidden row, which has
 * all else by then.
 *
 * A column that the two have of different types is computed from the source's row: by
 * "up" before the exchange, and after it by "down".  Then the hidden row is the one that
 * was there first, and keeps its value as long as that is one that "up" makes the other
 * of: what the way there has rounded comes back as it was.  Where the key has the column
 * (integers only: what the change is allowed for), rows are found by the operators that
 * compare the two types.
 *
 * Of partitioned tables the column can be in the partition key, and so in every key:
 * then its value there is computed first, and partition and row are sought by that.  So
 * that no two rows come to have one key, the value has to make again the one that it was
 * made of; a row of which it does not is one that the hidden table cannot hold.  That
 * holds for whatever the two expressions are, as long as they read this column alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/misfit.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/table_key.h"
#include "core/attempt.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/names.h"
#include "executor/executor.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "sync/apply.h"
#include "sync/outcome.h"
#include "utils/builtins.h"
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

/* The column of that name; 0 if there is none.  It is looked for behind "hint" first. */
static AttrNumber
find_column(TupleDesc desc, const char *name, AttrNumber hint)
{
	for (int i = 0; i < desc->natts; i++)
	{
		AttrNumber	attnum = (hint + i) % desc->natts + 1;
		Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return attnum;
	}
	return InvalidAttrNumber;
}

static bool
is_own(const List *own, Form_pg_attribute att)
{
	const ListCell *lc;

	foreach(lc, own)
	{
		if (strcmp(lfirst(lc), NameStr(att->attname)) == 0)
			return true;
	}
	return false;
}

/* Have both the same columns, in whatever order, but for those that are one's own? */
static bool
same_columns(TupleDesc a, TupleDesc b, const List *own)
{
	AttrNumber	last = 0;
	int			left = 0;

	for (int i = 0; i < b->natts; i++)
		left += TupleDescAttr(b, i)->attisdropped || is_own(own, TupleDescAttr(b, i)) ? 0 : 1;
	for (int i = 0; i < a->natts; i++)
	{
		Form_pg_attribute one = TupleDescAttr(a, i);
		Form_pg_attribute other;

		if (one->attisdropped || is_own(own, one))
			continue;
		last = find_column(b, NameStr(one->attname), last);
		if (last == InvalidAttrNumber)
			return false;
		other = TupleDescAttr(b, last - 1);
		if (one->atttypid != other->atttypid || one->atttypmod != other->atttypmod ||
			one->attcollation != other->attcollation)
			return false;
		left--;
	}
	return left == 0;
}

/* Can rows be looked up by it?  A partitioned table's need not be unique. */
static bool
is_key(Relation rel, Oid indexid, bool unique)
{
	Relation	index;
	bool		usable;

	if (!list_member_oid(RelationGetIndexList(rel), indexid))
		return false;
	if (unique)
		return table_key_is_one(rel, indexid);
	index = relation_open(indexid, NoLock);
	usable = index->rd_index->indisvalid && index->rd_rel->relam == BTREE_AM_OID &&
		RelationGetIndexPredicate(index) == NIL && RelationGetIndexExpressions(index) == NIL;
	relation_close(index, NoLock);
	return usable;
}

static bool
has_converted(Relation rel, const Second *second)
{
	return second->converted == NIL ||
		find_column(RelationGetDescr(rel), linitial(second->converted), 0) != InvalidAttrNumber;
}

bool
apply_is_possible(Relation source, Relation hidden, const Second *second)
{
	if (hidden->rd_rel->relrewrite != RelationGetRelid(source))
		return false;
	if (!second->new_shape)
		return same_form(RelationGetDescr(source), RelationGetDescr(hidden)) && is_key(source, second->key, true);
	return same_columns(RelationGetDescr(source), RelationGetDescr(hidden), second->own) &&
		has_converted(source, second) && has_converted(hidden, second) &&
		is_key(source, second->key, !second->turned) && is_key(hidden, second->hidden_key, false);
}

/* ---- what both sides have ---- */

static bool
is_converted(const Second *second, Form_pg_attribute att)
{
	return second->converted != NIL && strcmp(linitial(second->converted), NameStr(att->attname)) == 0;
}

/* The columns that are carried over, as the hidden table has them. */
static void
list_columns(Apply *apply, Relation hidden, const Second *second)
{
	/* a copy, as what belongs to the relation may be rebuilt between two rows */
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(hidden));

	apply->columns = palloc(desc->natts * sizeof(Form_pg_attribute));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || (is_own(second->own, att) && !is_converted(second, att)))
			continue;
		if (is_converted(second, att))
		{
			apply->converted = palloc0(sizeof(ApplyConverted));
			apply->converted->column = apply->ncolumns;
		}
		apply->columns[apply->ncolumns++] = att;
	}
}

/* Where the column is that the two have of different types. */
static void
prepare_converted(Apply *apply, Relation source, Relation hidden, const Second *second)
{
	ApplyConverted *converted = apply->converted;
	Form_pg_attribute to;
	AttrNumber	attnum;

	if (converted == NULL)
		return;
	to = apply->columns[converted->column];
	attnum = find_column(RelationGetDescr(source), NameStr(to->attname), to->attnum - 1);
	converted->source = palloc(sizeof(FormData_pg_attribute));
	memcpy(converted->source, TupleDescAttr(RelationGetDescr(source), attnum - 1), sizeof(FormData_pg_attribute));
	/* of which the copies of descriptors know nothing */
	converted->not_null = TupleDescAttr(RelationGetDescr(hidden), to->attnum - 1)->attnotnull;
	converted->exact = strcmp(list_nth(second->converted, 5), CONVERTED_EXACT) == 0;
}

/* Where they are in a relation of one of the sides. */
static AttrNumber *
find_columns(Apply *apply, TupleDesc desc)
{
	AttrNumber *att = palloc(apply->ncolumns * sizeof(AttrNumber));
	AttrNumber	last = 0;

	for (int i = 0; i < apply->ncolumns; i++)
	{
		/* in one shape by their places, as a column may be renamed meanwhile */
		att[i] = apply->new_shape ? find_column(desc, NameStr(apply->columns[i]->attname), last) : apply->columns[i]->attnum;
		last = att[i];
		if (last == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" is not in all tables of the pair", NameStr(apply->columns[i]->attname))));
	}
	return att;
}

/* Are partition and key of a row sought by the value of the column that the other side has? */
static bool
is_sought(const Apply *apply)
{
	return apply->conversion->back != NULL;
}

static void
make_whole(ApplySide *side, Relation rel, AttrNumber *att)
{
	side->whole.relid = RelationGetRelid(rel);
	side->whole.att = att;
	side->whole.slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)), &TTSOpsVirtual);
}

/* Leaves have their columns in places of their own: what is computed is, in the form of the whole. */
static void
prepare_search(Apply *apply, Relation source, Relation hidden)
{
	if (!is_sought(apply))
		return;
	make_whole(&apply->source, source, find_columns(apply, RelationGetDescr(source)));
	make_whole(&apply->hidden, hidden, find_columns(apply, RelationGetDescr(hidden)));
}

/* The type that the other side has the key's column of; InvalidOid: the same. */
static Oid
foreign_type(const Apply *apply, const ApplySide *side, int column)
{
	const ApplyConverted *converted = apply->converted;

	/* sought by the value that it has on this side */
	if (converted == NULL || converted->column != column || is_sought(apply))
		return InvalidOid;
	return getBaseType(side->hidden ? converted->source->atttypid : apply->columns[column]->atttypid);
}

/* How values of the other side are compared with the key's. */
static void
read_foreign(Apply *apply, ApplySide *side, Relation index, int i)
{
	Oid			type = foreign_type(apply, side, side->keys[i]);
	Oid			operator;

	side->foreign_types[i] = type;
	side->foreign_equal[i] = side->equal[i].fn_oid;
	if (!OidIsValid(type))
		return;
	operator = get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i], type, BTEqualStrategyNumber);
	if (!OidIsValid(operator))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("values of type %s cannot be looked up by index %s", format_type_be(type),
						names_relation(RelationGetRelid(index)))));
	side->foreign_equal[i] = get_opcode(operator);
}

static void
read_key(Apply *apply, ApplySide *side, Relation rel, const AttrNumber *att)
{
	Relation	index = relation_open(side->key_id, AccessShareLock);

	side->nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	side->keys = palloc(side->nkeys * sizeof(int));
	side->equal = palloc(side->nkeys * sizeof(FmgrInfo));
	side->collations = palloc(side->nkeys * sizeof(Oid));
	side->foreign_types = palloc(side->nkeys * sizeof(Oid));
	side->foreign_equal = palloc(side->nkeys * sizeof(Oid));
	for (int i = 0; i < side->nkeys; i++)
	{
		Oid			type = index->rd_opcintype[i];
		Oid			operator = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);

		side->keys[i] = 0;
		while (side->keys[i] < apply->ncolumns && att[side->keys[i]] != index->rd_index->indkey.values[i])
			side->keys[i]++;
		if (!OidIsValid(operator) || side->keys[i] == apply->ncolumns)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("the key of table %s cannot be looked up", names_relation(RelationGetRelid(rel)))));
		fmgr_info(get_opcode(operator), &side->equal[i]);
		side->collations[i] = index->rd_indcollation[i];
		read_foreign(apply, side, index, i);
	}
	if (!side->hidden)
		apply->loose = !index->rd_index->indisunique;
	relation_close(index, NoLock);
}

static bool
has_key_column(const ApplySide *side, int column)
{
	for (int i = 0; i < side->nkeys; i++)
	{
		if (side->keys[i] == column)
			return true;
	}
	return false;
}

static bool
have_same_keys(const ApplySide *a, const ApplySide *b)
{
	if (a->partitioned || b->partitioned || a->nkeys != b->nkeys)
		return false;
	for (int i = 0; i < a->nkeys; i++)
	{
		if (!has_key_column(b, a->keys[i]))
			return false;
	}
	return true;
}

/* ---- relations ---- */

/*
 * Where the executor opens indexes for a statement, we do so for each row: a trigger
 * is not told of the end of its statement.  What is made for them is kept.
 */
static void
open_indexes(ApplyLeaf *leaf)
{
	ResultRelInfo *rri = leaf->result_rel;
	int			i = 0;
	ListCell   *lc;

	rri->ri_RelationDesc = leaf->rel;
	foreach(lc, leaf->indexes)
	{
		rri->ri_IndexRelationDescs[i] = index_open(lfirst_oid(lc), RowExclusiveLock);
		if (lfirst_oid(lc) == leaf->key_id)
			leaf->key = rri->ri_IndexRelationDescs[i];
		i++;
	}
}

/* For a row as it is to be: what is put in it becomes a tuple, once. */
static TupleTableSlot *
make_row_slot(ApplyLeaf *leaf)
{
	return MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(leaf->rel)), table_slot_callbacks(leaf->rel));
}

static void
prepare_writing(ApplyLeaf *leaf)
{
	ResultRelInfo *rri = makeNode(ResultRelInfo);
	int			n;

	InitResultRelInfo(rri, leaf->rel, 0, NULL, 0);
	leaf->indexes = RelationGetIndexList(leaf->rel);
	leaf->result_rel = rri;
	n = list_length(leaf->indexes);
	rri->ri_NumIndices = n;
	rri->ri_IndexRelationDescs = palloc0(n * sizeof(Relation));
	rri->ri_IndexRelationInfo = palloc0(n * sizeof(IndexInfo *));
	open_indexes(leaf);
	for (int i = 0; i < n; i++)
		rri->ri_IndexRelationInfo[i] = BuildIndexInfo(rri->ri_IndexRelationDescs[i]);
	leaf->row = make_row_slot(leaf);
}

/* What is known of a relation with rows: made once. */
static ApplyLeaf *
make_leaf(Apply *apply, ApplySide *side, Relation rel)
{
	MemoryContext caller = MemoryContextSwitchTo(apply->context);
	ApplyLeaf  *leaf = palloc0(sizeof(ApplyLeaf));

	leaf->relid = RelationGetRelid(rel);
	leaf->rel = rel;
	leaf->key_id = table_key_part(rel, side->key_id);
	if (!OidIsValid(leaf->key_id))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("partition %s has no part of the key", names_relation(leaf->relid))));
	leaf->att = find_columns(apply, RelationGetDescr(rel));
	/* with its constraints: a row from before a column came has that one's value from there */
	leaf->found = MakeSingleTupleTableSlot(CreateTupleDescCopyConstr(RelationGetDescr(rel)), table_slot_callbacks(rel));
	if (side->hidden)
		prepare_writing(leaf);
	side->leaves = lappend(side->leaves, leaf);
	MemoryContextSwitchTo(caller);
	return leaf;
}

static ApplyLeaf *
known_leaf(const ApplySide *side, Oid relid)
{
	ListCell   *lc;

	foreach(lc, side->leaves)
	{
		ApplyLeaf  *leaf = lfirst(lc);

		if (leaf->relid == relid)
			return leaf;
	}
	return NULL;
}

/* It is open until apply_close(); but the source's at hand is the caller's. */
static ApplyLeaf *
open_leaf(Apply *apply, ApplySide *side, Oid relid)
{
	ApplyLeaf  *leaf = known_leaf(side, relid);
	Relation	rel;

	if (leaf != NULL && leaf->rel != NULL)
		return leaf;
	rel = table_open(relid, side->hidden ? RowExclusiveLock : AccessShareLock);
	if (leaf == NULL)
		return make_leaf(apply, side, rel);
	leaf->rel = rel;
	if (side->hidden)
		open_indexes(leaf);
	return leaf;
}

static Relation
key_of(ApplyLeaf *leaf)
{
	if (leaf->key == NULL)
		leaf->key = index_open(leaf->key_id, AccessShareLock);
	return leaf->key;
}

static void
close_indexes(ApplyLeaf *leaf)
{
	ResultRelInfo *rri = leaf->result_rel;

	for (int i = 0; i < rri->ri_NumIndices; i++)
	{
		IndexInfo  *info = rri->ri_IndexRelationInfo[i];

		/* what an access method keeps for the next row refers to the open index */
		if (info->ii_AmCache != NULL)
			zdm_index_insert_cleanup(rri->ri_IndexRelationDescs[i], info);
		info->ii_AmCache = NULL;
		index_close(rri->ri_IndexRelationDescs[i], NoLock);
	}
	ExecClearTuple(leaf->row);
	leaf->key = NULL;
}

static void
close_side(Apply *apply, ApplySide *side)
{
	ListCell   *lc;

	foreach(lc, side->leaves)
	{
		ApplyLeaf  *leaf = lfirst(lc);

		if (leaf->rel == NULL)
			continue;
		ExecClearTuple(leaf->found);
		if (side->hidden)
			close_indexes(leaf);
		else if (leaf->key != NULL)
			index_close(leaf->key, NoLock);
		leaf->key = NULL;
		if (leaf != apply->here)
			table_close(leaf->rel, NoLock);
		leaf->rel = NULL;
	}
	foreach(lc, side->open)
		table_close(lfirst(lc), NoLock);
	list_free(side->open);
	side->open = NIL;
}

static void
begin_side(Apply *apply, ApplySide *side, Oid root, Oid key, Relation rel, bool hidden)
{
	side->root = root;
	side->key_id = key;
	side->hidden = hidden;
	read_key(apply, side, rel, find_columns(apply, RelationGetDescr(rel)));
}

/* The two as a whole: what can be known before a row is. */
static bool
begin_sides(Apply *apply, const Second *second)
{
	Relation	source = table_open(second->relid, AccessShareLock);
	Relation	hidden = try_relation_open(second->hidden, RowExclusiveLock);
	bool		possible = hidden != NULL && apply_is_possible(source, hidden, second);

	if (possible)
	{
		list_columns(apply, hidden, second);
		prepare_converted(apply, source, hidden, second);
		apply->conversion = conversion_get(source, hidden, second);
		apply->source.partitioned = source->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
		apply->hidden.partitioned = hidden->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
		begin_side(apply, &apply->source, second->relid, second->key, source, false);
		begin_side(apply, &apply->hidden, second->hidden, second->hidden_key, hidden, true);
		apply->same_keys = have_same_keys(&apply->source, &apply->hidden);
		prepare_search(apply, source, hidden);
	}
	if (hidden != NULL)
		table_close(hidden, NoLock);
	table_close(source, NoLock);
	return possible;
}

/* A partition that was detached keeps the trigger, and is none of the table's. */
static bool
is_of_table(Relation source, Oid relid)
{
	return RelationGetRelid(source) == relid ||
		(source->rd_rel->relispartition && list_member_oid(get_partition_ancestors(RelationGetRelid(source)), relid));
}

bool
apply_begin(Apply *apply, Relation source, const Second *second)
{
	memset(apply, 0, sizeof(Apply));
	apply->context = CurrentMemoryContext;
	apply->new_shape = second->new_shape;
	apply->turned = second->turned;
	apply->migration = second->migration;
	if ((source != NULL && !is_of_table(source, second->relid)) || !begin_sides(apply, second))
		return false;
	apply->estate = CreateExecutorState();
	apply->scratch = AllocSetContextCreate(CurrentMemoryContext, "zdm apply", ALLOCSET_SMALL_SIZES);
	/* what does not fit is found here, with the relations at hand */
	apply_open(apply, source);
	apply_close(apply);
	return true;
}

void
apply_open(Apply *apply, Relation source)
{
	apply->here = source == NULL ? NULL : known_leaf(&apply->source, RelationGetRelid(source));
	if (apply->here == NULL && source != NULL)
		apply->here = make_leaf(apply, &apply->source, source);
	if (apply->here != NULL)
		apply->here->rel = source;
	if (!apply->hidden.partitioned)
		(void) open_leaf(apply, &apply->hidden, apply->hidden.root);
}

void
apply_close(Apply *apply)
{
	close_side(apply, &apply->hidden);
	close_side(apply, &apply->source);
	MemoryContextReset(apply->scratch);
}

static void
end_side(ApplySide *side)
{
	ListCell   *lc;

	foreach(lc, side->leaves)
	{
		ApplyLeaf  *leaf = lfirst(lc);

		ExecDropSingleTupleTableSlot(leaf->found);
		if (leaf->row != NULL)
			ExecDropSingleTupleTableSlot(leaf->row);
		for (int i = 0; i < leaf->room; i++)
			ExecDropSingleTupleTableSlot(leaf->rows[i]);
	}
	foreach(lc, side->levels)
		ExecDropSingleTupleTableSlot(((ApplyLevel *) lfirst(lc))->slot);
	if (side->whole.slot != NULL)
		ExecDropSingleTupleTableSlot(side->whole.slot);
}

void
apply_end(Apply *apply)
{
	end_side(&apply->hidden);
	end_side(&apply->source);
	FreeExecutorState(apply->estate);
	MemoryContextDelete(apply->scratch);
}

/* ---- where a row is ---- */

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
		level->att = find_columns(apply, RelationGetDescr(*rel));
		level->route.estate = apply->estate;
		level->slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(*rel)), &TTSOpsVirtual);
		side->levels = lappend(side->levels, level);
	}
	MemoryContextSwitchTo(caller);
	return level;
}

static Datum
get_column(const Apply *apply, const ApplyRow *row, int column, bool *isnull)
{
	if (!row->translated || apply->converted->column != column)
		return slot_getattr(row->slot, row->att[column], isnull);
	*isnull = row->isnull;
	return row->value;
}

/* The row in the form of a partitioned table. */
static void
fill_level(Apply *apply, ApplyLevel *level, const ApplyRow *row)
{
	ExecClearTuple(level->slot);
	memset(level->slot->tts_isnull, true, level->slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot_getallattrs(row->slot);
	for (int i = 0; i < apply->ncolumns; i++)
	{
		int			to = level->att[i] - 1;

		level->slot->tts_values[to] = get_column(apply, row, i, &level->slot->tts_isnull[to]);
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

static bool
is_value(Form_pg_attribute att, Datum one, bool one_isnull, Datum other, bool other_isnull)
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

	if (!is_value(converted->source, value, isnull, again, again_isnull))
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

/* Whose columns a row has that a side is searched for. */
typedef enum RowForm
{
	FORM_OWN,
	FORM_OTHER					/* those of the other side */
} RowForm;

/* The row as the side is searched for it. */
static ApplyRow
row_for(Apply *apply, const ApplySide *side, TupleTableSlot *slot, const AttrNumber *att, RowForm form)
{
	ApplyRow	row = {.slot = slot, .att = att, .other = form == FORM_OTHER};

	if (row.other && is_sought(apply))
		compute_translation(apply, side, &row);
	return row;
}

/* ---- which one it is ---- */

/* The leaf of the side in which the row belongs; NULL: none takes it. */
static ApplyLeaf *
find_leaf(Apply *apply, ApplySide *side, const ApplyRow *row)
{
	Oid			relid = side->root;

	if (row->error != NULL)
		return NULL;
	if (!side->partitioned)
		return open_leaf(apply, side, side->root);
	do
	{
		Relation	rel;
		ApplyLevel *level = open_level(apply, side, relid, &rel);

		fill_level(apply, level, row);
		relid = route_find(&level->route, rel, level->slot);
		ExecClearTuple(level->slot);
	} while (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE);
	return OidIsValid(relid) ? open_leaf(apply, side, relid) : NULL;
}

/* The key that the row has; false if it has a NULL in it, as no row's has. */
static bool
fill_scan_keys(const Apply *apply, const ApplySide *side, const ApplyRow *row, ScanKeyData *keys)
{
	for (int i = 0; i < side->nkeys; i++)
	{
		bool		isnull;
		Datum		value = get_column(apply, row, side->keys[i], &isnull);

		if (isnull)
			return false;
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber,
							   row->other ? side->foreign_types[i] : InvalidOid, side->collations[i],
							   row->other ? side->foreign_equal[i] : side->equal[i].fn_oid, value);
	}
	return true;
}

/* Have the two rows equal keys on that side? */
static bool
equal_keys(const Apply *apply, ApplySide *side, const ApplyRow *a, const ApplyRow *b)
{
	if (a->error != NULL || b->error != NULL)
		return false;
	for (int i = 0; i < side->nkeys; i++)
	{
		bool		one_null;
		bool		other_null;
		Datum		one = get_column(apply, a, side->keys[i], &one_null);
		Datum		other = get_column(apply, b, side->keys[i], &other_null);

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

	return neighbour_next(&leaf->neighbour, leaf->rel, snapshot, leaf->found) && equal_keys(apply, side, &next, row);
}

/* What looks a row up by the index; NULL: it has a NULL in its key, as no row's has. */
static IndexScanDesc
begin_search(const Apply *apply, const ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, Snapshot snapshot)
{
	IndexScanDesc scan;
	ScanKeyData keys[INDEX_MAX_KEYS];

	if (!fill_scan_keys(apply, side, row, keys))
		return NULL;
	scan = zdm_index_beginscan(leaf->rel, key_of(leaf), snapshot, side->nkeys);
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

/* The leaf's row of that key, in leaf->found. */
static bool
find_row(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, Snapshot snapshot)
{
	if (!has_neighbours(apply, side, leaf))
		return search(apply, side, leaf, row, snapshot);
	if (!is_next(apply, side, leaf, row, snapshot) && !search(apply, side, leaf, row, snapshot))
		return false;
	leaf->neighbour.last = leaf->found->tts_tid;
	return true;
}

/*
 * As it is now; and in *writer the transaction, not over yet, that has put one there
 * which is therefore none.
 */
static bool
find_row_now(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, TransactionId *writer)
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
		if (!found)
			*writer = dirty.xmin;
	}
	if (scan != NULL)
		index_endscan(scan);
	return found;
}

/* Where in the hidden table a row's like has its place; false: nowhere. */
static bool
seek_hidden(Apply *apply, TupleTableSlot *slot)
{
	apply->wanted = row_for(apply, &apply->hidden, slot, apply->here->att, FORM_OTHER);
	apply->there = find_leaf(apply, &apply->hidden, &apply->wanted);
	return apply->there != NULL;
}

bool
apply_find_hidden(Apply *apply, TupleTableSlot *slot, Snapshot snapshot, TupleTableSlot **found)
{
	bool		had = seek_hidden(apply, slot) && find_row(apply, &apply->hidden, apply->there, &apply->wanted, snapshot);

	*found = apply->there != NULL ? apply->there->found : NULL;
	return had;
}

/*
 * Wait for the transaction if it is a batch of the copy's; false if it is not.  A batch is
 * short, and waits for no row, so for nobody who waits for it.  Whoever else has put a row
 * there writes another one of the table.
 */
static bool
wait_for_copy(const Apply *apply, TransactionId xid)
{
	int			pid = BackendXidGetPid(xid);

	if (pid == 0)
		return !TransactionIdIsInProgress(xid);	/* just over; or one that is prepared, or a subtransaction */
	if (pid != claim_holder(CLAIM_MIGRATION, apply->migration))
		return false;
	XactLockTableWait(xid, NULL, NULL, XLTW_None);
	return true;
}

/*
 * The hidden table's row, for who has written the table's.  Closes the race with the copy,
 * which locks no row: what it has put there is waited for.  What it puts there from here
 * on it takes back, as it looks afterwards whether the row has been written (add_rows()).
 */
static bool
find_for_writer(Apply *apply, TupleTableSlot *slot, TupleTableSlot **found)
{
	TransactionId writer;
	bool		had;

	*found = NULL;
	if (!seek_hidden(apply, slot))
		return false;
	*found = apply->there->found;
	do
	{
		had = find_row_now(apply, &apply->hidden, apply->there, &apply->wanted, &writer);
	} while (!had && TransactionIdIsValid(writer) && wait_for_copy(apply, writer));
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

/*
 * Has the table a row, other than the one in "slot", that the hidden one which was found
 * is the like of?
 */
static bool
is_others(Apply *apply, TupleTableSlot *slot)
{
	ApplyLeaf  *there = apply->there;
	ApplyLeaf  *leaf;
	ApplyRow	own;
	ApplyRow	found;

	if (apply->same_keys)
		return false;
	found = row_for(apply, &apply->source, there->found, there->att, FORM_OTHER);
	leaf = find_leaf(apply, &apply->source, &found);
	if (leaf == NULL)
		return false;
	own = row_for(apply, &apply->source, slot, apply->here->att, FORM_OWN);
	if (leaf == apply->here && equal_keys(apply, &apply->source, &found, &own))
		return has_twin(apply, &own);
	return find_row(apply, &apply->source, leaf, &found, SnapshotSelf);
}

/*
 * Has the table a row whose place in the hidden one is that of "slot", a row of leaf
 * "there", or of the table itself?  "source" is where in the table it is looked for;
 * "form": are its columns the hidden table's own?
 */
static bool
has_place(Apply *apply, ApplyLeaf *source, ApplyLeaf *there, TupleTableSlot *slot, const AttrNumber *att, RowForm form,
		  Snapshot snapshot)
{
	ApplyRow	sought = row_for(apply, &apply->source, slot, att, form == FORM_OWN ? FORM_OTHER : FORM_OWN);
	ApplyRow	place;
	ApplyRow	found;

	if (source == NULL || sought.error != NULL || !find_row(apply, &apply->source, source, &sought, snapshot))
		return false;
	if (apply->same_keys)
		return true;
	place = row_for(apply, &apply->hidden, slot, att, form);
	found = row_for(apply, &apply->hidden, source->found, source->att, FORM_OTHER);
	return equal_keys(apply, &apply->hidden, &found, &place) && find_leaf(apply, &apply->hidden, &found) == there;
}

/* The same of a hidden row, by the leaf of the table that has such rows. */
static bool
has_source(Apply *apply, ApplyLeaf *there, TupleTableSlot *slot, Snapshot snapshot)
{
	ApplyRow	row = row_for(apply, &apply->source, slot, there->att, FORM_OTHER);

	return has_place(apply, find_leaf(apply, &apply->source, &row), there, slot, there->att, FORM_OWN, snapshot);
}

bool
apply_has_source(Apply *apply, Relation hidden, TupleTableSlot *slot, Snapshot snapshot)
{
	return has_source(apply, open_leaf(apply, &apply->hidden, RelationGetRelid(hidden)), slot, snapshot);
}

/* ---- writing ---- */

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

/* The value of an expression that may fail. */
typedef struct Evaluation
{
	SyncExpr   *expr;
	TupleTableSlot *slot;
	Datum		value;
	bool		isnull;
} Evaluation;

static void
evaluate(void *arg)
{
	Evaluation *evaluation = arg;

	evaluation->value = expr_eval(evaluation->expr, evaluation->slot, &evaluation->isnull);
}

/* Does the expression give that value for the row?  If it fails, it does not. */
static bool
makes(SyncExpr *expr, TupleTableSlot *slot, Form_pg_attribute att, Datum value, bool isnull)
{
	Evaluation	evaluation = {.expr = expr, .slot = slot};
	ErrorData  *error;

	if (!expr_can_fail(expr))
		evaluate(&evaluation);
	else if (!attempt_run(evaluate, &evaluation, ATTEMPT_KEEP, &error))
	{
		if (attempt_blames_server(error))
			ReThrowError(error);
		return false;
	}
	return is_value(att, evaluation.value, evaluation.isnull, value, isnull);
}

typedef struct Computing
{
	Apply	   *apply;
	TupleTableSlot *row;
	TupleTableSlot *slot;		/* the source's */
	TupleTableSlot *found;		/* what the hidden row is so far, or NULL */
	const char *column;			/* the one at hand */
} Computing;

/* What the hidden row has stays if it makes what the source has now. */
static bool
keeps_value(const Computing *computing, const ApplyConverted *converted, int to)
{
	SyncExpr   *origin = computing->apply->conversion->origin;
	TupleTableSlot *row = computing->row;
	AttrNumber	from = computing->apply->here->att[converted->column];
	bool		isnull;
	Datum		value;

	if (origin == NULL || computing->found == NULL)
		return false;
	value = slot_getattr(computing->slot, from, &isnull);
	row->tts_values[to] = slot_getattr(computing->found, to + 1, &row->tts_isnull[to]);
	return makes(origin, row, converted->source, value, isnull);
}

/* A row of the hidden leaf at hand, as expressions over the hidden table read it. */
static TupleTableSlot *
in_whole_form(Apply *apply, TupleTableSlot *row)
{
	ApplyLevel *whole = &apply->hidden.whole;

	if (whole->slot == NULL)
		return row;
	fill_level(apply, whole, &(ApplyRow) {.slot = row, .att = apply->there->att});
	return whole->slot;
}

static void
convert(Computing *computing)
{
	Apply	   *apply = computing->apply;
	const ApplyConverted *converted = apply->converted;
	const Conversion *conversion = apply->conversion;
	const ApplyLeaf *there = apply->there;
	TupleTableSlot *row = computing->row;
	int			to = there->att[converted->column] - 1;
	ListCell   *lc;

	computing->column = NameStr(converted->source->attname);
	if (conversion->back != NULL)
		row->tts_values[to] = get_column(apply, &apply->wanted, converted->column, &row->tts_isnull[to]);
	else if (!keeps_value(computing, converted, to))
		row->tts_values[to] = expr_eval(conversion->value, computing->slot, &row->tts_isnull[to]);
	foreach(lc, conversion->checks)
	{
		bool		isnull;
		Datum		holds = expr_eval(lfirst(lc), in_whole_form(apply, row), &isnull);

		if (!isnull && !DatumGetBool(holds))
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("a check constraint does not admit its value")));
	}
}

static void
compute(void *arg)
{
	Computing  *computing = arg;
	ListCell   *lc;

	if (computing->apply->converted != NULL)
		convert(computing);
	foreach(lc, computing->apply->conversion->computed)
	{
		const ComputedValue *computed = lfirst(lc);
		int			to = computed->attnum - 1;

		computing->column = computed->name;
		/* none of them is computed from another */
		computing->row->tts_values[to] = expr_eval(computed->expr, computing->row, &computing->row->tts_isnull[to]);
	}
}

/* A NULL where the hidden table has NOT NULL: it is found without a subtransaction, as it is looked for in each row. */
static bool
lacks_value(const Apply *apply, TupleTableSlot *row, ErrorData **error)
{
	const ApplyConverted *converted = apply->converted;

	if (converted == NULL || !converted->not_null ||
		!row->tts_isnull[apply->there->att[converted->column] - 1])
		return false;
	*error = palloc0(sizeof(ErrorData));
	(*error)->sqlerrcode = ERRCODE_NOT_NULL_VIOLATION;
	(*error)->message = psprintf("column \"%s\" would be null", NameStr(converted->source->attname));
	return true;
}

/* False, with the row's error. */
static bool
try_to_compute(Apply *apply, Computing *computing, ErrorData **error)
{
	if (!apply->conversion->may_fail)
		compute(computing);
	else if (!attempt_run(compute, computing, ATTEMPT_KEEP, error))
	{
		if (attempt_blames_server(*error))
			ReThrowError(*error);
		(*error)->message = psprintf("column \"%s\" cannot be computed: %s", computing->column, (*error)->message);
		return false;
	}
	return !lacks_value(apply, computing->row, error);
}

/*
 * In "row", the row as the hidden leaf at hand is to have it: dropped columns hold nothing there.
 * "found" is what it has so far, or NULL.  False, with the error, if a column cannot be
 * computed.
 */
static bool
make_row(Apply *apply, TupleTableSlot *slot, TupleTableSlot *row, TupleTableSlot *found, ErrorData **error)
{
	ApplyLeaf  *leaf = apply->there;
	const AttrNumber *from = apply->here->att;

	slot_getallattrs(slot);
	ExecClearTuple(row);
	memset(row->tts_isnull, true, row->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < apply->ncolumns; i++)
	{
		Form_pg_attribute att = apply->columns[i];
		int			to = leaf->att[i] - 1;

		if (apply->converted != NULL && apply->converted->column == i)
			continue;
		row->tts_isnull[to] = slot->tts_isnull[from[i] - 1];
		row->tts_values[to] = row->tts_isnull[to] ? (Datum) 0 :
			att->attlen == -1 ? settle_value(att, slot->tts_values[from[i] - 1]) : slot->tts_values[from[i] - 1];
	}
	ExecStoreVirtualTuple(row);
	row->tts_tableOid = leaf->relid;
	if (apply->conversion->computed == NIL && apply->converted == NULL)
		return true;
	return try_to_compute(apply, &(Computing) {.apply = apply, .row = row, .slot = slot, .found = found}, error);
}

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

/* False, with the entry in the index, if the key has perhaps another row. */
static bool
insert_index_entry(Apply *apply, ApplyLeaf *leaf, TupleTableSlot *row, int number, bool update)
{
	Relation	index = leaf->result_rel->ri_IndexRelationDescs[number];
	IndexInfo  *info = leaf->result_rel->ri_IndexRelationInfo[number];
	bool		unique = leaf->indexes != NIL && RelationGetRelid(index) == leaf->key_id && index->rd_index->indisunique;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	info->ii_Context = apply->scratch;
	if (!info->ii_ReadyForInserts || !is_wanted_by(apply, info, row))
		return true;
	GetPerTupleExprContext(apply->estate)->ecxt_scantuple = row;
	FormIndexDatum(info, row, apply->estate, values, isnull);
	/* PARTIAL: nobody is waited for who may have written another row of the key */
	return index_insert(index, values, isnull, &row->tts_tid, leaf->rel,
						unique ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_NO, update, info) || !unique;
}

static bool
insert_index_entries(Apply *apply, ApplyLeaf *leaf, TupleTableSlot *row, bool update, bool only_summarizing)
{
	bool		unique = true;

	for (int i = 0; i < leaf->result_rel->ri_NumIndices; i++)
	{
		if (only_summarizing && !zdm_index_is_summarizing(leaf->result_rel->ri_IndexRelationInfo[i]))
			continue;
		unique &= insert_index_entry(apply, leaf, row, i, update);
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
update(Apply *apply, ApplyLeaf *leaf, ItemPointer tid)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	zdm_update_indexes update_indexes;
	TM_Result	result = table_tuple_update(leaf->rel, tid, leaf->row, GetCurrentCommandId(true),
											InvalidSnapshot, InvalidSnapshot, true, &failure, &lockmode,
											&update_indexes);

	if (result == TM_Ok && ZDM_NEED_INDEXES(update_indexes))
		(void) insert_index_entries(apply, leaf, leaf->row, true, ZDM_ONLY_SUMMARIZING(update_indexes));
	return result;
}

static void
delete(ApplyLeaf *leaf, ItemPointer tid)
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
	if (insert_index_entries(apply, leaf, leaf->row, false, false))
		return true;
	/* to this very command it is not there yet */
	CommandCounterIncrement();
	delete(leaf, &tid);
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

#define NO_PARTITION "no partition takes the row"
#define SAME_KEY "the key has another row"

/* Put a row there that the hidden table has no like of; false if one came first. */
static bool
put_new(Apply *apply, TupleTableSlot *slot)
{
	ErrorData  *error;

	if (apply->wanted.error != NULL)
		note_misfit(apply, slot, apply->wanted.error->sqlerrcode, apply->wanted.error->message);
	else if (apply->there == NULL)
		note_misfit(apply, slot, ERRCODE_CHECK_VIOLATION, NO_PARTITION);
	else if (!make_row(apply, slot, apply->there->row, NULL, &error))
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

	if (is_others(apply, slot))
	{
		note_misfit(apply, slot, ERRCODE_UNIQUE_VIOLATION, SAME_KEY);
		return;
	}
	begin_command(found);
	if (!make_row(apply, slot, apply->there->row, found, &error))
	{
		note_misfit(apply, slot, error->sqlerrcode, error->message);
		/* not as it was, either: so that it is missed, and copied once it is mended */
		delete(apply->there, &found->tts_tid);
		return;
	}
	result = update(apply, apply->there, &found->tts_tid);
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
		if (find_for_writer(apply, slot, &found))
		{
			put_over(apply, slot, found);
			return;
		}
		if (put_new(apply, slot))
			return;
	}
	note_misfit(apply, slot, ERRCODE_UNIQUE_VIOLATION, SAME_KEY);
}

pg_noreturn static void refuse_row(Apply *apply, TupleTableSlot *slot, int sqlstate, const char *message);

static void
refuse_row(Apply *apply, TupleTableSlot *slot, int sqlstate, const char *message)
{
	char	   *key = row_key(apply->here->rel, slot);

	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s: %s", names_relation(apply->hidden.root), message),
			 errdetail("It is %s of %s.", key != NULL ? key : "a row", names_relation(apply->here->relid)),
			 is_sought(apply) ?
			 errhint("Mend the row, or, if it is a partition that it lacks, give %s one of which the bound becomes that, or a default one; then SELECT zdm.resume(" INT64_FORMAT ").",
					 names_relation(apply->source.root), apply->migration) : 0));
}

/* ---- rows that were there before, many at once ---- */

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
	if (is_others(apply, new->slot))
		refuse_new(apply, new, ERRCODE_UNIQUE_VIOLATION, SAME_KEY);
}

/*
 * Can the row's like have been put there by a trigger?  Not that of one from before the
 * hidden table.  A hint that spares the search: whether it is there shows as it is put there.
 */
static bool
is_recent(const ApplyLeaf *leaf, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return !TransactionIdPrecedes(DatumGetTransactionId(xmin), leaf->rel->rd_rel->relfrozenxid);
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
			leaf->rows[leaf->room] = make_row_slot(leaf);
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

	if (!make_row(apply, new->slot, row, NULL, &error))
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
	new->leaf = NULL;
	/* what somebody is writing would be taken back again */
	new->outcome = look_again(apply, new->slot);
	if (new->outcome != APPLY_ADDED)
		return;
	if (seek_hidden(apply, new->slot) && (look || is_recent(apply->there, new->slot)) &&
		find_row(apply, &apply->hidden, apply->there, &apply->wanted, SnapshotSelf))
		settle(apply, new);
	else if (apply->wanted.error != NULL)
		refuse_new(apply, new, apply->wanted.error->sqlerrcode, apply->wanted.error->message);
	else if (apply->there == NULL)
		refuse_new(apply, new, ERRCODE_CHECK_VIOLATION, NO_PARTITION);
	else
		make_new(apply, new);
}

static void
add_to_leaf(Apply *apply, ApplyLeaf *leaf)
{
	table_multi_insert(leaf->rel, leaf->rows, leaf->nrows, GetCurrentCommandId(true),
					   apply->at_the_end ? TABLE_INSERT_SKIP_FSM : 0, NULL);
	for (int i = 0; i < leaf->nrows; i++)
	{
		leaf->news[i]->tid = leaf->rows[i]->tts_tid;
		if (!insert_index_entries(apply, leaf, leaf->rows[i], false, false))
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
	delete(new->leaf, &new->tid);
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

/*
 * Deleted and inserted again by one transaction: the later one is, or will be, put in
 * its place.  It may be in another partition: then in that of the values which the
 * hidden row has by now.
 */
static bool
is_again(Apply *apply, ApplyLeaf *there, TupleTableSlot *slot)
{
	return has_place(apply, apply->here, there, slot, apply->here->att, FORM_OTHER, SnapshotSelf) ||
		(!apply->same_keys && has_source(apply, there, there->found, SnapshotSelf));
}

/* Is the hidden row that was found that of the row in the slot? */
static bool
is_like(Apply *apply, TupleTableSlot *found, TupleTableSlot *slot)
{
	ApplyRow	one = row_for(apply, &apply->source, found, apply->there->att, FORM_OTHER);
	ApplyRow	other = row_for(apply, &apply->source, slot, apply->here->att, FORM_OWN);

	return equal_keys(apply, &apply->source, &one, &other);
}

void
apply_remove(Apply *apply, TupleTableSlot *slot)
{
	TupleTableSlot *found;
	ApplyLeaf  *there;

	/* not copied yet, and never will be */
	if (!find_for_writer(apply, slot, &found))
		return;
	there = apply->there;
	if (!apply->same_keys && !is_like(apply, found, slot))
		return;
	if (is_again(apply, there, slot))
		return;
	begin_command(found);
	delete(there, &found->tts_tid);
}

/* What the hidden row has computed is what its other columns make. */
static bool
same_computed(Apply *apply, TupleTableSlot *hidden)
{
	ListCell   *lc;

	foreach(lc, apply->conversion->computed)
	{
		const ComputedValue *computed = lfirst(lc);
		bool		isnull;
		Datum		value = expr_eval(computed->expr, hidden, &isnull);

		if (isnull != hidden->tts_isnull[computed->attnum - 1])
			return false;
		if (!isnull && !datum_image_eq(value, hidden->tts_values[computed->attnum - 1], computed->attbyval, computed->attlen))
			return false;
	}
	return true;
}

/* The hidden row's value is what the source's row makes, or, after the exchange, makes what the source has. */
static bool
same_converted(Apply *apply, TupleTableSlot *source, TupleTableSlot *hidden)
{
	const ApplyConverted *converted = apply->converted;
	const Conversion *conversion = apply->conversion;
	int			from;
	int			to;

	if (converted == NULL)
		return true;
	from = apply->here->att[converted->column] - 1;
	to = apply->there->att[converted->column] - 1;
	if (conversion->back != NULL)
		return is_value(apply->columns[converted->column], apply->wanted.value, apply->wanted.isnull,
						hidden->tts_values[to], hidden->tts_isnull[to]);
	if (makes(conversion->value, source, apply->columns[converted->column], hidden->tts_values[to], hidden->tts_isnull[to]))
		return true;
	return conversion->origin != NULL &&
		makes(conversion->origin, hidden, converted->source, source->tts_values[from], source->tts_isnull[from]);
}

bool
apply_same_row(Apply *apply, TupleTableSlot *source, TupleTableSlot *hidden)
{
	const AttrNumber *from = apply->here->att;
	const AttrNumber *to = apply->there->att;

	slot_getallattrs(source);
	slot_getallattrs(hidden);
	for (int i = 0; i < apply->ncolumns; i++)
	{
		Form_pg_attribute att = apply->columns[i];

		if (apply->converted != NULL && apply->converted->column == i)
			continue;
		if (source->tts_isnull[from[i] - 1] != hidden->tts_isnull[to[i] - 1])
			return false;
		if (!source->tts_isnull[from[i] - 1] &&
			!datum_image_eq(source->tts_values[from[i] - 1], hidden->tts_values[to[i] - 1], att->attbyval, att->attlen))
			return false;
	}
	return same_converted(apply, source, hidden) && same_computed(apply, hidden);
}

/* Of two rows of the source: do they belong in one leaf of the hidden table? */
static bool
has_same_leaf(Apply *apply, TupleTableSlot *a, TupleTableSlot *b)
{
	ApplyRow	one = row_for(apply, &apply->hidden, a, apply->here->att, FORM_OTHER);
	ApplyRow	other = row_for(apply, &apply->hidden, b, apply->here->att, FORM_OTHER);

	return find_leaf(apply, &apply->hidden, &one) == find_leaf(apply, &apply->hidden, &other);
}

/* Of two rows of the source. */
static bool
same_image(Apply *apply, const ApplySide *side, TupleTableSlot *a, TupleTableSlot *b)
{
	for (int i = 0; i < side->nkeys; i++)
	{
		const ApplyConverted *converted = apply->converted;
		Form_pg_attribute att = converted != NULL && converted->column == side->keys[i] ? converted->source : apply->columns[side->keys[i]];
		bool		one_null;
		bool		other_null;
		Datum		one = slot_getattr(a, apply->here->att[side->keys[i]], &one_null);
		Datum		other = slot_getattr(b, apply->here->att[side->keys[i]], &other_null);

		if (one_null || other_null || !datum_image_eq(one, other, att->attbyval, att->attlen))
			return false;
	}
	return true;
}

bool
apply_same_key(Apply *apply, TupleTableSlot *a, TupleTableSlot *b)
{
	if (!same_image(apply, &apply->source, a, b))
		return false;
	if (apply->same_keys)
		return true;
	if (!same_image(apply, &apply->hidden, a, b))
		return false;
	/* what partitions go by is in the key, if the column is */
	if (!apply->hidden.partitioned || is_sought(apply))
		return true;
	return has_same_leaf(apply, a, b);
}
