/*-------------------------------------------------------------------------
 *
 * carry.h
 *		The parts of a table that a column takes with it, one by one.
 *
 * Each part (keys, foreign keys, the sequence, views and so on) has a file of its own
 * with the same four functions: load it when the change is stated, build its
 * counterpart beside it (migrate), exchange the two in the one transaction of
 * the cutover, and make what the way back needs.  The exchange is the same
 * text in both directions, since the way back builds under the same names that
 * the way there did.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CARRY_H
#define ZDM_CARRY_H

#include "plan/column.h"

/* A column as a template says it: the one that is to take the place of "from". */
typedef struct Substitute
{
	Oid			relid;
	AttrNumber	from;			/* InvalidAttrNumber: none is replaced */
	const char *to;				/* template */
} Substitute;

/* A name that only this migration gives: "<base>_zdm<id>". */
extern char *carry_own_name(const MigrationPlan *plan, const char *base);

/* The name, quoted, for a template. */
extern char *carry_quoted(const char *name);

/* A string literal, for a template. */
extern char *carry_literal(const char *value);

/*
 * Does the new column take the old one's name at cutover?  If not, both names
 * are in use up to contract.
 */
extern bool carry_takes_name(const NewColumn *new);

/* The old column's name from cutover on, as it is, and for a template. */
extern char *carry_old_name(const MigrationPlan *plan, const Column *old, const NewColumn *new);
extern char *carry_old_later(const MigrationPlan *plan, const Column *old, const NewColumn *new);

/* Start the next statement of a script. */
extern void carry_statement(StringInfo sql, const char *fmt,...) pg_attribute_printf(2, 3);

/* An object's name, qualified and quoted, for a template. */
extern char *carry_qualified(Oid namespace, const char *name);

/* Is the migration's owner allowed what "role" is?  Needs a transaction. */
extern bool carry_acts_for(Oid owner, Oid role);

/*
 * Primary key and unique constraints (key.c).  Loading refuses what has no
 * online way: deferrable primary keys, deferrable ones of partitioned tables,
 * those of partitions that are partitioned themselves.
 */
extern void key_load(Column *column, Oid constraint);
extern void key_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new);
extern void key_append_drop(StringInfo sql, const Column *old);
extern void key_append_attach(StringInfo sql, const MigrationPlan *plan, const Column *old,
							  const NewColumn *new, bool forward);
extern void key_plan_way_back(List **steps, const MigrationPlan *plan, const Column *old,
							  const NewColumn *new);

/* The tables' settings that name an index: replica identity, CLUSTER ON (key.c). */
extern void key_append_marks(StringInfo sql, const MigrationPlan *plan, const Column *old,
							 bool forward);

/*
 * Foreign keys in both directions (foreign_key.c).  Loading refuses those of
 * tables that the owner has no right to, and those of partitioned tables.
 */
extern void foreign_key_load(Column *column, Oid constraint);
extern void foreign_key_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new);
extern void foreign_key_append_drop(StringInfo sql, const Column *old);
extern void foreign_key_append_attach(StringInfo sql, const MigrationPlan *plan, const Column *old);
extern void foreign_key_plan_way_back(List **steps, const MigrationPlan *plan, const Column *old,
							  const NewColumn *new);

/*
 * A foreign key as the catalog has it now; NULL if it is gone.  "period" is set
 * if it has one.
 */
extern ColumnForeignKey *foreign_key_read(Oid constraint, bool *period);

/*
 * Templates: make it, NOT VALID, under a name that is a template itself; validate
 * or drop it by a name that is not.  They do nothing once one of its tables is gone.
 */
extern char *foreign_key_add_sql(const ColumnForeignKey *fk, const char *name,
								 const Substitute *substitute);
extern char *foreign_key_validate_sql(const ColumnForeignKey *fk, const char *name);
extern char *foreign_key_drop_sql(const ColumnForeignKey *fk, const char *name);

/*
 * Statements (char *) that make the same foreign keys to and from the empty
 * table of plan/retype.h, to see whether they go with its type.
 */
extern List *foreign_key_probes(const Column *column);

/* Other tables that the exchange locks (list of Oid), in "relations". */
extern List *foreign_key_relations(const Column *old, List *relations);

/* Identity and owned sequences (sequence.c). */
extern void sequence_load(Column *column, Oid sequence, bool identity);
extern void sequence_append_exchange(StringInfo sql, const MigrationPlan *plan, const Column *old,
									 const NewColumn *new, bool forward);

/* Extended statistics (statistics.c). */
extern void statistics_load(Column *column, Oid statistics);
extern void statistics_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new);
extern void statistics_append_rename(StringInfo sql, const MigrationPlan *plan, const Column *old);

/*
 * Triggers, policies, functions and publications (dependent.c), told apart by
 * the name of their catalog; false if it is none of these.  Triggers that name
 * the column cannot be carried while both names are in use.
 */
extern bool dependent_load(Column *column, const char *catalog, Oid object,
						   const char *description);
extern void dependent_refuse_triggers(const Column *column);
extern void dependent_append_drop(StringInfo sql, const Column *old);
extern void dependent_append_create(StringInfo sql, const Column *old);

/*
 * Views (view.c).  view_check_recreation() refuses what would not survive that
 * they are dropped and made again, as another type requires.
 */
extern void view_load(Column *column);
extern void view_check_recreation(const Column *column);
extern void view_append_drop(StringInfo sql, const Column *old, const NewColumn *new);
extern void view_append_create(StringInfo sql, const Column *old, const NewColumn *new);

#endif							/* ZDM_CARRY_H */
