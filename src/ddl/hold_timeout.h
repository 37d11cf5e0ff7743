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

/*
 * A statement is about to take, or waits for, "mode" on "relation".  The clock
 * starts when it no longer waits.  Does nothing when the clock runs already.
 */
extern void hold_timeout_arm(const char *relation, LOCKMODE mode);

/* The transaction is over. */
extern void hold_timeout_disarm(void);

#endif							/* ZDM_HOLD_TIMEOUT_H */
