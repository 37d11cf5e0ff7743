/*-------------------------------------------------------------------------
 *
 * copy_order.c
 *		In which order rows are copied, where one is wanted.
 *
 * What is sorted is not rows but the places at which they are: a query with ORDER BY,
 * or a walk through an index, gives them, and they are kept in a temporary file, six
 * bytes a row, beyond the transaction and its snapshot.  So memory is bounded (by
 * maintenance_work_mem, for the sort), and a snapshot is held for as long as the table
 * is read once, not for as long as it is copied.
 *
 * A place is therefore only a hint where to look.  Whoever has updated the row since
 * has carried it over; and what another has put into its place is carried over too.
 * What the hints do not lead to, a row that others have locked, say, or all of it after
 * a crash, the pass over the table's blocks copies, which comes after it and finds
 * the others there.
 *
 * An index leads to where the row was first, from which its versions on the page are
 * found, as an index scan would.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "backfill/copy_order.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "plan/meaning.h"
#include "storage/buffile.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* Places that are fetched at once. */
#define FETCH_COUNT 10000

struct CopyOrder
{
	Oid			hidden;
	bool		by_index;		/* the places are those that an index has */
	int64		count;			/* of places */
	int64		committed;		/* so many of them have been dealt with */
	int64		next;			/* where the batch is */
	BufFile    *file;			/* ItemPointerData one after the other */
	ResourceOwner owner;		/* of the file, which outlives transactions */
	MemoryContext context;
	IndexFetchTableData *fetch; /* of a batch, with by_index */
};

static CopyOrder *
make_order(Oid hidden, bool by_index)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "zdm copy order", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ResourceOwner callers = CurrentResourceOwner;
	CopyOrder  *order = palloc0(sizeof(CopyOrder));

	order->hidden = hidden;
	order->by_index = by_index;
	order->context = context;
	order->owner = ResourceOwnerCreate(NULL, "zdm copy order");
	CurrentResourceOwner = order->owner;
	order->file = BufFileCreateTemp(true);
	CurrentResourceOwner = callers;
	MemoryContextSwitchTo(caller);
	return order;
}

static void
add(CopyOrder *order, ItemPointer tid)
{
	MemoryContext caller = MemoryContextSwitchTo(order->context);

	BufFileWrite(order->file, tid, sizeof(ItemPointerData));
	MemoryContextSwitchTo(caller);
	order->count++;
}

/* The index's entries from the first to the last; the table itself is not looked at. */
static void
walk_index(CopyOrder *order, Relation rel, const SecondArgs *args)
{
	Oid			indexid = second_index(args);
	Relation	index;
	IndexScanDesc scan;
	ItemPointer tid;

	if (!OidIsValid(indexid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the index \"%s\" that table %s was to be clustered by no longer exists",
						args->index_name, names_relation(args->relation))));
	index = index_open(indexid, AccessShareLock);
	scan = zdm_index_beginscan(rel, index, GetActiveSnapshot(), 0);
	index_rescan(scan, NULL, 0, NULL, 0);
	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		add(order, tid);
	}
	index_endscan(scan);
	index_close(index, AccessShareLock);
}

static void
run_query(CopyOrder *order, const char *sql)
{
	Portal		portal;

	SPI_connect();
	portal = SPI_cursor_parse_open(NULL, sql, &(SPIParseOpenOptions) {.read_only = true});
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_COUNT);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			bool		isnull;

			add(order, (ItemPointer) DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull)));
		}
		if (SPI_processed == 0)
			break;
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
}

/* What the query needs for as long as it runs. */
static void
set_for_sort(void)
{
	(void) set_config_option("work_mem", psprintf("%d", Min(maintenance_work_mem, MAX_KILOBYTES)), PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
find(CopyOrder *order, const Migration *migration, Relation rel, const SecondArgs *args)
{
	Identity	identity;

	/* the expressions are the owner's, and so are what functions in them see of the settings */
	identity_enter(rel->rd_rel->relowner, migration->result_settings, &identity);
	/* closes no race: what is written from here on is carried over by the trigger */
	PushActiveSnapshot(GetLatestSnapshot());
	if (order->by_index)
		walk_index(order, rel, args);
	else
	{
		char	   *sql = psprintf("SELECT ctid FROM ONLY %s ORDER BY %s", names_relation(RelationGetRelid(rel)),
								   expression_sql(args->order, args->relation, false));

		set_for_sort();
		meaning_check_text(migration->id, sql);
		run_query(order, sql);
	}
	PopActiveSnapshot();
	identity_leave(&identity);
}

CopyOrder *
copy_order_find(const Migration *migration, const Step *step, Relation rel, Oid hidden)
{
	const SecondArgs *args = second_args(step);
	CopyOrder  *order = make_order(hidden, args->order == NIL);

	PG_TRY();
	{
		find(order, migration, rel, args);
	}
	PG_CATCH();
	{
		copy_order_free(order);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return order;
}

bool
copy_order_is_of(const CopyOrder *order, Oid hidden)
{
	return order != NULL && order->hidden == hidden;
}

void
copy_order_begin(CopyOrder *order, Relation rel)
{
	order->next = order->committed;
	if (BufFileSeek(order->file, 0, (off_t) (order->next * sizeof(ItemPointerData)), SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in the temporary file of a copy's order")));
	order->fetch = order->by_index ? table_index_fetch_begin(rel) : NULL;
}

/* The row at the place, whatever row that is now. */
static void
look(CopyOrder *order, Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot)
{
	bool		again = false;
	bool		seen = order->by_index ? table_index_fetch_tuple(order->fetch, tid, snapshot, slot, &again, NULL) :
		table_tuple_fetch_row_version(rel, tid, snapshot, slot);

	if (!seen)
		ExecClearTuple(slot);
}

bool
copy_order_next(CopyOrder *order, Relation rel, Snapshot snapshot, TupleTableSlot *slot)
{
	ItemPointerData tid;

	CHECK_FOR_INTERRUPTS();
	if (order->next >= order->count)
		return false;
	zdm_buffile_read(order->file, &tid, sizeof(tid));
	order->next++;
	look(order, rel, &tid, snapshot, slot);
	return true;
}

void
copy_order_end(CopyOrder *order)
{
	if (order->fetch != NULL)
		table_index_fetch_end(order->fetch);
	order->fetch = NULL;
}

void
copy_order_committed(CopyOrder *order)
{
	order->committed = order->next;
}

bool
copy_order_is_done(const CopyOrder *order)
{
	return order->committed >= order->count;
}

double
copy_order_share(const CopyOrder *order)
{
	return order->count > 0 ? (double) order->next / order->count : 1;
}

void
copy_order_free(CopyOrder *order)
{
	if (order == NULL)
		return;
	BufFileClose(order->file);
	ResourceOwnerDelete(order->owner);
	MemoryContextDelete(order->context);
}
