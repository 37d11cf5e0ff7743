/*-------------------------------------------------------------------------
 *
 * naps.h
 *		Short rests within a batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_NAPS_H
#define ZDM_NAPS_H

#include "portability/instr_time.h"

typedef struct Naps
{
	instr_time	awake_since;
	double		rested_ms;		/* of the batch so far */
} Naps;

/* A batch begins. */
extern void naps_begin(Naps *naps);

/*
 * Rest for a moment, if it is time to; to be called between two rows or blocks, with
 * no lock on a page.  Not where zdm.batch_rest is 0.
 */
extern void naps_take(Naps *naps);

#endif							/* ZDM_NAPS_H */
