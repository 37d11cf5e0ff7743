/*-------------------------------------------------------------------------
 *
 * column.h
 *		What hangs on a column, and how a second column comes to have it too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_COLUMN_H
#define ZDM_COLUMN_H

#include "access/attnum.h"
#include "plan/plan.h"

typedef struct Column
{
	Oid			relid;
	AttrNumber	attnum;
	char	   *name;
	char	   *type;			/* qualified, with its modifier */
	char	   *collation;		/* qualified and quoted, or NULL: the type's own */
	bool		not_null;
	char	   *default_text;	/* template, or NULL */
	bool		default_volatile;
	char	   *storage;		/* PLAIN and so on, or NULL: the type's own */
	char	   *compression;	/* pglz, lz4, or NULL */
	int			statistics;		/* target, -1: the default */
	List	   *options;		/* char *: "n_distinct = -0.5" */
	char	   *comment;		/* or NULL */
	List	   *grants;			/* char *: templates with one %s for the column */
	List	   *indexes;		/* Oid: of this table, not of constraints */
	List	   *checks;			/* ColumnCheck * */
	char	   *not_null_name;	/* of its constraint (18), or NULL */
} Column;

typedef struct ColumnCheck
{
	char	   *name;
	Node	   *expr;
	bool		validated;
	bool		no_inherit;
	bool		not_enforced;	/* 18 */
	char	   *comment;
} ColumnCheck;

/*
 * The column with all that hangs on it.  Refuses what cannot be carried, by
 * name (ERRCODE_FEATURE_NOT_SUPPORTED), a column that is not there
 * (ERRCODE_UNDEFINED_COLUMN), and a system column.  Takes ACCESS SHARE on the
 * table's indexes.
 */
extern Column *column_load(Oid relid, const char *name);

/*
 * Refuse "name" for a new column if the table, or one of its partitions, has
 * it already (ERRCODE_DUPLICATE_COLUMN), or if it is not a possible name.
 */
extern void column_check_new_name(Oid relid, const char *name);

/* Add the new column, its attributes and its pair (phase expand). */
extern void column_plan_expand(MigrationPlan *plan, const Column *old, const char *new_name,
							   const Pair *pair);

/* Fill it, then build what hangs on it, then verify (phase migrate). */
extern void column_plan_migrate(MigrationPlan *plan, const Column *old, const char *new_name);

/* Make the new column the authoritative one (phase cutover). */
extern void column_plan_cutover(MigrationPlan *plan, const Column *old, const char *new_name);

/* Verify, drop the old column, give the old names (phase contract). */
extern void column_plan_contract(MigrationPlan *plan, const Column *old, const char *new_name);

#endif							/* ZDM_COLUMN_H */
