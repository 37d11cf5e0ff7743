/*-------------------------------------------------------------------------
 *
 * kept.c
 *		What a session has compiled for a relation, as long as it is right.
 *
 * Whatever it is made from sends a relcache invalidation when it changes: a column, a
 * name, an owner, a trigger of ours; and a function that an expression calls may have
 * been inlined into it.  The invalidation can arrive while an expression is running, so
 * what is no longer current is only taken out of its cache then, and freed at the end
 * of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/attempt.h"
#include "sync/kept.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

typedef struct KeptEntry
{
	Oid			relid;			/* hash key */
	Kept	   *kept;
} KeptEntry;

static KeptCache *caches = NULL;
static Kept *retired = NULL;	/* to be freed at the end of the transaction */
static uint64 generation = 0;	/* changes when something may be out of date */
static bool failed = false;		/* an expression could not be compiled in this transaction */

static void
retire(Kept *kept)
{
	kept->next_retired = retired;
	retired = kept;
}

static void
forget_in(KeptCache *cache, Oid relid)
{
	HASH_SEQ_STATUS status;
	KeptEntry  *entry;

	cache->last = NULL;
	hash_seq_init(&status, cache->entries);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (OidIsValid(relid) && entry->relid != relid && !list_member_oid(entry->kept->others, relid))
			continue;
		retire(entry->kept);
		hash_search(cache->entries, &entry->relid, HASH_REMOVE, NULL);
	}
}

/* What was made from a relation, or everything, for InvalidOid. */
static void
forget(Oid relid)
{
	generation++;
	for (KeptCache *cache = caches; cache != NULL; cache = cache->next)
		forget_in(cache, cache->by_any ? InvalidOid : relid);
}

uint64
kept_generation(void)
{
	return generation;
}

static void
relcache_callback(Datum arg, Oid relid)
{
	forget(relid);
}

static void
function_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	forget(InvalidOid);
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (failed)
		forget(InvalidOid);
	failed = false;
	while (retired != NULL)
	{
		Kept	   *kept = retired;

		retired = kept->next_retired;
		MemoryContextDelete(kept->context);
	}
}

void
kept_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, function_callback, (Datum) 0);
	RegisterXactCallback(end_of_transaction, NULL);
}

static void
make_cache(KeptCache *cache)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(KeptEntry)};

	cache->entries = hash_create("pg_zdm kept", 32, &control, HASH_ELEM | HASH_BLOBS);
	cache->next = caches;
	caches = cache;
}

static Kept *
make(Relation rel, Size size, KeptLoad load, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_zdm kept", ALLOCSET_SMALL_SIZES);
	Kept	   *kept = MemoryContextAllocZero(context, size);

	kept->relid = RelationGetRelid(rel);
	kept->context = context;
	load(kept, rel, arg);
	/* complete: an error before this point frees it with the caller's context */
	MemoryContextSetParent(context, CacheMemoryContext);
	return kept;
}

Kept *
kept_get(KeptCache *cache, Relation rel, Size size, KeptLoad load, void *arg)
{
	Oid			relid = RelationGetRelid(rel);
	KeptEntry  *entry;
	Kept	   *kept;
	uint64		before = generation;

	if (cache->entries == NULL)
		make_cache(cache);
	entry = hash_search(cache->entries, &relid, HASH_FIND, NULL);
	if (entry != NULL)
		return cache->last = entry->kept;
	kept = make(rel, size, load, arg);
	if (generation != before)
	{
		/* invalidated while it was read: for this once only */
		retire(kept);
		return kept;
	}
	entry = hash_search(cache->entries, &relid, HASH_ENTER, NULL);
	entry->kept = kept;
	cache->last = kept;
	return kept;
}

void
kept_drop(KeptCache *cache, Kept *kept)
{
	KeptEntry  *entry = hash_search(cache->entries, &kept->relid, HASH_FIND, NULL);

	if (entry == NULL || entry->kept != kept)
		return;
	cache->last = NULL;
	retire(kept);
	hash_search(cache->entries, &kept->relid, HASH_REMOVE, NULL);
}

typedef struct Compiling
{
	KeptCompile compile;
	void	   *what;
	MemoryContext context;
	MemoryContext scratch;
	SyncExpr   *expr;
} Compiling;

static void
attempt_compile(void *arg)
{
	Compiling  *compiling = arg;

	MemoryContextSwitchTo(compiling->scratch);
	compiling->expr = compiling->compile(compiling->what, compiling->context);
}

SyncExpr *
kept_compile(KeptCompile compile, void *what, MemoryContext context)
{
	Compiling	compiling = {compile, what, context, CurrentMemoryContext, NULL};
	/* the error, if there is one, is kept */
	MemoryContext caller = MemoryContextSwitchTo(context);
	ErrorData  *error;
	bool		done = attempt_run(attempt_compile, &compiling, ATTEMPT_KEEP, &error);

	MemoryContextSwitchTo(caller);
	if (done)
		return compiling.expr;
	if (attempt_blames_server(error))
		ReThrowError(error);
	failed = true;
	return expr_compile_failure(error, context);
}
