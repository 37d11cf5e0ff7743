/*-------------------------------------------------------------------------
 *
 * hold_when.h
 *		The user's own reason to hold a backfill (zdm.hold_when).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HOLD_WHEN_H
#define ZDM_HOLD_WHEN_H

#include "catalog/migration.h"

/*
 * Ask the query of zdm.hold_when as the migration's owner.  The reason to hold, or NULL to go on:
 * it gave one row with false.  Needs a transaction with an active snapshot, and no
 * QuerySession.
 */
extern char *hold_when_look(const Migration *migration);

#endif							/* ZDM_HOLD_WHEN_H */
