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

#include "column/column.h"
#include "verbs/sql.h"

/* The column that is to take the place of "from". */
typedef struct Substitute
{
	Oid			relid;
	AttrNumber	from;			/* InvalidAttrNumber: none is replaced */
	List	   *to;				/* an expression */
} Substitute;

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

/* Is the migration's owner allowed what "role" is?  Needs a transaction. */
extern bool carry_acts_for(Oid owner, Oid role);

/*
 * Primary key and unique constraints (key.c).  Loading refuses what has no
 * online way: WITHOUT OVERLAPS, and what a view groups by.  What is planned for
 * the cutover goes before the exchange.
 */
extern void key_load(Column *column, Oid constraint);
extern void key_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new);
extern void key_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new);
extern void key_append_drop(StringInfo sql, const Making *making, const Column *old);
extern void key_append_attach(StringInfo sql, const Making *making, const Column *old,
							  const NewColumn *new, bool forward);
extern void key_plan_way_back(MigrationPlan *back, const Column *old, const NewColumn *new);

/* The tables' settings that name an index: replica identity, CLUSTER ON (key.c). */
extern void key_append_marks(StringInfo sql, const Making *making, const Column *old,
							 bool forward);

/*
 * Foreign keys in both directions (foreign_key.c).  Loading refuses those of
 * tables that the owner has no right to.  Those to a partitioned table are made
 * in the exchange: what is left to do then are the steps (Step *) afterwards,
 * which for the way back do nothing until it is taken.
 */
extern void foreign_key_load(Column *column, Oid constraint);
extern void foreign_key_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new);
extern void foreign_key_append_drop(StringInfo sql, const Making *making, const Column *old);
extern void foreign_key_append_attach(StringInfo sql, const Making *making, const Column *old,
									  const NewColumn *new, bool forward);
extern void foreign_key_plan_afterwards(MigrationPlan *plan, const Column *old, const NewColumn *new,
										bool forward);
extern void foreign_key_plan_way_back(MigrationPlan *back, const Column *old, const NewColumn *new);

/*
 * A foreign key as the catalog has it now; NULL if it is gone.  "period" is set
 * if it has one.
 */
extern ColumnForeignKey *foreign_key_read(Oid constraint, bool *period);

/* The constraint itself, of tables that are not partitioned, under a name. */
extern ForeignKeyArgs foreign_key_args(const ColumnForeignKey *fk, const char *name,
									   const Substitute *substitute);

/* Have it name attribute "to" of relid where it names "from"; false if it does not. */
extern bool foreign_key_follow(ColumnForeignKey *fk, Oid relid, AttrNumber from, AttrNumber to);

/*
 * Statements (char *) that make the same foreign keys to and from the empty
 * table of draft/retype.h, to see whether they go with its type.
 */
extern List *foreign_key_probes(const Column *column);

/* Other tables that the exchange locks (list of Oid), in "relations". */
extern List *foreign_key_relations(const Column *old, List *relations);

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

/* Identity and owned sequences (sequence.c). */
extern void sequence_load(Column *column, Oid sequence, bool identity);
extern void sequence_append_exchange(StringInfo sql, const Making *making, const Column *old,
									 const NewColumn *new, bool forward);

/* Say which sequences that the default calls stay smaller than the column's new type. */
extern void sequence_note_smaller(MigrationPlan *plan, const Column *column, Oid type);

/* Extended statistics (statistics.c). */
extern void statistics_load(Column *column, Oid statistics);
extern void statistics_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new);
extern void statistics_append_rename(StringInfo sql, const Making *making, const Column *old);

/*
 * Triggers, rules, policies, functions, publications and generated columns
 * (dependent.c), told apart by the name of their catalog; false if it is
 * none of these.  Triggers and rules that name the column cannot be carried
 * while both names are in use.  Rules of views that are made again go with them.
 */
extern bool dependent_load(Column *column, const char *catalog, Oid object,
						   const char *description);
extern void dependent_load_generated(Column *column, Oid relid, Oid expression,
									 const char *description);
extern void dependent_load_stored(Column *column, const char *name);
extern void dependent_check_retyped(const Column *column);
extern void dependent_check_both_names(const Column *column);
extern void dependent_append_generated(StringInfo sql, const Making *making, const Column *old, const NewColumn *new,
									   bool forward);
extern void dependent_append_drop(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward);
extern void dependent_append_create(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward);

/*
 * Materialized views (matview.c).  Loading refuses those that the owner cannot
 * make the like of, and those on which more than plain views depend.  They are
 * created while the column's name is lent to the new column.
 */
extern void matview_load(Column *column);
extern List *matview_oids(const Column *column);
extern void matview_append_create(StringInfo sql, const Making *making, const TwinArgs *twin);
extern void matview_append_undo(StringInfo sql, const Making *making, const Column *old);
extern void matview_plan_cutover(MigrationPlan *plan, const Column *old);
extern void matview_append_exchange(StringInfo sql, const Making *making, const Column *old,
									bool forward);
extern void matview_plan_way_back(MigrationPlan *back, const Column *old);
extern void matview_append_contract(StringInfo sql, const Making *making, const Column *old);

/* A view that is made anew in the place, or beside, the one of that Oid. */
typedef struct ViewProperties
{
	Oid			oid;
	const char *name;			/* qualified and quoted, of the new one */
	const char *owner;			/* quoted */
	const char *kind;			/* VIEW or MATERIALIZED VIEW */
} ViewProperties;

/*
 * Views (view.c).  view_check_recreation() refuses what would not survive that
 * they are dropped and made again, as another type requires.
 */
extern void view_load(Column *column);
extern void view_check_recreation(const Column *column);
extern void view_refuse_dependents(const Column *column, Oid view, const char *description);
extern void view_append_properties(StringInfo sql, const Column *old, const ViewProperties *view);
extern void view_append_drop(StringInfo sql, const Column *old, const NewColumn *new);
extern void view_append_create(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward);

#endif							/* ZDM_CARRY_H */
