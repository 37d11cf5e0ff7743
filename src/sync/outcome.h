/*-------------------------------------------------------------------------
 *
 * outcome.h
 *		Notes of rows that could not be kept in step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_OUTCOME_H
#define ZDM_OUTCOME_H

#include "sync/pairs.h"

/*
 * A side could not be computed from the row in "slot", and the write goes
 * through all the same: a row of zdm.misfit.  PAIR_DOWN closes the way back.
 *
 * Waits for nobody, unless somebody has locked zdm.misfit.  Errors: those of
 * writing to it, so that no write goes through without its note.  A note, not an
 * account: the first such row of a transaction for each pair.
 */
extern void outcome_note(SyncPair *pair, PairDirection direction, Relation rel,
						 TupleTableSlot *slot, const ErrorData *error);

/*
 * The old side is NULL, which `down` gives without an error: if it may not be once
 * it decides again, that closes the way back as well.
 */
extern void outcome_note_null(SyncPair *pair, Relation rel, TupleTableSlot *slot);

/*
 * The row's primary key, "(id, part)=(5, a)", or its place, "ctid=(0,1)"; NULL
 * for a row without a key that has no place yet.
 */
extern char *row_key(Relation rel, TupleTableSlot *slot);

#endif							/* ZDM_OUTCOME_H */
