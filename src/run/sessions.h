/*-------------------------------------------------------------------------
 *
 * sessions.h
 *		Sessions that were there before a table's rows changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SESSIONS_H
#define ZDM_SESSIONS_H

#include "access/tupdesc.h"
#include "nodes/pg_list.h"

/* What the texts of functions name, as read at some time; zeroed before. */
typedef struct SessionFunctions
{
	MemoryContext context;		/* NULL: nothing has been read */
	char	   *horizon;		/* the oldest transaction at that time */
	List	   *asked;			/* char *: the names that were looked for, in lower case */
	List	   *oids;			/* of functions, ... */
	List	   *names;			/* ... and what each names; "": it may run anything */
} SessionFunctions;

/*
 * Read them for a migration's table, unless that has been done; needs a transaction,
 * and takes long where there are many: to be called before the table is locked.
 */
extern void sessions_read(SessionFunctions *functions, int64 migration, Oid relid);

extern void sessions_forget(SessionFunctions *functions);

/* The table's columns as they are now; NULL if there is no such table. */
extern TupleDesc sessions_columns(Oid relid);

/*
 * Have every session compile the functions anew that may know the table's
 * columns as they were ("before"), if they are not that any more.  In the
 * transaction that changed them, with its locks held; takes row locks of pg_proc
 * and no others.  What has changed since "known" was read is read again.  ERRCODE_LOCK_NOT_AVAILABLE if somebody is just replacing one
 * of the functions.
 */
extern void sessions_compile_anew(Oid relid, TupleDesc before, const SessionFunctions *known);

/* The same where another table has taken the name, so that all of its columns are another's. */
extern void sessions_compile_all(Oid relid, const SessionFunctions *known);

#endif							/* ZDM_SESSIONS_H */
