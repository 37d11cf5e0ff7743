/*-------------------------------------------------------------------------
 *
 * twin.h
 *		A column beside another: it is added, the two are exchanged, one goes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PLAN_TWIN_H
#define ZDM_PLAN_TWIN_H

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

/*
 * An exchange's step, with what others have done to the columns since the call: has it
 * got something to do that its plan has not known, which sequences does it move, and
 * its arguments as they are to be from here on.  See default_follow() in column/default.h.
 */
extern bool twin_has_changed(const Step *step, bool forward);
extern List *twin_sequences(const Step *step, bool forward);
extern void twin_follow(const Step *step, bool forward, const char *again);

/* The same for who only asks whether it could be done now. */
extern void twin_look_again(int64 migration, bool forward, const char *again);

/* After the way there: note for the way back what it has found, and what it has made. */
extern void twin_remember(const Step *step, List *before);

#endif							/* ZDM_PLAN_TWIN_H */
