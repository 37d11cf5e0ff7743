/*-------------------------------------------------------------------------
 *
 * order_by.h
 *		What stands after ORDER BY, read and kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ORDER_BY_H
#define ZDM_ORDER_BY_H

#include "nodes/pg_list.h"

/*
 * The text, with the caller's names, over relid's columns, to be kept
 * (core/expression.h): one list of expressions with how each is sorted.  Errors are
 * PostgreSQL's; ERRCODE_INVALID_PARAMETER_VALUE for what is the same for every row, and
 * ERRCODE_FEATURE_NOT_SUPPORTED for what is another each time, or is no column's.
 */
extern List *order_by_read(Oid relid, const char *text);

#endif							/* ZDM_ORDER_BY_H */
