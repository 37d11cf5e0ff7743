/*-------------------------------------------------------------------------
 *
 * decide.c
 *		Which side of a pair wins: DESIGN section 4 as two tables.
 *
 * What a statement names is what its author means, so it comes before a value
 * that a trigger or a default put there.  Who writes every column he knows of
 * means the one that he has a value for: in an INSERT a value comes before a NULL
 * or a default beside it, in an UPDATE the side that changed before the one that
 * was written back as it was.  A value that changed counts even if nobody named
 * it, since foreign-key actions and triggers write too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sync/decide.h"

#define NUM_CLAIMS (CLAIM_NAMED + 1)

/* Rows: the old side.  Columns: the new side, NONE, WEAK, SET, BLANK, UNSURE, NAMED. */
static const Decision insert_table[NUM_CLAIMS][NUM_CLAIMS] = {
	[CLAIM_NONE] = {DECIDE_DEFAULT, DECIDE_DOWN, DECIDE_DOWN, DECIDE_DOWN, DECIDE_DOWN, DECIDE_DOWN},
	[CLAIM_WEAK] = {DECIDE_UP, DECIDE_DEFAULT, DECIDE_DOWN, DECIDE_DOWN, DECIDE_DOWN, DECIDE_DOWN},
	[CLAIM_SET] = {DECIDE_UP, DECIDE_UP, DECIDE_BOTH, DECIDE_DOWN, DECIDE_DOWN, DECIDE_DOWN},
	[CLAIM_BLANK] = {DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_DEFAULT, DECIDE_DOWN, DECIDE_DOWN},
	[CLAIM_UNSURE] = {DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_BOTH, DECIDE_DOWN},
	[CLAIM_NAMED] = {DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_BOTH}
};

/* No BLANK, and none UNSURE: what a value was before tells what was meant. */
static const Decision update_table[NUM_CLAIMS][NUM_CLAIMS] = {
	[CLAIM_NONE] = {DECIDE_REST, DECIDE_REST, DECIDE_DOWN, DECIDE_REST, DECIDE_REST, DECIDE_DOWN},
	[CLAIM_WEAK] = {DECIDE_REST, DECIDE_REST, DECIDE_DOWN, DECIDE_REST, DECIDE_REST, DECIDE_DOWN},
	[CLAIM_SET] = {DECIDE_UP, DECIDE_UP, DECIDE_BOTH, DECIDE_REST, DECIDE_REST, DECIDE_DOWN},
	[CLAIM_NAMED] = {DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_REST, DECIDE_REST, DECIDE_BOTH}
};

Decision
decide_insert(Claim old_side, Claim new_side)
{
	return insert_table[old_side][new_side];
}

Decision
decide_update(Claim old_side, Claim new_side)
{
	return update_table[old_side][new_side];
}
