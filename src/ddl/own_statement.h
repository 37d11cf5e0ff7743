/*-------------------------------------------------------------------------
 *
 * own_statement.h
 *		What the guard lets pass, since we have planned it ourselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_OWN_STATEMENT_H
#define ZDM_OWN_STATEMENT_H

/*
 * The text that one of our own workers runs, or NULL: what it has itself planned
 * is not judged.  What the functions in it run is, like everybody's: they have
 * texts of their own, so it is the pointer that counts.
 */
extern const char *guard_own;

#endif							/* ZDM_OWN_STATEMENT_H */
