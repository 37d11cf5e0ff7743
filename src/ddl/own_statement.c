/*-------------------------------------------------------------------------
 *
 * own_statement.c
 *		What the guard lets pass, since we have planned it ourselves.
 *
 * Set by whoever runs the statement, below the guard's room.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ddl/own_statement.h"

const char *guard_own = NULL;
