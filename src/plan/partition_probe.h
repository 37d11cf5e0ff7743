/*-------------------------------------------------------------------------
 *
 * partition_probe.h
 *		Partitions that are only tried.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PARTITION_PROBE_H
#define ZDM_PARTITION_PROBE_H

#include "verbs/partition_layout.h"

typedef struct PartitionProbe
{
	Oid			relid;			/* the table with the rows */
	const PartitionLayout *layout;	/* strategy and key */
	Oid			parent;			/* whose other partitions are to be beside, or InvalidOid */
	List	   *texts;			/* char *: name and bound, as the caller wrote them, */
	List	   *parts;			/* and LayoutPart *, with bounds of ours; those read are added to it */
	bool		first_only;		/* all rows are to be in the first one */
	char	   *but;			/* condition, or NULL: of rows that may be beyond that */
	LayoutPart *rest;			/* the default partition that is split, which stays if none of them is one; or NULL */
	const LayoutPart *whole;	/* the partition whose place they are to take, with its bound, or NULL */
	bool		within;			/* then: they are known to take no row that it does not */
	List	   *takes;			/* expression, with first_only: which rows it takes */
} PartitionProbe;

/*
 * See whether PostgreSQL takes key and bounds, and whether each row of the table has a
 * partition to go to: on an empty table like it, that is gone afterwards.  Errors:
 * PostgreSQL's own, and ERRCODE_CHECK_VIOLATION with the row.
 */
extern void partition_probe(PartitionProbe *probe);

/*
 * The least and the greatest value of a key's only column, but for infinite ones, as
 * text; NULL if there are none.
 */
extern void partition_probe_span(Oid relid, const PartitionLayout *layout, Oid type, char **lowest, char **highest);

/* Those of the parts, of one width and in order, that some row of the table is in. */
extern List *partition_probe_used(Oid relid, const PartitionLayout *layout, Oid type, List *parts);

#endif							/* ZDM_PARTITION_PROBE_H */
