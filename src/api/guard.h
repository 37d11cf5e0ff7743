/*-------------------------------------------------------------------------
 *
 * guard.h
 *		The hook that judges DDL before it runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_GUARD_H
#define ZDM_GUARD_H

/* Install the hook.  Called once, from _PG_init. */
extern void guard_init(void);

#endif							/* ZDM_GUARD_H */
