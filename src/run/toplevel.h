/*-------------------------------------------------------------------------
 *
 * toplevel.h
 *		Running a statement that refuses a transaction block.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TOPLEVEL_H
#define ZDM_TOPLEVEL_H

/*
 * Run one utility statement as a client's own would be, in transactions of its
 * own.  To be called in a worker, outside any transaction.  Returns outside any
 * transaction; errors are raised as they come and leave one to be aborted.
 */
extern void toplevel_run(const char *sql);

#endif							/* ZDM_TOPLEVEL_H */
