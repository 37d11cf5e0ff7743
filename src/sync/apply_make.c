/*-------------------------------------------------------------------------
 *
 * apply_make.c
 *		What the like of a row is to be, and whether it is.
 *
 * What is generated in both is taken from the row.  A column that the hidden table alone
 * has, or has of another expression, is computed there: from the hidden row, which has
 * all else by then.
 *
 * A column that the two have of different types is computed from the source's row: by
 * "up" before the exchange, and after it by "down".  Then the hidden row is the one that
 * was there first, and keeps its value as long as that is one that "up" makes the other
 * of: what the way there has rounded comes back as it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/toast_internals.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "executor/executor.h"
#include "sync/apply.h"
#include "sync/apply_parts.h"
#include "utils/datum.h"
#include "utils/rel.h"

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
	return apply_is_value(att, evaluation.value, evaluation.isnull, value, isnull);
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
	apply_fill_level(apply, whole, &(ApplyRow) {.slot = row, .att = apply->there->att});
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
		row->tts_values[to] = apply_get_column(apply, &apply->wanted, converted->column, &row->tts_isnull[to]);
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

bool
apply_make_row(Apply *apply, TupleTableSlot *slot, TupleTableSlot *row, TupleTableSlot *found, ErrorData **error)
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
		return apply_is_value(apply->columns[converted->column], apply->wanted.value, apply->wanted.isnull,
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
	ApplyRow	one = apply_row_for(apply, &apply->hidden, a, apply->here->att, FORM_OTHER);
	ApplyRow	other = apply_row_for(apply, &apply->hidden, b, apply->here->att, FORM_OTHER);

	return apply_find_leaf(apply, &apply->hidden, &one) == apply_find_leaf(apply, &apply->hidden, &other);
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
	if (!apply->hidden.partitioned || apply_is_sought(apply))
		return true;
	return has_same_leaf(apply, a, b);
}
