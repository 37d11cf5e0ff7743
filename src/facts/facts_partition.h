/*-------------------------------------------------------------------------
 *
 * facts_partition.h
 *		What a partition's bound demands, and what is proved of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_PARTITION_H
#define ZDM_FACTS_PARTITION_H

#include "facts/facts.h"

/* What a bound demands of the rows of the new partition and of the default one. */
typedef struct FactBound
{
	PartitionBoundSpec *spec;	/* as PostgreSQL has analyzed it */
	List	   *bound;			/* over the parent's columns */
	List	   *inherited;		/* what the parent's own bounds demand */
	Oid			default_oid;	/* the default partition; InvalidOid if there is none */
	FactRelation *default_partition;	/* the same, if its rows have to be looked at */
	List	   *others;			/* what the bound then demands of its rows */
} FactBound;

/*
 * Fill *bound; all empty for a table that is not partitioned, or gone.  Raises
 * what PostgreSQL would of the bound itself.
 */
extern void facts_bound(Facts *facts, FactRelation *parent, PartitionBoundSpec *spec, FactBound *bound);

/* Raise what PostgreSQL would if another partition has some of the bound's rows; "source" is the text it is from, or NULL. */
extern void facts_check_overlap(FactRelation *parent, const char *partition, PartitionBoundSpec *spec, const char *source);

/* The members of rel with storage whose rows would have to be looked at for "clauses". */
extern List *facts_unproven_members(Facts *facts, FactRelation *rel, List *clauses, FactRelation *parent);

/* Is foreign key "b" what PostgreSQL would attach to "a"? */
extern bool facts_same_foreign_key(FactRelation *a_rel, FactConstraint *a, FactRelation *b_rel, FactConstraint *b);

#endif							/* ZDM_FACTS_PARTITION_H */
