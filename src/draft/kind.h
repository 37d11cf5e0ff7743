/*-------------------------------------------------------------------------
 *
 * kind.h
 *		What a kind of migration knows of itself.
 *
 * One of these in a file for each kind; all are in the table of plan/plan.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_KIND_H
#define ZDM_KIND_H

#include "draft/draft.h"
#include "rules/change.h"

typedef struct PlanKind
{
	const char *name;

	/*
	 * The names of columns and constraints that no other migration may touch
	 * meanwhile (char *); NULL if there are none.
	 */
	List	   *(*claims) (const Change *change);

	/* Raise whatever is wrong with the change; NULL if making the plan does. */
	void		(*check) (Change *change);

	/* Fill in the plan of a change that has been checked. */
	void		(*make) (MigrationPlan *plan, Change *change);

	/*
	 * The change as jsonb text, to compare when its label comes again.  DDL is
	 * compared as text, and does not need it.
	 */
	char	   *(*definition) (const Change *change);

	/*
	 * Does the change ask no more of its table than PostgreSQL does?  Then it may
	 * also be a partition, typed, or the parent of children.  NULL: never.  Raises
	 * mistakes in the statement.
	 */
	bool		(*any_table) (Change *change);

	/* No second column comes to be: most of the preflight does not apply. */
	bool		one_shape;

	/* It may be about a partition, as long as that is partitioned itself. */
	bool		partition_ok;

	/* No other migration may write rows of the table meanwhile. */
	bool		whole_table;
} PlanKind;

#endif							/* ZDM_KIND_H */
