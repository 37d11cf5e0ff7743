/*-------------------------------------------------------------------------
 *
 * pairs.c
 *		The pairs of a table, ready to be computed with.
 *
 * Each session keeps the pairs of the tables it writes to, compiled.  A change
 * of zdm.pair sends a relcache invalidation for the table and its partitions,
 * and so do a new column, a rename, a new owner: all that a set is made from.
 * The invalidation can arrive while an expression of the set is running, so a
 * set that is no longer current is only taken out of the cache then, and freed
 * at the end of the transaction.
 *
 * A trigger that fires must know its pairs even in a REPEATABLE READ
 * transaction whose snapshot is older than they are: the rows are read with
 * the latest snapshot.  Their being committed is assured by the lock that
 * whoever changes them holds against writers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_proc.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "executor/spi.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "sync/pairs.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "compat.h"

typedef struct PairCacheEntry
{
	Oid			relid;			/* hash key */
	PairSet    *set;
} PairCacheEntry;

/* What the errcontext line of a running expression says. */
typedef struct PairContext
{
	SyncPair   *pair;
	PairDirection direction;
} PairContext;

PairSet    *pairs_last = NULL;

static HTAB *pair_cache = NULL;
static PairSet *retired_sets = NULL;
static uint64 generation = 1;	/* changes when a set may be out of date */
static uint64 transaction = 1;

static void
retire_set(PairSet *set)
{
	set->next_retired = retired_sets;
	retired_sets = set;
}

/* Forget what was made from a relation, or everything, for InvalidOid. */
static void
forget_sets(Oid relid)
{
	HASH_SEQ_STATUS status;
	PairCacheEntry *entry;

	generation++;
	pairs_last = NULL;
	if (pair_cache == NULL)
		return;
	hash_seq_init(&status, pair_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (OidIsValid(relid) && entry->relid != relid &&
			!list_member_oid(entry->set->ancestors, relid))
			continue;
		retire_set(entry->set);
		hash_search(pair_cache, &entry->relid, HASH_REMOVE, NULL);
	}
}

static void
relcache_callback(Datum arg, Oid relid)
{
	forget_sets(relid);
}

/* A function that an expression calls may have been inlined into it. */
static void
function_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_sets(InvalidOid);
}

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
	while (retired_sets)
	{
		PairSet    *set = retired_sets;

		retired_sets = set->next_retired;
		MemoryContextDelete(set->context);
	}
}

/* What was noted in it is gone. */
static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && !attempt_is_undoing())
		transaction++;
}

void
pairs_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, function_callback, (Datum) 0);
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterSubXactCallback(end_of_subtransaction, NULL);
}

uint64
pairs_transaction(void)
{
	return transaction;
}

/* Adds a column's default in "rel", if it has one there. */
static void
load_default(PairSide *side, Relation rel, AttrNumber attnum, MemoryContext context)
{
	Node	   *tree;
	MemoryContext caller;

	if (attnum == InvalidAttrNumber)
		return;
	tree = build_column_default(rel, attnum);
	if (tree == NULL)
		return;
	if (contain_volatile_functions(tree))
	{
		side->volatile_default = true;
		return;
	}
	caller = MemoryContextSwitchTo(context);
	side->defaults = lappend(side->defaults, expr_compile_tree(tree, rel, context));
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
	foreach(lc, ancestors)
	{
		/*
		 * Not locked: whoever writes to the partition alone has no lock on
		 * its parent, and asking for one now could deadlock with ALTER TABLE,
		 * which locks the parent first.  A change of it is told to
		 * forget_sets().
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
load_expr(const char *stored, Oid numbered, Relation rel, const PairSide *from,
		  const PairSide *to, AttrNumber new_attnum, MemoryContext context)
{
	if (stored == NULL)
		return expr_compile_copy(from->attnum, context);
	return expr_compile(stored, numbered, rel, new_attnum, to->attnum, context);
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

static OnConflict
read_on_conflict(const char *value)
{
	if (strcmp(value, "old") == 0)
		return ON_CONFLICT_OLD;
	if (strcmp(value, "error") == 0)
		return ON_CONFLICT_ERROR;
	return ON_CONFLICT_NEW;
}

static void
load_error_context(void *arg)
{
	SyncPair   *pair = arg;

	errcontext("preparing the expressions of migration %lld", (long long) pair->migration);
}

static void
load_exprs(SyncPair *pair, const char *up, const char *down, Oid numbered,
		   Relation rel, MemoryContext context)
{
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = load_error_context,
		.arg = pair
	};

	error_context_stack = &callback;
	pair->up = load_expr(up, numbered, rel, &pair->old_side, &pair->new_side,
						 pair->new_side.attnum, context);
	pair->down = load_expr(down, numbered, rel, &pair->new_side, &pair->old_side,
						   pair->new_side.attnum, context);
	error_context_stack = callback.previous;
}

/* One row of the query in load_rows(); false if a column of it is gone. */
static bool
load_pair(SyncPair *pair, uint64 row, Relation rel, List *ancestors,
		  MemoryContext context)
{
	Oid			numbered = query_oid(row, 3);
	AttrNumber	old_attnum = map_attribute(numbered, query_int4(row, 4), rel);
	AttrNumber	new_attnum = map_attribute(numbered, query_int4(row, 5), rel);
	MemoryContext caller;

	if (old_attnum == InvalidAttrNumber || new_attnum == InvalidAttrNumber)
		return false;
	pair->id = query_int8(row, 1);
	pair->migration = query_int8(row, 2);
	pair->relid = RelationGetRelid(rel);
	load_side(&pair->old_side, old_attnum, rel, ancestors, context);
	load_side(&pair->new_side, new_attnum, rel, ancestors, context);
	load_exprs(pair, query_text(row, 6), query_text(row, 7),
			   numbered, rel, context);
	pair->up_copies = expr_copies(pair->up);
	pair->down_copies = expr_copies(pair->down);
	pair->new_decides = strcmp(query_text(row, 8), "new") == 0;
	pair->on_conflict = read_on_conflict(query_text(row, 9));
	pair->reversible = query_bool(row, 10);

	caller = MemoryContextSwitchTo(context);
	pair->inputs = other_inputs(pair);
	MemoryContextSwitchTo(caller);
	return true;
}

/* The rows of rel and of the partitioned tables above it. */
static void
load_rows(PairSet *set, Relation rel)
{
	QuerySession session;
	List	   *relids = list_make1_oid(RelationGetRelid(rel));
	QueryArg	arg = arg_oids(list_concat(relids, set->ancestors));
	int			rc;

	query_begin(&session);
	/* latest: the transaction's own snapshot may be older than the pairs */
	PushActiveSnapshot(GetLatestSnapshot());
	rc = SPI_execute_with_args("SELECT id, migration, relid, old_attnum::int4, new_attnum::int4, "
							   "up, down, authoritative, on_conflict, reversible "
							   "FROM zdm.pair WHERE relid = ANY ($1) AND new_attnum IS NOT NULL "
							   "ORDER BY id",
							   1, &arg.type, &arg.value, NULL, true, 0);
	if (rc != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("pairs of table \"%s\" could not be read: %s",
						RelationGetRelationName(rel), SPI_result_code_string(rc))));

	set->pairs = MemoryContextAllocZero(set->context,
										sizeof(SyncPair) * Max(SPI_processed, 1));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		if (load_pair(&set->pairs[set->npairs], row, rel, set->ancestors, set->context))
			set->npairs++;
	}
	PopActiveSnapshot();
	query_end(&session);
}

