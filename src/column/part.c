/*-------------------------------------------------------------------------
 *
 * part.c
 *		The parts of a table that a column takes with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "column/part.h"

const ColumnPart *const column_parts[] = {
	/* of two unique indexes, a foreign key takes the one that was made first */
	&column_key,
	/* its index is no index by itself */
	&column_exclusion,
	&column_index,
	&column_check,
	&column_not_null,
	&column_foreign_key,
	&column_sequence,
	&column_statistics,
	/* over tables that have all else */
	&column_matview,
	/* may be over a materialized view */
	&column_view,
	&column_generated,
	&column_dependent,
	&column_other_end,
};

const int	column_parts_length = lengthof(column_parts);
