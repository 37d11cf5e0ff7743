/*-------------------------------------------------------------------------
 *
 * debug_point.h
 *		Named places at which a test can hold or fail a process.
 *
 * Nothing happens there unless a library that only tests load (test/module) has
 * put its address into the rendezvous variable "zdm_debug_points".  It then
 * makes ZDM_DEBUG_POINT("backfill-after-batch") wait while another session holds
 * the advisory lock hashtextextended('zdm:backfill-after-batch', 0), and raise an
 * error while one holds that of 'zdm:backfill-after-batch:error', or of a SQLSTATE
 * that it knows, in place of "error".
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEBUG_POINT_H
#define ZDM_DEBUG_POINT_H

typedef struct DebugPoints
{
	/* May be called with or without a transaction; leaves no lock. */
	void		(*reach) (const char *name);
} DebugPoints;

#define ZDM_DEBUG_POINT(name) \
	do { \
		if (*debug_points != NULL) \
			(*debug_points)->reach(name); \
	} while (0)

/* How long to wait for what takes minutes: tests see it, too. */
#define ZDM_DEBUG_MS(ordinary, in_tests) (*debug_points != NULL ? (in_tests) : (ordinary))

extern DebugPoints **debug_points;

extern void debug_point_init(void);

#endif							/* ZDM_DEBUG_POINT_H */
