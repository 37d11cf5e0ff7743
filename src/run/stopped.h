/*-------------------------------------------------------------------------
 *
 * stopped.h
 *		The end of a worker that is not let stop.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STOPPED_H
#define ZDM_STOPPED_H

/* In a worker's process, once, before it can be cancelled. */
extern void stopped_init(void);

/* A piece of work begins that may be cancelled: what was asked before is over.  And ends. */
extern void stopped_begin(void);
extern void stopped_end(void);

/* Does the process end for that? */
extern bool stopped_by_force(void);

#endif							/* ZDM_STOPPED_H */
