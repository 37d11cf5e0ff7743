/*-------------------------------------------------------------------------
 *
 * worker.h
 *		The background worker that carries one migration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_WORKER_H
#define ZDM_WORKER_H

#include "fmgr.h"

extern PGDLLEXPORT void zdm_worker_main(Datum arg);

#endif							/* ZDM_WORKER_H */
