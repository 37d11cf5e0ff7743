/*-------------------------------------------------------------------------
 *
 * index_constraint.h
 *		A constraint made of an index that is there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_INDEX_CONSTRAINT_H
#define ZDM_INDEX_CONSTRAINT_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "utils/relcache.h"

/* What the constraint is to be; by which operators rows exclude each other, or NULLs. */
typedef struct IndexConstraint
{
	const char *name;
	char		type;			/* as in pg_constraint */
	bits16		flags;			/* INDEX_CONSTR_CREATE_... */
	Oid			parent;			/* constraint of the partitioned table, or InvalidOid */
	Oid		   *operators;
	Oid		   *procs;
	uint16	   *strategies;
} IndexConstraint;

/*
 * Make it, of an index that has its name; pg_index is told of what is deferrable or
 * primary alone.  Needs a lock that keeps writers out.  To be called as the owner.
 */
extern Oid	index_constraint_make(Relation rel, Oid indexid, const IndexConstraint *made);

/*
 * Do a step of verb_make_exclusion, under its locks.  ERRCODE_UNDEFINED_OBJECT if the
 * index is gone, ERRCODE_DUPLICATE_TABLE or _OBJECT if the name is taken,
 * ERRCODE_INVALID_TABLE_DEFINITION if there is another primary key,
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if an operator is not what it was.
 */
extern void index_constraint_exclude(const Migration *migration, const Step *step);

#endif							/* ZDM_INDEX_CONSTRAINT_H */
