/*-------------------------------------------------------------------------
 *
 * hold.c
 *		What holds a step now, as noted with it, and how often each stop has.
 *
 * A stop that has begun to hold goes on doing so until its reading is clearly
 * within the limit, and a held migration may lose its process to another one: so
 * what holds it, and what growth is measured from, is the step's, not the
 * process'.  And helpers see there that the worker holds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/hold.h"
#include "catalog/query.h"
#include "catalog/step_progress.h"

NotedHolds
hold_load(const Step *step)
{
	const StepProgress *progress = step_progress_load(step);

	return (NotedHolds) {progress->held, progress->holder, progress->holder_size};
}

void
hold_note(const Step *step, const NotedHolds *holds)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.step_progress SET held = $3, holder = $4, holder_size = $5, "
		  "holds = holds || coalesce((SELECT jsonb_object_agg(n.name, coalesce((holds ->> n.name)::int, 0) + 1) "
		  "FROM unnest($3) AS n (name) WHERE n.name <> ALL (held)), '{}') "
		  "WHERE migration = $1 AND step = $2 AND held <> $3",
		  arg_int8(step->migration), arg_int4(step->number), arg_texts(holds->names),
		  arg_text(holds->holder), arg_int8(holds->holder_size));
	query_end(&session);
}

void
hold_note_one(const Step *step, const char *name, bool holds)
{
	NotedHolds	noted = hold_load(step);
	bool		known = false;
	ListCell   *lc;

	foreach(lc, noted.names)
	{
		if (strcmp(lfirst(lc), name) != 0)
			continue;
		known = true;
		if (!holds)
			noted.names = foreach_delete_current(noted.names, lc);
	}
	if (holds && !known)
		noted.names = lappend(noted.names, pstrdup(name));
	if (holds != known)
		hold_note(step, &noted);
}
