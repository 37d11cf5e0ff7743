/*-------------------------------------------------------------------------
 *
 * stretch.h
 *		Rows of zdm.stretch: parts of a step that helpers work on.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STRETCH_H
#define ZDM_STRETCH_H

#include "catalog/migration.h"
#include "catalog/step.h"

typedef enum StretchState
{
	STRETCH_OPEN,
	STRETCH_DONE,
	STRETCH_VOID,				/* its table has been rewritten, or has gone */
	STRETCH_FAILED				/* the helper met an error, which the migration's worker is to raise */
} StretchState;

#define STRETCH_COLUMNS(COLUMN) \
	COLUMN(INT8, id, MADE) \
	COLUMN(INT8, migration, GIVEN) \
	COLUMN(INT4, step, GIVEN) \
	COLUMN(INT4, helper, MADE)			/* who has it, from 1; 0: nobody yet */ \
	COLUMN(WORD(StretchState, state_names), state, MADE) \
	COLUMN(JSONB, cursor, GIVEN)		/* where it stands */ \
	COLUMN(TEXT, error_state, MADE)		/* STRETCH_FAILED: what with */ \
	COLUMN(TEXT, error_message, MADE) \
	COLUMN(TEXT, error_detail, MADE) \
	COLUMN(TEXT, error_hint, MADE) \
	COLUMN(TEXT, error_context, MADE)

typedef struct Stretch
{
	STRETCH_COLUMNS(ROW_FIELD)
} Stretch;

extern void stretch_add(const Step *step, char *cursor);

/* All of the step, as Stretch *, the first handed out first. */
extern List *stretch_list(const Step *step);

/*
 * The open one that this helper has, left by one before it perhaps, or else the first that
 * nobody has, which it has from now on.  NULL: there is none.
 */
extern Stretch *stretch_get(const Step *step, int helper);

/* Store where it stands.  False if it has been taken from us. */
extern bool stretch_save(const Stretch *stretch, const char *cursor, StretchState state);

/* The helper's open stretch, if it has one, failed with this error. */
extern void stretch_fail(const Step *step, int helper, const MigrationError *error);

/*
 * Take it from whoever has it, as it stands now; false if its helper is about to
 * store it, or has it no longer.
 */
extern bool stretch_take(const Stretch *stretch);

/* It is to be tried again, by anybody. */
extern void stretch_reopen(const Stretch *stretch);

/* None is out: the backfill begins. */
extern void stretch_forget(const Step *step);

#endif							/* ZDM_STRETCH_H */
