/*-------------------------------------------------------------------------
 *
 * naps.c
 *		Short rests within a batch.
 *
 * Where as many processes want to run as there are processors, the kernel lets one
 * that has just woken up wait for the end of the present one's turn, some
 * milliseconds: that is longer than most queries take.  A batch that sleeps
 * for a moment each half millisecond is never in anybody's way for longer, and the
 * moments count as a part of its rest.  Yielding the processor instead would do
 * nothing where the kernel schedules by sessions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backfill/naps.h"
#include "core/guc.h"

#define SPELL_MS 0.5

/* The kernel makes it about twice as long. */
#define NAP_US 50

void
naps_begin(Naps *naps)
{
	INSTR_TIME_SET_CURRENT(naps->awake_since);
	naps->rested_ms = 0;
}

void
naps_take(Naps *naps)
{
	instr_time	now;
	instr_time	awake;

	if (guc_batch_rest <= 0)
		return;
	INSTR_TIME_SET_CURRENT(now);
	awake = now;
	INSTR_TIME_SUBTRACT(awake, naps->awake_since);
	if (INSTR_TIME_GET_MILLISEC(awake) < SPELL_MS)
		return;
	pg_usleep(NAP_US);
	INSTR_TIME_SET_CURRENT(naps->awake_since);
	awake = naps->awake_since;
	INSTR_TIME_SUBTRACT(awake, now);
	naps->rested_ms += INSTR_TIME_GET_MILLISEC(awake);
}
