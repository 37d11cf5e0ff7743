/*-------------------------------------------------------------------------
 *
 * step.h
 *		Rows of zdm.step: what a migration does, in order.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STEP_H
#define ZDM_STEP_H

#include "catalog/row.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

typedef enum StepAction
{
	ACTION_SQL,					/* statements in one transaction, with the mark */
	ACTION_TOPLEVEL,			/* one statement that refuses a transaction */
	ACTION_BACKFILL,			/* batches */
	ACTION_VERIFY,				/* reads every row */
	ACTION_LOOK,				/* a query whose rows say what is in the way */
	ACTION_SECOND,				/* makes the hidden table beside the migration's */
	ACTION_COPY,				/* batches that copy rows to it */
	ACTION_INDEX,				/* builds its indexes */
	ACTION_COMPARE,				/* batches that compare the two */
	ACTION_EXCHANGE,			/* the two exchange their storage, and the hidden one goes; or their names */
	ACTION_ANALYZE,				/* gathers the hidden table's statistics */
	ACTION_LEAVE,				/* the hidden table goes, for good */
	ACTION_FIRST				/* the table becomes the first partition of another; that gets the rest */
} StepAction;

typedef enum StepState
{
	STEP_PENDING,
	STEP_RUNNING,
	STEP_DONE,
	STEP_FAILED,
	STEP_UNDONE
} StepState;

#define STEP_COLUMNS(COLUMN) \
	COLUMN(INT8, migration, GIVEN) \
	COLUMN(AS(step, INT4), number, GIVEN)	/* from 1, the order of work */ \
	COLUMN(TEXT, phase, GIVEN)			/* expand, migrate, cutover, contract */ \
	COLUMN(WORD(StepAction, action_words), action, GIVEN)	/* of its verb */ \
	COLUMN(STRING, verb, GIVEN)			/* verbs/verb.h has what can be done with these three */ \
	COLUMN(JSONB, args, GIVEN)			/* NULL while it is not stored */ \
	COLUMN(BOOL, undoable, GIVEN)		/* there is something to do on the way back */ \
	COLUMN(BOOL, only_back, GIVEN)		/* and nothing until then: its verb says what */ \
	COLUMN(WORD(LOCKMODE, lock_words), lock, GIVEN)	/* the strongest it takes; NoLock for none */ \
	COLUMN(WORD(LOCKMODE, lock_words), undo_lock, GIVEN)	/* the same of undo */ \
	COLUMN(OIDS, relations, GIVEN)		/* locked, each with its partitions */ \
	COLUMN(OIDS, beside, GIVEN)			/* locked SHARE UPDATE EXCLUSIVE only, without their partitions */ \
	COLUMN(OIDS, undo_relations, GIVEN)	/* the same of undo, NIL: as relations */ \
	COLUMN(OIDS, needs, GIVEN)			/* what must be there for it, of relations and others */ \
	COLUMN(STRING, work, GIVEN)			/* how much it does under the lock, for the reader */ \
	COLUMN(STRING, note, GIVEN) \
	COLUMN(WORD(StepState, state_words), state, MADE)

typedef struct Step
{
	STEP_COLUMNS(ROW_FIELD)
	void	   *decoded;		/* args as the verb's struct, or NULL: not read yet */
	bool		queries;		/* a query of the owner reads the relations; of a plan, not stored */
} Step;

/* The lock's name as LOCK TABLE spells it; "" for NoLock.  Pure. */
extern const char *step_lock_name(LOCKMODE lock);

/* The action's name in zdm.steps.  Pure. */
extern const char *step_action_name(StepAction action);

extern void step_insert(Step *step);

/* Make room for "count" steps behind the one with that number. */
extern void step_make_room(int64 migration, int32 number, int32 count);

/* The first step of the phase that is not done; NULL if all are. */
extern Step *step_next(int64 migration, const char *phase);

/*
 * The last done step that is not undone, of any phase; NULL if none is left.  A
 * top-level step that can be undone counts when it was begun: it may have left
 * something behind.
 */
extern Step *step_last_done(int64 migration);

/* The step of that number, NULL if there is none. */
extern Step *step_load(int64 migration, int32 number);

/* All of the migration's steps (Step *), in their order. */
extern List *step_all(int64 migration);

/* Has a step of the contract phase that cannot be undone been done? */
extern bool step_contract_begun(int64 migration);

/* From now on the migration's steps lock the relation of that qualified, quoted name too. */
extern void step_add_relation(int64 migration, const char *name);

/* Other arguments (jsonb). */
extern void step_set_args(int64 migration, int32 number, const char *args);

/* Is the migration's first backfill still to be done, or to be ended? */
extern bool step_backfill_is_open(int64 migration);

/*
 * The backfill, if it has been opened again for rows that came past the trigger, or
 * was not at its end when partitions with such rows were attached,
 * and both columns are there still: the new one may hold what the old one lacks.
 */
extern Step *step_reopened_backfill(int64 migration);

/* Its steps that name the one relation name the other from here on. */
extern void step_follow(int64 migration, Oid from, Oid to);

/* The migration's first step of that verb that is not done; NULL if there is none. */
extern Step *step_with_verb(int64 migration, const char *verb);

/* Has something been done that there is an undo for? */
extern bool step_has_undo(int64 migration);

#endif							/* ZDM_STEP_H */
