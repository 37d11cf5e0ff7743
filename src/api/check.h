/*-------------------------------------------------------------------------
 *
 * check.h
 *		zdm.check(): judge DDL text without running it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CHECK_H
#define ZDM_CHECK_H

#include "rules/rules.h"

/* A finding and the number, from 1, of the statement it is about. */
typedef struct CheckFinding
{
	int			statement;
	Finding    *finding;
} CheckFinding;

/*
 * Judge the statements of a text, in order, each in a transaction of its own
 * but for BEGIN ... COMMIT.  Returns a list of CheckFinding in the current
 * memory context.  Raises ERRCODE_SYNTAX_ERROR for text that cannot be parsed.
 */
extern List *check_text(const char *ddl);

#endif							/* ZDM_CHECK_H */
