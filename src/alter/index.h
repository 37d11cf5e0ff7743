/*-------------------------------------------------------------------------
 *
 * index.h
 *		Steps that build an index beside readers and writers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_INDEX_H
#define ZDM_INDEX_H

#include "catalog/migration.h"
#include "draft/ddl_text.h"
#include "verbs/verbs.h"

/* What building one does. */
#define BUILDS_INDEX "reads the table twice; writers go on"

/* ERRCODE_DUPLICATE_TABLE if the schema has a relation of that name. */
extern void index_check_name(Oid namespace, const char *name);

/*
 * Raise what PostgreSQL would find wrong with the index: columns, the access method, and
 * the rights of the table's owner.
 */
extern void index_check_statement(const IndexStmt *stmt, Oid relid);

/* The statement of the unique index that a key needs. */
extern IndexStmt *index_key_statement(const Constraint *constraint);

/* Append <prefix>name = value, ...) of a list of DefElem. */
extern void index_append_options(StringInfo buf, const char *prefix, List *options);

/* The names of its columns, as index names are made of them (list of String). */
extern List *index_columns(const IndexStmt *stmt);

/* The index that "stmt" states, on relid.  "source" is what positions are of, or NULL. */
extern IndexSpec *index_spec(const IndexStmt *stmt, const char *source, Oid relid);

/*
 * The name that PostgreSQL would choose for an index of relid; "columns" is NULL where
 * they are not in it.  None of "taken" (char *, qualified), which it joins: long names of
 * partitions may be cut to the same one.
 */
extern char *index_choose_name(Oid relid, const char *columns, const char *label, bool constraint, List **taken);

/*
 * Build an index under the name that no other has, and rename it.  "root" is the
 * partitioned table that relid is a partition of, or InvalidOid: if it is none any
 * more, nothing is done.
 */
extern void index_build_step(MigrationPlan *plan, IndexSpec *spec, Oid relid, Oid root, const char *name);
extern void index_rename_step(MigrationPlan *plan, Oid relid, const char *from, const char *to);

/*
 * An index of a partitioned table with those of all its partitions: as it is
 * stated; or, when the partitioned table has it already, as it is.
 */
typedef struct IndexTree
{
	MigrationPlan *plan;
	Oid			root;			/* the table at the top */
	const IndexStmt *stmt;		/* what is stated, or NULL */
	const char *source;			/* its text, or NULL */
	Oid			indexid;		/* without stmt: an index that is there, of root or like it */
	char	   *key;			/* "UNIQUE (a, b) DEFERRABLE", NULL: no constraint */
	char	   *deferral;		/* "" or " DEFERRABLE ..." */
	bool		primary;
	bool		unique;
	bool		only;			/* ON ONLY: without its partitions */
	List	   *columns;		/* String: that names are made of, */
	int			nkeys;			/* of which the first so many are keys */
	List	   *taken;			/* char *: names given so far, qualified */
	List	   *like;			/* Oid: indexes of partitions that are like it */
} IndexTree;

/*
 * Plan the index of the tree's root under "name".  Raises what PostgreSQL would
 * for an index that cannot be unique over all partitions
 * (ERRCODE_FEATURE_NOT_SUPPORTED), and for a second primary key of a partition.
 */
extern void index_tree_plan(IndexTree *tree, char *name);

/*
 * Plan on the tree's root, a table of any kind, an index like tree->indexid,
 * which is another table's with columns of the same names.
 */
extern void index_tree_plan_like(IndexTree *tree);

/*
 * Do the step that ends the plan of a partitioned table's index, in its transaction:
 * plan behind it for partitions that were attached since; see to it that the index
 * becomes valid when some have gone.  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if that
 * cannot be, ERRCODE_UNDEFINED_OBJECT if the index is gone.
 */
extern void index_tree_complete(int64 migration, const Step *step);

#endif							/* ZDM_INDEX_H */
