/*-------------------------------------------------------------------------
 *
 * copy_rows.h
 *		Copying rows to a hidden table, and comparing them with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_COPY_ROWS_H
#define ZDM_COPY_ROWS_H

#include "backfill/copy_order.h"
#include "backfill/naps.h"
#include "backfill/rows.h"
#include "backfill/writeback.h"
#include "catalog/second.h"

/*
 * Copy the rows of the range that are not in the hidden table yet.  "look": many are.
 * Locks and waits for none: those that others are writing are in result->deferred.  Stops
 * at the end of a block once "time_ms" is over.  Needs ROW EXCLUSIVE on the relation and no
 * active snapshot; takes its own.  Errors: see apply_prepare_new().
 */
extern void copy_rows(const RowRange *range, const Second *second, bool look, double time_ms, instr_time start,
					  Naps *naps, Writeback *writeback, FillResult *result);

/* The same in an order, as many as fit into a batch; those that others are writing are left, and counted. */
extern void copy_rows_in_order(CopyOrder *order, Relation rel, const Second *second, instr_time start, Naps *naps,
							   Writeback *writeback, FillResult *result);

/* Told of a row that is not in the other table, or not so, with the one that is, or NULL. */
typedef void (*RowDiffers) (Relation rel, TupleTableSlot *slot, TupleTableSlot *other, void *context);

/*
 * Rows of the range that are not in the other table as they are here: "forth", those of
 * the table itself.  Naps, unless "naps" is NULL.  Needs ACCESS SHARE on both, and no
 * active snapshot.  How many were looked at.
 */
extern int64 copy_compare_rows(const RowRange *range, const Second *second, bool forth, Naps *naps,
							   RowDiffers differs, void *context);

#endif							/* ZDM_COPY_ROWS_H */
