/*-------------------------------------------------------------------------
 *
 * expression.h
 *		SQL over one table's columns, that is kept.
 *
 * Between the day when an expression is stated and the one when it is run its
 * table's columns may get other names.  So it is a list of text (String) and
 * attribute numbers (Integer), of which the numbers are written as the columns are
 * called when it is used.  NIL is no expression.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_EXPRESSION_H
#define ZDM_EXPRESSION_H

#include "access/attnum.h"
#include "nodes/pg_list.h"

/* One column, and text that is taken as it is. */
extern List *expression_column(AttrNumber attnum);
extern List *expression_text(const char *text);

/*
 * As psprintf() would: %s and %d for text and int, %e for an expression (List *),
 * %% for a percent sign.
 */
extern List *expression_format(const char *fmt,...);

/* Those of a list of expressions, with text between them. */
extern List *expression_join(List *expressions, const char *separator);

/* The expression with another one in the place of a column. */
extern List *expression_replace(List *expression, AttrNumber attnum, List *by);

/*
 * Have the expression, each of a list of them, or a list of attribute numbers (int),
 * name column "to" where it names "from"; false if it does not.
 */
extern bool expression_follow(List **expression, AttrNumber from, AttrNumber to);
extern bool expression_follow_all(List *expressions, AttrNumber from, AttrNumber to);
extern bool expression_follow_numbers(List *attnums, AttrNumber from, AttrNumber to);

/*
 * As SQL, with the names that relid's columns have now.  A column that is gone:
 * ERRCODE_UNDEFINED_COLUMN, or with missing_ok "<dropped>".  Needs a transaction.
 */
extern char *expression_sql(List *expression, Oid relid, bool missing_ok);

#endif							/* ZDM_EXPRESSION_H */
