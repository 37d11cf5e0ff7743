/*-------------------------------------------------------------------------
 *
 * pending.c
 *		What the guard looks at again at the end of the transaction.
 *
 * The lists only grow, so what a subtransaction added is what is beyond their
 * lengths at its beginning.  One that began before anything was watched found
 * nothing to be looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ddl/pending.h"
#include "utils/memutils.h"

typedef struct PendingLengths
{
	int			contracts;
	int			labels;
	int			columns;
} PendingLengths;

static Pending pending;
static List *begun = NIL;		/* PendingLengths, one for each open subtransaction that was seen to begin */

const Pending *
pending_get(void)
{
	return &pending;
}

bool
pending_is_more(const Judgement *judgement)
{
	return judgement->contracts != NIL ||
		list_length(judgement->facts->enum_labels) > list_length(pending.labels) ||
		list_length(judgement->facts->new_columns) > list_length(pending.columns);
}

/* The facts began with what was pending, and added to it. */
void
pending_add(const Judgement *judgement)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	pending.contracts = list_concat(pending.contracts, judgement->contracts);
	pending.labels = list_copy(judgement->facts->enum_labels);
	pending.columns = list_copy(judgement->facts->new_columns);
	MemoryContextSwitchTo(old);
}

void
pending_clear(void)
{
	memset(&pending, 0, sizeof(pending));
	begun = NIL;
}

static void
begin(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	PendingLengths *lengths = palloc(sizeof(PendingLengths));

	lengths->contracts = list_length(pending.contracts);
	lengths->labels = list_length(pending.labels);
	lengths->columns = list_length(pending.columns);
	begun = lappend(begun, lengths);
	MemoryContextSwitchTo(old);
}

static void
roll_back(void)
{
	PendingLengths none = {0, 0, 0};
	PendingLengths *lengths = begun != NIL ? llast(begun) : &none;

	pending.contracts = list_truncate(pending.contracts, lengths->contracts);
	pending.labels = list_truncate(pending.labels, lengths->labels);
	pending.columns = list_truncate(pending.columns, lengths->columns);
}

void
pending_subtransaction(SubXactEvent event)
{
	if (event == SUBXACT_EVENT_START_SUB)
	{
		begin();
		return;
	}
	if (event == SUBXACT_EVENT_ABORT_SUB)
		roll_back();
	if ((event == SUBXACT_EVENT_ABORT_SUB || event == SUBXACT_EVENT_COMMIT_SUB) && begun != NIL)
	{
		pfree(llast(begun));
		begun = list_delete_last(begun);
	}
}
