/*-------------------------------------------------------------------------
 *
 * deparse.h
 *		SQL templates of expressions, checks and indexes, with one column
 *		replaced by another.
 *
 * The replacement is made by attribute number in the parse tree.  All names in
 * the result are schema-qualified where that can be, and the other columns stand
 * in it as %A{}, so that it means the same whatever is renamed in between.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEPARSE_H
#define ZDM_DEPARSE_H

#include "access/attnum.h"
#include "nodes/nodes.h"
#include "nodes/pg_list.h"

/*
 * Template of "expr", which is over the columns of relid, with attribute "from"
 * written as "to" (a template).  InvalidAttrNumber replaces none.
 */
extern char *deparse_expression_template(Node *expr, Oid relid,
										 AttrNumber from, const char *to);

typedef struct IndexTemplate
{
	const char *name;			/* unquoted, of the index to be made */
	const char *to;				/* template of the column that replaces "from" */
	AttrNumber	from;
	const char *on;				/* template of another relation of the same columns, or NULL */
	bool		concurrently;
	bool		retyped;		/* "to" may be of another type: it has that type's operators */
	bool		not_unique;		/* even if the other index is */
	bool		only;			/* ON ONLY: of a partitioned table, without its leaves */
} IndexTemplate;

/* CREATE INDEX for an index like "indexid".  Takes ACCESS SHARE on it. */
extern char *deparse_index_template(Oid indexid, const IndexTemplate *options);

/*
 * The key columns and expressions of an index like "indexid" as templates
 * (char *), and its predicate, NULL if it has none.  Takes ACCESS SHARE on it.
 */
extern List *deparse_index_keys(Oid indexid, const IndexTemplate *options, char **predicate);

/* Qualified and quoted; ERRCODE_UNDEFINED_OBJECT if it does not exist. */
extern char *deparse_collation(Oid collation);
extern char *deparse_opclass(Oid opclass);

/* What a foreign key does ON UPDATE or ON DELETE, by its letter in pg_constraint. */
extern const char *deparse_action(char action);

/* Is any of the index's columns, expressions or its predicate about attnum? */
extern bool deparse_index_uses(Oid indexid, AttrNumber attnum);

#endif							/* ZDM_DEPARSE_H */
