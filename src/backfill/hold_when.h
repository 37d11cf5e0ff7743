/*-------------------------------------------------------------------------
 *
 * hold_when.h
 *		The user's own reason to hold a backfill (zdm.hold_when).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HOLD_WHEN_H
#define ZDM_HOLD_WHEN_H

/*
 * Ask the query of zdm.hold_when as "owner".  The reason to hold, or NULL to go on:
 * it gave one row with false.  Needs a transaction with an active snapshot, and no
 * QuerySession.
 */
extern char *hold_when_look(Oid owner);

#endif							/* ZDM_HOLD_WHEN_H */
