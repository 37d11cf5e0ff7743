/*-------------------------------------------------------------------------
 *
 * partition_every.h
 *		Partitions of one width: where they begin and end, and what they are called.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PARTITION_EVERY_H
#define ZDM_PARTITION_EVERY_H

#include "verbs/partition_layout.h"

/*
 * Settle the width that a layout's "every" has for a key of that type: calendar and
 * form of names.  ERRCODE_INVALID_PARAMETER_VALUE if it is none.
 */
extern void partition_every_settle(PartitionLayout *layout, Oid type);

/* " AND ..." that leaves out the infinite values of a column (quoted) of that type. */
extern char *partition_every_finite(const char *column, Oid type);

/* A range of values, as text; NULL, NULL: none. */
typedef struct EverySpan
{
	char	   *lowest;
	char	   *highest;
} EverySpan;

/*
 * The partitions (LayoutPart *) from that of the lowest value up to "ahead" behind that
 * of the highest one, of a table of that name and schema.  Without values they begin
 * with that of today, or of zero.  ERRCODE_INVALID_PARAMETER_VALUE if there are too many.
 */
extern List *partition_every_parts(const PartitionLayout *layout, Oid type, const char *table, Oid namespace, const EverySpan *span);

/* The two ends of a range by one column, as they stand in its bound; and one with such ends. */
extern char *partition_bound_from(const LayoutPart *part);
extern char *partition_bound_to(const LayoutPart *part);
extern LayoutPart *partition_bound_set(const LayoutPart *part, const char *from, const char *to);

#endif							/* ZDM_PARTITION_EVERY_H */
