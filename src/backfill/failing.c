/*-------------------------------------------------------------------------
 *
 * failing.c
 *		Which rows an error is about.
 *
 * The rule: an error about a row names the row.  PostgreSQL names none when an
 * expression fails, and who is told "invalid input syntax" has to find the row in
 * a table of a billion.  So what failed for many rows is done again for ever fewer
 * of them, by halves, until it fails for one: that costs little more than having
 * come to the first, and nothing as long as all is well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/failing.h"
#include "catalog/pg_type.h"
#include "column/carry.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/spi.h"
#include "miscadmin.h"

/* Blocks that are begun with: halving is cheap, reading rows twice is not. */
#define WINDOW 4096

typedef struct Search
{
	Oid			leaf;
	Oid			role;
	FailingWork work;
	void	   *arg;
	char	   *names;			/* the query for the rows of a block */
	List	   *found;
	ItemPointerData first;		/* what is tried now */
	ItemPointerData last;
} Search;

static void
run_work(void *arg)
{
	Search	   *search = arg;

	search->work(search->leaf, &search->first, &search->last, search->arg);
}

/* NULL if it does not fail between the two. */
static ErrorData *
try_between(Search *search, ItemPointerData first, ItemPointerData last)
{
	ErrorData  *error;

	search->first = first;
	search->last = last;
	return attempt_run(run_work, search, ATTEMPT_UNDO, &error) ? NULL : error;
}

static ItemPointerData
beginning_of(int64 block)
{
	ItemPointerData tid;

	ItemPointerSet(&tid, (BlockNumber) block, 0);
	return tid;
}

/* The rows of one block, in "tids", and their names, in the caller's memory. */
static int
read_names(Search *search, int64 block, ItemPointerData **tids, char ***names)
{
	MemoryContext caller = CurrentMemoryContext;
	ItemPointerData first = beginning_of(block);
	ItemPointerData last = beginning_of(block + 1);
	Identity	saved;
	int			n;

	identity_enter(search->role, NIL, &saved);
	SPI_connect();
	if (SPI_execute_with_args(search->names, 2, (Oid[]) {TIDOID, TIDOID},
							  (Datum[]) {PointerGetDatum(&first), PointerGetDatum(&last)},
							  NULL, true, 0) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("the rows of a block could not be read")));
	n = (int) SPI_processed;
	MemoryContextSwitchTo(caller);
	*tids = palloc(sizeof(ItemPointerData) * Max(n, 1));
	*names = palloc(sizeof(char *) * Max(n, 1));
	for (int row = 0; row < n; row++)
	{
		bool		isnull;
		Datum		tid = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull);

		(*tids)[row] = *(ItemPointer) DatumGetPointer(tid);
		(*names)[row] = pstrdup(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2));
	}
	SPI_finish();
	identity_leave(&saved);
	return n;
}

static void
search_block(Search *search, int64 block)
{
	ItemPointerData *tids;
	char	  **names;
	int			n = read_names(search, block, &tids, &names);

	for (int row = 0; row < n && list_length(search->found) < FAILING_ROWS; row++)
	{
		ItemPointerData next = tids[row];
		ErrorData  *error;

		ItemPointerSetOffsetNumber(&next, ItemPointerGetOffsetNumber(&next) + 1);
		error = try_between(search, tids[row], next);
		if (error != NULL)
		{
			FailingRow *found = palloc(sizeof(FailingRow));

			found->name = names[row];
			found->error = error;
			search->found = lappend(search->found, found);
		}
	}
}

static void
search_blocks(Search *search, int64 begin, int64 end)
{
	CHECK_FOR_INTERRUPTS();
	if (begin >= end || list_length(search->found) >= FAILING_ROWS ||
		try_between(search, beginning_of(begin), beginning_of(end)) == NULL)
		return;
	if (end - begin == 1)
	{
		search_block(search, begin);
		return;
	}
	search_blocks(search, begin, begin + (end - begin) / 2);
	search_blocks(search, begin + (end - begin) / 2, end);
}

List *
failing_find(Oid leaf, int64 begin, int64 end, Oid role, FailingWork work, void *arg, List *found)
{
	Search		search = {.leaf = leaf, .role = role, .work = work, .arg = arg, .found = found};

	search.names = psprintf("SELECT ctid, %s FROM ONLY %s WHERE ctid >= $1 AND ctid < $2",
							expression_sql(fit_row_name(leaf), leaf, false), names_relation(leaf));
	for (int64 block = begin; block < end; block += WINDOW)
		search_blocks(&search, block, Min(block + WINDOW, end));
	return search.found;
}

void
failing_raise(List *found, const char *hint)
{
	FailingRow *first = linitial(found);
	ErrorData  *error = first->error;
	StringInfoData same;
	StringInfoData others;
	ListCell   *lc;

	initStringInfo(&same);
	initStringInfo(&others);
	foreach(lc, found)
	{
		FailingRow *row = lfirst(lc);

		if (strcmp(row->error->message, error->message) == 0)
			appendStringInfo(&same, "%s%s", same.len > 0 ? ", " : "", row->name);
		else
			appendStringInfo(&others, "; %s: %s", row->error->message, row->name);
	}
	error->detail = psprintf("%s%sAmong the rows: %s%s.", error->detail ? error->detail : "",
							 error->detail ? " " : "", same.data, others.data);
	if (hint != NULL)
		error->hint = unconstify(char *, hint);
	ReThrowError(error);
}
