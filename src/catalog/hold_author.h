/*-------------------------------------------------------------------------
 *
 * hold_author.h
 *		Whose query zdm.hold_when is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HOLD_AUTHOR_H
#define ZDM_HOLD_AUTHOR_H

/*
 * Is the session's zdm.hold_when the caller's own?  It is run with the rights of the
 * table's owner.  ERRCODE_INSUFFICIENT_PRIVILEGE otherwise.  To be called where a
 * migration or a script is stated, before the identity is changed.
 */
extern void hold_author_check(void);

#endif							/* ZDM_HOLD_AUTHOR_H */
