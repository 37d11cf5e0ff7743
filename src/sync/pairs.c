/*-------------------------------------------------------------------------
 *
 * pairs.c
 *		The pairs of a table, ready to be computed with.
 *
 * Each session keeps the pairs of the tables it writes to, compiled (kept.c).  A
 * change of zdm.pair sends a relcache invalidation for the table and its partitions.
 *
 * A trigger that fires must know its pairs even in a REPEATABLE READ
 * transaction whose snapshot is older than they are: the rows are read with
 * the latest snapshot.  Their being committed is assured by the lock that
 * whoever changes them holds against writers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_proc.h"
#include "catalog/query.h"
#include "catalog/row.h"
#include "core/attempt.h"
#include "executor/spi.h"
#include "sync/pairs.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "compat.h"

static const char *const conflict_names[] = {
	[ON_CONFLICT_NEW] = "new",
	[ON_CONFLICT_OLD] = "old",
	[ON_CONFLICT_ERROR] = "error",
};

static const RowWords conflict_words = ROW_WORDS(conflict_names);

/* A row of zdm.pair, with what counts of its migration and of what came past the trigger. */
#define PAIR_ROW_COLUMNS(COLUMN) \
	COLUMN(INT8, id, MADE) \
	COLUMN(INT8, migration, MADE) \
	COLUMN(OID, numbered, MADE)		/* whose attribute numbers the row has */ \
	COLUMN(ATTNUM, old_attnum, MADE) \
	COLUMN(ATTNUM, new_attnum, MADE) \
	COLUMN(TEXT, up, MADE) \
	COLUMN(TEXT, up_resolution, MADE) \
	COLUMN(TEXT, down, MADE) \
	COLUMN(TEXT, down_resolution, MADE) \
	COLUMN(BOOL, new_decides, MADE) \
	COLUMN(WORD(OnConflict, conflict_words), on_conflict, MADE) \
	COLUMN(BOOL, reversible, MADE) \
	COLUMN(BOOL, old_not_null, MADE) \
	COLUMN(BOOL, one_name, MADE)	/* applications know one of the two sides only */ \
	COLUMN(OID, owner, MADE) \
	COLUMN(TEXTS, settings, MADE) \
	COLUMN(OID, past_xmin, MADE) \
	COLUMN(OID, past_xmax, MADE) \
	COLUMN(OIDS, past_running, MADE) \
	COLUMN(OIDS, past_own, MADE)

typedef struct PairRow
{
	PAIR_ROW_COLUMNS(ROW_FIELD)
} PairRow;

typedef PairRow Row;

/* $1: a table, and the partitioned ones above it */
static const RowTable pair_rows =
ROW_TABLE("(SELECT p.id, p.migration, p.relid AS numbered, p.old_attnum, p.new_attnum, "
		  "p.up, p.up_resolution, p.down, p.down_resolution, p.authoritative = 'new' AS new_decides, "
		  "p.on_conflict, p.reversible, p.old_not_null, m.kind = 'change_column_type' AS one_name, "
		  "m.owner, m.result_settings AS settings, "
		  "pg_snapshot_xmin(s.past)::xid::text::oid AS past_xmin, pg_snapshot_xmax(s.past)::xid::text::oid AS past_xmax, "
		  "ARRAY(SELECT x::xid::text::oid FROM pg_snapshot_xip(s.past) x) AS past_running, "
		  "coalesce(a.own, '{}') || ARRAY(SELECT xid FROM zdm.unfilled "
		  "  WHERE migration = p.migration AND relid = ($1)[1]) AS past_own "
		  "FROM zdm.pair p JOIN zdm.migration m ON m.id = p.migration "
		  "LEFT JOIN LATERAL (SELECT past, own FROM zdm.arrival "
		  "  WHERE migration = p.migration AND relid = ($1)[1] ORDER BY id DESC LIMIT 1) a ON true, "
		  "LATERAL (SELECT coalesce(a.past, p.past)) s(past) "
		  "WHERE p.relid = ANY ($1) AND p.new_attnum IS NOT NULL) r", PAIR_ROW_COLUMNS);

