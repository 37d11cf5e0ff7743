/*-------------------------------------------------------------------------
 *
 * sync_trigger.c
 *		The trigger that keeps the pairs of a table in step.
 *
 * One BEFORE INSERT OR UPDATE row trigger for all pairs of a table.  For each
 * pair it finds out what the statement and the triggers before did to either
 * side (claims), asks the tables in decide.c, and carries the answer out.  A
 * row in which nothing is to be done is returned as it came, and a value is
 * compared and copied as it is, toasted or not.
 *
 * A side that is not the authoritative one may fail to be computed without
 * failing the write: what an old application does before cutover, or a new one
 * after it, is what counts.  The row is noted (outcome.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "sync/conflict.h"
#include "sync/decide.h"
#include "sync/outcome.h"
#include "sync/pairs.h"
#include "sync/stmtcols.h"
#include "utils/rel.h"

/* Kept in the trigger's FmgrInfo when needed: one statement, one relation. */
typedef struct SyncCall
{
	bool		asked[2];		/* by is_insert: the two below are filled in */
	StmtCols	verdict[2];
	const Bitmapset *inserted;	/* what an INSERT named */

	/* room for one row that is changed; rows come one at a time */
	Datum	   *values;
	bool	   *nulls;
	TupleTableSlot *changed;	/* the same, for pairs that read it */
} SyncCall;

/* One row on its way through. */
typedef struct SyncRow
{
	TriggerData *trigdata;
	FmgrInfo   *flinfo;
	bool		is_insert;
	HeapTuple	tuple;			/* as it came */
	TupleTableSlot *slot;		/* the same */
	TupleTableSlot *before;		/* UPDATE: the row as it was */
	int			keep;			/* UPDATE: it goes as it was, with this many attributes; 0: as it came */
	Datum	   *values;			/* the row as it goes; NULL: as it came */
	bool	   *nulls;
} SyncRow;

PG_FUNCTION_INFO_V1(zdm_sync);

