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
	ACTION_EXCHANGE				/* the two exchange their storage, and the hidden one goes */
} StepAction;

/*
 * What a step does to zdm.pair and to the sync trigger in its transaction,
 * after its statement; undone by the opposite when the step is.
 */
typedef enum StepEffect
{
	EFFECT_NONE,
	EFFECT_TRIGGER_CREATE,		/* create the sync trigger unless it is there */
	EFFECT_PAIR_ADD,			/* the migration's pair, its new column just added */
	EFFECT_PAIR_SWITCH,			/* the new side becomes the authoritative one */
	EFFECT_PAIR_DROP,			/* the pair ends */
	EFFECT_FOREIGN_KEY_TREE,	/* first plan for partitions that have no part of it yet */
	EFFECT_INDEX_TREE,			/* plan for partitions that have no part of the index yet */
	EFFECT_TRIGGER_DROP,		/* drop the sync trigger unless it is needed */
	EFFECT_VIEW_ADD,			/* the migration's views: its steps lock the one that is named from now on */
	EFFECT_DETACH_END			/* what DETACH CONCURRENTLY has begun is finished, once no snapshot is older */
} StepEffect;

typedef enum StepState
{
	STEP_PENDING,
	STEP_RUNNING,
	STEP_DONE,
	STEP_FAILED,
	STEP_UNDONE
} StepState;

typedef struct Step
{
	int64		migration;
	int32		number;			/* from 1, the order of work */
	char	   *phase;			/* expand, migrate, cutover, contract */
	StepAction	action;
	StepEffect	effect;
	char	   *statement;		/* a template (core/names.h), "" if only undo does something */
	char	   *undo;			/* a template, or NULL: nothing to undo */
	LOCKMODE	lock;			/* the strongest it takes; NoLock for none */
	LOCKMODE	undo_lock;		/* the same of undo */
	List	   *relations;		/* Oids locked, each with its partitions */
	List	   *beside;			/* Oids locked SHARE UPDATE EXCLUSIVE only, without their partitions */
	List	   *undo_relations; /* the same of undo, NIL: as relations */
	char	   *work;			/* how much it does under the lock, for the reader */
	char	   *note;

	/*
	 * The index that ACTION_TOPLEVEL builds on the first of the relations, or
	 * that EFFECT_INDEX_TREE looks at; of EFFECT_VIEW_ADD the view's qualified,
	 * quoted name; or NULL
	 */
	char	   *index_name;

	/* EFFECT_FOREIGN_KEY_TREE: what each partition is to have; templates */
	char	   *part_name;		/* quoted */
	char	   *part_text;		/* FOREIGN KEY ... */

	/*
	 * ACTION_BACKFILL with an UPDATE of its own; templates, NULL for pairs.
	 * ACTION_LOOK: the expression whose errors are to name their rows, or NULL.
	 */
	char	   *assignments;	/* "column = expression, ..." */
	char	   *condition;		/* holds for rows that are to be updated */
	bool		fire_triggers;

	bool		queries;		/* a query of the owner reads the relations; of a plan, not stored */

	StepState	state;
	int32		attempts;
} Step;

/* The progress of a step that works for long. */
typedef struct StepProgress
{
	const char *cursor;			/* jsonb as text, or NULL to leave it */
	int64		blocks_total;
	int64		blocks_done;
	int64		rows_done;
	double		rows_per_second;
	int64		worked_ms;		/* since the last time; neither paused nor held */
	const char *waiting;		/* for what, or NULL */
} StepProgress;

/* The lock's name as LOCK TABLE spells it; "" for NoLock.  Pure. */
extern const char *step_lock_name(LOCKMODE lock);

/* The action's name in zdm.steps.  Pure. */
extern const char *step_action_name(StepAction action);

extern void step_insert(const Step *step);

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

/*
 * The template of a step's statement, or of its undo; NULL if there is none.  Without
 * "rows", not of those that read or write rows: what they say of values stands in no
 * catalog.
 */
extern char *step_template(int64 migration, int32 number, bool undo, bool rows);

/* All that the migration's steps have in the way of templates (char *). */
extern List *step_templates(int64 migration);

/* Has a step of the contract phase that cannot be undone been done? */
extern bool step_contract_begun(int64 migration);

extern void step_mark_running(const Step *step);

/* From now on the migration's steps lock the relation of that qualified, quoted name too. */
extern void step_add_relation(int64 migration, const char *name);

/* Done, with the SQL that was really run. */
extern void step_mark_done(const Step *step, const char *statement);
extern void step_mark_undone(const Step *step);

/* Another template for the way back. */
extern void step_set_undo(const Step *step, const char *undo);
extern void step_mark_failed(const Step *step, const char *error);

/*
 * The step, still to be done or undone, has failed for a reason that may pass.
 * Returns how often that has been so in a row.
 */
extern int	step_note_failure(const Step *step, const char *error);

extern void step_save_progress(const Step *step, const StepProgress *progress);

/* The stored cursor (jsonb as text), NULL if the step has none yet. */
extern char *step_cursor(const Step *step, int64 *rows_done);

/* The cursor of the migration's first backfill step, or NULL. */
extern char *step_backfill_cursor(int64 migration);

/* Is the migration's first backfill still to be done, or to be ended? */
extern bool step_backfill_is_open(int64 migration);

/*
 * The backfill, if it has been opened again for rows that came past the trigger, or
 * has not come to its end before partitions came with such rows,
 * and both columns are there still: the new one may hold what the old one lacks.
 */
extern Step *step_reopened_backfill(int64 migration);

/*
 * Open the migration's backfill and verification again, for partitions that they
 * have not seen.  False if they have not been done yet anyway.
 */
extern bool step_reopen_backfill(int64 migration);

/*
 * Have every row filled in where need be, and read again: the steps of the migrate
 * phase that do so are to be done from the beginning.
 */
extern void step_reopen_rows(int64 migration);

/* Steps of the migrate phase are to be done again, from the one of that action on. */
extern void step_reopen_from(int64 migration, StepAction action);

/* What the step waits for, NULL when it goes on. */
extern void step_set_waiting(const Step *step, const char *reason);

/* Is there something that it waits for, as noted? */
extern bool step_is_waiting(const Step *step);

/* The migration's first step of that effect that is not done; NULL if there is none. */
extern Step *step_with_effect(int64 migration, StepEffect effect);

/* Has something been done that there is an undo for? */
extern bool step_has_undo(int64 migration);

#endif							/* ZDM_STEP_H */
