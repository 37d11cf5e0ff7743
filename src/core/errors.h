/*-------------------------------------------------------------------------
 *
 * errors.h
 *		SQLSTATEs of our own, and errors that are kept.
 *
 * Standard codes come first: a wrong state is 55000, another migration in the
 * way 55006, a label with another definition 42710, not the owner 42501,
 * unsupported 0A000, a bad argument 22023, time up in zdm.wait 57014.  Only
 * what no standard code can tell a tool has one of ours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ERRORS_H
#define ZDM_ERRORS_H

#include "utils/elog.h"
#include "utils/errcodes.h"

/* DDL refused by the guard */
#define ERRCODE_ZDM_DDL_REFUSED		MAKE_SQLSTATE('Z', 'D', '0', '0', '1')

/* a transaction held a blocking lock for longer than zdm.ddl_hold_timeout */
#define ERRCODE_ZDM_LOCK_HELD		MAKE_SQLSTATE('Z', 'D', '0', '0', '2')

/* The code that the five letters are. */
extern int	errors_sqlstate(const char *letters);

/*
 * Cut the texts of an error that is to be kept: a function may raise one of half a
 * gigabyte.  "error" is from CopyErrorData(), in the current memory context.
 */
extern void errors_clip(ErrorData *error);

#endif							/* ZDM_ERRORS_H */