static void
check_protocol(FunctionCallInfo fcinfo)
{
	TriggerEvent event;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.sync: must be called as a trigger")));
	event = ((TriggerData *) fcinfo->context)->tg_event;
	if (!TRIGGER_FIRED_BEFORE(event) || !TRIGGER_FIRED_FOR_ROW(event) ||
		!(TRIGGER_FIRED_BY_INSERT(event) || TRIGGER_FIRED_BY_UPDATE(event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.sync: must be fired BEFORE INSERT OR UPDATE FOR EACH ROW")));
}

static SyncCall *
get_call(FmgrInfo *flinfo, Relation rel)
{
	SyncCall   *call = flinfo->fn_extra;
	int			natts = RelationGetDescr(rel)->natts;

	if (call)
		return call;
	call = MemoryContextAlloc(flinfo->fn_mcxt,
							  MAXALIGN(sizeof(SyncCall)) +
							  (sizeof(Datum) + sizeof(bool)) * natts);
	memset(call, 0, sizeof(SyncCall));
	call->values = (Datum *) ((char *) call + MAXALIGN(sizeof(SyncCall)));
	call->nulls = (bool *) (call->values + natts);
	flinfo->fn_extra = call;
	return call;
}

/* What the statement named; asked once, since it is the same for every row. */
static StmtCols
get_named(SyncRow *row, const Bitmapset **cols)
{
	SyncCall   *call = get_call(row->flinfo, row->trigdata->tg_relation);

	if (!call->asked[row->is_insert])
	{
		MemoryContext caller = MemoryContextSwitchTo(row->flinfo->fn_mcxt);
		const Bitmapset *named;

		call->verdict[row->is_insert] = stmtcols_named(row->trigdata, &named);
		if (row->is_insert)
			call->inserted = named;
		call->asked[row->is_insert] = true;
		MemoryContextSwitchTo(caller);
	}
	*cols = row->is_insert ? call->inserted : row->trigdata->tg_updatedcols;
	return call->verdict[row->is_insert];
}

static inline bool
is_named(const PairSide *side, StmtCols verdict, const Bitmapset *cols)
{
	return verdict == STMTCOLS_ALL ||
		(verdict == STMTCOLS_KNOWN &&
		 bms_is_member(side->attnum - FirstLowInvalidHeapAttributeNumber, cols));
}

/*
 * Is the value NULL, or one of the column's defaults?  "uncertain", if it may be
 * one.
 */
static bool
is_blank(SyncRow *row, const PairSide *side, bool *uncertain)
{
	bool		isnull;
	Datum		value = slot_getattr(row->slot, side->attnum, &isnull);
	ListCell   *lc;

	*uncertain = side->volatile_default;
	if (isnull)
		return true;
	foreach(lc, side->defaults)
	{
		bool		standard_null;
		Datum		standard;

		/* no write fails since a default of the table cannot be compared with */
		if (!pair_try_default(lfirst(lc), row->slot, &standard, &standard_null))
			*uncertain = true;
		else if (pair_same_value(side, value, isnull, standard, standard_null))
			return true;
	}
	return false;
}

/*
 * Did an INSERT name the side?  The hidden side of a type change is nobody's to
 * name: whoever gives it NULL or its default has found it in the catalog, and
 * has no value for it.
 */
static bool
insert_names(SyncRow *row, const PairSide *side, StmtCols verdict, const Bitmapset *cols)
{
	bool		uncertain;

	return is_named(side, verdict, cols) && !(side->hidden && is_blank(row, side, &uncertain));
}

static Claim
insert_claim(SyncRow *row, const PairSide *side, StmtCols verdict, bool named)
{
	bool		uncertain;
	bool		blank = is_blank(row, side, &uncertain);

	if (named)
		return blank ? CLAIM_BLANK : uncertain ? CLAIM_UNSURE : CLAIM_NAMED;
	if (blank)
	{
		/* the publisher's NULL: without one of his, the default would be here */
		return IsLogicalWorker() && side->defaults != NIL &&
			slot_attisnull(row->slot, side->attnum) ? CLAIM_NAMED : CLAIM_NONE;
	}
	if (uncertain)
		return verdict == STMTCOLS_KNOWN ? CLAIM_NONE : CLAIM_WEAK;
	return CLAIM_SET;
}

static inline bool
has_changed(SyncRow *row, const PairSide *side)
{
	bool		was_null;
	bool		is_null;
	Datum		was = slot_getattr(row->before, side->attnum, &was_null);
	Datum		is = slot_getattr(row->slot, side->attnum, &is_null);

	return !pair_same_value(side, was, was_null, is, is_null);
}

static Claim
update_claim(bool changed, bool named)
{
	if (changed)
		return named ? CLAIM_NAMED : CLAIM_SET;
	return named ? CLAIM_WEAK : CLAIM_NONE;
}

static Decision
decide_for_insert(SyncRow *row, SyncPair *pair)
{
	const Bitmapset *cols;
	StmtCols	verdict = get_named(row, &cols);
	bool		old_named;
	bool		new_named;

	if (verdict == STMTCOLS_REROUTED)
		return DECIDE_REST;
	old_named = insert_names(row, &pair->old_side, verdict, cols);
	new_named = insert_names(row, &pair->new_side, verdict, cols);

	/* what the hidden side holds has no say beside the one that was named, NULL or not */
	if (old_named && new_named && (pair->old_side.hidden || pair->new_side.hidden))
		return DECIDE_BOTH;

	/* the usual statement: values need not be looked at */
	if (old_named != new_named)
		return old_named ? DECIDE_UP : DECIDE_DOWN;
	return decide_insert(insert_claim(row, &pair->old_side, verdict, old_named),
						 insert_claim(row, &pair->new_side, verdict, new_named));
}

/* Put a value into the row, unless it is there already. */
static void
set_value(SyncRow *row, const PairSide *side, Datum value, bool isnull)
{
	Relation	rel = row->trigdata->tg_relation;
	int			natts = RelationGetDescr(rel)->natts;
	bool		had_null;
	Datum		had = slot_getattr(row->slot, side->attnum, &had_null);

	if (row->values != NULL)
	{
		had = row->values[side->attnum - 1];
		had_null = row->nulls[side->attnum - 1];
	}
	if (pair_same_value(side, had, had_null, value, isnull))
		return;
	if (row->values == NULL)
	{
		SyncCall   *call = get_call(row->flinfo, rel);

		slot_getallattrs(row->slot);
		row->values = memcpy(call->values, row->slot->tts_values, sizeof(Datum) * natts);
		row->nulls = memcpy(call->nulls, row->slot->tts_isnull, sizeof(bool) * natts);
	}
	row->values[side->attnum - 1] = value;
	row->nulls[side->attnum - 1] = isnull;
}

/* The side is to be as it was before the UPDATE. */
static void
take_back(SyncRow *row, const PairSide *side)
{
	bool		isnull;
	Datum		was = slot_getattr(row->before, side->attnum, &isnull);

	set_value(row, side, was, isnull);
}

/*
 * Has the UPDATE changed the side?  A NULL or default that was given to a hidden
 * one is taken back.
 */
static bool
update_changes(SyncRow *row, const PairSide *side)
{
	bool		uncertain;

	if (!has_changed(row, side))
		return false;
	if (!side->hidden || !is_blank(row, side, &uncertain))
		return true;
	take_back(row, side);
	return false;
}

/*
 * Is the one side that has changed a hidden one, while the statement named the
 * other?  An upsert that names every column gives it what belongs to the row that was
 * to be inserted; the other may be as it was because a trigger has put that back.
 */
static bool
is_overruled(const PairSide *changed, const PairSide *other, StmtCols verdict, const Bitmapset *cols)
{
	return changed->hidden && is_named(other, verdict, cols);
}

static Decision
decide_for_update(SyncRow *row, SyncPair *pair)
{
	bool		old_changed = update_changes(row, &pair->old_side);
	bool		new_changed = update_changes(row, &pair->new_side);
	const Bitmapset *cols;
	StmtCols	verdict;

	if (!old_changed && !new_changed)
		return DECIDE_REST;
	verdict = get_named(row, &cols);
	if (!old_changed && is_overruled(&pair->new_side, &pair->old_side, verdict, cols))
	{
		take_back(row, &pair->new_side);
		return DECIDE_REST;
	}
	if (!new_changed && is_overruled(&pair->old_side, &pair->new_side, verdict, cols))
	{
		take_back(row, &pair->old_side);
		return DECIDE_REST;
	}
	return decide_update(update_claim(old_changed, is_named(&pair->old_side, verdict, cols)),
						 update_claim(new_changed, is_named(&pair->new_side, verdict, cols)));
}

static bool
attribute_changed(SyncRow *row, Form_pg_attribute att)
{
	PairSide	side = {.attnum = att->attnum,.typlen = att->attlen,.typbyval = att->attbyval};

	return has_changed(row, &side);
}

/* Has one of the other columns that up or down reads changed? */
static bool
inputs_changed(SyncRow *row, SyncPair *pair)
{
	TupleDesc	tupdesc = RelationGetDescr(row->trigdata->tg_relation);
	int			i = -1;

	while ((i = bms_next_member(pair->inputs, i)) >= 0)
	{
		if (attribute_changed(row, TupleDescAttr(tupdesc, i + FirstLowInvalidHeapAttributeNumber - 1)))
			return true;
	}
	return false;
}

/* Does the row as it was hold nothing in this attribute and those behind it? */
static bool
is_empty_from(SyncRow *row, AttrNumber attnum)
{
	TupleDesc	tupdesc = RelationGetDescr(row->trigdata->tg_relation);

	for (int i = attnum; i <= tupdesc->natts; i++)
	{
		/* without an attribute that has a missing value, a row has that */
		if (!slot_attisnull(row->before, i) || TupleDescAttr(tupdesc, i - 1)->atthasmissing)
			return false;
	}
	return true;
}

/*
 * An UPDATE that changes nothing changes nothing: what compares whole rows, a
 * WHEN or a transition table, is not to see that a row has been filled on the
 * way.  The row then goes as the tuple that it was, with fewer attributes than
 * the table, since that is how it is known not to have been filled; those that a
 * rewrite of the table has added, it is rid of again.  False where that would get
 * lost.
 */
static bool
can_stay_unfilled(SyncRow *row, SyncPair *pair)
{
	TupleDesc	tupdesc = RelationGetDescr(row->trigdata->tg_relation);
	HeapTuple	before = row->trigdata->tg_trigtuple;

	if (row->values != NULL || !TTS_IS_BUFFERTUPLE(row->slot) ||
		(tupdesc->constr && tupdesc->constr->has_generated_stored) ||
		before->t_len > TOAST_TUPLE_THRESHOLD)
		return false;
	if (HeapTupleHeaderGetNatts(before->t_data) >= pair->new_side.attnum &&
		!is_empty_from(row, pair->new_side.attnum))
		return false;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (!att->attisdropped && attribute_changed(row, att))
			return false;
	}
	return true;
}

/* Must the write go through even if this side cannot be computed? */
static bool
may_fail(SyncPair *pair, PairDirection direction)
{
	if (!expr_can_fail(direction == PAIR_UP ? pair->up : pair->down))
		return false;
	if (direction == PAIR_UP)
		return !pair->new_decides && !pair->new_side.notnull;
	return pair->new_decides || !pair->reversible;
}

/*
 * Compute one side from the other.  Where that may fail and does, the side
 * becomes NULL, or stays what it is if it must not be.
 */
static void
derive(SyncRow *row, SyncPair *pair, PairDirection direction)
{
	PairSide   *side = direction == PAIR_UP ? &pair->new_side : &pair->old_side;
	ErrorData  *error = NULL;
	Datum		value;
	bool		isnull;

	if (!may_fail(pair, direction))
	{
		value = direction == PAIR_UP ?
			pair_new_value(pair, row->slot, &isnull) :
			pair_old_value(pair, row->slot, &isnull);
		set_value(row, side, value, isnull);
	}
	else if (pair_try_value(pair, direction, row->slot, &value, &isnull, &error))
		set_value(row, side, value, isnull);
	else
	{
		isnull = false;
		outcome_note(pair, direction, row->trigdata->tg_relation, row->slot, error);
		if (!side->notnull)
			set_value(row, side, (Datum) 0, true);
	}
	if (direction == PAIR_DOWN && isnull)
		outcome_note_null(pair, row->trigdata->tg_relation, row->slot);
}

/*
 * Both sides were given, and do not agree.  What a logical replication worker
 * inserts no statement here has set: when an update moves the row to another
 * partition, the column that the publisher lacks has the value of before.
 */
static void
resolve_conflict(SyncRow *row, SyncPair *pair)
{
	Relation	rel = row->trigdata->tg_relation;
	TupleDesc	tupdesc = RelationGetDescr(rel);

	if (row->is_insert && IsLogicalWorker())
	{
		derive(row, pair, pair->new_decides ? PAIR_DOWN : PAIR_UP);
		return;
	}
	if (pair->old_side.hidden || pair->new_side.hidden)
	{
		derive(row, pair, pair->new_side.hidden ? PAIR_UP : PAIR_DOWN);
		return;
	}
	conflict_count(pair->migration);
	switch (pair->on_conflict)
	{
		case ON_CONFLICT_NEW:
			derive(row, pair, PAIR_DOWN);
			return;
		case ON_CONFLICT_OLD:
			derive(row, pair, PAIR_UP);
			return;
		case ON_CONFLICT_ERROR:
			ereport(ERROR,
					(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
					 errmsg("columns \"%s\" and \"%s\" of table \"%s\" are given values that do not agree",
							NameStr(TupleDescAttr(tupdesc, pair->old_side.attnum - 1)->attname),
							NameStr(TupleDescAttr(tupdesc, pair->new_side.attnum - 1)->attname),
							RelationGetRelationName(rel)),
					 errdetail("Migration %lld keeps the two in step, with zdm.on_conflict = error.",
							   (long long) pair->migration),
					 errhint("Set one of the two columns and leave out the other."),
					 errtable(rel)));
	}
}

/* Was the side computed from the row as it was?  If not, someone wrote it. */
static bool
is_computed(SyncRow *row, SyncPair *pair, PairDirection direction)
{
	PairSide   *side = direction == PAIR_UP ? &pair->new_side : &pair->old_side;
	ErrorData  *error = NULL;
	Datum		value;
	Datum		computed;
	bool		isnull;
	bool		computed_null;

	value = slot_getattr(row->before, side->attnum, &isnull);
	return pair_try_value(pair, direction, row->before, &computed, &computed_null, &error) &&
		pair_same_value(side, value, isnull, computed, computed_null);
}

/*
 * A row of before the trigger comes by, its pair not touched: it is filled, as
 * the version that is written now counts as one that has been.
 */
static void
fill_past(SyncRow *row, SyncPair *pair)
{
	if (can_stay_unfilled(row, pair))
	{
		pair_note_unfilled(pair);
		row->keep = row->keep == 0 ? pair->new_side.attnum - 1 : Min(row->keep, pair->new_side.attnum - 1);
	}
	else
		derive(row, pair, pair_due(pair, row->slot, true));
}

/*
 * Neither side was touched.  Two rows are not at rest all the same: one that
 * the backfill has not reached, and one in which another column changed that
 * up or down reads.  Then too it is the side that does not decide which follows:
 * what an application sees changes for no other column's sake.
 */
static void
keep_at_rest(SyncRow *row, SyncPair *pair)
{
	PairDirection direction = pair->new_decides ? PAIR_DOWN : PAIR_UP;

	if (row->before == NULL)
	{
		if (!pair_agrees(pair, row->slot))
			derive(row, pair, direction);
	}
	else if (pair_is_past(pair, row->before) && !pair_in_step(pair, row->before, true))
		fill_past(row, pair);
	else if (pair->inputs && inputs_changed(row, pair) &&
			 (is_computed(row, pair, direction) || !pair_agrees(pair, row->slot)))
		derive(row, pair, direction);
}

static void
sync_pair(SyncRow *row, SyncPair *pair)
{
	Decision	decision = row->is_insert ?
		decide_for_insert(row, pair) : decide_for_update(row, pair);

	switch (decision)
	{
		case DECIDE_REST:
			keep_at_rest(row, pair);
			break;
		case DECIDE_DEFAULT:
			derive(row, pair, pair->new_decides ? PAIR_DOWN : PAIR_UP);
			break;
		case DECIDE_UP:
			derive(row, pair, PAIR_UP);
			break;
		case DECIDE_DOWN:
			derive(row, pair, PAIR_DOWN);
			break;
		case DECIDE_BOTH:
			if (!pair_agrees(pair, row->slot))
				resolve_conflict(row, pair);
			break;
	}
}

/*
 * A pair whose expressions read a column of another pair follows it.  It was
 * stated later, and comes after it: from here on the row is as it goes.
 */
static void
show_changes(SyncRow *row)
{
	SyncCall   *call = get_call(row->flinfo, row->trigdata->tg_relation);
	TupleDesc	tupdesc = RelationGetDescr(row->trigdata->tg_relation);

	if (call->changed == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(row->flinfo->fn_mcxt);

		call->changed = MakeSingleTupleTableSlot(CreateTupleDescCopy(tupdesc), &TTSOpsVirtual);
		MemoryContextSwitchTo(caller);
	}
	ExecClearTuple(call->changed);
	memcpy(call->changed->tts_values, row->values, sizeof(Datum) * tupdesc->natts);
	memcpy(call->changed->tts_isnull, row->nulls, sizeof(bool) * tupdesc->natts);
	row->slot = ExecStoreVirtualTuple(call->changed);
}

static void
sync_pairs(SyncRow *row, PairSet *set)
{
	row->slot = row->is_insert ? row->trigdata->tg_trigslot : row->trigdata->tg_newslot;
	for (int i = 0; i < set->npairs; i++)
	{
		if (i > 0 && row->values != NULL && set->pairs[i].inputs != NULL)
			show_changes(row);
		sync_pair(row, &set->pairs[i]);
	}
}

static HeapTuple
form_tuple(SyncRow *row)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(row->trigdata->tg_relation),
										row->values, row->nulls);

	tuple->t_self = row->tuple->t_self;
	tuple->t_tableOid = row->tuple->t_tableOid;
	return tuple;
}

