/*-------------------------------------------------------------------------
 *
 * kept.h
 *		What a session has compiled for a relation, as long as it is right.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_KEPT_H
#define ZDM_KEPT_H

#include "nodes/pg_list.h"
#include "sync/expr.h"
#include "utils/rel.h"

/* To be the first field of what is kept. */
typedef struct Kept
{
	Oid			relid;
	List	   *others;			/* Oid: relations that it is made from, too */
	MemoryContext context;		/* all of it is in this */
	struct Kept *next_retired;
} Kept;

/* Of one sort of things; zeroed to begin with, and static. */
typedef struct KeptCache
{
	Kept	   *last;			/* the one last asked for, while it is current */
	struct HTAB *entries;		/* by relation; NULL: none yet */
	struct KeptCache *next;
	bool		by_any;			/* DDL on whatever relation makes all of it out of date */
} KeptCache;

/* Register the callbacks that keep all that is kept right.  From _PG_init. */
extern void kept_init(void);

/*
 * What is kept of rel: from the cache, or a new one of that size, zeroed but for what
 * is above, that "load" has completed, with "arg".  Valid until the end of the
 * transaction, also if it is out of date meanwhile.
 */
typedef void (*KeptLoad) (Kept *kept, Relation rel, void *arg);
extern Kept *kept_get(KeptCache *cache, Relation rel, Size size, KeptLoad load, void *arg);

/* Forget what is kept of the relation, valid as it is until the end of the transaction. */
extern void kept_drop(KeptCache *cache, Kept *kept);

/*
 * A number that is another one after any relation may have been changed by DDL, as far as
 * this process has heard: who has a lock on the relations it asks about has.
 */
extern uint64 kept_generation(void);

/*
 * Compile, in "context" what is to be kept, and in the current one what is not.  What
 * cannot be compiled is an expression that fails for each row, so that writers go
 * through wherever it does not decide; not beyond this transaction: what was in the way
 * may be gone by the next.
 */
typedef SyncExpr *(*KeptCompile) (void *what, MemoryContext context);
extern SyncExpr *kept_compile(KeptCompile compile, void *what, MemoryContext context);

#endif							/* ZDM_KEPT_H */
