/*-------------------------------------------------------------------------
 *
 * alter.h
 *		The parts that an ALTER TABLE is taken apart into.
 *
 * Each function adds the steps of one subcommand to a plan, and raises whatever
 * is wrong with it: PostgreSQL's own errors for names, types and expressions,
 * and ERRCODE_FEATURE_NOT_SUPPORTED for what cannot be done without keeping
 * readers or writers out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ALTER_H
#define ZDM_ALTER_H

#include "draft/ddl_text.h"
#include "draft/kind.h"

/*
 * in alter_check.c, of one subcommand (ddl/statement.h): raise what PostgreSQL would
 * find wrong with it when it runs.
 */
extern void alter_check_add_column(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_add_constraint(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_old_column(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_default(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_drop_not_null(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_drop_constraint(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_validation(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_expression(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_options(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_owner(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_trigger(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_rule(const Change *change, const AlterTableCmd *cmd, bool new_columns);
extern void alter_check_parent(const Change *change, const AlterTableCmd *cmd, bool new_columns);

/* in alter_table.c, of one subcommand: add its steps. */
extern void alter_plan_add_column(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);
extern void alter_plan_set_not_null(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);
extern void alter_plan_add_constraint(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);
extern void alter_plan_default(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);
extern void alter_plan_validation(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);
extern void alter_plan_last(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);

/*
 * in alter_table.c: is the statement run as it stands, since the rules find no work in
 * it?  Raises mistakes in it.
 */
extern bool alter_stands(Change *change);

/* in alter_table.c: is there a constraint of that name, which the statement drops? */
extern bool alter_replaces(const Change *change, const char *constraint);

/*
 * in alter_new_column.c: the subcommands of the statement, with constraints over
 * one new column moved to where that is added (copies of AlterTableCmd).
 * ERRCODE_FEATURE_NOT_SUPPORTED if a constraint is over several new columns.
 */
extern List *alter_planned_subcommands(const Change *change);

/* in not_null.c: fill is an expression for the rows that hold NULL, or NIL */
extern void not_null_plan(MigrationPlan *plan, const char *column, List *fill);

/* The steps from a constraint that is not valid to NOT NULL, and its name. */
extern void not_null_add(MigrationPlan *plan, const char *column);
extern void not_null_validate(MigrationPlan *plan, const char *column);

/* in constraint.c: a CHECK that is stated */
extern void constraint_plan_check(MigrationPlan *plan, const Constraint *constraint, List *expression, char *name);
extern void constraint_plan(MigrationPlan *plan, const Change *change, const Constraint *constraint);

/*
 * Before the step that gives a partitioned table its foreign key, under its
 * locks: plan in front of it for partitions that have none yet.  False: all have.
 */
extern bool constraint_plan_missing_parts(int64 migration, const Step *step);

/* The same of a key or a foreign key on a column that an earlier step adds. */
extern void constraint_plan_new_column(MigrationPlan *plan, const Constraint *constraint);

/*
 * Raise what PostgreSQL would find wrong with a foreign key when it is added.
 * "types" are those of the referencing columns; NIL: they are in the table.
 */
extern void constraint_check_foreign_key(Oid relid, const Constraint *constraint, List *types);

/* ERRCODE_INVALID_TABLE_DEFINITION if the table has one. */
extern void constraint_check_no_primary_key(Oid relid);

/*
 * in exclusion.c: an exclusion constraint or a key WITHOUT OVERLAPS; and, on root, one
 * like that of indexid, which is another table's with columns of the same names.
 * "taken" is as in IndexTree.
 */
extern void exclusion_plan(MigrationPlan *plan, const Change *change, const Constraint *stated);
extern void exclusion_plan_like(MigrationPlan *plan, Oid root, Oid indexid, List **taken);

/*
 * ERRCODE_FEATURE_NOT_SUPPORTED where the server would build that of a partitioned table
 * once more, with all waiting, beside those of its partitions: see exclusion_is_found().
 */
extern void exclusion_check_found(Oid root);

/* in constraint_name.c: the name that PostgreSQL would choose, or the given one, found to be free */
extern char *constraint_name(Oid relid, const char *given, const char *columns, const char *label);

/* in add_column.c */
extern void add_column_plan(MigrationPlan *plan, Change *change, const ColumnDef *def);

/*
 * The type of a column to be.  False, and none, for serial and its like.
 * "source" is for positions.
 */
extern bool add_column_type(const ColumnDef *def, const char *source, Oid *type, int32 *typmod);

/* in drop_column.c */
extern void drop_column_plan(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);

/*
 * in update.c: a backfill step that gives a column its value where it has none;
 * and one step that does what several of these do, in one pass.
 */
extern void update_fill_step(MigrationPlan *plan, List *column, List *value);
extern Step *update_join_fills(List *fills);

/* The raw targets (ResTarget) of zdm.backfill's assignments.  ERRCODE_SYNTAX_ERROR for anything else. */
extern List *update_targets(const Change *change);

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

/* in plain.c */
extern const PlanKind plan_plain;

/* in update.c */
extern const PlanKind plan_backfill;

#endif							/* ZDM_ALTER_H */
