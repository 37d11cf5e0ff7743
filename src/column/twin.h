/*-------------------------------------------------------------------------
 *
 * twin.h
 *		A column beside another: it is added, the two are exchanged, one goes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TWIN_H
#define ZDM_TWIN_H

#include "column/column.h"

/* The name of the constraint that stands for NOT NULL until contract. */
extern char *twin_not_null_name(int64 migration, const Column *old);

/* Must the column be NOT NULL before an index of it can have its part? */
extern bool twin_needs_not_null(const Column *old);

/* Does NOT NULL of the new column come into force in the exchange? */
extern bool twin_not_null_is_late(const Column *old, const NewColumn *new);

/*
 * Does nothing hang on the column that the exchange would move?  To be asked before
 * the plan is stored.  Needs a transaction.
 */
extern bool twin_exchange_is_moot(int64 migration, const TwinArgs *twin);

#endif							/* ZDM_TWIN_H */
