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

/* The table's columns as they are now; NULL if there is no such table. */
extern TupleDesc sessions_columns(Oid relid);

/*
 * Have every session compile the functions anew that may know the table's
 * columns as they were ("before"), if they are not that any more.  In the
 * transaction that changed them, with its locks held; takes row locks of pg_proc
 * and no others.  ERRCODE_LOCK_NOT_AVAILABLE if somebody is just replacing one
 * of the functions.
 */
extern void sessions_compile_anew(Oid relid, TupleDesc before);

#endif							/* ZDM_SESSIONS_H */
