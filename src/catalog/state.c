/*-------------------------------------------------------------------------
 *
 * state.c
 *		The states of a migration and which event leads from which to which.
 *
 * One table, and pure functions that read it: what a migration can do next is
 * answered here and nowhere else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/state.h"
#include "core/errors.h"

static const struct
{
	const char *name;
	const char *phase;			/* of the steps run in it */
	bool		active;			/* a worker has something to do */
	bool		final;
}			states[] =
{
	[STATE_QUEUED] = {"queued", NULL, true, false},
	[STATE_EXPANDING] = {"expanding", "expand", true, false},
	[STATE_MIGRATING] = {"migrating", "migrate", true, false},
	[STATE_READY] = {"ready", "migrate", false, false},
	[STATE_CUTTING_OVER] = {"cutting_over", "cutover", true, false},
	[STATE_SWITCHED] = {"switched", "migrate", false, false},
	[STATE_CONTRACTING] = {"contracting", "contract", true, false},
	[STATE_COMPLETED] = {"completed", NULL, false, true},
	[STATE_REVERTING] = {"reverting", NULL, true, false},
	[STATE_REVERTED] = {"reverted", NULL, false, true},
	[STATE_FAILED] = {"failed", NULL, false, false},
};

const RowWords state_words = ROW_WORDS_OF(states, name);

static const struct
{
	MigrationState from;
	MigrationEvent event;
	MigrationState to;
}			transitions[] =
{
	{STATE_QUEUED, EVENT_START, STATE_EXPANDING},
	{STATE_EXPANDING, EVENT_EXPANDED, STATE_MIGRATING},
	{STATE_MIGRATING, EVENT_MIGRATED, STATE_READY},
	{STATE_MIGRATING, EVENT_FINISHED, STATE_COMPLETED},
	{STATE_READY, EVENT_CUTOVER, STATE_CUTTING_OVER},
	{STATE_CUTTING_OVER, EVENT_SWITCHED, STATE_SWITCHED},
	{STATE_SWITCHED, EVENT_CONTRACT, STATE_CONTRACTING},
	{STATE_READY, EVENT_CONTRACT_READY, STATE_CONTRACTING},
	{STATE_CONTRACTING, EVENT_CONTRACTED, STATE_COMPLETED},

	{STATE_QUEUED, EVENT_REVERT, STATE_REVERTING},
	{STATE_EXPANDING, EVENT_REVERT, STATE_REVERTING},
	{STATE_MIGRATING, EVENT_REVERT, STATE_REVERTING},
	{STATE_READY, EVENT_REVERT, STATE_REVERTING},
	{STATE_CUTTING_OVER, EVENT_REVERT, STATE_REVERTING},
	{STATE_SWITCHED, EVENT_REVERT, STATE_REVERTING},
	/* as long as nothing has been dropped, which the caller looks into */
	{STATE_CONTRACTING, EVENT_REVERT, STATE_REVERTING},
	{STATE_FAILED, EVENT_REVERT, STATE_REVERTING},
	/* where the plan has an opposite, which the caller looks into, too */
	{STATE_COMPLETED, EVENT_REVERT, STATE_REVERTING},
	{STATE_REVERTING, EVENT_REVERTED, STATE_REVERTED},

	{STATE_QUEUED, EVENT_FAIL, STATE_FAILED},
	{STATE_EXPANDING, EVENT_FAIL, STATE_FAILED},
	{STATE_MIGRATING, EVENT_FAIL, STATE_FAILED},
	{STATE_CUTTING_OVER, EVENT_FAIL, STATE_FAILED},
	{STATE_CONTRACTING, EVENT_FAIL, STATE_FAILED},
	{STATE_REVERTING, EVENT_FAIL, STATE_FAILED},
	/* filling in a partition that was attached while the migration rested */
	{STATE_READY, EVENT_FAIL, STATE_FAILED},
	{STATE_SWITCHED, EVENT_FAIL, STATE_FAILED},
};

const char *
state_name(MigrationState state)
{
	return states[state].name;
}

MigrationState
state_from_name(const char *name)
{
	for (int i = 0; i < lengthof(states); i++)
	{
		if (strcmp(states[i].name, name) == 0)
			return (MigrationState) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized migration state: \"%s\"", name)));
}

bool
state_next(MigrationState state, MigrationState failed_from,
		   MigrationEvent event, MigrationState *next)
{
	if (state == STATE_FAILED && event == EVENT_RESUME)
	{
		*next = failed_from;
		return true;
	}
	for (int i = 0; i < lengthof(transitions); i++)
	{
		if (transitions[i].from == state && transitions[i].event == event)
		{
			*next = transitions[i].to;
			return true;
		}
	}
	return false;
}

bool
state_is_active(MigrationState state)
{
	return states[state].active;
}

bool
state_is_final(MigrationState state)
{
	return states[state].final;
}

const char *
state_phase(MigrationState state)
{
	return states[state].phase;
}