static PairSet *
load_set(Relation rel)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_zdm pairs",
												  ALLOCSET_SMALL_SIZES);
	PairSet    *set = MemoryContextAllocZero(context, sizeof(PairSet));

	set->relid = RelationGetRelid(rel);
	set->context = context;
	if (rel->rd_rel->relispartition)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		set->ancestors = get_partition_ancestors(RelationGetRelid(rel));
		MemoryContextSwitchTo(caller);
	}
	load_rows(set, rel);
	/* complete: an error before this point frees it with the caller's context */
	MemoryContextSetParent(context, CacheMemoryContext);
	return set;
}

static void
create_cache(void)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(PairCacheEntry);
	pair_cache = hash_create("pg_zdm pairs", 32, &control, HASH_ELEM | HASH_BLOBS);
}

PairSet *
pairs_find(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	PairCacheEntry *entry;
	PairSet    *set;
	uint64		before;
	bool		found;

	if (pair_cache == NULL)
		create_cache();
	entry = hash_search(pair_cache, &relid, HASH_FIND, NULL);
	if (entry)
	{
		pairs_last = entry->set;
		return entry->set;
	}

	before = generation;
	set = load_set(rel);
	if (generation != before)
	{
		/* invalidated while it was read: for this once only */
		retire_set(set);
		return set;
	}
	entry = hash_search(pair_cache, &relid, HASH_ENTER, &found);
	Assert(!found);
	entry->set = set;
	pairs_last = set;
	return set;
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
	TupleTableSlot *slot;
	Datum		value;
	bool		isnull;
} ValueAttempt;

static void
try_compute(void *arg)
{
	ValueAttempt *try = arg;

	try->value = compute_value(try->pair, try->direction, try->slot, &try->isnull);
}

bool
pair_try_value(SyncPair *pair, PairDirection direction, TupleTableSlot *slot,
			   Datum *value, bool *isnull, ErrorData **error)
{
	SyncExpr   *expr = direction == PAIR_UP ? pair->up : pair->down;
	ValueAttempt try = {.pair = pair, .direction = direction, .slot = slot};

	if (!expr_can_fail(expr))
	{
		*value = direction == PAIR_UP ?
			pair_new_value(pair, slot, isnull) :
			pair_old_value(pair, slot, isnull);
		return true;
	}
	if (attempt_run(try_compute, &try, ATTEMPT_KEEP, error))
	{
		*value = try.value;
		*isnull = try.isnull;
		return true;
	}
	expr_recover(expr);
	/* nor does a fault of the server say anything of the row */
	if (ERRCODE_TO_CATEGORY((*error)->sqlerrcode) == ERRCODE_INTERNAL_ERROR)
		ReThrowError(*error);
	return false;
}

bool
pair_agrees(SyncPair *pair, TupleTableSlot *slot)
{
	bool		old_null;
	bool		new_null;
	Datum		old_value = slot_getattr(slot, pair->old_side.attnum, &old_null);
	Datum		new_value = slot_getattr(slot, pair->new_side.attnum, &new_null);
	Datum		computed;
	bool		computed_null;
	ErrorData  *error = NULL;

	if (pair_try_value(pair, PAIR_UP, slot, &computed, &computed_null, &error) &&
		pair_same_value(&pair->new_side, new_value, new_null, computed, computed_null))
		return true;
	return pair_try_value(pair, PAIR_DOWN, slot, &computed, &computed_null, &error) &&
		pair_same_value(&pair->old_side, old_value, old_null, computed, computed_null);
}

bool
pair_given_up(SyncPair *pair, TupleTableSlot *slot)
{
	bool		new_null;
	bool		computed_null;
	Datum		computed;
	ErrorData  *error = NULL;

	(void) slot_getattr(slot, pair->new_side.attnum, &new_null);
	return !new_null && (pair->new_decides || !pair->reversible) &&
		!pair_try_value(pair, PAIR_DOWN, slot, &computed, &computed_null, &error);
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
