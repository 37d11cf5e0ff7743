/*-------------------------------------------------------------------------
 *
 * debug_point.h
 *		Named places at which a test can hold or fail a process.
 *
 * ZDM_DEBUG_POINT("backfill-after-batch") waits there while another session
 * holds the advisory lock hashtextextended('zdm:backfill-after-batch', 0), and
 * raises an error while one holds that of 'zdm:backfill-after-batch:error', or
 * of a SQLSTATE that debug_point.c knows, in place of "error".
 * Without -DZDM_DEBUG it is nothing at all.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEBUG_POINT_H
#define ZDM_DEBUG_POINT_H

#ifdef ZDM_DEBUG
#define ZDM_DEBUG_POINT(name) debug_point(name)
#else
#define ZDM_DEBUG_POINT(name) ((void) 0)
#endif

#ifdef ZDM_DEBUG
/*
 * Wait, or fail with ERRCODE_INTERNAL_ERROR, if a test has asked for it at
 * this name.  May be called with or without a transaction; leaves no lock.
 */
extern void debug_point(const char *name);
#endif

#endif							/* ZDM_DEBUG_POINT_H */
