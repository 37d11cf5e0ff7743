/*-------------------------------------------------------------------------
 *
 * route.h
 *		Which partition a row belongs in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ROUTE_H
#define ZDM_ROUTE_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/relcache.h"

/* What looking rows of one partitioned table up needs; lives as long as its EState. */
typedef struct Route
{
	EState	   *estate;
	List	   *expressions;	/* ExprState *, of those in the partition key */
	bool		prepared;
} Route;

/*
 * The partition, one level below "rel", of the row in the slot, which has the form of
 * "rel"; InvalidOid if none takes it.
 */
extern Oid	route_find(Route *route, Relation rel, TupleTableSlot *slot);

#endif							/* ZDM_ROUTE_H */
