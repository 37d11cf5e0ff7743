/*-------------------------------------------------------------------------
 *
 * zdm_test.h
 *		What _PG_init() calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TEST_H
#define ZDM_TEST_H

/* in points.c */
extern void points_init(void);

/* in slow.c: settings and hook; and what a worker does at a debug point */
extern void slow_init(void);
extern void slow_reached_point(const char *name);

/* in watch.c: only while shared libraries are preloaded */
extern void watch_init(void);

#endif							/* ZDM_TEST_H */
