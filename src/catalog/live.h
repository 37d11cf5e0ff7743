/*-------------------------------------------------------------------------
 *
 * live.h
 *		Whether there is a migration that DDL may have to do with.
 *
 * Both are true for every migration that is neither completed nor reverted, as far as
 * committed or of this transaction, and may be true where there is none: what is asked
 * next tells.  They need a transaction; no lock on a table of ours stays.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LIVE_H
#define ZDM_LIVE_H

/* Of any table. */
extern bool live_any(void);

/* Of this one. */
extern bool live_on(Oid relid);

#endif							/* ZDM_LIVE_H */
