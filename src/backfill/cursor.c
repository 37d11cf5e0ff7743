/*-------------------------------------------------------------------------
 *
 * cursor.c
 *		Where a pass over a table's blocks stands.
 *
 * A table is passed over by physical blocks, up to the size it had when the
 * pass began: the sync trigger was in place by then, so rows written later are
 * right already.  That makes the pass linear, and independent of keys and
 * statistics.  Partitions are taken leaf by leaf in Oid order, and the list is
 * looked at again after each, so that one attached meanwhile is not left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/cursor.h"
#include "backfill/pace.h"
#include "catalog/arrival.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/step_progress.h"
#include "catalog/stretch.h"
#include "core/errors.h"
#include "core/guc.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "compat.h"

/* Neighbouring deferred ranges are joined when there are more than this. */
#define MAX_DEFERRED 1000

/* Fewer blocks than this are not worth a helper's while, more are too much for one. */
#define SMALLEST_STRETCH 64
#define LARGEST_STRETCH 2048

/* The same from the near end: an index by block ranges is to find its rows together. */
#define LARGEST_NEAR_STRETCH 256

/* Rows a second are smoothed over about this long. */
#define RATE_SPAN_MS 3000

static Arrival
parse_arrival(const char *text)
{
	Arrival		arrival;

	if (sscanf(text, "%u:" INT64_FORMAT ":" INT64_FORMAT,
			   &arrival.leaf, &arrival.number, &arrival.unfilled) != 3)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("malformed leaf \"%s\" in zdm.step", text)));
	return arrival;
}

static char *
format_arrival(const Arrival *arrival)
{
	return psprintf("%u:" INT64_FORMAT ":" INT64_FORMAT, arrival->leaf, arrival->number, arrival->unfilled);
}

static void
set_done(Cursor *cursor, Arrival arrival)
{
	Arrival    *done = palloc(sizeof(Arrival));

	*done = arrival;
	cursor->done = lappend(cursor->done, done);
}

static BlockRange *
parse_range(const char *text)
{
	BlockRange *range = palloc(sizeof(BlockRange));
	int			fresh;

	if (sscanf(text, "%u:%u:" INT64_FORMAT ":" INT64_FORMAT ":%d",
			   &range->leaf, &range->filenode, &range->begin, &range->end, &fresh) != 5)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("malformed block range \"%s\" in zdm.step", text)));
	range->fresh = fresh != 0;
	return range;
}

static char *
format_range(const BlockRange *range)
{
	return psprintf("%u:%u:" INT64_FORMAT ":" INT64_FORMAT ":%d",
					range->leaf, range->filenode, range->begin, range->end, range->fresh);
}

typedef enum FieldKind
{
	FIELD_BOOL,
	FIELD_INT,
	FIELD_INT8,
	FIELD_OID
} FieldKind;

/* What of a cursor is stored as it is, and by which name. */
static const struct
{
	const char *name;
	FieldKind	kind;
	size_t		offset;
}			fields[] = {
	{"leaf", FIELD_OID, offsetof(Cursor, leaf)},
	{"filenode", FIELD_OID, offsetof(Cursor, filenode)},
	{"block", FIELD_INT8, offsetof(Cursor, block)},
	{"end", FIELD_INT8, offsetof(Cursor, end)},
	{"window_end", FIELD_INT8, offsetof(Cursor, window_end)},
	{"phase", FIELD_INT, offsetof(Cursor, phase)},
	{"phase_block", FIELD_INT8, offsetof(Cursor, phase_block)},
	{"revisiting", FIELD_BOOL, offsetof(Cursor, revisiting)},
	{"fresh", FIELD_BOOL, offsetof(Cursor, fresh)},
	{"stretches", FIELD_INT, offsetof(Cursor, stretches)},
	{"total", FIELD_INT8, offsetof(Cursor, blocks_total)},
	{"passed", FIELD_INT8, offsetof(Cursor, blocks_done)},
	{"rows", FIELD_INT8, offsetof(Cursor, rows_done)},
	{"pass_rows", FIELD_INT8, offsetof(Cursor, pass_rows)},
};

static JsonbValue *
find_value(Jsonb *json, const char *name)
{
	JsonbValue	key = {.type = jbvString,.val.string = {strlen(name), unconstify(char *, name)}};
	JsonbValue *value = findJsonbValueFromContainer(&json->root, JB_FOBJECT, &key);

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" is missing from a cursor in zdm.step", name)));
	return value;
}

