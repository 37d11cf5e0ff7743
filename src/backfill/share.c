/*-------------------------------------------------------------------------
 *
 * share.c
 *		The part that helpers have in a step's rows (zdm.backfill_workers).
 *
 * A helper never writes where the migration's cursor stands: that is the worker's.  It
 * has a stretch of blocks with a cursor of its own, which the worker has handed out,
 * and takes back when it is done; so what a helper leaves that dies is known to the
 * block, and an error that it meets becomes the migration's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "backfill/batch.h"
#include "backfill/share.h"
#include "backfill/stops.h"
#include "backfill/turn.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* Rest while there is nothing to do until others have gone further. */
#define OTHERS_PAUSE_MS 20

bool
share_take_turn(const Migration *migration, int *pause_ms)
{
	if (turn_take(migration->id))
		return true;
	CommitTransactionCommand();
	*pause_ms = turn_pause();
	return false;
}

/* A copy that the end of the transaction leaves, for an error's text. */
static char *
outlive(const char *text)
{
	return text ? MemoryContextStrdup(TopMemoryContext, text) : NULL;
}

/*
 * A helper has met an error: it is the migration's.  The stretch is to be tried
 * again first, so that it is not raised for ever.
 */
static void
raise_for_helper(const Stretch *stretch)
{
	MigrationError error = {
		.sqlstate = outlive(stretch->error_state),
		.message = outlive(stretch->error_message),
		.detail = outlive(stretch->error_detail),
		.hint = outlive(stretch->error_hint),
		.context = outlive(stretch->error_context),
	};
	const char *state = error.sqlstate;

	stretch_reopen(stretch);
	PopActiveSnapshot();
	CommitTransactionCommand();
	StartTransactionCommand();
	ereport(ERROR,
			(errcode(errors_sqlstate(state)),
			 errmsg_internal("%s", error.message),
			 error.detail ? errdetail_internal("%s", error.detail) : 0,
			 error.hint ? errhint("%s", error.hint) : 0,
			 error.context ? errcontext_msg("%s", error.context) : 0));
}

/* One stretch comes back, if it can be taken. */
static bool
take_back(Cursor *cursor, const Stretch *stretch)
{
	Cursor	   *part;

	if (!stretch_take(stretch))
		return false;
	part = cursor_parse(cursor->migration, stretch->cursor);
	if (stretch->state == STRETCH_VOID)
		cursor_take_back_void(cursor, part);
	else
		cursor_take_back(cursor, part);
	return true;
}

/* Save what was returned at once: not every way from here ends in a batch. */
static void
save_taken(const Step *step, Cursor *cursor)
{
	cursor_save(step, cursor, 0, NULL);
	cursor->rows_before = cursor->rows_done;
}

void
share_gather(const Step *step, Cursor *cursor)
{
	bool		taken = false;
	MemoryContext caller = CurrentMemoryContext;
	List	   *stretches;
	ListCell   *lc;

	if (cursor->stretches == 0)
		return;
	stretches = stretch_list(step);
	/* that commits: before anything is taken back into a cursor that is not saved */
	foreach(lc, stretches)
	{
		if (((Stretch *) lfirst(lc))->state == STRETCH_FAILED)
			raise_for_helper(lfirst(lc));
	}
	foreach(lc, stretches)
	{
		if (((Stretch *) lfirst(lc))->state != STRETCH_OPEN)
			taken |= take_back(cursor, lfirst(lc));
	}
	if (taken)
		save_taken(step, cursor);
	MemoryContextSwitchTo(caller);
}

/*
 * Nothing is left but what is out.  One stretch that nobody works on is taken back
 * at a time: helpers that have done theirs look for the next.  True if one was.
 */
static bool
take_over(const Step *step, Cursor *cursor)
{
	ListCell   *lc;

	foreach(lc, stretch_list(step))
	{
		const Stretch *stretch = lfirst(lc);

		if (stretch->state != STRETCH_OPEN ||
			(stretch->helper > 0 &&
			 claim_is_taken(CLAIM_HELPER, claim_helper_number(step->migration, stretch->helper))))
			continue;
		ZDM_DEBUG_POINT("backfill-before-take-over");
		if (!take_back(cursor, stretch))
			continue;
		save_taken(step, cursor);
		return true;
	}
	return false;
}

void
share_await(const Step *step, Cursor *cursor, int *pause_ms)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	*pause_ms = take_over(step, cursor) ? 0 : OTHERS_PAUSE_MS;
	PopActiveSnapshot();
	CommitTransactionCommand();
}

int
share_workers(const Cursor *cursor)
{
	return cursor->stretches > 0 ? guc_backfill_workers : 1;
}

/* One stretch each beside that which it has: so that no helper has to wait for the next. */
void
share_hand_out(const Migration *migration, const Step *step, Cursor *cursor, List *roots, CursorEnd from)
{
	int			helpers = migration->state == STATE_MIGRATING ? guc_backfill_workers - 1 : 0;

	while (cursor->stretches < 2 * helpers)
	{
		Cursor	   *stretch = cursor_hand_out(cursor, roots, helpers + 1, from);

		if (stretch == NULL)
			break;
		stretch_add(step, cursor_format(stretch));
		cursor->stretches++;
	}
}

/* The leaf of the stretch, if it is still of one of the tables, and as it was. */
static bool
open_leaf(Share *share, List *roots)
{
	share->root = cursor_root_of(share->cursor->leaf, roots);
	if (!OidIsValid(share->root))
		return false;
	share->leaf = table_open(share->cursor->leaf, NoLock);
	if (zdm_relfilenode(share->leaf) == share->cursor->filenode)
		return true;
	table_close(share->leaf, NoLock);
	return false;
}

static void
store(const Share *share, StretchState state)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!stretch_save(share->stretch, cursor_format(share->cursor), state))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the blocks of this batch are gone over by another worker")));
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Nothing is done for now. */
static ShareOutcome
leave(ShareOutcome outcome, int for_ms, int *pause_ms)
{
	CommitTransactionCommand();
	*pause_ms = for_ms;
	return outcome;
}

ShareOutcome
share_begin(const Migration *migration, const Step *step, int helper, List *roots, LOCKMODE lock,
			StopsState *stops, Share *share, int *pause_ms)
{
	bool		held;

	share->stretch = NULL;
	PushActiveSnapshot(GetTransactionSnapshot());
	held = stops != NULL && stops_look(stops, migration, step, false) != NULL;
	if (!held && (share->stretch = stretch_get(step, helper)) != NULL)
		share->cursor = cursor_parse(migration->id, share->stretch->cursor);
	PopActiveSnapshot();
	if (share->stretch == NULL)
		return held ? leave(SHARE_LATER, BATCH_HELD_PAUSE_MS, pause_ms) : leave(SHARE_NOTHING, OTHERS_PAUSE_MS, pause_ms);
	if (!ConditionalLockRelationOid(share->cursor->leaf, lock))
		return leave(SHARE_LATER, BATCH_LOCKED_PAUSE_MS, pause_ms);
	if (open_leaf(share, roots))
		return SHARE_BATCH;
	/* what is there now is the worker's to find out */
	store(share, STRETCH_VOID);
	*pause_ms = 0;
	return SHARE_LATER;
}

void
share_end(Share *share)
{
	table_close(share->leaf, NoLock);
	ZDM_DEBUG_POINT("helper-before-store");
	store(share, OidIsValid(share->cursor->leaf) ? STRETCH_OPEN : STRETCH_DONE);
}

void
share_failed(const Step *step, int helper, const MigrationError *error)
{
	stretch_fail(step, helper, error);
}