/* What the errcontext line of a running expression says. */
typedef struct PairContext
{
	SyncPair   *pair;
	PairDirection direction;
} PairContext;

KeptCache	pairs_cache;

static uint64 transaction = 1;	/* pairs_transaction() */

static void
end_of_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	transaction++;
	expr_end_transaction();
}

/* What was noted in it is gone, and what was being computed. */
static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	expr_abort_subtransaction();
	if (!attempt_is_undoing())
		transaction++;
}

void
pairs_init(void)
{
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterSubXactCallback(end_of_subtransaction, NULL);
}

uint64
pairs_transaction(void)
{
	return transaction;
}

/* What compile() is to compile. */
typedef struct Compilation
{
	const ExprStated *stated;	/* NULL: the default of column "attnum" */
	const PairRow *row;
	Relation	rel;
	AttrNumber	new_attnum;
	AttrNumber	attnum;			/* that it is a value of */
	bool		is_volatile;
} Compilation;

static SyncExpr *
compile(void *arg, MemoryContext context)
{
	Compilation *what = arg;

	if (what->stated == NULL)
		return expr_compile_default(what->rel, what->attnum, &what->is_volatile, context);
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(what->row->owner)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role with whose rights it is done no longer exists"),
				 errhint("The owner of the table can go on with SELECT zdm.resume(%lld).",
						 (long long) what->row->migration)));
	return expr_compile(what->stated, what->row->numbered, what->rel, what->new_attnum,
						TupleDescAttr(RelationGetDescr(what->rel), what->attnum - 1),
						&(ExprActor) {what->row->owner, what->row->settings}, context);
}

/* Adds a column's default in "rel", if it has one there. */
static void
load_default(PairSide *side, Relation rel, AttrNumber attnum, MemoryContext context)
{
	Compilation what = {.rel = rel,.attnum = attnum};
	SyncExpr   *expr;
	MemoryContext caller;

	if (attnum == InvalidAttrNumber)
		return;
	expr = kept_compile(compile, &what, context);
	side->volatile_default |= what.is_volatile;
	if (expr == NULL)
		return;
	caller = MemoryContextSwitchTo(context);
	side->defaults = lappend(side->defaults, expr);
	MemoryContextSwitchTo(caller);
}

/*
 * A row that was routed here has the defaults of the table it was inserted
 * into: of any that rel is a partition of.
 */
static void
load_side(PairSide *side, AttrNumber attnum, Relation rel, List *ancestors,
		  MemoryContext context)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	ListCell   *lc;

	side->attnum = attnum;
	side->typlen = att->attlen;
	side->typbyval = att->attbyval;
	side->notnull = att->attnotnull;
	load_default(side, rel, attnum, context);
	if (side->defaults != NIL && !side->volatile_default)
		side->own_default = linitial(side->defaults);
	foreach(lc, ancestors)
	{
		/*
		 * Not locked: whoever writes to the partition alone has no lock on
		 * its parent, and asking for one now could deadlock with ALTER TABLE,
		 * which locks the parent first.  A change of it sends an invalidation.
		 */
		Relation	ancestor = RelationIdGetRelation(lfirst_oid(lc));

		if (!RelationIsValid(ancestor))
			continue;
		load_default(side, ancestor,
					 get_attnum(RelationGetRelid(ancestor), NameStr(att->attname)),
					 context);
		RelationClose(ancestor);
	}
}

static SyncExpr *
load_expr(const ExprStated *stated, const PairRow *row, Relation rel, const PairSide *from,
		  const PairSide *to, AttrNumber new_attnum, MemoryContext context)
{
	Compilation what = {
		.stated = stated,
		.row = row,
		.rel = rel,
		.new_attnum = new_attnum,
		.attnum = to->attnum,
	};

	if (stated->text == NULL)
		return expr_compile_copy(from->attnum, context);
	return kept_compile(compile, &what, context);
}

