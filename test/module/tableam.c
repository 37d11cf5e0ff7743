/*-------------------------------------------------------------------------
 *
 * tableam.c
 *		Access methods of tables that are not heap.
 *
 * One keeps rows as heap does, but for what an access method need not have: scans of
 * a range of ctid.  So it shows who rests on these.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "fmgr.h"

static double
index_build_range_scan(Relation table, Relation index, struct IndexInfo *info, bool allow_sync, bool anyvisible,
					   bool progress, BlockNumber start, BlockNumber blocks, IndexBuildCallback callback,
					   void *state, TableScanDesc scan)
{
	const TableAmRoutine *own = table->rd_tableam;
	double		result;

	/* heap's refuses other tables than its own */
	table->rd_tableam = GetHeapamTableAmRoutine();
	PG_TRY();
	{
		result = table->rd_tableam->index_build_range_scan(table, index, info, allow_sync, anyvisible, progress,
														   start, blocks, callback, state, scan);
	}
	PG_FINALLY();
	{
		table->rd_tableam = own;
	}
	PG_END_TRY();
	return result;
}

static void
index_validate_scan(Relation table, Relation index, struct IndexInfo *info, Snapshot snapshot,
					struct ValidateIndexState *state)
{
	const TableAmRoutine *own = table->rd_tableam;

	table->rd_tableam = GetHeapamTableAmRoutine();
	PG_TRY();
	{
		table->rd_tableam->index_validate_scan(table, index, info, snapshot, state);
	}
	PG_FINALLY();
	{
		table->rd_tableam = own;
	}
	PG_END_TRY();
}

PG_FUNCTION_INFO_V1(zdm_test_tableam_without_ranges);

Datum
zdm_test_tableam_without_ranges(PG_FUNCTION_ARGS)
{
	static TableAmRoutine routine;

	routine = *GetHeapamTableAmRoutine();
	routine.scan_set_tidrange = NULL;
	routine.scan_getnextslot_tidrange = NULL;
	routine.index_build_range_scan = index_build_range_scan;
	routine.index_validate_scan = index_validate_scan;
	PG_RETURN_POINTER(&routine);
}
