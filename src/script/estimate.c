/*-------------------------------------------------------------------------
 *
 * estimate.c
 *		How large the table is, and how long and how much its change takes.
 *
 * Estimates from what the catalog knows, or from what the call said of the server
 * that the files are for: what it did not say is reckoned from the rows and
 * indexes of the table here.  They are there to tell minutes from days.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "core/guc.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What a machine of no particular speed gets done in a second. */
#define ROWS_FILLED 20000.0
#define BYTES_READ (200.0 * 1024 * 1024)
#define ROWS_INDEXED 500000.0

/* Bytes in the WAL for a row or an index entry, beside what it holds. */
#define ROW_HEADER 60.0
#define INDEX_ENTRY 70.0

/* Bytes on disk for an index entry, beside what it holds. */
#define INDEX_OVERHEAD 16.0

/* Of a row and a value of which nothing is known. */
#define USUAL_ROW 100.0
#define USUAL_VALUE 32.0

/* Size and rows of the table here, with its partitions. */
static void
read_here(Oid relid, double *size, double *rows, int *indexes)
{
	QuerySession session;

	query_begin(&session);
	QUERY("SELECT coalesce(sum(pg_table_size(c.oid)), 0)::float8, coalesce(sum(greatest(c.reltuples, 0)), 0)::float8, "
		  "(SELECT count(*) FROM pg_index WHERE indrelid = $1)::int4 FROM pg_class c "
		  "WHERE c.relkind IN ('r', 'm') AND (c.oid = $1 OR c.oid IN (SELECT relid FROM pg_partition_tree($1)))",
		  arg_oid(relid));
	*size = query_float8(0, 1);
	*rows = query_float8(0, 2);
	*indexes = query_int4(0, 3);
	query_end(&session);
}

/* Bytes of a value of the new column; 0 if there is none. */
static double
value_width(const Script *script)
{
	int16		length;

	if (script->pair == NULL)
		return 0;
	length = get_typlen(OidIsValid(script->change->type) ? script->change->type :
						get_atttype(script->pair->relid, script->pair->old_attnum));
	return length > 0 ? length : USUAL_VALUE;
}

static int
count_builds(const MigrationPlan *plan)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		const Step *step = lfirst(lc);

		if (index_built_by(step) != NULL && !step->only_back)
			n++;
	}
	return n;
}

ScriptEstimate
estimate_make(const Script *script)
{
	const ScriptOptions *given = &script->options;
	ScriptEstimate e = {.writes = given->writes};
	double		size_here = 0;
	double		rows_here = 0;
	double		row;
	double		value = value_width(script);

	if (OidIsValid(script->subject))
		read_here(script->subject, &size_here, &rows_here, &e.indexes);
	row = rows_here >= 1 ? size_here / rows_here : USUAL_ROW;
	if (given->size >= 0 && given->rows >= 1)
		row = given->size / (double) given->rows;
	e.size = given->size >= 0 ? given->size : given->rows >= 0 ? given->rows * row : size_here;
	e.rows = given->rows >= 0 ? given->rows : given->size >= 0 ? given->size / row : rows_here;

	e.builds = count_builds(script->plan);
	e.index_seconds = e.builds * (2 * e.size / BYTES_READ + e.rows / ROWS_INDEXED);
	e.read_seconds = e.size / BYTES_READ;
	e.rewrite_seconds = e.indexes * (e.size / BYTES_READ + e.rows / ROWS_INDEXED);
	e.index_bytes = e.builds * e.rows * (value + INDEX_OVERHEAD);
	if (plan_has_backfill(script->plan))
	{
		e.fill_seconds = e.rows / ROWS_FILLED * (1 + guc_batch_rest);
		e.fill_wal = e.rows * (row + value + ROW_HEADER + e.indexes * INDEX_ENTRY);
		/* each row that is updated leaves a dead one, and index entries for the one that follows it */
		e.fill_disk = e.size + e.rows * (value + e.indexes * INDEX_OVERHEAD);
	}
	if (e.writes > 0)
	{
		e.writers_wal = e.writes * (value + e.builds * INDEX_ENTRY);
		e.written_meanwhile = e.writes * (e.fill_seconds + e.index_seconds);
	}
	return e;
}

char *
estimate_bytes(double bytes)
{
	return QUERY_ONCE_TEXT("SELECT pg_size_pretty(round($1::numeric))", arg_float8(bytes));
}

char *
estimate_time(double seconds)
{
	if (seconds < 90)
		return psprintf("%.0f seconds", Max(seconds, 1));
	if (seconds < 90 * 60)
		return psprintf("%.0f minutes", seconds / 60);
	if (seconds < 48 * 3600)
		return psprintf("%.1f hours", seconds / 3600);
	return psprintf("%.1f days", seconds / 86400);
}
