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
#include "verbs/sql.h"

/*
 * Between the two, in a script, one column's name means the other one: what is
 * made in it from its own text is about that.
 */
extern void twin_append_lend_name(StringInfo sql, const Making *making, const Column *old,
								  const char *lender, const char *borrower);
extern void twin_append_return_name(StringInfo sql, const Making *making, const Column *old,
									const char *lender, const char *borrower);

/*
 * Does nothing hang on the column that the exchange would move?  To be asked before
 * the plan is stored.  Needs a transaction.
 */
extern bool twin_exchange_is_moot(int64 migration, const TwinArgs *twin);

#endif							/* ZDM_TWIN_H */
