/*-------------------------------------------------------------------------
 *
 * toplevel.h
 *		Running a statement that refuses a transaction block.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TOPLEVEL_H
#define ZDM_TOPLEVEL_H

#include "postgres_ext.h"

/*
 * Run one utility statement as "role"'s own would be, in transactions of its own.
 * To be called in a worker, outside any transaction.  Returns outside any
 * transaction, and errors are raised there too.
 */
extern void toplevel_run(Oid role, const char *sql);

#endif							/* ZDM_TOPLEVEL_H */
