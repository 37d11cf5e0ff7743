/*-------------------------------------------------------------------------
 *
 * target.h
 *		The server that statements are made for: this one, or another's version.
 *
 * A plan that a worker carries out is for this server.  zdm.script() may write for
 * another, which can do less or more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TARGET_H
#define ZDM_TARGET_H

/* Its major version. */
extern int	target_major(void);

/* Make statements for that version until the caller's nest level of settings ends. */
extern void target_set(int major);

/* NOT NULL that can be added NOT VALID, and has a name: 18. */
extern bool target_has_named_not_null(void);

/* The privilege MAINTAIN: 17. */
extern bool target_has_maintain(void);

/* The setting transaction_timeout: 17. */
extern bool target_has_transaction_timeout(void);

/* Views that read with the rights of whoever reads them: 15. */
extern bool target_has_security_invoker(void);

#endif							/* ZDM_TARGET_H */
