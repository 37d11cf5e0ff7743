/*-------------------------------------------------------------------------
 *
 * sync_trigger.h
 *		The trigger that keeps the pairs of a table in step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SYNC_TRIGGER_H
#define ZDM_SYNC_TRIGGER_H

/*
 * While true, zdm.sync leaves every row of this process as it is: a worker
 * that writes both sides itself sets it, and resets it in PG_FINALLY.  Not a
 * setting, so that no user can turn the trigger off.
 */
extern bool sync_bypass;

#endif							/* ZDM_SYNC_TRIGGER_H */
