/*-------------------------------------------------------------------------
 *
 * state.h
 *		The states of a migration and which event leads from which to which.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STATE_H
#define ZDM_STATE_H

#include "catalog/row.h"

typedef enum MigrationState
{
	STATE_QUEUED,
	STATE_EXPANDING,
	STATE_MIGRATING,
	STATE_READY,
	STATE_CUTTING_OVER,
	STATE_SWITCHED,
	STATE_CONTRACTING,
	STATE_COMPLETED,
	STATE_REVERTING,
	STATE_REVERTED,
	STATE_FAILED
} MigrationState;

typedef enum MigrationEvent
{
	EVENT_START,				/* a worker takes it up */
	EVENT_EXPANDED,				/* the expand steps are done */
	EVENT_MIGRATED,				/* the migrate steps are done */
	EVENT_FINISHED,				/* the same, and there is nothing to switch */
	EVENT_CUTOVER,				/* zdm.cutover */
	EVENT_SWITCHED,				/* the cutover steps are done */
	EVENT_CONTRACT,				/* zdm.contract */
	EVENT_CONTRACT_READY,		/* zdm.contract of a kind without a cutover */
	EVENT_CONTRACTED,			/* the contract steps are done */
	EVENT_REVERT,				/* zdm.revert */
	EVENT_REVERTED,				/* everything is undone */
	EVENT_FAIL,					/* a step failed */
	EVENT_RESUME				/* zdm.resume of a failed migration */
} MigrationEvent;

/* The names of the states, as they are stored. */
extern const RowWords state_words;

/* The name that zdm.migrations shows.  Pure. */
extern const char *state_name(MigrationState state);

/* The state of that name; ERRCODE_INVALID_PARAMETER_VALUE if there is none. */
extern MigrationState state_from_name(const char *name);

/*
 * Where "event" leads from "state"; false if it leads nowhere.  "failed_from"
 * is the state in which a failed migration failed: EVENT_RESUME goes back
 * there.  Pure.
 */
extern bool state_next(MigrationState state, MigrationState failed_from,
					   MigrationEvent event, MigrationState *next);

/* Has a worker something to do in this state?  Pure. */
extern bool state_is_active(MigrationState state);

/* completed or reverted: nothing but a revert leads out of it.  Pure. */
extern bool state_is_final(MigrationState state);

/*
 * The phase of the steps that are run in a state, or NULL.  Migrate steps are
 * run in a state of rest too, when one has been opened again.  Pure.
 */
extern const char *state_phase(MigrationState state);

#endif							/* ZDM_STATE_H */
