/*-------------------------------------------------------------------------
 *
 * verbs.h
 *		The verbs, each with its arguments.
 *
 * Columns are expressions (core/expression.h): by their number where they are
 * there when the change is stated, else by the name that a step before gives them.
 * "root" is the partitioned table that "relation" is a partition of: a step does
 * nothing when it is none any more.  InvalidOid: it is none, or need not be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_VERBS_H
#define ZDM_VERBS_H

#include "lib/stringinfo.h"
#include "verbs/partition_layout.h"
#include "verbs/verb.h"

/* ---- verbs/statement.c: a statement as it stands ---- */

typedef struct StatementArgs
{
	bool		has_path;
	List	   *path;			/* char *: schemas, that names are found by */
	List	   *formats;		/* char *: setting, value, setting, ... that constants are read with */
	char	   *text;
	Oid			made_index;		/* that it has made: the way back drops it */
	Oid			made_not_null;	/* the table of a column that it has made NOT NULL, ... */
	char	   *column;			/* ... and that column */
} StatementArgs;

extern const Verb verb_statement;

/* ---- verbs/trigger.c: the sync trigger ---- */

typedef struct RelationArgs
{
	Oid			relation;
} RelationArgs;

extern const Verb verb_create_sync_trigger;
extern const Verb verb_drop_sync_trigger;

/* ---- verbs/fill.c: rows, in batches ---- */

/* The second column of a pair from the first, or back. */
typedef struct FillPairArgs
{
	Oid			relation;
	List	   *to;				/* a column */
	List	   *from;
} FillPairArgs;

typedef struct Assignment
{
	List	   *column;
	List	   *value;
} Assignment;

typedef struct FillArgs
{
	Oid			relation;
	List	   *assignments;	/* Assignment * */
	List	   *condition;		/* holds for rows that are to be updated */
	bool		fire_triggers;
} FillArgs;

extern const Verb verb_fill_pair;
extern const Verb verb_fill;
extern const Verb verb_verify;	/* RelationArgs */

/* The parts of a fill as SQL; NULL if the step is none (but one of a pair). */
extern const FillArgs *fill_args(const Step *step);
extern char *fill_assignments(const FillArgs *fill);
extern char *fill_condition(const FillArgs *fill);

/* ---- verbs/assert.c: rows that are in the way ---- */

/* No row may be so. */
typedef struct AssertArgs
{
	Oid			relation;
	char	   *sqlstate;
	char	   *message;
	List	   *row;			/* what it is called, or NIL */
	char	   *hint;			/* or NULL */
	List	   *violation;		/* holds for a row that is in the way */
} AssertArgs;

/* What a row can have wrong with it. */
typedef struct Problem
{
	List	   *condition;
	char	   *sqlstate;
	char	   *message;
} Problem;

/* New values of a column: they can be computed, and keep what is promised of them. */
typedef struct AssertRowsArgs
{
	Oid			relation;
	List	   *value;			/* what computes them; NIL: they are there */
	char	   *column;			/* quoted name of the new column */
	List	   *row;
	List	   *problems;		/* Problem * */
	bool		names_errors;	/* an error of "value" names its row */
} AssertRowsArgs;

typedef struct AssertUniqueArgs
{
	Oid			relation;
	List	   *value;
	char	   *column;
	char	   *message;
	List	   *keys;			/* expressions */
	List	   *predicate;
	bool		nulls_not_distinct;
} AssertUniqueArgs;

typedef struct AssertReferencedArgs
{
	Oid			relation;
	List	   *value;
	char	   *column;
	char	   *message;
	List	   *columns;		/* expressions */
	Oid			references;
	List	   *refcolumns;		/* expressions, over that */
	bool		plain;			/* of what is to be made in the exchange: only while both are there */
} AssertReferencedArgs;

extern const Verb verb_assert;
extern const Verb verb_assert_rows;
extern const Verb verb_assert_unique;
extern const Verb verb_assert_referenced;

