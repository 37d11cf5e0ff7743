/*-------------------------------------------------------------------------
 *
 * apply_parts.h
 *		What the parts of "apply" have of each other: for them alone.
 *
 * All of it is to be called between apply_open() and apply_close().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_APPLY_PARTS_H
#define ZDM_APPLY_PARTS_H

#include "sync/apply.h"

/* Why a row cannot be put there. */
#define APPLY_NO_PARTITION "no partition takes the row"
#define APPLY_SAME_KEY "the key has another row"

/* Whose columns a row has that a side is searched for. */
typedef enum ApplyForm
{
	FORM_OWN,
	FORM_OTHER					/* those of the other side */
} ApplyForm;

/* ---- apply_open.c ---- */

/* Where the columns are that both have, in a relation of one of the sides; ERRCODE_UNDEFINED_COLUMN. */
extern AttrNumber *apply_columns_of(Apply *apply, TupleDesc desc);

/* Are partition and key of a row sought by the value of the column that the other side has? */
extern bool apply_is_sought(const Apply *apply);

/*
 * A relation with rows of the side, open until apply_close(), but for the source's at hand, which is the
 * caller's; its index by which rows are found; a slot for a row as it is to be there.
 */
extern ApplyLeaf *apply_open_leaf(Apply *apply, ApplySide *side, Oid relid);
extern Relation apply_key(ApplyLeaf *leaf);
extern TupleTableSlot *apply_row_slot(ApplyLeaf *leaf);

/* ---- apply_find.c ---- */

/* Are the two values of the column the same, byte for byte? */
extern bool apply_is_value(Form_pg_attribute att, Datum one, bool one_isnull, Datum other, bool other_isnull);

/*
 * The row as the side is searched for it; "att": where it has the columns that both have.
 * The value that the other side would have may not be computed: then its error is in it.
 */
extern ApplyRow apply_row_for(Apply *apply, const ApplySide *side, TupleTableSlot *slot, const AttrNumber *att, ApplyForm form);
extern Datum apply_get_column(const Apply *apply, const ApplyRow *row, int column, bool *isnull);

/* The row in the form of a partitioned table, in level->slot. */
extern void apply_fill_level(Apply *apply, ApplyLevel *level, const ApplyRow *row);

/* The leaf of the side in which the row belongs; NULL: none takes it. */
extern ApplyLeaf *apply_find_leaf(Apply *apply, ApplySide *side, const ApplyRow *row);

/* The leaf's row of that key, in leaf->found. */
extern bool apply_find_row(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, Snapshot snapshot);

/*
 * The same as it is now.  *writer: a transaction that is not over and has put one there,
 * which is therefore none, or invalid: the copy's, if it has.
 */
extern bool apply_find_row_now(const Apply *apply, ApplySide *side, ApplyLeaf *leaf, const ApplyRow *row, TransactionId *writer);

/* Have the two rows equal keys on that side? */
extern bool apply_equal_keys(const Apply *apply, ApplySide *side, const ApplyRow *a, const ApplyRow *b);

/* Where in the hidden table a row's like has its place: apply->wanted, apply->there; false: nowhere. */
extern bool apply_seek_hidden(Apply *apply, TupleTableSlot *slot);

/*
 * The hidden table's row, for who has written the table's.  Closes the race with the copy,
 * which locks no row: what it has put there is waited for.  What it puts there from here
 * on it takes back, as it looks afterwards whether the row has been written
 * (apply_add_prepared()).
 */
extern bool apply_find_for_writer(Apply *apply, TupleTableSlot *slot, TupleTableSlot **found);

/* Has the table a row, other than the one in "slot", that the hidden one which was found is the like of? */
extern bool apply_is_others(Apply *apply, TupleTableSlot *slot);

/*
 * Has the table a row whose place in the hidden one is that of "slot", a row of leaf
 * "there", or of the table itself?  "source" is where in the table it is looked for;
 * "form": are its columns the hidden table's own?
 */
extern bool apply_has_place(Apply *apply, ApplyLeaf *source, ApplyLeaf *there, TupleTableSlot *slot, const AttrNumber *att,
							ApplyForm form, Snapshot snapshot);

/* The same of a hidden row, by the leaf of the table that has such rows. */
extern bool apply_find_source(Apply *apply, ApplyLeaf *there, TupleTableSlot *slot, Snapshot snapshot);

/* ---- apply_make.c ---- */

/*
 * In "row", the row as the hidden leaf at hand is to have it: dropped columns hold nothing there.
 * "found" is what it has so far, or NULL.  False, with the error, if a column cannot be
 * computed.
 */
extern bool apply_make_row(Apply *apply, TupleTableSlot *slot, TupleTableSlot *row, TupleTableSlot *found, ErrorData **error);

/* ---- apply_write.c ---- */

/*
 * "before" is what the row was, or NULL: by that it was found, so its key is the same.
 * False, with all entries there, if the key has perhaps another row.
 */
extern bool apply_insert_index_entries(Apply *apply, ApplyLeaf *leaf, TupleTableSlot *row, TupleTableSlot *before,
									   bool only_summarizing);

/* A row that this transaction has seen to be there: ERRCODE_T_R_SERIALIZATION_FAILURE if it is not. */
extern void apply_delete(ApplyLeaf *leaf, ItemPointer tid);

#endif							/* ZDM_APPLY_PARTS_H */
