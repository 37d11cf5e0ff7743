/*-------------------------------------------------------------------------
 *
 * toplevel.h
 *		Running a statement that refuses a transaction block.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TOPLEVEL_H
#define ZDM_TOPLEVEL_H

#include "catalog/migration.h"

/* In a worker\'s process, once. */
extern void toplevel_init(void);

/*
 * Run one utility statement as one of the migration's owner's would be, in transactions of its own.
 * To be called in a worker, outside any transaction.  Returns outside any
 * transaction, and errors are raised there too.
 */
extern void toplevel_run(const Migration *migration, const char *sql);

#endif							/* ZDM_TOPLEVEL_H */
