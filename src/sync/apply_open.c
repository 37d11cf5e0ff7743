/*-------------------------------------------------------------------------
 *
 * apply_open.c
 *		Two tables that are kept in step: what they have in common, and their relations.
 *
 * Two kinds of process write the hidden table: sessions that write the table,
 * through its trigger, and the workers that copy what was there before.  A session
 * holds the row of the table when it writes its like, as it has written or deleted it.
 * So at most one session at a time is at work on a key, and what the one before it has
 * done is committed or undone by then.  That is why rows are looked up as they are now,
 * whatever the transaction's snapshot sees: a writer at REPEATABLE READ finds a row that
 * was copied after it began, and goes on.
 *
 * A worker locks no row: an application that asks for one with NOWAIT or SKIP LOCKED
 * must not notice it, and locks are expensive.  It puts the like of a row there first,
 * and looks then whether anybody has written the row, which would show in it: if so, it
 * takes it back.  A session marks the row first, and looks for its like then: what a
 * worker has put there and not committed it waits for, for the rest of a batch.  So one
 * of the two sees the other, whichever comes first.
 *
 * Two workers have blocks of their own each.  The second one to see a row of some key, as
 * it went from the blocks of the first to its own, sees it only when the session that moved
 * it has committed, which has waited for the first one's batch.  And no worker waits for
 * anybody, so none of them can wait in a ring.
 *
 * This file knows what the two have in common, and opens and closes their relations.  Where
 * the like of a row is, what it is to be, how it is written and how many are added at once
 * are apply_find.c, apply_make.c, apply_write.c and apply_add.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/stratnum.h"
#include "catalog/folded.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/table_key.h"
#include "catalog/index.h"
#include "core/names.h"
#include "executor/executor.h"
#include "sync/apply.h"
#include "sync/apply_parts.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
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
	index = relation_open(indexid, AccessShareLock);
	usable = index->rd_index->indisvalid && index->rd_rel->relam == BTREE_AM_OID && folded_index_is_plain(index);
	relation_close(index, AccessShareLock);
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

AttrNumber *
apply_columns_of(Apply *apply, TupleDesc desc)
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

bool
apply_is_sought(const Apply *apply)
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
	if (!apply_is_sought(apply))
		return;
	make_whole(&apply->source, source, apply_columns_of(apply, RelationGetDescr(source)));
	make_whole(&apply->hidden, hidden, apply_columns_of(apply, RelationGetDescr(hidden)));
}

/* The type that the other side has the key's column of; InvalidOid: the same. */
static Oid
foreign_type(const Apply *apply, const ApplySide *side, int column)
{
	const ApplyConverted *converted = apply->converted;

	/* sought by the value that it has on this side */
	if (converted == NULL || converted->column != column || apply_is_sought(apply))
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

TupleTableSlot *
apply_row_slot(ApplyLeaf *leaf)
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
	leaf->row = apply_row_slot(leaf);
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
	leaf->att = apply_columns_of(apply, RelationGetDescr(rel));
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

ApplyLeaf *
apply_open_leaf(Apply *apply, ApplySide *side, Oid relid)
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

Relation
apply_key(ApplyLeaf *leaf)
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
	read_key(apply, side, rel, apply_columns_of(apply, RelationGetDescr(rel)));
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
		(void) apply_open_leaf(apply, &apply->hidden, apply->hidden.root);
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
