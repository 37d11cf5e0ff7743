/*-------------------------------------------------------------------------
 *
 * assign.h
 *		Updating a range of rows by the user's own assignments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ASSIGN_H
#define ZDM_ASSIGN_H

#include "access/htup_details.h"
#include "backfill/rows.h"
#include "catalog/migration.h"
#include "catalog/step.h"

/* No block has more rows, so that this many go beyond the first one. */
#define ASSIGN_FEWEST (MaxHeapTuplesPerPage + 1)

/* Install the hook.  Called once, from _PG_init. */
extern void assign_init(void);

/*
 * Update the rows of the range for which the step's condition holds, the first
 * "most" of them, as the migration's owner and under its settings, without waiting
 * for a row.  "most" is at least ASSIGN_FEWEST, which no block has more rows than.  Adds the number
 * of rows to "result", how far it came, and the range to be revisited if
 * others had locked some of them.
 * ERRCODE_INVALID_PARAMETER_VALUE if the condition holds for a row even after
 * its update; and whatever the UPDATE raises.  Needs a transaction that holds
 * ROW EXCLUSIVE on the table, and no active snapshot.
 */
extern void assign_rows(const RowRange *range, const Migration *migration, const Step *step,
						int64 most, FillResult *result);

#endif							/* ZDM_ASSIGN_H */