/*
 * The number in rel of a column that has number attnum in "numbered", rel
 * itself or a partitioned table above it; 0 if it is gone.
 */
static AttrNumber
map_attribute(Oid numbered, AttrNumber attnum, Relation rel)
{
	char	   *name = get_attname(numbered, attnum, true);

	if (name == NULL)
		return InvalidAttrNumber;
	return get_attnum(RelationGetRelid(rel), name);
}

/* Columns that up and down read, other than the pair's own. */
static Bitmapset *
other_inputs(SyncPair *pair)
{
	Bitmapset  *inputs = bms_union(expr_inputs(pair->up), expr_inputs(pair->down));

	inputs = bms_del_member(inputs, pair->old_side.attnum - FirstLowInvalidHeapAttributeNumber);
	return bms_del_member(inputs, pair->new_side.attnum - FirstLowInvalidHeapAttributeNumber);
}

static void
load_error_context(void *arg)
{
	SyncPair   *pair = arg;

	errcontext("preparing the expressions of migration %lld", (long long) pair->migration);
}

static void
load_exprs(SyncPair *pair, const PairRow *row, Relation rel, MemoryContext context)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = load_error_context,
		.arg = pair
	};

	error_context_stack = &callback;
	pair->up = load_expr(&(ExprStated) {row->up, row->up_resolution}, row, rel, &pair->old_side, &pair->new_side,
						 pair->new_side.attnum, context);
	pair->down = load_expr(&(ExprStated) {row->down, row->down_resolution}, row, rel, &pair->new_side, &pair->old_side,
						   pair->new_side.attnum, context);
	error_context_stack = callback.previous;
}

/* One pair from its row; false if a column of it is gone. */
static bool
load_pair(SyncPair *pair, const PairRow *row, Relation rel, List *ancestors,
		  MemoryContext context)
{
	AttrNumber	old_attnum = map_attribute(row->numbered, row->old_attnum, rel);
	AttrNumber	new_attnum = map_attribute(row->numbered, row->new_attnum, rel);
	MemoryContext caller;

	if (old_attnum == InvalidAttrNumber || new_attnum == InvalidAttrNumber)
		return false;
	pair->id = row->id;
	pair->migration = row->migration;
	pair->relid = RelationGetRelid(rel);
	load_side(&pair->old_side, old_attnum, rel, ancestors, context);
	load_side(&pair->new_side, new_attnum, rel, ancestors, context);
	load_exprs(pair, row, rel, context);
	pair->up_copies = expr_copies(pair->up);
	pair->down_copies = expr_copies(pair->down);
	pair->new_decides = row->new_decides;
	pair->old_side.hidden = row->one_name && row->new_decides;
	pair->new_side.hidden = row->one_name && !row->new_decides;
	pair->on_conflict = row->on_conflict;
	pair->reversible = row->reversible;
	pair->old_not_null = row->old_not_null;
	pair->past = (PairPast) {
		.xmin = row->past_xmin,
		.xmax = row->past_xmax,
		.running = row->past_running,
		.own = row->past_own,
	};

	caller = MemoryContextSwitchTo(context);
	pair->inputs = other_inputs(pair);
	MemoryContextSwitchTo(caller);
	return true;
}

static PairRow *
read_row(uint64 n)
{
	PairRow    *row = row_read(&pair_rows, n);

	list_sort(row->past_running, list_oid_cmp);
	list_sort(row->past_own, list_oid_cmp);
	return row;
}

/*
 * The rows of rel and of the partitioned tables above it, read whole: what they
 * hold of a user's is worked on when the extension's tables are left.
 */
