/*-------------------------------------------------------------------------
 *
 * carry.h
 *		What the files that carry one part each have in common, or ask each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CARRY_H
#define ZDM_CARRY_H

#include "column/column.h"
#include "verbs/sql.h"

/* A column of that name in an expression, and the new one up to cutover and after it. */
extern List *carry_column(const char *name);

/*
 * Does the new column take the old one's name at cutover?  If not, both names
 * are in use up to contract.
 */
extern bool carry_takes_name(const NewColumn *new);

/*
 * The old column's name from cutover on, and the column in an expression.  Of two
 * columns that exchange their names, the one that applications do not know has one
 * and the same name from the call to contract.
 */
extern char *carry_old_name(const Column *old, const NewColumn *new);
extern List *carry_old_later(const Column *old, const NewColumn *new);

/* When the change is stated: the same of a partition, whose columns may have other numbers. */
extern List *carry_old_later_in(const Column *old, const NewColumn *new, Oid relid);

/* The new column's number; InvalidAttrNumber until it is there.  Needs a transaction. */
extern AttrNumber carry_new_attnum(int64 migration, const Column *old);

/* Is the migration's owner allowed what "role" is?  Needs a transaction. */
extern bool carry_acts_for(Oid owner, Oid role);

/* The arguments of a step about both. */
extern TwinArgs carry_twin_args(const Column *old, const NewColumn *new);

/* A step that does nothing until the way back, and one that validates a constraint then. */
extern void carry_back_step(MigrationPlan *back, const Column *old, const Verb *verb, const void *args,
							LOCKMODE lock, char *work);
extern void carry_back_validation(MigrationPlan *back, const Column *old, char *name);

/* Statements that give a constraint its final name, and its comment unless that is NULL. */
extern void carry_append_rename(StringInfo sql, const char *table, const char *from, const char *to,
								const char *comment);

/*
 * A key or an exclusion constraint with those of partitions (KeyMember *): of tables with
 * rows, and of partitioned ones, the topmost last.
 */
extern void carry_load_members(Oid constraint, List **leaves, List **parents);

/* Refuse one of a partition that is its replica identity, or what it is clustered on. */
extern void carry_check_leaves(const Column *column, List *leaves);

/*
 * What the member must be a partition of for its step, or InvalidOid: a partition may have
 * gone meanwhile, and its own part of the constraint with it.
 */
extern Oid	carry_root(const Column *old, const KeyMember *member);

/* Statements that give the constraint and its index their comments. */
extern void carry_append_comments(StringInfo sql, const Making *making, const KeyMember *member);

/*
 * That no partition has come since the plan was made, whose index would be built with the
 * constraint of its table, under the strongest lock; unless it is small (Assertion *).
 */
extern List *carry_none_late(const Making *making, const Column *old, List *leaves, List *parents);

/*
 * Statements (char *) that make the same foreign keys to and from the empty
 * table of draft/retype.h, to see whether they go with its type.
 */
extern List *foreign_key_probes(const Column *column);

/*
 * In exclusion.c: does the exclusion constraint of a partitioned table find those of its
 * partitions, when it is added, or when one is attached?  Not all minor releases of 17 and
 * 18 compare their indexes: CompareIndexInfo() says so.
 */
extern bool exclusion_is_found(void);

/*
 * Looks at every row for what the carried constraints say of the new values
 * (fit.c): of "value", an expression of what up gives, before anything is changed,
 * and of the new column itself when the cutover begins.
 */
extern void fit_plan_expand(MigrationPlan *plan, const Column *old, const NewColumn *new,
							List *value);
extern void fit_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new);

/* How a row is called in a query: by its primary key, or by its place. */
extern List *fit_row_name(Oid relid);

/* An index with those of its partitions, as they are called now. */
extern ColumnIndex *column_index_load(Oid indexid);

/*
 * In not_null.c: the steps to NOT NULL at the beginning of the cutover, if an index
 * needs that and up may give NULL.
 */
extern void carry_plan_not_null(MigrationPlan *plan, const Column *old, const NewColumn *new);

/* Does NOT NULL of the new column come into force in the exchange only? */
extern bool carry_not_null_is_late(const Column *old, const NewColumn *new);

/*
 * The sequences of the column that the exchange takes from charge, as there are now
 * (list of Oid).
 */
extern List *sequence_oids(int64 migration, const Column *old, bool forward);

/*
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, with the call to go on with, "again", if it
 * has become an identity column since and the other cannot be one.
 */
extern void sequence_check_identity(int64 migration, const TwinArgs *twin, bool forward, const char *again);

/* Say which sequences that the default calls stay smaller than the column's new type. */
extern void sequence_note_smaller(MigrationPlan *plan, const Column *column, Oid type);

/*
 * Refuse what cannot be carried to a column of another type, and what cannot be while
 * both names are in use: triggers and rules that name the column (dependent.c).
 */
extern void dependent_check_retyped(const Column *column);
extern void dependent_check_both_names(const Column *column);

/* Refuse functions and rules with ON CONFLICT DO UPDATE, which hang on every column of the table. */
extern void dependent_check_bodies(const Column *column);

/*
 * Views (view.c).  view_check_recreation() refuses what would not survive that
 * they are dropped and made again, as another type requires.
 */
extern void view_check_recreation(const Column *column);
extern void view_refuse_dependents(const Column *column, Oid view, const char *description);

#endif							/* ZDM_CARRY_H */
