/*-------------------------------------------------------------------------
 *
 * hold_timeout.h
 *		zdm.ddl_hold_timeout: the longest that DDL may hold a blocking lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HOLD_TIMEOUT_H
#define ZDM_HOLD_TIMEOUT_H

#include "access/xact.h"
#include "storage/lockdefs.h"

/*
 * A statement is about to take, or waits for, "mode" on "relation".  The clock
 * starts when it no longer waits.  Does nothing when the clock runs already.
 */
extern void hold_timeout_arm(const char *relation, LOCKMODE mode);

/*
 * To be called at each event of a subtransaction: the lock of one that is rolled
 * back is given up, and the clock with it.
 */
extern void hold_timeout_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent);

/* Of something that is reported: give our error its name. */
extern void hold_timeout_hear(ErrorData *edata);

/* The transaction is over. */
extern void hold_timeout_disarm(void);

#endif							/* ZDM_HOLD_TIMEOUT_H */