/* The expression whose errors are to name their rows; NULL: none. */
extern char *assert_expression(const Step *step);

/* ---- verbs/index.c ---- */

typedef struct IndexKey
{
	List	   *expression;		/* in parentheses if it is no column */
	char	   *collation;		/* qualified and quoted, or NULL: that of the expression */
	char	   *properties;		/* operator class, order; each with a blank before it */
} IndexKey;

typedef struct IndexSpec
{
	Oid			of;				/* whose columns are meant */
	bool		unique;
	bool		nulls_not_distinct;
	char	   *method;			/* quoted */
	List	   *keys;			/* IndexKey * */
	List	   *included;		/* expressions */
	char	   *options;		/* " WITH (...)", or NULL */
	char	   *tablespace;		/* quoted, or NULL */
	List	   *predicate;
} IndexSpec;

typedef enum IndexWay
{
	INDEX_CONCURRENTLY,
	INDEX_ONLY,					/* of a partitioned table alone */
	INDEX_WHOLE					/* of a partitioned table and what of its partitions has none */
} IndexWay;

extern const Fields index_spec_fields;

/* A key with its collation, as CREATE INDEX has it before the properties. */
extern char *index_key_sql(const Making *making, const IndexSpec *spec, const IndexKey *key);

/* CREATE INDEX on "on" (qualified and quoted) under "name" (unquoted). */
extern char *index_spec_sql(const Making *making, const IndexSpec *spec, const char *on,
							const char *name, IndexWay way);

typedef struct BuildIndexArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
	IndexSpec  *spec;
} BuildIndexArgs;

typedef struct CreateIndexArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
	bool		whole;			/* with what partitions lack; else ONLY */
	IndexSpec  *spec;
} CreateIndexArgs;

typedef struct RenameIndexArgs
{
	Oid			relation;
	char	   *from;
	char	   *to;
	bool		if_exists;
} RenameIndexArgs;

typedef struct AttachIndexArgs
{
	Oid			relation;		/* the partition */
	Oid			root;
	char	   *name;
	Oid			parent;
	char	   *parent_name;
	bool		constraint;		/* it is one that the way back drops */
	bool		again;			/* it has been before: only then does PostgreSQL look at all of them */
} AttachIndexArgs;

typedef struct NamedArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
} NamedArgs;

typedef struct IndexTargetsArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
	List	   *columns;		/* int: numbers of the index's columns */
	List	   *targets;		/* int */
} IndexTargetsArgs;

typedef struct ReindexArgs
{
	Oid			relation;		/* the table, or an index */
	bool		index;
	char	   *tablespace;		/* to have it there from then on, or NULL */
} ReindexArgs;

extern const Verb verb_build_index;
extern const Verb verb_create_index;
extern const Verb verb_rename_index;
extern const Verb verb_attach_index;
extern const Verb verb_drop_index;	/* NamedArgs, on the way back only: of that name */
extern const Verb verb_drop_index_concurrently; /* RelationArgs: the index */
extern const Verb verb_reindex;
extern const Verb verb_complete_index;	/* NamedArgs */
extern const Verb verb_set_index_statistics;

/* The name of the index that the step builds CONCURRENTLY on its first relation; or NULL. */
extern char *index_built_by(const Step *step);

/* ---- verbs/constraint.c ---- */

typedef struct ConstraintArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
	char		kind;			/* 'c', 'n', 'p', 'u' as in pg_constraint; 'd' by its definition */
	List	   *expression;		/* c: the condition; n: the column */
	char	   *index;			/* p, u: that it is made of */
	char	   *definition;		/* d */
	char	   *deferral;		/* p, u: "" or " DEFERRABLE ..." */
	bool		no_inherit;
	bool		not_enforced;
	bool		not_valid;
	bool		only;			/* of a partitioned table alone */
	List	   *own;			/* c: partitions (Oid) that had one of that name before */
} ConstraintArgs;

