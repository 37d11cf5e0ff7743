/*-------------------------------------------------------------------------
 *
 * follow.h
 *		Run code for the DDL that it would run, without any effect.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FOLLOW_H
#define ZDM_FOLLOW_H

#include "nodes/nodes.h"

/* Gets each statement that the code would have run, in place of PostgreSQL. */
typedef void (*FollowCollector) (Node *stmt, const char *sql, void *arg);

/*
 * Run one statement, a DO block, CALL or SELECT of a function, in a read-only
 * subtransaction that is rolled back.  Utility statements go to the collector;
 * queries that write, or that call a volatile built-in function, find no rows.
 * False, with the error in *error, when the code ended in one.
 */
extern bool follow_code(const char *sql, FollowCollector collector, void *arg, ErrorData **error);

/* Is the statement code, which may hold DDL of its own? */
extern bool follow_is_code(Node *stmt);
extern bool follow_is_always_code(Node *stmt);

/* Is a utility statement of the followed code run all the same?  Raises what is no code for it. */
extern bool follow_runs_always(Node *stmt);
extern bool follow_runs_setting(Node *stmt);
extern bool follow_runs_do(Node *stmt);

/* Is code being followed? */
extern bool follow_active(void);

#endif							/* ZDM_FOLLOW_H */