static List *
read_rows(Relation rel, List *ancestors)
{
	QuerySession session;
	List	   *relids = list_concat(list_make1_oid(RelationGetRelid(rel)), ancestors);
	QueryArg	arg = arg_oids(relids);
	char	   *columns = row_columns(&pair_rows);
	char	   *sql = psprintf("SELECT %s FROM %s ORDER BY id", columns, pair_rows.name);
	List	   *rows = NIL;
	MemoryContext caller = CurrentMemoryContext;
	int			rc;

	query_begin(&session);
	/* read-only: in the midst of a user's statement, which must see no more for it */
	rc = SPI_execute_with_args(sql, 1, &arg.type, &arg.value, NULL, true, 0);
	if (rc != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("pairs of table \"%s\" could not be read: %s",
						RelationGetRelationName(rel), SPI_result_code_string(rc))));
	MemoryContextSwitchTo(caller);
	for (uint64 n = 0; n < SPI_processed; n++)
		rows = lappend(rows, read_row(n));
	query_end(&session);
	/* what this context keeps, the session keeps */
	pfree(columns);
	pfree(sql);
	return rows;
}

static void
load_rows(PairSet *set, Relation rel)
{
	MemoryContext caller;
	List	   *rows;
	ListCell   *lc;

	/* latest: the transaction's own snapshot may be older than the pairs */
	PushActiveSnapshot(GetLatestSnapshot());
	caller = MemoryContextSwitchTo(set->kept.context);
	rows = read_rows(rel, set->kept.others);
	set->pairs = palloc0(sizeof(SyncPair) * Max(list_length(rows), 1));
	MemoryContextSwitchTo(caller);
	foreach(lc, rows)
	{
		if (load_pair(&set->pairs[set->npairs], lfirst(lc), rel, set->kept.others, set->kept.context))
			set->npairs++;
	}
	PopActiveSnapshot();
}

static void
load_set(Kept *kept, Relation rel, void *arg)
{
	if (rel->rd_rel->relispartition)
	{
		MemoryContext caller = MemoryContextSwitchTo(kept->context);

		kept->others = get_partition_ancestors(RelationGetRelid(rel));
		MemoryContextSwitchTo(caller);
	}
	load_rows((PairSet *) kept, rel);
}

PairSet *
pairs_find(Relation rel)
{
	return (PairSet *) kept_get(&pairs_cache, rel, sizeof(PairSet), load_set, NULL);
}

static void
pair_error_context(void *arg)
{
	PairContext *context = arg;
	SyncPair   *pair = context->pair;
	PairSide   *side = context->direction == PAIR_UP ? &pair->new_side : &pair->old_side;
	char	   *column = get_attname(pair->relid, side->attnum, true);
	char	   *table = get_rel_name(pair->relid);

	errcontext("computing column \"%s\" of table \"%s\" from the %s column (\"%s\" of migration %lld)",
			   column ? column : "?", table ? table : "?",
			   context->direction == PAIR_UP ? "old" : "new",
			   context->direction == PAIR_UP ? "up" : "down",
			   (long long) pair->migration);
}

/* The value of a side that is not a copy of the other. */
static Datum
compute_value(SyncPair *pair, PairDirection direction, TupleTableSlot *slot,
			  bool *isnull)
{
	SyncExpr   *expr = direction == PAIR_UP ? pair->up : pair->down;
	PairContext context = {.pair = pair,.direction = direction};
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = pair_error_context,
		.arg = &context
	};
	Datum		value;

	error_context_stack = &callback;
	value = expr_eval(expr, slot, isnull);
	error_context_stack = callback.previous;
	return value;
}

Datum
pair_new_value(SyncPair *pair, TupleTableSlot *slot, bool *isnull)
{
	if (pair->up_copies != InvalidAttrNumber)
		return slot_getattr(slot, pair->up_copies, isnull);
	return compute_value(pair, PAIR_UP, slot, isnull);
}

Datum
pair_old_value(SyncPair *pair, TupleTableSlot *slot, bool *isnull)
{
	if (pair->down_copies != InvalidAttrNumber)
		return slot_getattr(slot, pair->down_copies, isnull);
	return compute_value(pair, PAIR_DOWN, slot, isnull);
}

typedef struct ValueAttempt
{
	SyncPair   *pair;
	PairDirection direction;
	SyncExpr   *standard;		/* in its place, a default */
	TupleTableSlot *slot;
	Datum		value;
	bool		isnull;
} ValueAttempt;

