/*-------------------------------------------------------------------------
 *
 * zdm_test.c
 *		What tests need inside the server; never installed where there are data.
 *
 * Preloaded beside pg_zdm, it holds processes at debug points (points.c), makes
 * clients or workers slow (slow.c) and hears who runs what (watch.c).  Decisions
 * and expressions that no statement reaches one by one are called through
 * functions in SQL (decisions.c, sync.c): the objects of pg_zdm are linked into
 * this library a second time, out of sight of everything else, so that the library
 * under test is the one that users have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "zdm_test.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	points_init();
	if (process_shared_preload_libraries_in_progress)
	{
		slow_init();
		watch_init();
	}
}
