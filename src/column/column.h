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
#include "draft/draft.h"
#include "compat.h"

typedef struct Column
{
	Oid			relid;
	AttrNumber	attnum;
	char	   *name;
	char	   *type;			/* qualified, with its modifier */
	Oid			type_oid;
	char	   *collation;		/* qualified and quoted, or NULL: the type's own */
	bool		not_null;
	char	   *default_text;	/* or NULL */
	bool		default_volatile;
	char	   *storage;		/* PLAIN and so on, or NULL: the type's own */
	char	   *compression;	/* pglz, lz4, or NULL */
	int			statistics;		/* target, -1: the default */
	List	   *options;		/* char *: "n_distinct = -0.5" */
	char	   *comment;		/* or NULL */
	List	   *grants;			/* ColumnGrant * */
	List	   *indexes;		/* Oid: of this table, not of constraints ... */
	List	   *index_trees;	/* ... and ColumnIndex *, of the same */
	List	   *checks;			/* ColumnCheck * */
	List	   *keys;			/* ColumnKey *: primary key, unique constraints */
	List	   *exclusions;		/* ColumnExclusion * */
	List	   *foreign_keys;	/* ColumnForeignKey *, in both directions */
	List	   *sequences;		/* ColumnSequence *: owned by it */
	List	   *matviews;		/* ColumnMatview * */
	List	   *views;			/* ColumnView *, those over others last */
	List	   *extended;		/* ColumnStatistics * */
	List	   *dependents;		/* ColumnDependent * */
	List	   *generated;		/* char *: names of stored generated columns over it */
	Oid			owner;			/* of the table */
	char	   *not_null_name;	/* of its constraint (18), or NULL */
	bool		not_null_pending;	/* that is NOT VALID */
	Oid			identity_index; /* the replica identity, if it is one of the indexes */
	Oid			cluster_index;	/* the same for CLUSTER ON */
	bool		loading;		/* what is refused is collected ... */
	List	   *refused;		/* ... here: pairs of objects and hints (char *) */
} Column;

/* What is to take the column's place. */
typedef struct NewColumn
{
	const char *name;			/* up to cutover */
	const char *final_name;		/* from cutover on */
	const char *type;			/* the rest as in Column */
	const char *collation;
	const char *default_text;	/* NULL: the old one's */
	const char *storage;
	const char *compression;
	const char *sequence_type;	/* that its sequences are to have, or NULL: as they are */
	const char *old_sequence_type;
	bool		retyped;		/* of another type */
	bool		may_misfit;		/* up can fail, or give what constraints do not admit */
	bool		mapped;			/* by an up of the user's own */
	bool		null_first;		/* the type's own default is not to be computed for rows that are there */
} NewColumn;

typedef struct ColumnGrant
{
	char	   *privilege;
	char	   *grantee;		/* quoted */
	bool		grantable;
} ColumnGrant;

/* An index as it was called when the change was stated, with those of partitions. */
typedef struct ColumnIndex
{
	Oid			indexid;
	Oid			relid;			/* of its table */
	char	   *name;
	char	   *comment;		/* or NULL */
	bool		partitioned;
	List	   *children;		/* ColumnIndex * */
} ColumnIndex;

typedef struct ColumnCheck
{
	char	   *name;
	List	   *expression;
	bool		validated;
	bool		no_inherit;
	bool		not_enforced;	/* 18 */
	char	   *comment;
} ColumnCheck;

/* The constraint of the table itself, or of a partition. */
typedef struct KeyMember
{
	Oid			relid;
	char	   *name;
	Oid			indexid;
	char	   *comment;
	char	   *index_comment;
} KeyMember;

typedef struct ColumnKey
{
	char	   *name;
	Oid			indexid;
	List	   *leaves;			/* KeyMember *: of tables with rows */
	List	   *parents;		/* KeyMember *: of partitioned ones, the table itself last */
	bool		primary;
	bool		deferrable;
	bool		deferred;
	bool		nulls_not_distinct;
	List	   *columns;		/* int: attribute numbers, of the table */
	List	   *included;		/* the same */
} ColumnKey;

/* Of the table, or of a partition alone. */
typedef struct ColumnExclusion
{
	Oid			relid;
	AttrNumber	attnum;			/* of the column there */
	char	   *name;
	Oid			indexid;
	List	   *leaves;			/* KeyMember *, like the next: as in ColumnKey */
	List	   *parents;
	bool		deferrable;
	bool		deferred;
	List	   *operators;		/* char *: as they stand in OPERATOR(...) */
	IndexSpec  *spec;			/* with parents: of the index over the old column */
} ColumnExclusion;

