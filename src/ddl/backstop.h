/*-------------------------------------------------------------------------
 *
 * backstop.h
 *		Stops O(n) work that the rules did not foresee.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_BACKSTOP_H
#define ZDM_BACKSTOP_H

#include "rules/rules.h"

/*
 * Watch the statement that is about to run, if it takes a lock that blocks the
 * writers of a large table.  Work that it starts on such a table raises
 * ERRCODE_ZDM_DDL_REFUSED.  The names are kept in TopTransactionContext.  True if
 * it is watched from here on, and by this call.
 */
extern bool backstop_begin(const Judgement *judgement);

/* Of something that is reported: see whether it is such work. */
extern void backstop_hear(ErrorData *edata);

/* The statement is over, or failed. */
extern void backstop_end(void);

#endif							/* ZDM_BACKSTOP_H */
