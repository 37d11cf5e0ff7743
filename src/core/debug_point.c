/*-------------------------------------------------------------------------
 *
 * debug_point.c
 *		Where a library of tests says that it is there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/debug_point.h"
#include "fmgr.h"

DebugPoints **debug_points;

void
debug_point_init(void)
{
	debug_points = (DebugPoints **) find_rendezvous_variable("zdm_debug_points");
}
