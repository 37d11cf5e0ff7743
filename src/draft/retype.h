/*-------------------------------------------------------------------------
 *
 * retype.h
 *		What ALTER COLUMN TYPE would do, asked of the server itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RETYPE_H
#define ZDM_RETYPE_H

#include "nodes/pg_list.h"

#define RETYPE_PROBE "pg_temp.zdm_probe"

typedef enum RetypeWork
{
	RETYPE_UNKNOWN,				/* could not be asked */
	RETYPE_CATALOG_ONLY,		/* neither table nor index is written */
	RETYPE_REWRITE				/* the table or an index is */
} RetypeWork;

/*
 * Give the column of an empty table like relid the type (SQL, with COLLATE if
 * need be), and look what was rewritten.  "using" is an expression that
 * can be read with a pinned search_path, or NULL.  "further" is a list of statements (char *) that must
 * work as well: the table of the new shape is RETYPE_PROBE.  Leaves nothing behind.  Errors are PostgreSQL's
 * own for what it refuses: a default, an index or a CHECK that the type does
 * not go with.  RETYPE_UNKNOWN if the owner may not make temporary tables.
 */
extern RetypeWork retype_ask(Oid relid, const char *column, const char *type, const char *using,
							 List *further);

/*
 * Have "look" look at that table, as whoever calls, without what hangs on its columns, and
 * leave nothing behind.  Nothing is done where retype_ask() knows nothing.  Errors: look's,
 * with the name of relid's table.
 */
extern void retype_try(Oid relid, const char *column, const char *type, const char *using,
					   void (*look) (void *arg), void *arg);

/* The value (SQL) as an assignment to a column of that type would make it. */
extern char *retype_value(Oid type, int32 typmod, const char *value);

#endif							/* ZDM_RETYPE_H */
