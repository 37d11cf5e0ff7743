/*-------------------------------------------------------------------------
 *
 * plan.h
 *		From a change to the steps that make it.
 *
 * A kind of migration is one function, in a file of its own, that fills in a
 * MigrationPlan; and one line in the table of plan.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PLAN_H
#define ZDM_PLAN_H

#include "catalog/migration.h"
#include "catalog/pair.h"
#include "catalog/step.h"
#include "rules/change.h"
#include "verbs/verbs.h"

typedef struct MigrationPlan
{
	int64		migration;		/* names of temporary objects are made from it */
	Oid			relid;
	int32		stored;			/* number of the step behind which these come, 0 for a new plan */
	List	   *steps;			/* Step * */
	List	   *pairs;			/* Pair * */
	List	   *notes;			/* char *: what the preflight found */
} MigrationPlan;

typedef struct PlanKind
{
	const char *name;

	/*
	 * The names of columns and constraints that no other migration may touch
	 * meanwhile (char *); NULL if there are none.
	 */
	List	   *(*claims) (const Change *change);

	/* Raise whatever is wrong with the change; NULL if making the plan does. */
	void		(*check) (const Change *change);

	/* Fill in the plan of a change that has been checked. */
	void		(*make) (MigrationPlan *plan, const Change *change);

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
	bool		(*any_table) (const Change *change);

	/* No second column comes to be: most of the preflight does not apply. */
	bool		one_shape;

	/* It may be about a partition, as long as that is partitioned itself. */
	bool		partition_ok;

	/* No other migration may write rows of the table meanwhile. */
	bool		whole_table;
} PlanKind;

/* The kind of that name.  ERRCODE_FEATURE_NOT_SUPPORTED if there is none. */
extern const PlanKind *plan_kind(const char *name);

/* What the kind claims for a change. */
extern List *plan_claims(const PlanKind *kind, const Change *change);

/* Raise whatever is wrong with a change, before anything is made of it. */
extern void plan_validate(const PlanKind *kind, const Change *change);

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

/* Does a step of the plan fill in rows? */
extern bool plan_has_backfill(const MigrationPlan *plan);

/* Append a note for the reader. */
extern void plan_note(MigrationPlan *plan, const char *fmt,...) pg_attribute_printf(2, 3);

/* Write the steps alone, to where room has been made for them. */
extern void plan_store_steps(const MigrationPlan *plan);

/* Write steps, pairs and notes to the catalog. */
extern void plan_store(const MigrationPlan *plan);

/*
 * Find out what a plan that is made cannot change but its reader should know, as notes:
 * replicas, old snapshots, wraparound, disk, triggers, preloading.  What would
 * certainly fail is an error.
 */
extern void preflight(MigrationPlan *plan, const Change *change);

/* Warn the caller if the library is not preloaded. */
extern void preflight_warn(void);

/* in change_column_type.c */
extern const PlanKind plan_change_column_type;

/* in rename_column.c */
extern const PlanKind plan_rename_column;

/* in enum_value.c */
extern const PlanKind plan_rename_enum_value;

/* in rename_table.c */
extern const PlanKind plan_rename_table;

/* in plain.c */
extern const PlanKind plan_plain;

/* in alter_table.c */
extern const PlanKind plan_alter_table;
extern const PlanKind plan_add_column;
extern const PlanKind plan_add_constraint;
extern const PlanKind plan_drop_column;
extern const PlanKind plan_set_not_null;

/* in index.c */
extern const PlanKind plan_create_index;
extern const PlanKind plan_drop_index;
extern const PlanKind plan_reindex;

/* in partition.c */
extern const PlanKind plan_attach_partition;
extern const PlanKind plan_detach_partition;

/* in drop.c */
extern const PlanKind plan_drop;

/* in refresh.c */
extern const PlanKind plan_refresh;

/* in rewrite.c */
extern const PlanKind plan_rewrite;

/* in update.c */
extern const PlanKind plan_backfill;

#endif							/* ZDM_PLAN_H */
