/*-------------------------------------------------------------------------
 *
 * hint.h
 *		Hints that name a call of ours, tried before they are shown.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HINT_H
#define ZDM_HINT_H

#include "rules/rules.h"

/*
 * Where zdm.plan() takes the statement "sql", the call that says the same
 * becomes the hint of each of the findings (a list of Finding) that such a call
 * would mend.  "judgement" has the calls that the rules know; NULL if there are
 * none but zdm.migrate().  Asks for a plan only if there is such a finding, and
 * with "read_only" for one that writes nothing and takes no transaction id.
 * Needs a transaction; leaves no lock.  Errors: cancellation and lock timeouts.
 */
extern void hint_call(List *findings, const char *sql, const Judgement *judgement, bool read_only);

/* The same for reliances that the statement breaks at once, and later ones may mend. */
extern void hint_reliances(List *breaches, const char *sql, const Judgement *judgement);

/* The name of the function of ours that the hint says to call, as "zdm.migrate()"; NULL if none. */
extern char *hint_function(const char *hint);

#endif							/* ZDM_HINT_H */
