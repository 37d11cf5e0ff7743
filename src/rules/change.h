/*-------------------------------------------------------------------------
 *
 * change.h
 *		One change of a schema, as a function call or a DDL statement states it.
 *
 * The common coin of both front doors: whoever makes one, the way on from here
 * (plan, steps, worker) is the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CHANGE_H
#define ZDM_CHANGE_H

#include "nodes/nodes.h"
#include "nodes/pg_list.h"
#include "postgres_ext.h"

/* How a table is to be partitioned, as the caller has it. */
typedef struct PartitionWish
{
	char	   *by;				/* what stands after PARTITION BY */
	List	   *partitions;		/* char *: name and bound; NIL: none were given */
	char	   *every;			/* or NULL */
	int			ahead;
	bool		with_default;
	char	   *primary_key;	/* list of columns; "": none; NULL: as it is */
	Oid			split;			/* this partition is replaced by these; InvalidOid: the table is partitioned */
	bool		attach;			/* the table itself becomes the first partition */
} PartitionWish;

typedef struct Change
{
	const char *kind;			/* a name in the table of plan/plan.c */
	Oid			relid;
	char	   *column;			/* the column it is about */
	char	   *new_name;		/* rename: its name, or the table's, afterwards */
	Oid			new_namespace;	/* SET SCHEMA: the table's schema afterwards */

	List	   *result_settings;	/* of identity_settings(), as the caller has them */

	/* change of type: */
	Oid			type;
	int32		typmod;
	char	   *up_source;		/* as the user gave them, or NULL */
	char	   *down_source;
	char	   *up;				/* as sync/expr.h stores them */
	char	   *down;
	char	   *up_resolution;	/* what they mean (core/resolution.h) */
	char	   *down_resolution;
	char	   *new_default;	/* what a given up makes of the column's default, or NULL */
	char	   *up_readable;	/* up with column names, or NULL: it cannot fail */

	/* DDL: */
	char	   *ddl;			/* the text that was given, or NULL */
	char	   *definition;		/* jsonb as text, to compare when its label comes again */
	char	   *statement;		/* the statement in it, without its semicolon */
	Node	   *stmt;			/* its raw parse tree */
	struct Judgement *judgement;	/* what the rules say of it, once they were asked */

	/* rewrite: */
	char	   *order_by;		/* what stands after ORDER BY, as it was given, or NULL */
	List	   *columns;		/* char *: all of them in their new order, or NIL */

	/* partition_table: */
	struct PartitionWish *partition;
	struct PartitionLayout *layout; /* what comes of it, once that was asked (plan/partition_layout.h) */

	/* backfill: */
	char	   *assignments;
	char	   *condition;		/* or NULL */
	bool		fire_triggers;
} Change;

#endif							/* ZDM_CHANGE_H */
