/*-------------------------------------------------------------------------
 *
 * log_watch.h
 *		The hook on what is reported.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LOG_WATCH_H
#define ZDM_LOG_WATCH_H

/* Install it.  Called once, at load. */
extern void log_watch_init(void);

#endif							/* ZDM_LOG_WATCH_H */