/* The row as it was, without the attributes behind the first "natts", which are empty. */
static HeapTuple
form_short(SyncRow *row, int natts)
{
	TupleDesc	tupdesc = RelationGetDescr(row->trigdata->tg_relation);
	TupleDesc	shorter = CreateTemplateTupleDesc(natts);

	for (int i = 1; i <= natts; i++)
		TupleDescCopyEntry(shorter, i, tupdesc, i);
	slot_getsomeattrs(row->before, natts);
	return heap_form_tuple(shorter, row->before->tts_values, row->before->tts_isnull);
}

/* The row as it was, to be written as the next version of itself. */
static HeapTuple
copy_before(SyncRow *row)
{
	HeapTuple	was = row->trigdata->tg_trigtuple;
	HeapTuple	tuple = HeapTupleHeaderGetNatts(was->t_data) <= row->keep ?
		heap_copytuple(was) : form_short(row, row->keep);

	tuple->t_self = row->tuple->t_self;
	tuple->t_tableOid = row->tuple->t_tableOid;
	return tuple;
}

Datum
zdm_sync(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata;
	SyncRow		row = {0};
	PairSet    *set;

	check_protocol(fcinfo);
	trigdata = (TriggerData *) fcinfo->context;
	row.trigdata = trigdata;
	row.is_insert = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event);
	row.tuple = row.is_insert ? trigdata->tg_trigtuple : trigdata->tg_newtuple;
	row.before = row.is_insert ? NULL : trigdata->tg_trigslot;
	row.flinfo = fcinfo->flinfo;
	set = pairs_get(trigdata->tg_relation);
	sync_pairs(&row, set);
	/* formed in full for one pair, the row would count as filled for another that was left out */
	if (row.values && row.keep > 0)
		sync_pairs(&row, set);
	if (row.values)
		return PointerGetDatum(form_tuple(&row));
	return PointerGetDatum(row.keep > 0 ? copy_before(&row) : row.tuple);
}
