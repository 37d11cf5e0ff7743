/*-------------------------------------------------------------------------
 *
 * limit.h
 *		How long code of others may run while others wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LIMIT_H
#define ZDM_LIMIT_H

/*
 * Runs "callback", for so many milliseconds at most; 0: for as long as it takes.  That
 * the time is up is ERRCODE_QUERY_CANCELED, which names "what" ("view v of role r").  It
 * is meant for what reads a text that somebody has written.  Within another limit, or
 * the session's statement_timeout, those count.
 */
extern void limit_run(int ms, const char *what, void (*callback) (void *arg), void *arg);

/* "what" for a statement: its first line, as it goes on with what somebody has written. */
extern char *limit_statement(const char *sql, Oid role);

#endif							/* ZDM_LIMIT_H */
