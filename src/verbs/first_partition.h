/*-------------------------------------------------------------------------
 *
 * first_partition.h
 *		A table that becomes the first partition of the one that takes its name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_VERBS_FIRST_PARTITION_H
#define ZDM_VERBS_FIRST_PARTITION_H

#include "verbs/partition_layout.h"
#include "verbs/verb.h"

typedef struct FirstArgs
{
	Oid			relation;		/* the table with the rows */
	char	   *hidden;			/* the other one's name until it has the table's */
	PartitionLayout *layout;
	char	   *constraint;		/* the primary key, if it changes, */
	char	   *key_index;		/* the index of the new one, */
	char	   *kept_index;		/* and one like the old one's, for the way back */
	char	   *beyond;			/* index of the rows that its bound does not take; NULL: there is none such */
} FirstArgs;

extern const Verb verb_become_partition;
extern const Verb verb_settle_partitions;

/* Its arguments, if the step is one of these; else NULL. */
extern const FirstArgs *first_args(const Step *step);

#endif							/* ZDM_VERBS_FIRST_PARTITION_H */
