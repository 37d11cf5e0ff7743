/*-------------------------------------------------------------------------
 *
 * hold_timeout.h
 *		zdm.ddl_hold_timeout: the longest that DDL may hold a blocking lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HOLD_TIMEOUT_H
#define ZDM_HOLD_TIMEOUT_H

#include "storage/lockdefs.h"

/* Called once, from guard_init(). */
extern void hold_timeout_init(void);

/*
 * A statement is about to take, or waits for, "mode" on "relation".  The clock
 * starts when it no longer waits.  Does nothing when the clock runs already.
 */
extern void hold_timeout_arm(const char *relation, LOCKMODE mode);

/* The transaction is over. */
extern void hold_timeout_disarm(void);

/* Is the clock running, so that errors have to be looked at? */
extern bool hold_timeout_armed(void);

/* A statement begins or ends: between statements there is nothing to cancel but the session. */
extern void hold_timeout_enter(void);
extern void hold_timeout_leave(void);

/*
 * To be called in a PG_CATCH: when the error is the cancellation that we asked
 * for, raises ERRCODE_ZDM_LOCK_HELD in its place.
 */
extern void hold_timeout_translate(void);

#endif							/* ZDM_HOLD_TIMEOUT_H */