typedef struct ForeignKeyArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
	Oid			of;				/* whose columns are meant: the table, or the root of partitions */
	List	   *columns;		/* expression: a list, with commas */
	Oid			references;
	List	   *refcolumns;		/* the same, over that; NIL: its primary key */
	List	   *delete_columns; /* ON DELETE SET NULL (...) */
	char		match;			/* as in pg_constraint */
	char		on_update;
	char		on_delete;
	bool		deferrable;
	bool		deferred;
	bool		not_enforced;
	bool		not_valid;
	bool		while_both;		/* nothing is done once one of the tables is gone */
	List	   *known;			/* Oids of partitions: larger ones that were attached since are refused */
	char	   *comment;		/* that it gets, or NULL */
} ForeignKeyArgs;

typedef struct ValidateArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
	Oid			references;		/* of a foreign key: nothing is done once that is gone */
} ValidateArgs;

/* From a validated constraint to NOT NULL. */
typedef struct SetNotNullArgs
{
	Oid			relation;
	List	   *column;
	char	   *proof;			/* the constraint, which goes then; NULL: there are others */
	List	   *own;			/* partitions and children (Oid) that were NOT NULL before */
} SetNotNullArgs;

/* NOT NULL goes; the way back begins with a constraint that proves it. */
typedef struct DropNotNullArgs
{
	Oid			relation;
	List	   *column;
	char	   *proof;
} DropNotNullArgs;

/* What an ALTER TABLE takes away, and what takes its name. */
typedef struct DropPartsArgs
{
	Oid			relation;
	List	   *nullable;		/* expressions: columns that lose NOT NULL */
	List	   *constraints;	/* char * */
	List	   *optional;		/* char *: the same, IF EXISTS */
	List	   *renamed;		/* char *: from, to, from, to ... */
} DropPartsArgs;

extern const Verb verb_add_constraint;
extern const Verb verb_add_foreign_key;
extern const Verb verb_complete_foreign_key;	/* ForeignKeyArgs */
extern const Verb verb_validate_constraint;
extern const Verb verb_set_not_null;
extern const Verb verb_drop_not_null;
extern const Verb verb_drop_parts;

extern const Fields foreign_key_fields;

/* ADD CONSTRAINT ..., without what depends on time; NOT NULL by which constraint. */
extern char *constraint_not_null(const char *table, const char *name, const char *column);

/*
 * To follow a primary key that the partition is given by itself: what it has inherited
 * as NOT NULL up to then stays inherited alone.  "" where nothing is to be done.
 */
extern char *constraint_disown_not_null(const Making *making, Oid relid);
extern char *foreign_key_sql(const Making *making, const ForeignKeyArgs *fk);
extern char *foreign_key_drop(const Making *making, const ForeignKeyArgs *fk);

/*
 * That the partitioned table has got no larger partitions than the "known" ones
 * (Oids): what would have to be built for them would be built under the step's lock.
 */
extern Assertion *constraint_none_late(const Making *making, Oid parent, List *known);

/* Where a script's user goes if the plan is out of date. */
#define SCRIPT_HINT "Go back with 90_revert.sql, and make the script anew."

/* ---- verbs/exclusion.c ---- */

/* An exclusion constraint, or a key WITHOUT OVERLAPS, that is made of an index. */
typedef struct ExclusionArgs
{
	Oid			relation;
	Oid			root;
	char	   *name;
	char		type;			/* as in pg_constraint: x; or p, u: WITHOUT OVERLAPS */
	char	   *index;			/* that it is made of, which has its name from then on */
	IndexSpec  *spec;
	List	   *operators;		/* char *: for each key, as it stands in OPERATOR(...) */
	List	   *row;			/* what a row is called */
	bool		deferrable;
	bool		deferred;
	bool		made;			/* a look: the constraint is there already */
	List	   *known;			/* of a partitioned table: its partitions (Oids), which have theirs */
} ExclusionArgs;

