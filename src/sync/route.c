/*-------------------------------------------------------------------------
 *
 * route.c
 *		Which partition a row belongs in.
 *
 * The executor's own routing keeps relations open until its statement ends, of which
 * a trigger is not told.  So the bounds are looked through here, by the functions that
 * PostgreSQL exports for that; they are read anew for each row, as a partition may
 * have come since the last one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "sync/route.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"

/* The partition key of the row; an expression may leave its value in the context of one row. */
static void
read_key(Route *route, PartitionKey key, TupleTableSlot *slot, Datum *values, bool *isnull)
{
	ExprContext *context = GetPerTupleExprContext(route->estate);
	ListCell   *lc;

	if (!route->prepared)
	{
		MemoryContext caller = MemoryContextSwitchTo(route->estate->es_query_cxt);

		route->expressions = ExecPrepareExprList(key->partexprs, route->estate);
		route->prepared = true;
		MemoryContextSwitchTo(caller);
	}
	context->ecxt_scantuple = slot;
	lc = list_head(route->expressions);
	for (int i = 0; i < key->partnatts; i++)
	{
		if (key->partattrs[i] != 0)
			values[i] = slot_getattr(slot, key->partattrs[i], &isnull[i]);
		else
		{
			values[i] = ExecEvalExprSwitchContext(lfirst(lc), context, &isnull[i]);
			lc = lnext(route->expressions, lc);
		}
	}
}

/* Where it is among the bounds; -1: in none but the default. */
static int
find_bound(PartitionKey key, PartitionBoundInfo bounds, Datum *values, bool *isnull)
{
	bool		equal = false;
	int			offset;

	switch ((int) key->strategy)
	{
		case PARTITION_STRATEGY_HASH:
			return bounds->indexes[compute_partition_hash_value(key->partnatts, key->partsupfunc, key->partcollation,
																values, isnull) % bounds->nindexes];
		case PARTITION_STRATEGY_LIST:
			if (isnull[0])
				return bounds->null_index;
			offset = partition_list_bsearch(key->partsupfunc, key->partcollation, bounds, values[0], &equal);
			return offset >= 0 && equal ? bounds->indexes[offset] : -1;
		default:
			for (int i = 0; i < key->partnatts; i++)
			{
				if (isnull[i])
					return -1;
			}
			offset = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, key->partnatts, values,
												   &equal);
			return bounds->indexes[offset + 1];
	}
}

Oid
route_find(Route *route, Relation rel, TupleTableSlot *slot)
{
	PartitionKey key = RelationGetPartitionKey(rel);
	PartitionDesc desc = RelationGetPartitionDesc(rel, !IsolationUsesXactSnapshot());
	Datum		values[PARTITION_MAX_KEYS];
	bool		isnull[PARTITION_MAX_KEYS];
	int			found;

	if (desc->nparts == 0)
		return InvalidOid;
	read_key(route, key, slot, values, isnull);
	found = find_bound(key, desc->boundinfo, values, isnull);
	ResetPerTupleExprContext(route->estate);
	if (found < 0)
		found = desc->boundinfo->default_index;
	return found < 0 ? InvalidOid : desc->oids[found];
}
