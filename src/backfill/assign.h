/*-------------------------------------------------------------------------
 *
 * assign.h
 *		Updating a range of rows by the user's own assignments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ASSIGN_H
#define ZDM_ASSIGN_H

#include "backfill/rows.h"
#include "catalog/step.h"

/*
 * Update the rows of the range for which the step's condition holds, as the
 * owner of the table, without waiting for a row.  Adds the number of rows to
 * "result", and the range to be come back to if others had locked some of them.
 * ERRCODE_INVALID_PARAMETER_VALUE if the condition holds for a row even after
 * its update; and whatever the UPDATE raises.  Needs a transaction that holds
 * ROW EXCLUSIVE on the table, and no active snapshot.
 */
extern void assign_rows(const RowRange *range, const Step *step, FillResult *result);

#endif							/* ZDM_ASSIGN_H */
