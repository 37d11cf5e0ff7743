/*-------------------------------------------------------------------------
 *
 * guard.h
 *		The hook that judges DDL before it runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_GUARD_H
#define ZDM_GUARD_H

#include "ddl/rules.h"

/* Set by our own workers, whose statements are not judged. */
extern bool guard_exempt;

/* Install the hooks.  Called once, from _PG_init. */
extern void guard_init(void);

/*
 * While a collector is set, utility statements are handed to it instead of
 * being run, and queries that write are not run: this is how zdm.check follows
 * a DO block.  The caller resets it on error, too.
 */
typedef void (*GuardCollector) (Node *stmt, const char *sql, void *arg);
extern void guard_collect(GuardCollector collector, void *arg);

#endif							/* ZDM_GUARD_H */
