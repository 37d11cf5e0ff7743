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

#include "postgres.h"

/* Of which side a value could not be computed. */
#define MISFIT_UP "up"
#define MISFIT_DOWN "down"

/* Note a row.  "key" says which, for a person to read. */
extern void misfit_insert(int64 migration, const char *direction, const char *relation,
						  const char *key, const char *sqlstate, const char *message);

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