static void
attempt_compute(void *arg)
{
	ValueAttempt *attempt = arg;

	attempt->value = attempt->standard ?
		expr_eval(attempt->standard, attempt->slot, &attempt->isnull) :
		compute_value(attempt->pair, attempt->direction, attempt->slot, &attempt->isnull);
}

/*
 * Evaluate, in a subtransaction.  False: its error, which is the row's.
 */
static bool
try_to_compute(SyncPair *pair, PairDirection direction, SyncExpr *standard,
			   TupleTableSlot *slot, Datum *value, bool *isnull, ErrorData **error)
{
	ValueAttempt attempt = {pair, direction, standard, slot, 0, false};

	if (!attempt_run(attempt_compute, &attempt, ATTEMPT_KEEP, error))
	{
		if (attempt_blames_server(*error))
			ReThrowError(*error);
		return false;
	}
	*value = attempt.value;
	*isnull = attempt.isnull;
	return true;
}

bool
pair_try_value(SyncPair *pair, PairDirection direction, TupleTableSlot *slot,
			   Datum *value, bool *isnull, ErrorData **error)
{
	SyncExpr   *expr = direction == PAIR_UP ? pair->up : pair->down;

	if (expr_can_fail(expr))
		return try_to_compute(pair, direction, NULL, slot, value, isnull, error);
	*value = direction == PAIR_UP ?
		pair_new_value(pair, slot, isnull) :
		pair_old_value(pair, slot, isnull);
	return true;
}

bool
pair_try_default(SyncExpr *standard, TupleTableSlot *slot, Datum *value, bool *isnull)
{
	ErrorData  *error = NULL;

	if (expr_can_fail(standard))
		return try_to_compute(NULL, PAIR_UP, standard, slot, value, isnull, &error);
	*value = expr_eval(standard, slot, isnull);
	return true;
}

/* Is the side equal to what the other one gives? */
static bool
agrees(SyncPair *pair, PairDirection direction, TupleTableSlot *slot)
{
	const PairSide *side = direction == PAIR_UP ? &pair->new_side : &pair->old_side;
	bool		isnull;
	Datum		value = slot_getattr(slot, side->attnum, &isnull);
	Datum		computed;
	bool		computed_null;
	ErrorData  *error = NULL;

	return pair_try_value(pair, direction, slot, &computed, &computed_null, &error) &&
		pair_same_value(side, value, isnull, computed, computed_null);
}

bool
pair_agrees(SyncPair *pair, TupleTableSlot *slot)
{
	return agrees(pair, PAIR_UP, slot) || agrees(pair, PAIR_DOWN, slot);
}

static bool
is_among(const List *sorted, TransactionId xid)
{
	int			begin = 0;
	int			end = list_length(sorted);

	while (begin < end)
	{
		int			middle = begin + (end - begin) / 2;
		TransactionId found = list_nth_oid(sorted, middle);

		if (found == xid)
			return true;
		if (found < xid)
			begin = middle + 1;
		else
			end = middle;
	}
	return false;
}

/* Is the transaction one of those that wrote without the trigger? */
static bool
past_has(const PairPast *past, TransactionId xid)
{
	if (!TransactionIdIsNormal(xid) || is_among(past->own, xid))
		return true;
	/* it cannot be to come: it is from an age of transaction numbers ago */
	if (TransactionIdPrecedes(xid, past->xmin) ||
		TransactionIdFollowsOrEquals(xid, ReadNextTransactionId()))
		return true;
	return TransactionIdPrecedes(xid, past->xmax) && !is_among(past->running, xid);
}

bool
pair_is_past(const SyncPair *pair, TupleTableSlot *slot)
{
	HeapTupleHeader tuple;

	/* nothing is known of another access method's rows: nobody has written a NULL */
	if (!TTS_IS_BUFFERTUPLE(slot) && !TTS_IS_HEAPTUPLE(slot))
		return slot_attisnull(slot, pair->new_side.attnum);
	tuple = ((HeapTupleTableSlot *) slot)->tuple->t_data;
	return HeapTupleHeaderGetNatts(tuple) < pair->new_side.attnum ||
		past_has(&pair->past, HeapTupleHeaderGetRawXmin(tuple));
}