/* The constraint of a referencing table, or of a partition of it. */
typedef struct ForeignKeyMember
{
	Oid			relid;
	Oid			owner;			/* of the table */
	char	   *name;
	char	   *comment;		/* or NULL */
	bool		partitioned;	/* the table has no rows itself */
} ForeignKeyMember;

typedef struct ColumnForeignKey
{
	char	   *name;
	Oid			relid;			/* the referencing table */
	Oid			refrelid;		/* the referenced one */
	List	   *members;		/* ForeignKeyMember *: partitions first, the table last */
	bool		in_exchange;	/* it cannot be made before the exchange */
	List	   *columns;		/* int: attribute numbers */
	List	   *refcolumns;
	List	   *delete_columns; /* ON DELETE SET NULL (...), 15 */
	char		match;			/* as in pg_constraint */
	char		on_update;
	char		on_delete;
	bool		deferrable;
	bool		deferred;
	bool		validated;
	bool		not_enforced;	/* 18 */
} ColumnForeignKey;

typedef struct ColumnSequence
{
	Oid			relid;
	bool		identity;
	bool		typed_as_column;	/* its type is the column's */
} ColumnSequence;

typedef struct ColumnStatistics
{
	char	   *name;
	Oid			namespace;
	List	   *columns;		/* int: attribute numbers */
	List	   *expressions;	/* over the table's columns */
	char	   *kinds;			/* "ndistinct, mcv", or NULL */
	int			target;			/* -1: the default */
	char	   *comment;
	char	   *owner;			/* quoted, NULL: the table's */
} ColumnStatistics;

/* What is given again as text when the column's name means the new one. */
typedef struct ColumnDependent
{
	char	   *description;
	const char *refusal;		/* why it cannot be while both names are in use, or NULL */
	const char *hint;			/* what to do then */
	Oid			view;			/* that it is a rule of, or InvalidOid */
	bool		dropped;		/* cannot be altered in place: by the first of two definitions */
	int			definition;		/* DefinitionKind, with what names the object there */
	Oid			oid;
	char	   *name;
} ColumnDependent;

/* Names are those of the day when the change was stated. */
typedef struct ColumnMatview
{
	Oid			oid;
	Oid			namespace;
	char	   *name;
	char	   *owner;			/* quoted */
	char	   *options;		/* what stands in WITH (...), or "" */
	char	   *access_method;	/* quoted, like the next */
	char	   *tablespace;		/* or NULL: the database's */
	bool		populated;
	List	   *indexes;		/* ColumnIndex * */
	Oid			cluster_index;	/* or InvalidOid */
} ColumnMatview;

typedef struct ColumnView
{
	Oid			oid;
	char	   *name;			/* qualified and quoted */
	bool		direct;			/* names the column itself, not only another view */
} ColumnView;

/* What the steps that are about both columns have for arguments. */
typedef struct TwinArgs
{
	Column	   *old;
	NewColumn  *new;
	List	   *noted;			/* DefinitionNote *: see column/definition.h */
	char	   *new_default;	/* that the exchange has left the new column with, or NULL ... */
	bool		default_noted;	/* ... if it has noted that */
	bool		default_changed;	/* see default_follow(); not stored, like the next */
	char	   *default_tree;
} TwinArgs;

extern const Fields twin_fields;

/* Of single parts, which have steps of their own. */
extern const Fields column_statistics_fields;
extern const Fields column_matview_fields;

/*
 * Refuse, in the words of column_load(): "object" is what depends on the column.  While
 * the column is loaded, it is only noted, and all is refused together at the end.
 */
extern void column_refuse(const char *object, const Column *column, const char *hint);
extern void column_raise_refused(Column *column);

/* The same at once, of a column that is not loaded. */
pg_noreturn extern void column_refuse_at_once(const char *object, Oid relid, const char *column,
											  const char *hint);

/*
 * The work is done as the owner, who may be without rights on the table's
 * schema: an index cannot be made there then, nor take the old one's name.
 * ERRCODE_INSUFFICIENT_PRIVILEGE.
 */
extern void column_check_schema(const Column *column);

/* Refuse a type that ADD COLUMN cannot give without a rewrite. */
extern void column_check_new_type(const Column *column, Oid type);

/*
 * Refuse "name" for a new column if the table, or one of its partitions, has
 * it already (ERRCODE_DUPLICATE_COLUMN), or if it is not a possible name.
 */
extern void column_check_new_name(Oid relid, const char *name);

#endif							/* ZDM_COLUMN_H */