/* The query of a look for rows that exclude each other. */
extern char *exclusion_look_sql(const Making *making, const ExclusionArgs *con);

/* The constraint as plain SQL would add it. */
extern char *exclusion_add_sql(const Making *making, const ExclusionArgs *con);

extern const Verb verb_look_for_conflicts;
extern const Verb verb_make_exclusion;
extern const Verb verb_complete_exclusion;	/* of a partitioned table, whose partitions have it */

/* ---- verbs/column.c ---- */

typedef struct SetDefaultArgs
{
	Oid			relation;
	List	   *column;
	List	   *value;			/* NIL: none */
	List	   *former;			/* the same, for the way back */
} SetDefaultArgs;

typedef struct ColumnArgs
{
	Oid			relation;
	AttrNumber	column;
} ColumnArgs;

typedef struct AddColumnArgs
{
	Oid			relation;
	char	   *name;
	char	   *type;			/* as SQL has it */
	char	   *sequence;		/* qualified, that its default draws from, or NULL */
	List	   *value;			/* its default, or NIL */
	bool		set_default;	/* in a statement of its own: rows that are there do not get it */
	bool		not_null;
	bool		type_default;	/* the value is the type's own default, and stays that */
	bool		null_first;		/* the type's own default is not to be computed for rows that are there */
} AddColumnArgs;

typedef struct AddIdentityArgs
{
	Oid			relation;
	char	   *column;
	char	   *sequence;		/* qualified */
	bool		always;
} AddIdentityArgs;

typedef struct SetTypeArgs
{
	Oid			relation;
	AttrNumber	column;
	char	   *type;
	char	   *time_zone;		/* in which, or NULL: whichever */
} SetTypeArgs;

extern const Verb verb_set_default;
extern const Verb verb_drop_column; /* ColumnArgs */
extern const Verb verb_add_column;
extern const Verb verb_add_identity;
extern const Verb verb_set_type;

/* An expression that gives the number of the sequence. */
extern char *column_sequence_number(const char *sequence);

/* ---- verbs/partition.c ---- */

typedef struct PartitionArgs
{
	Oid			relation;		/* the partitioned table */
	Oid			partition;
	char	   *bound;			/* FOR VALUES ... */
	List	   *proofs;			/* NamedArgs *: constraints that go then */
} PartitionArgs;

extern const Verb verb_attach_partition;
extern const Verb verb_detach_partition;
extern const Verb verb_detach_partition_concurrently;
extern const Verb verb_finalize_detach;

/* ---- verbs/relation.c ---- */

typedef struct DropArgs
{
	char	   *keyword;		/* TABLE and so on */
	List	   *relations;		/* Oids */
} DropArgs;

typedef struct RefreshArgs
{
	Oid			relation;
	bool		concurrently;
	bool		no_data;
} RefreshArgs;

typedef struct RenameValueArgs
{
	Oid			type;
	char	   *from;
	char	   *to;
} RenameValueArgs;

typedef struct AnalyzeArgs
{
	Oid			relation;
	List	   *column;			/* NIL: all */
} AnalyzeArgs;

/* A view under the name that a table is to have, and later under the one that it had. */
typedef struct ViewArgs
{
	Oid			relation;
	Oid			old_namespace;
	char	   *old_name;
	Oid			new_namespace;
	char	   *new_name;
	List	   *columns;		/* int: attribute numbers */
	bool		invoker;		/* it reads with the rights of whoever reads it */
} ViewArgs;

extern const Verb verb_drop_relations;
extern const Verb verb_refresh;
extern const Verb verb_rename_value;
extern const Verb verb_analyze;
extern const Verb verb_create_view; /* ViewArgs, like the next two */
extern const Verb verb_exchange_names;
extern const Verb verb_drop_view;

/* The qualified, quoted name of the view that the step makes. */
extern char *view_made_by(const Step *step);

/* ---- verbs/second.c: a table written anew ---- */

