/*-------------------------------------------------------------------------
 *
 * durable.h
 *		Commits that are waited for when their locks are gone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DURABLE_H
#define ZDM_DURABLE_H

#include "access/xlogdefs.h"

/* From here on, no commit of this process waits for the disk or a standby; to be called once. */
extern void durable_init(void);

/*
 * Wait until what has a place before "upto" in the WAL is on disk, and with the
 * synchronous standbys, as the session's synchronous_commit asks for.  A cancel or the
 * end of the process ends the wait for standbys, with a WARNING; outside a transaction
 * or in one, without locks that others want.
 */
extern void durable_wait(XLogRecPtr upto);

/* The same for all that the session sees; nothing on a standby. */
extern void durable_wait_for_seen(void);

#endif							/* ZDM_DURABLE_H */
