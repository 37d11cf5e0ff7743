/*-------------------------------------------------------------------------
 *
 * wait_log.h
 *		A wait that lasts is told to the server's log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_WAIT_LOG_H
#define ZDM_WAIT_LOG_H

#include "catalog/migration.h"
#include "catalog/step.h"
#include "datatype/timestamp.h"

/* What a worker remembers of it; zeroed before the first call. */
typedef struct WaitLog
{
	TimestampTz looked;
	TimestampTz since;			/* the wait that was last told */
	TimestampTz told;			/* and when */
} WaitLog;

/*
 * To be called while a step waits, outside any transaction and as often as one
 * likes: looks now and then, and tells once for each wait, and again after long.
 */
extern void wait_log_look(const Migration *migration, const Step *step, WaitLog *log);

#endif							/* ZDM_WAIT_LOG_H */
