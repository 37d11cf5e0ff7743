/*-------------------------------------------------------------------------
 *
 * deparse.h
 *		Expressions, checks and indexes as they can be kept, with one column
 *		replaced by another.
 *
 * The replacement is made by attribute number in the parse tree.  All names in
 * the result are schema-qualified where that can be, and its columns stand in it
 * by their numbers (core/expression.h), so that it means the same whatever is
 * renamed in between.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEPARSE_H
#define ZDM_DEPARSE_H

#include "access/attnum.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "verbs/verbs.h"

/*
 * "expr", which is over the columns of relid, with "to" in the place of attribute
 * "from".  InvalidAttrNumber replaces none.
 */
extern List *deparse_kept(Node *expr, Oid relid, AttrNumber from, List *to);

typedef struct IndexLike
{
	AttrNumber	from;			/* InvalidAttrNumber: none is replaced */
	List	   *to;
	bool		retyped;		/* "to" may be of another type: it has that type's operators */
	bool		not_unique;		/* even if the other index is */
} IndexLike;

/* An index like "indexid".  Takes ACCESS SHARE on it. */
extern IndexSpec *deparse_index(Oid indexid, const IndexLike *options);

/* Qualified and quoted; ERRCODE_UNDEFINED_OBJECT if it does not exist. */
extern char *deparse_collation(Oid collation);
extern char *deparse_opclass(Oid opclass);

/* FOR VALUES ..., with constants that everybody reads alike. */
extern char *deparse_bound(PartitionBoundSpec *spec);

/* Is any of the index's columns, expressions or its predicate about attnum? */
extern bool deparse_index_uses(Oid indexid, AttrNumber attnum);

#endif							/* ZDM_DEPARSE_H */
