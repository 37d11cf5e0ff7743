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
	int			reliances;
	int			labels;
	int			columns;
} PendingLengths;

static struct
{
	Pending		now;
	List	   *begun;			/* PendingLengths, one for each open subtransaction that was seen to begin */
}			state;

const Pending *
pending_get(void)
{
	return &state.now;
}

bool
pending_is_more(const Judgement *judgement)
{
	return judgement->reliances != NIL ||
		list_length(judgement->facts->enum_labels) > list_length(state.now.labels) ||
		list_length(judgement->facts->new_columns) > list_length(state.now.columns);
}

/* The facts began with what was pending, and added to it. */
void
pending_add(const Judgement *judgement)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	state.now.reliances = list_concat(state.now.reliances, judgement->reliances);
	state.now.labels = list_copy(judgement->facts->enum_labels);
	state.now.columns = list_copy(judgement->facts->new_columns);
	MemoryContextSwitchTo(old);
}

void
pending_clear(void)
{
	memset(&state, 0, sizeof(state));
}

static void
begin(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	PendingLengths *lengths = palloc(sizeof(PendingLengths));

	lengths->reliances = list_length(state.now.reliances);
	lengths->labels = list_length(state.now.labels);
	lengths->columns = list_length(state.now.columns);
	state.begun = lappend(state.begun, lengths);
	MemoryContextSwitchTo(old);
}

static void
roll_back(void)
{
	PendingLengths none = {0, 0, 0};
	PendingLengths *lengths = state.begun != NIL ? llast(state.begun) : &none;

	state.now.reliances = list_truncate(state.now.reliances, lengths->reliances);
	state.now.labels = list_truncate(state.now.labels, lengths->labels);
	state.now.columns = list_truncate(state.now.columns, lengths->columns);
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
	if ((event == SUBXACT_EVENT_ABORT_SUB || event == SUBXACT_EVENT_COMMIT_SUB) && state.begun != NIL)
	{
		pfree(llast(state.begun));
		state.begun = list_delete_last(state.begun);
	}
}
