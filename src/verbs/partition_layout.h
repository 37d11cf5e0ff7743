/*-------------------------------------------------------------------------
 *
 * partition_layout.h
 *		How a table is to be partitioned, as it is kept with a step.
 *
 * Read once, when the change is stated (plan/partition_layout.c).  From then on
 * nothing in it depends on a session: names are qualified, columns are numbers, and
 * the constants of bounds read the same in every time zone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_VERBS_PARTITION_LAYOUT_H
#define ZDM_VERBS_PARTITION_LAYOUT_H

#include "core/fields.h"

/* One partition that is to be. */
typedef struct LayoutPart
{
	Oid			namespace;
	char	   *name;
	char	   *bound;			/* FOR VALUES ..., or DEFAULT */

	/* where a partitioned table is made like another: */
	Oid			like;			/* the partition that this one stands for, or InvalidOid */
	Oid			above;			/* what that is a partition of, if not of the table itself; else InvalidOid */
	char	   *by;				/* what stands after PARTITION BY, or NULL: it has rows */
	char	   *was;			/* the bound that that one has */
} LayoutPart;

typedef struct PartitionLayout
{
	char		strategy;		/* PARTITION_STRATEGY_*, as in pg_partitioned_table */
	List	   *key;			/* expression over the table's columns: what stands after PARTITION BY */
	List	   *columns;		/* int: numbers of the key's columns; 0: an expression */
	List	   *parts;			/* LayoutPart * */
	bool		within;			/* of one that is split: it takes all rows that they do */
	List	   *takes;			/* expression: the rows that the first one takes, where the table itself is that; else NIL */

	/* partitions as wide as this, if not NULL: an interval or a number */
	char	   *every;
	char	   *time_zone;		/* in whose calendar, for a key with time zone; else NULL */
	char	   *names;			/* format of to_char() for what stands in their names, or NULL: the bound */
	int			ahead;

	/* the primary key: as it is, unless ... */
	List	   *primary_key;	/* int: ... columns of another one */
	bool		no_primary_key; /* ... it is given up */
} PartitionLayout;

extern const Fields partition_layout_fields;

/* What it is called, as SQL. */
extern char *partition_layout_part_name(const LayoutPart *part);

/* What stands after PARTITION BY, with the names that relid's columns have now. */
extern char *partition_layout_key_sql(const PartitionLayout *layout, Oid relid, bool missing_ok);

/* The columns that the key needs are still there: else it is an error, which names the migration. */
extern void partition_layout_check(const PartitionLayout *layout, Oid relid, int64 migration);

/*
 * The table was just made, partitioned by the text "key": does that call what it called
 * when the migration was stated?  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if not.  As
 * the owner, restricted.
 */
extern void partition_layout_check_key(Oid parent, const char *key, int64 migration);

#endif							/* ZDM_VERBS_PARTITION_LAYOUT_H */
