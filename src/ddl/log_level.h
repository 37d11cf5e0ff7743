/*-------------------------------------------------------------------------
 *
 * log_level.h
 *		What comes as far as the log hook, whatever the server logs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LOG_LEVEL_H
#define ZDM_LOG_LEVEL_H

/* Who needs it; each until it says that it does no longer. */
typedef enum LogNeed
{
	LOG_NEED_WORK = 1,			/* what PostgreSQL says of its work, at DEBUG1 */
	LOG_NEED_ERRORS = 2			/* errors */
} LogNeed;

extern void log_level_need(LogNeed need);
extern void log_level_leave(LogNeed need);

/* Is it there for our sake only, and to be kept from the log? */
extern bool log_level_hides(int elevel);

#endif							/* ZDM_LOG_LEVEL_H */
