/*-------------------------------------------------------------------------
 *
 * draft.h
 *		A plan in the making.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DRAFT_H
#define ZDM_DRAFT_H

#include "catalog/pair.h"
#include "catalog/step.h"
#include "verbs/verbs.h"

/* What a step works. */
#define CATALOG_ONLY "changes the catalog only"
#define READS_TABLE "reads the table; readers and writers go on"

typedef struct MigrationPlan
{
	int64		migration;		/* names of temporary objects are made from it */
	Oid			relid;
	int32		stored;			/* number of the step behind which these come, 0 for a new plan */
	List	   *steps;			/* Step * */
	List	   *pairs;			/* Pair * */
	List	   *notes;			/* char *: what the preflight found */
} MigrationPlan;

/*
 * Append a step; its migration and number are filled in, and its relations
 * with the plan's own if it has a lock and names none; undo takes the same
 * lock unless it names another.
 */
extern void plan_add(MigrationPlan *plan, const Step *step);

/*
 * The same of a verb with its arguments, of which "step" has all else.  It can be
 * undone if .undoable says so, with the same lock unless .undo_lock names another.
 */
extern void plan_step(MigrationPlan *plan, const Verb *verb, const void *args, const Step *step);

/* A step that validates a constraint. */
extern void plan_validation(MigrationPlan *plan, const char *phase, Oid relation, const char *name);

/* The step that ends the plan of an index "name" of root, a partitioned table: see alter/index.h. */
extern void plan_index_completion(MigrationPlan *plan, Oid root, char *name);

/* Does a step of the plan fill in rows? */
extern bool plan_has_backfill(const MigrationPlan *plan);

/* Append a note for the reader. */
extern void plan_note(MigrationPlan *plan, const char *fmt,...) pg_attribute_printf(2, 3);

/* Write the steps alone, to where room has been made for them. */
extern void plan_store_steps(const MigrationPlan *plan);

#endif							/* ZDM_DRAFT_H */
