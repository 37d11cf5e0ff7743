/*-------------------------------------------------------------------------
 *
 * stretch.c
 *		Rows of zdm.stretch: parts of a step that helpers work on.
 *
 * The migration's worker alone adds rows and takes them away; a helper writes to
 * the one that it has, in the transaction of each of its batches.  So the two meet
 * on one row only where the worker takes back what a helper has left, and then the
 * helper finds its row gone and its batch is rolled back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "catalog/stretch.h"

static const char *const states[] = {
	[STRETCH_OPEN] = "open",
	[STRETCH_DONE] = "done",
	[STRETCH_VOID] = "void",
	[STRETCH_FAILED] = "failed",
};

static const RowWords state_names = ROW_WORDS(states);

typedef Stretch Row;

static const RowTable stretches = ROW_TABLE("zdm.stretch", STRETCH_COLUMNS);

void
stretch_add(const Step *step, char *cursor)
{
	row_insert(&stretches, &(Stretch) {
		.migration = step->migration,
		.step = step->number,
		.cursor = cursor,
	});
}

List *
stretch_list(const Step *step)
{
	return ROW_LIST(&stretches, "WHERE migration = $1 AND step = $2 ORDER BY id",
					arg_int8(step->migration), arg_int4(step->number));
}

Stretch *
stretch_get(const Step *step, int helper)
{
	QuerySession session;
	Stretch    *stretch = ROW_FIRST(&stretches, "WHERE migration = $1 AND step = $2 AND helper = $3 AND state = 'open' LIMIT 1",
									arg_int8(step->migration), arg_int4(step->number), arg_int4(helper));

	if (stretch != NULL)
		return stretch;
	query_begin(&session);
	if (QUERY(psprintf("UPDATE zdm.stretch SET helper = $3 WHERE id = "
					   "(SELECT id FROM zdm.stretch WHERE migration = $1 AND step = $2 AND helper IS NULL AND state = 'open' "
					   "ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING %s", row_columns(&stretches)),
			  arg_int8(step->migration), arg_int4(step->number), arg_int4(helper)) > 0)
		stretch = row_read(&stretches, 0);
	query_end(&session);
	return stretch;
}

bool
stretch_save(const Stretch *stretch, const char *cursor, StretchState state)
{
	return QUERY_ONCE("UPDATE zdm.stretch SET cursor = $3, state = $4 WHERE id = $1 AND helper = $2 AND state = 'open'",
					  arg_int8(stretch->id), arg_int4(stretch->helper), arg_jsonb(cursor),
					  arg_text(row_word(&state_names, state))) > 0;
}

void
stretch_fail(const Step *step, int helper, const MigrationError *error)
{
	(void) QUERY_ONCE("UPDATE zdm.stretch SET state = 'failed', error_state = $4, error_message = $5, error_detail = $6, error_hint = $7, error_context = $8 "
					  "WHERE migration = $1 AND step = $2 AND helper = $3 AND state = 'open'",
					  arg_int8(step->migration), arg_int4(step->number), arg_int4(helper),
					  arg_text(error->sqlstate), arg_text(error->message), arg_text(error->detail),
					  arg_text(error->hint), arg_text(error->context));
}

bool
stretch_take(const Stretch *stretch)
{
	return QUERY_ONCE("DELETE FROM zdm.stretch WHERE id = (SELECT id FROM zdm.stretch WHERE id = $1 "
					  "AND coalesce(helper, 0) = $2 AND state = $3 AND cursor = $4 FOR UPDATE SKIP LOCKED)",
					  arg_int8(stretch->id), arg_int4(stretch->helper), arg_text(row_word(&state_names, stretch->state)),
					  arg_jsonb(stretch->cursor)) > 0;
}

void
stretch_reopen(const Stretch *stretch)
{
	(void) QUERY_ONCE("UPDATE zdm.stretch SET state = 'open', helper = NULL, error_state = NULL, error_message = NULL, "
					  "error_detail = NULL, error_hint = NULL, error_context = NULL WHERE id = $1 AND state = 'failed'",
					  arg_int8(stretch->id));
}

void
stretch_forget(const Step *step)
{
	(void) QUERY_ONCE("DELETE FROM zdm.stretch WHERE migration = $1 AND step = $2",
					  arg_int8(step->migration), arg_int4(step->number));
}
