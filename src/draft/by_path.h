/*-------------------------------------------------------------------------
 *
 * by_path.h
 *		What an expression has from the session that states it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_BY_PATH_H
#define ZDM_BY_PATH_H

#include "nodes/nodes.h"

/*
 * Find out as "owner", with the pinned search_path, whether the expression can be
 * planned, and whether the SQL functions in it find what they call.  Raises that
 * error, with the function and the statement that mends it.
 */
extern void by_path_check(Node *expr, Oid owner);

/*
 * The same of what writing a row of the table computes: the expressions and
 * predicates of its indexes, and of its partitions', and its CHECKs, all of them or, if
 * "attnum" is valid, those over that column, and that column's default.
 */
extern void by_path_check_table(Oid relid, AttrNumber attnum);

/*
 * Raise ERRCODE_FEATURE_NOT_SUPPORTED if the expression asks who or where the session
 * is: it is computed in a worker.  "what" is what the error calls it.
 */
extern void by_path_refuse_session(Node *expr, const char *what);

#endif							/* ZDM_BY_PATH_H */
