/*-------------------------------------------------------------------------
 *
 * part.h
 *		The parts of a table that a column takes with it.
 *
 * Each part (keys, foreign keys, the sequence, views and so on) has a file of its own
 * and is one of these: it is loaded when the change is stated, its counterpart is
 * built beside it (migrate), the two are exchanged in the one transaction of the
 * cutover, what the way back needs is made before that is taken, and in the end the
 * names are given over.  The exchange is the same text in both directions, since the
 * way back builds under the same names that the way there did.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PART_H
#define ZDM_PART_H

#include "column/column.h"
#include "verbs/sql.h"

/* Something that depends on the column, as pg_depend has it. */
typedef struct Dependent
{
	Oid			relid;			/* of the table, or of a partition, whose column it is */
	const char *catalog;		/* name of the catalog that it is in */
	Oid			object;
	AttrNumber	attnum;			/* of a column, if the object is a relation */
	char	   *description;
	char		relkind;		/* of a relation, else '\0' */
	char		contype;		/* of a constraint, else '\0' */
	bool		view;			/* the query of a view or materialized view */
} Dependent;

extern bool dependent_is_index(const Dependent *dependent);

/* The exchange of two columns, or back. */
typedef struct Exchange
{
	const Making *making;
	const TwinArgs *twin;
	bool		forward;
	const char *old_column;		/* SQL: as both are called when the script begins */
	const char *new_column;
	const char *leaves;			/* of the two, the one that has been in charge ... */
	const char *comes;			/* ... and the one that is to be */
} Exchange;

/* What a part has nothing of is NULL. */
typedef struct ColumnPart
{
	/* Take what depends on the column, or refuse it by name; false: it is another part's. */
	bool		(*load) (Column *column, const Dependent *dependent);
	bool		of_partitions;	/* what depends on a partition's column, too */

	/* What pg_depend does not tell; when all else has been loaded. */
	void		(*look) (Column *column);

	/* What it shares with others, as claims (char *). */
	List	   *(*claims) (const Column *column);

	/* Steps that build its counterpart, in use at once or not (phase migrate). */
	void		(*migrate) (MigrationPlan *plan, const Column *old, const NewColumn *new);

	/* Steps directly before the exchange, when all rows have been found to fit. */
	void		(*prepare) (MigrationPlan *plan, const Column *old, const NewColumn *new);

	/* Other relations (list of Oid) that the exchange locks. */
	List	   *(*relations) (const Column *old);

	/* In the exchange: what holds on the one column goes, what is to hold on the other comes. */
	void		(*leave) (StringInfo sql, const Exchange *exchange);
	void		(*enter) (StringInfo sql, const Exchange *exchange);

	/* What must hold before it, under its locks (Assertion *). */
	List	   *(*asserts) (const Making *making, const Column *old);

	/* Steps that are left to do after it, or, not "forward", after the one back. */
	void		(*afterwards) (MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward);

	/* Steps that make again what the old column lost, before the exchange back. */
	void		(*way_back) (MigrationPlan *back, const Column *old, const NewColumn *new);

	/* In contract: what goes before the old column, and what takes its names after that. */
	void		(*drop) (StringInfo sql, const Making *making, const TwinArgs *twin);
	void		(*rename) (StringInfo sql, const Making *making, const TwinArgs *twin);
} ColumnPart;

/*
 * All, in the order in which they are loaded and built.  That of the exchange is in
 * twin.c.
 */
extern const ColumnPart *const column_parts[];
extern const int column_parts_length;

extern const ColumnPart column_check;
extern const ColumnPart column_default;
extern const ColumnPart column_dependent;
extern const ColumnPart column_exclusion;
extern const ColumnPart column_foreign_key;
extern const ColumnPart column_generated;
extern const ColumnPart column_index;
extern const ColumnPart column_key;
extern const ColumnPart column_matview;
extern const ColumnPart column_not_null;
extern const ColumnPart column_other_end;
extern const ColumnPart column_sequence;
extern const ColumnPart column_statistics;
extern const ColumnPart column_view;

#endif							/* ZDM_PART_H */