static int64
number_of(const JsonbValue *value)
{
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* The strings of an array. */
static List *
strings_of(const JsonbValue *value)
{
	List	   *result = NIL;
	JsonbContainer *array = value->val.binary.data;

	for (uint32 i = 0; i < JsonContainerSize(array); i++)
		result = lappend(result, string_of(getIthJsonbValueFromContainer(array, i)));
	return result;
}

static void
read_field(void *field, FieldKind kind, const JsonbValue *value)
{
	switch (kind)
	{
		case FIELD_BOOL:
			*(bool *) field = value->val.boolean;
			break;
		case FIELD_INT:
			*(int *) field = (int) number_of(value);
			break;
		case FIELD_INT8:
			*(int64 *) field = number_of(value);
			break;
		case FIELD_OID:
			*(Oid *) field = (Oid) number_of(value);
			break;
	}
}

/* For each batch: so not by a query. */
static void
parse_cursor(Cursor *cursor, const char *text)
{
	Jsonb	   *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	ListCell   *lc;

	for (int i = 0; i < lengthof(fields); i++)
		read_field((char *) cursor + fields[i].offset, fields[i].kind, find_value(json, fields[i].name));
	cursor->arrival = parse_arrival(string_of(find_value(json, "arrival")));
	foreach(lc, strings_of(find_value(json, "done")))
		set_done(cursor, parse_arrival(lfirst(lc)));
	foreach(lc, strings_of(find_value(json, "deferred")))
		cursor->deferred = lappend(cursor->deferred, parse_range(lfirst(lc)));
}

Cursor *
cursor_parse(int64 migration, const char *json)
{
	Cursor	   *cursor = palloc0(sizeof(Cursor));

	cursor->migration = migration;
	parse_cursor(cursor, json);
	return cursor;
}

Cursor *
cursor_load(const Step *step, bool only_new, WorkClock *clock)
{
	Cursor	   *cursor = palloc0(sizeof(Cursor));
	char	   *json = step_progress_load(step)->cursor;

	cursor->migration = step->migration;
	cursor->clock = clock;
	if (json != NULL)
		parse_cursor(cursor, json);
	else
		stretch_forget(step);
	if (json == NULL && only_new && (json = step_backfill_cursor(step->migration)) != NULL)
	{
		Cursor	   *first = palloc0(sizeof(Cursor));

		parse_cursor(first, json);
		cursor->done = first->done;
	}
	cursor->rows_before = cursor->rows_done;
	return cursor;
}

void
cursor_break(WorkClock *clock)
{
	clock->at = 0;
}

/*
 * Takes the time of the batch that ends, with the rest before it.  The first one
 * has none: for the speed, that which will follow is guessed.
 */
static int64
take_time(const Step *step, const Cursor *cursor, double work_ms)
{
	WorkClock  *clock = cursor->clock;
	TimestampTz now = GetCurrentTimestamp();
	bool		goes_on = clock->at != 0 && clock->step == step->number;
	int64		ms = goes_on ? Max(now - clock->at, 0) / 1000 : (int64) work_ms;
	double		rows = (cursor->rows_done - cursor->rows_before) * 1000.0;

	clock->rows_per_second = goes_on ?
		(clock->rows_per_second * RATE_SPAN_MS + rows) / (RATE_SPAN_MS + ms) :
		rows / Max(work_ms * (1.0 + guc_batch_rest), 1.0);
	clock->step = step->number;
	/* what is left of a millisecond is for the next time */
	clock->at = goes_on ? clock->at + ms * 1000 : now;
	return ms;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue	value = {.type = jbvString,.val.string = {strlen(text), unconstify(char *, text)}};

	(void) pushJsonbValue(state, token, &value);
}

static JsonbValue
field_value(const void *field, FieldKind kind)
{
	switch (kind)
	{
		case FIELD_BOOL:
			return (JsonbValue) {.type = jbvBool,.val.boolean = *(const bool *) field};
		case FIELD_INT:
			return (JsonbValue) {.type = jbvNumeric,.val.numeric = int64_to_numeric(*(const int *) field)};
		case FIELD_INT8:
			return (JsonbValue) {.type = jbvNumeric,.val.numeric = int64_to_numeric(*(const int64 *) field)};
		case FIELD_OID:
			return (JsonbValue) {.type = jbvNumeric,.val.numeric = int64_to_numeric(*(const Oid *) field)};
	}
	pg_unreachable();
}

char *
cursor_format(const Cursor *cursor)
{
	JsonbParseState *state = NULL;
	ListCell   *lc;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(fields); i++)
	{
		JsonbValue	value = field_value((const char *) cursor + fields[i].offset, fields[i].kind);

		push_string(&state, WJB_KEY, fields[i].name);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	push_string(&state, WJB_KEY, "arrival");
	push_string(&state, WJB_VALUE, format_arrival(&cursor->arrival));
	push_string(&state, WJB_KEY, "done");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, cursor->done)
		push_string(&state, WJB_ELEM, format_arrival(lfirst(lc)));
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	push_string(&state, WJB_KEY, "deferred");
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, cursor->deferred)
		push_string(&state, WJB_ELEM, format_range(lfirst(lc)));
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return JsonbToCString(NULL, &JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL))->root, 0);
}

