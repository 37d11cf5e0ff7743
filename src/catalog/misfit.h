/*-------------------------------------------------------------------------
 *
 * misfit.h
 *		Rows of zdm.misfit: values that the other side of a pair cannot hold.
 *
 * Written by the sync trigger (sync/outcome.c).  All functions need a
 * transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_MISFIT_H
#define ZDM_MISFIT_H

#include "catalog/row.h"

/* Of which side a value could not be computed. */
#define MISFIT_UP "up"
#define MISFIT_DOWN "down"

#define MISFIT_COLUMNS(COLUMN) \
	COLUMN(INT8, migration, GIVEN) \
	COLUMN(STRING, direction, GIVEN)	/* one of the two */ \
	COLUMN(STRING, relation, GIVEN) \
	COLUMN(STRING, key, GIVEN)			/* which row, for a person to read */ \
	COLUMN(STRING, sqlstate, GIVEN) \
	COLUMN(STRING, message, GIVEN)

typedef struct Misfit
{
	MISFIT_COLUMNS(ROW_FIELD)
} Misfit;

/* Note a row. */
extern void misfit_insert(Misfit *misfit);

/* Have rows been noted, whether they have been dealt with or not? */
extern bool misfit_any(int64 migration, const char *direction);

/*
 * Some of the rows that have been noted and not yet been dealt with, for an
 * error; NULL if there are none.
 */
extern char *misfit_describe(int64 migration, const char *direction);

/* They are dealt with from here on.  True if there were any. */
extern bool misfit_deal_with(int64 migration, const char *direction);

/*
 * The same of those that the migration's failure on the way back has told of,
 * when it is resumed all the same.
 */
extern void misfit_accept_loss(int64 migration);

#endif							/* ZDM_MISFIT_H */