/* A stored generated column that the second table computes, and the first one does not, or otherwise. */
typedef struct ComputedColumn
{
	char	   *name;
	char	   *type;			/* as it is declared; NULL: the first one has the column, with another expression */
	List	   *expression;		/* over the first one's columns */
} ComputedColumn;

/* A column that the second table has of another type. */
typedef struct ConvertedColumn
{
	char	   *name;
	char	   *type;			/* as SQL, with COLLATE where it is not the type's own */
	bool		toastable;		/* storage and compression mean something of it */
	bool		mapped;			/* by an up of the user's own: so is its default */
	bool		exact;			/* different values stay different, there and back */
	char	   *up;				/* as sync/expr.h stores them ... */
	char	   *up_resolution;	/* ... with what they mean, or NULL */
	char	   *down;
	char	   *down_resolution;
	char	   *readable;		/* up, with the names that columns have at the call */
	List	   *sequences;		/* Oid: those whose type is the column's */
} ConvertedColumn;

typedef struct SecondArgs
{
	Oid			relation;
	Oid			root;			/* the partitioned table that is written anew with it, or InvalidOid */
	Oid			namespace;
	char	   *hidden;			/* name of the table beside it */

	/* what is to be otherwise; zero, NULL or NIL: as it is */
	Oid			tablespace;		/* of the database too, by its own Oid */
	char		persistence;
	Oid			access_method;
	Oid			index;			/* CLUSTER: the rows have its order, and it is marked */
	char	   *index_name;		/* when REINDEX CONCURRENTLY has put another in its place */
	List	   *order;			/* what stands after ORDER BY, over relation's columns */

	/* of a new shape the two exchange their names: */
	bool		new_shape;
	List	   *columns;		/* char *: all of them in another order, or NIL */
	PartitionLayout *layout;	/* into which partitions, or NULL; with "converted": those that it had at the call */
	List	   *computed;		/* ComputedColumn * */
	ConvertedColumn *converted; /* or NULL */
	bool		splits;			/* which take the place of this one, of "root" */
} SecondArgs;

/* The index that the rows are to have the order of; InvalidOid if it is gone. */
extern Oid	second_index(const SecondArgs *args);

/* Its arguments, if the step is one of these; and is its table gone from the partitioned one? */
extern const SecondArgs *second_args(const Step *step);
extern bool second_is_gone(const SecondArgs *args);

/* What gives the second table, called "table" (qualified), the column. */
extern char *second_computed_sql(const SecondArgs *args, const ComputedColumn *column, const char *table, bool missing_ok);

/*
 * What there is on the table that other values of a column have to satisfy: an index
 * that is unique, a constraint, NOT NULL.  NULL: nothing.
 */
extern char *second_judges_column(Oid relid, const char *column);

/* What partition n of the second table is called, from 0, as SQL. */
extern char *second_part_name(const SecondArgs *args, int n);

/* What stands for the partition "like" is called, in a table that is partitioned as the first one is; and that as SQL. */
extern char *second_like_rel_name(const SecondArgs *args, Oid like);
extern char *second_like_name(const SecondArgs *args, Oid namespace, Oid like);

extern const Verb verb_make_second;
extern const Verb verb_copy_rows;
extern const Verb verb_build_second_indexes;
extern const Verb verb_compare_rows;
extern const Verb verb_exchange_storage;
extern const Verb verb_analyze_second;
extern const Verb verb_exchange_tables;
extern const Verb verb_exchange_partition;
extern const Verb verb_refill_first;
extern const Verb verb_compare_first;
extern const Verb verb_drop_first;

/* ---- column/twin.c: a column beside another ---- */

extern const Verb verb_add_twin;
extern const Verb verb_create_matviews;
extern const Verb verb_create_statistics;
extern const Verb verb_refresh_matview;
extern const Verb verb_exchange;
extern const Verb verb_drop_twin;

#endif							/* ZDM_VERBS_H */