void
cursor_save(const Step *step, Cursor *cursor, double work_ms, const char *waiting)
{
	int64		worked_ms = take_time(step, cursor, work_ms);

	step_save_progress(step, &(StepProgress) {
		.cursor = cursor_format(cursor),
		.blocks_total = cursor->blocks_total,
		.blocks_done = Min(cursor->blocks_done, cursor->blocks_total),
		.rows_done = cursor->rows_done,
		.worked_ms = worked_ms,
		.rows_per_second = cursor->clock->rows_per_second,
		.waiting_for = unconstify(char *, waiting),
	});
}

/* The tables with rows among these and their partitions, in Oid order. */
static List *
list_leaves(List *roots)
{
	List	   *leaves = NIL;
	ListCell   *root;
	ListCell   *lc;

	foreach(root, roots)
	{
		foreach(lc, find_all_inheritors(lfirst_oid(root), NoLock, NULL))
		{
			if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
				leaves = lappend_oid(leaves, lfirst_oid(lc));
		}
	}
	list_sort(leaves, list_oid_cmp);
	return leaves;
}

Oid
cursor_root_of(Oid leaf, List *roots)
{
	ListCell   *lc;

	if (list_member_oid(roots, leaf))
		return leaf;
	foreach(lc, roots)
	{
		if (list_member_oid(find_all_inheritors(lfirst_oid(lc), NoLock, NULL), leaf))
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

static int64
count_blocks(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	int64		blocks;

	/* no lock is held on one that came a moment ago: it may be gone again */
	if (!RelationIsValid(rel))
		return 0;
	blocks = RelationGetNumberOfBlocks(rel);
	RelationClose(rel);
	return blocks;
}

static Oid
storage_of(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	Oid			filenode = InvalidOid;

	if (RelationIsValid(rel))
	{
		filenode = zdm_relfilenode(rel);
		RelationClose(rel);
	}
	return filenode;
}

/*
 * Has the leaf been passed over as it came last?  One that was detached may have
 * been written to without the trigger before it came back.  And an UPDATE that
 * changes nothing leaves a row unfilled, in a version that may be behind the
 * cursor or beyond the blocks that there were: what was left so since the leaf
 * was begun is gone over again.  That comes to an end, as a filled row is never
 * left so.
 */
static bool
is_done(const Cursor *cursor, Oid leaf, List *arrivals)
{
	Arrival		arrival = arrival_of(arrivals, leaf);
	ListCell   *lc;

	foreach(lc, cursor->done)
	{
		Arrival    *done = lfirst(lc);

		if (done->leaf == leaf && done->number == arrival.number && done->unfilled == arrival.unfilled)
			return true;
	}
	return false;
}

static void
unset_done(Cursor *cursor, Oid leaf)
{
	ListCell   *lc;

	foreach(lc, cursor->done)
	{
		if (((Arrival *) lfirst(lc))->leaf == leaf)
			cursor->done = foreach_delete_current(cursor->done, lc);
	}
}

/* What is to be done at all, once, for the percentage. */
static void
count_total(Cursor *cursor, List *leaves, List *arrivals)
{
	ListCell   *lc;

	if (cursor->blocks_total > 0)
		return;
	foreach(lc, leaves)
	{
		if (!is_done(cursor, lfirst_oid(lc), arrivals))
			cursor->blocks_total += count_blocks(lfirst_oid(lc));
	}
}

bool
cursor_settle(Cursor *cursor, List *roots)
{
	List	   *leaves;
	List	   *arrivals;
	ListCell   *lc;

	/* the table itself is none that comes, and a rewrite would show in its storage */
	if (list_member_oid(roots, cursor->leaf) && cursor->filenode == storage_of(cursor->leaf))
		return true;
	leaves = list_leaves(roots);

	/* after the leaves: of each of them that came, its arrival is seen */
	PushActiveSnapshot(GetLatestSnapshot());
	arrivals = arrival_list(cursor->migration);
	PopActiveSnapshot();

	/* dropped meanwhile, or detached: then we have no lock on it, nor business with it */
	if (list_member_oid(leaves, cursor->leaf))
	{
		Arrival		arrival = arrival_of(arrivals, cursor->leaf);

		/* begun anew when it is opened, as if its storage were another */
		if (cursor->arrival.number != arrival.number)
		{
			cursor->filenode = InvalidOid;
			cursor->arrival = arrival;
		}
		return true;
	}
	count_total(cursor, leaves, arrivals);
	foreach(lc, leaves)
	{
		if (is_done(cursor, lfirst_oid(lc), arrivals))
			continue;
		/* the storage and the end are noted when it is opened */
		cursor->leaf = lfirst_oid(lc);
		cursor->filenode = InvalidOid;
		cursor->arrival = arrival_of(arrivals, cursor->leaf);
		cursor->revisiting = cursor->fresh = false;
		cursor->block = cursor->window_end = cursor->end = 0;
		return true;
	}
	while (cursor->deferred != NIL)
	{
		BlockRange *range = linitial(cursor->deferred);

		cursor->deferred = list_delete_first(cursor->deferred);
		if (!list_member_oid(leaves, range->leaf))
			continue;
		cursor->leaf = range->leaf;
		cursor->filenode = range->filenode;
		cursor->arrival = arrival_of(arrivals, range->leaf);
		cursor->revisiting = true;
		cursor->fresh = range->fresh;
		cursor->block = cursor->window_end = range->begin;
		cursor->end = range->end;
		return true;
	}
	return false;
}

void
cursor_check_storage(Cursor *cursor, Relation leaf)
{
	Oid			filenode = zdm_relfilenode(leaf);
	ListCell   *lc;

	if (cursor->filenode == filenode)
		return;

	/* new to us, or VACUUM FULL, CLUSTER, TRUNCATE or the like came in between */
	foreach(lc, cursor->deferred)
	{
		if (((BlockRange *) lfirst(lc))->leaf == RelationGetRelid(leaf))
			cursor->deferred = foreach_delete_current(cursor->deferred, lc);
	}
	unset_done(cursor, RelationGetRelid(leaf));
	cursor->filenode = filenode;
	cursor->revisiting = cursor->fresh = false;
	cursor->block = cursor->window_end = 0;
	cursor->end = RelationGetNumberOfBlocks(leaf);
}

/* Keep the list short: a longer range only means more rows looked at again. */
static void
join_deferred(Cursor *cursor)
{
	List	   *joined = NIL;
	BlockRange *last = NULL;
	ListCell   *lc;
	int64		gap = list_length(cursor->deferred) > MAX_DEFERRED ? MaxBlockNumber : 0;

	foreach(lc, cursor->deferred)
	{
		BlockRange *range = lfirst(lc);

		if (last != NULL && last->leaf == range->leaf && last->filenode == range->filenode &&
			last->fresh == range->fresh && range->begin >= last->begin && range->begin - last->end <= gap)
			last->end = Max(last->end, range->end);
		else
		{
			last = range;
			joined = lappend(joined, range);
		}
	}
	cursor->deferred = joined;
}

void
cursor_open_window(Cursor *cursor, int64 blocks, bool in_phases)
{
	cursor->window_end = Min(cursor->block + blocks, cursor->end);
	cursor->phase_block = cursor->block;
	/* an empty one, of an empty table, has no next phase */
	cursor->phase = in_phases && cursor->window_end > cursor->block ? 0 : PACE_ALL_PHASES;
}

void
cursor_close_window(Cursor *cursor)
{
	cursor->window_end = cursor->block;
}

void
cursor_advance(Cursor *cursor, int64 reached, bool done, List *deferred)
{
	cursor->deferred = list_concat(cursor->deferred, deferred);
	join_deferred(cursor);
	if (cursor->phase == PACE_ALL_PHASES)
		cursor->window_end = reached;
	else if (reached < cursor->window_end)
	{
		cursor->phase_block = reached;
		return;
	}
	else if (!done && ++cursor->phase < PACE_PHASES)
	{
		cursor->phase_block = cursor->block;
		return;
	}
	if (!cursor->revisiting || cursor->fresh)
		cursor->blocks_done += cursor->window_end - cursor->block;
	cursor->block = cursor->window_end;
	if (cursor->block >= cursor->end)
	{
		if (!cursor->revisiting)
		{
			unset_done(cursor, cursor->leaf);
			set_done(cursor, cursor->arrival);
		}
		cursor->leaf = InvalidOid;
	}
}

void
cursor_next_pass(Cursor *cursor)
{
	int64		rows_done = cursor->rows_done;
	int64		migration = cursor->migration;
	WorkClock  *clock = cursor->clock;

	memset(cursor, 0, sizeof(Cursor));
	cursor->migration = migration;
	cursor->clock = clock;
	cursor->rows_done = rows_done;
}

/* The cursor of blocks that somebody else is to go over. */
static Cursor *
make_stretch(const Cursor *cursor, Oid leaf, Oid filenode, int64 begin, int64 end)
{
	Cursor	   *stretch = palloc0(sizeof(Cursor));

	stretch->migration = cursor->migration;
	stretch->leaf = stretch->arrival.leaf = leaf;
	stretch->filenode = filenode;
	stretch->block = stretch->window_end = begin;
	stretch->end = end;
	return stretch;
}

/*
 * The last small leaf that nobody has begun.  Large ones are left: their turn
 * comes, and then they are shared.
 */
static Cursor *
hand_out_leaf(Cursor *cursor, List *roots)
{
	List	   *leaves = list_leaves(roots);
	List	   *arrivals = arrival_list(cursor->migration);

	for (int i = list_length(leaves) - 1; i >= 0; i--)
	{
		Oid			leaf = list_nth_oid(leaves, i);
		Relation	rel;
		Cursor	   *stretch = NULL;

		if (leaf == cursor->leaf || is_done(cursor, leaf, arrivals) ||
			!ConditionalLockRelationOid(leaf, RowExclusiveLock))
			continue;
		rel = RelationIdGetRelation(leaf);
		if (RelationIsValid(rel) && RelationGetNumberOfBlocks(rel) <= LARGEST_STRETCH)
		{
			stretch = make_stretch(cursor, leaf, zdm_relfilenode(rel), 0, RelationGetNumberOfBlocks(rel));
			unset_done(cursor, leaf);
			set_done(cursor, arrival_of(arrivals, leaf));
		}
		if (RelationIsValid(rel))
			RelationClose(rel);
		if (stretch != NULL)
			return stretch;
	}
	return NULL;
}

Cursor *
cursor_hand_out(Cursor *cursor, List *roots, int workers, CursorEnd from)
{
	int64		left = cursor->end - cursor->window_end;

	if (OidIsValid(cursor->leaf) && !cursor->revisiting && left >= 2 * SMALLEST_STRETCH)
	{
		int64		most = from == CURSOR_NEAR_END ? LARGEST_NEAR_STRETCH : LARGEST_STRETCH;
		int64		blocks = Min(Max(left / (2 * workers), SMALLEST_STRETCH), most);
		int64		begin = from == CURSOR_NEAR_END ? cursor->block : cursor->end - blocks;

		if (from == CURSOR_NEAR_END)
			cursor->block = cursor->window_end = begin + blocks;
		else
			cursor->end = begin;
		return make_stretch(cursor, cursor->leaf, cursor->filenode, begin, begin + blocks);
	}
	return hand_out_leaf(cursor, roots);
}

void
cursor_take_back(Cursor *cursor, const Cursor *stretch)
{
	BlockRange *range;

	cursor->stretches--;
	cursor->rows_done += stretch->rows_done;
	cursor->pass_rows += stretch->rows_done;
	cursor->blocks_done += stretch->blocks_done;
	cursor->deferred = list_concat(cursor->deferred, list_copy(stretch->deferred));
	if (!OidIsValid(stretch->leaf))
		return;
	range = palloc(sizeof(BlockRange));
	range->leaf = stretch->leaf;
	range->filenode = stretch->filenode;
	range->begin = stretch->block;
	range->end = stretch->end;
	range->fresh = true;
	cursor->deferred = lcons(range, cursor->deferred);
}

void
cursor_take_back_void(Cursor *cursor, const Cursor *stretch)
{
	cursor->stretches--;
	cursor->rows_done += stretch->rows_done;
	cursor->pass_rows += stretch->rows_done;
	unset_done(cursor, stretch->leaf);
}
