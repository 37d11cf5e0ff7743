/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		The process that sees to it that every unfinished migration has a worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LAUNCHER_H
#define ZDM_LAUNCHER_H

#include "fmgr.h"

/* Register the launcher.  Called from _PG_init while preloading. */
extern void launcher_init(void);

extern PGDLLEXPORT void zdm_launcher_main(Datum arg);
extern PGDLLEXPORT void zdm_dispatcher_main(Datum arg);

#endif							/* ZDM_LAUNCHER_H */
