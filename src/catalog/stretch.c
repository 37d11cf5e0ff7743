/*-------------------------------------------------------------------------
 *
 * stretch.c
 *		Rows of zdm.stretch: parts of a backfill that helpers work on.
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
#include "core/errors.h"

#define COLUMNS "id, coalesce(helper, 0), state, cursor, error_state, error_message, error_detail, error_hint, error_context "

static const char *const state_names[] = {
	[STRETCH_OPEN] = "open",
	[STRETCH_DONE] = "done",
	[STRETCH_VOID] = "void",
	[STRETCH_FAILED] = "failed",
};

static StretchState
find_state(const char *name)
{
	for (int i = 0; i < lengthof(state_names); i++)
	{
		if (strcmp(name, state_names[i]) == 0)
			return (StretchState) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown state \"%s\" in zdm.stretch", name)));
	return STRETCH_OPEN;
}

static Stretch *
read_row(uint64 row)
{
	Stretch    *stretch = palloc0(sizeof(Stretch));

	stretch->id = query_int8(row, 1);
	stretch->helper = query_int4(row, 2);
	stretch->state = find_state(query_text(row, 3));
	stretch->cursor = query_text(row, 4);
	stretch->error.sqlstate = query_text(row, 5);
	stretch->error.message = query_text(row, 6);
	stretch->error.detail = query_text(row, 7);
	stretch->error.hint = query_text(row, 8);
	stretch->error.context = query_text(row, 9);
	return stretch;
}

void
stretch_add(const Step *step, const char *cursor)
{
	QuerySession session;

	query_begin(&session);
	QUERY("INSERT INTO zdm.stretch (migration, step, cursor) VALUES ($1, $2, $3)",
		  arg_int8(step->migration), arg_int4(step->number), arg_jsonb(cursor));
	query_end(&session);
}

List *
stretch_list(const Step *step)
{
	QuerySession session;
	List	   *stretches = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT " COLUMNS "FROM zdm.stretch WHERE migration = $1 AND step = $2 ORDER BY id",
			  arg_int8(step->migration), arg_int4(step->number));
	for (uint64 row = 0; row < n; row++)
		stretches = lappend(stretches, read_row(row));
	query_end(&session);
	return stretches;
}

Stretch *
stretch_get(const Step *step, int helper)
{
	QuerySession session;
	Stretch    *stretch = NULL;

	query_begin(&session);
	if (QUERY("SELECT " COLUMNS "FROM zdm.stretch WHERE migration = $1 AND step = $2 AND helper = $3 AND state = 'open' LIMIT 1",
			  arg_int8(step->migration), arg_int4(step->number), arg_int4(helper)) > 0 ||
		QUERY("UPDATE zdm.stretch SET helper = $3 WHERE id = "
			  "(SELECT id FROM zdm.stretch WHERE migration = $1 AND step = $2 AND helper IS NULL AND state = 'open' "
			  "ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING " COLUMNS,
			  arg_int8(step->migration), arg_int4(step->number), arg_int4(helper)) > 0)
		stretch = read_row(0);
	query_end(&session);
	return stretch;
}

bool
stretch_save(const Stretch *stretch, const char *cursor, StretchState state)
{
	QuerySession session;
	bool		ours;

	query_begin(&session);
	ours = QUERY("UPDATE zdm.stretch SET cursor = $3, state = $4 WHERE id = $1 AND helper = $2 AND state = 'open'",
				 arg_int8(stretch->id), arg_int4(stretch->helper), arg_jsonb(cursor),
				 arg_text(state_names[state])) > 0;
	query_end(&session);
	return ours;
}

void
stretch_fail(const Step *step, int helper, const MigrationError *error)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.stretch SET state = 'failed', error_state = $4, error_message = $5, error_detail = $6, error_hint = $7, error_context = $8 "
		  "WHERE migration = $1 AND step = $2 AND helper = $3 AND state = 'open'",
		  arg_int8(step->migration), arg_int4(step->number), arg_int4(helper),
		  arg_text(error->sqlstate), arg_text(error->message), arg_text(error->detail),
		  arg_text(error->hint), arg_text(error->context));
	query_end(&session);
}

bool
stretch_take(const Stretch *stretch)
{
	QuerySession session;
	bool		taken;

	query_begin(&session);
	taken = QUERY("DELETE FROM zdm.stretch WHERE id = (SELECT id FROM zdm.stretch WHERE id = $1 "
				  "AND coalesce(helper, 0) = $2 AND state = $3 AND cursor = $4 FOR UPDATE SKIP LOCKED)",
				  arg_int8(stretch->id), arg_int4(stretch->helper), arg_text(state_names[stretch->state]),
				  arg_jsonb(stretch->cursor)) > 0;
	query_end(&session);
	return taken;
}

void
stretch_reopen(const Stretch *stretch)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.stretch SET state = 'open', helper = NULL, error_state = NULL, error_message = NULL, "
		  "error_detail = NULL, error_hint = NULL, error_context = NULL WHERE id = $1 AND state = 'failed'",
		  arg_int8(stretch->id));
	query_end(&session);
}

void
stretch_forget(const Step *step)
{
	QuerySession session;

	query_begin(&session);
	QUERY("DELETE FROM zdm.stretch WHERE migration = $1 AND step = $2",
		  arg_int8(step->migration), arg_int4(step->number));
	query_end(&session);
}
