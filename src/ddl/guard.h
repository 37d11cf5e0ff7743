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

/*
 * The text that one of our own workers runs, or NULL: what it has itself planned
 * is not judged.  What the functions in it run is, like everybody's: they have
 * texts of their own, so it is the pointer that counts.
 */
extern const char *guard_own;

/* Install the hook.  Called once, from _PG_init. */
extern void guard_init(void);

#endif							/* ZDM_GUARD_H */
