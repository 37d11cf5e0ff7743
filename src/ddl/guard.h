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

/* Install the hook.  Called once, from _PG_init. */
extern void guard_init(void);

#endif							/* ZDM_GUARD_H */