void
pair_note_unfilled(SyncPair *pair)
{
	TransactionId xid = GetCurrentTransactionId();
	QuerySession session;

	if (pair->past.noted == xid)
		return;
	query_begin(&session);
	QUERY("INSERT INTO zdm.unfilled (migration, relid, xid) VALUES ($1, $2, $3)",
		  arg_int8(pair->migration), arg_oid(pair->relid), arg_oid(xid));
	query_end(&session);
	pair->past.noted = xid;
}

/*
 * Is the old side one that was given up, since `down` fails and the new side is
 * what counts?  It is NULL then, or, if it may not be, what it was.  Such a row
 * closed the way back; it is not wrong.
 */
static bool
is_given_up(SyncPair *pair, TupleTableSlot *slot)
{
	Datum		computed;
	bool		computed_null;
	ErrorData  *error = NULL;

	/* before cutover, a new side without a value may be one that `up` failed for */
	return (pair->new_decides ||
			(!pair->reversible && !slot_attisnull(slot, pair->new_side.attnum))) &&
		!pair_try_value(pair, PAIR_DOWN, slot, &computed, &computed_null, &error);
}

/* Does the side hold the default that a writer who did not name it left there? */
static bool
holds_default(const PairSide *side, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, side->attnum, &isnull);
	Datum		standard;
	bool		standard_null;

	return !isnull && side->own_default != NULL &&
		pair_try_default(side->own_default, slot, &standard, &standard_null) &&
		pair_same_value(side, value, false, standard, standard_null);
}

/* Is the new side's value its default, which nobody gave it, while the old side counts? */
static bool
is_left_default(const SyncPair *pair, TupleTableSlot *slot, bool past)
{
	return past && !pair->new_decides && holds_default(&pair->new_side, slot);
}

bool
pair_in_step(SyncPair *pair, TupleTableSlot *slot, bool past)
{
	bool		written = !past || !slot_attisnull(slot, pair->new_side.attnum);

	return agrees(pair, PAIR_UP, slot) ||
		(written && !is_left_default(pair, slot, past) && agrees(pair, PAIR_DOWN, slot)) ||
		(written && is_given_up(pair, slot));
}

PairDirection
pair_due(SyncPair *pair, TupleTableSlot *slot, bool past)
{
	const PairSide *decides = pair->new_decides ? &pair->new_side : &pair->old_side;
	const PairSide *other = pair->new_decides ? &pair->old_side : &pair->new_side;
	bool		computed_decides = false;

	if (past && !other->hidden)
	{
		bool		is_null = slot_attisnull(slot, decides->attnum);
		bool		other_null = slot_attisnull(slot, other->attnum);

		/* NULL where there is a default was given, unless the row was never filled */
		computed_decides = !other_null &&
			(holds_default(other, slot) ? is_null && decides->own_default == NULL :
			 is_null || holds_default(decides, slot));
	}
	return pair->new_decides != computed_decides ? PAIR_DOWN : PAIR_UP;
}

bool
pair_same_image(const PairSide *side, Datum a, Datum b)
{
	struct varlena *p = (struct varlena *) DatumGetPointer(a);
	struct varlena *q = (struct varlena *) DatumGetPointer(b);
	Size		size;

	if (side->typlen != -1)
		return datum_image_eq(a, b, false, side->typlen);

	/* of the same kind, plain or toasted, and the same bytes: nothing to fetch */
	if (*(uint8 *) p == *(uint8 *) q &&
		(!VARATT_IS_EXTERNAL(p) ||
		 (VARATT_IS_EXTERNAL_ONDISK(p) && VARATT_IS_EXTERNAL_ONDISK(q))))
	{
		size = VARSIZE_ANY(p);
		if (size == VARSIZE_ANY(q) && memcmp(p, q, size) == 0)
			return true;
	}
	return datum_image_eq(a, b, false, -1);
}
