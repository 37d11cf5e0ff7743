/*-------------------------------------------------------------------------
 *
 * pg_zdm.c
 *		Module load: settings, hooks, shared memory, launcher.
 *
 * Calls the rooms' init functions and nothing else.  The library works without
 * being preloaded; what preloading adds (naming the columns of an INSERT in
 * every session, the guard, the launcher) is said in the README.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/guard.h"
#include "backfill/assign.h"
#include "core/debug_point.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/shmem.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "run/launcher.h"
#include "run/start.h"
#include "run/stop.h"
#include "sync/conflict.h"
#include "sync/kept.h"
#include "sync/pairs.h"
#include "sync/stmtcols.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	debug_point_init();
	guc_init();
	identity_init();
	guard_init();
	stmtcols_init();
	kept_init();
	pairs_init();
	conflict_init();
	assign_init();
	start_init();
	stop_init();
	if (process_shared_preload_libraries_in_progress)
	{
		shmem_init();
		launcher_init();
	}
}
