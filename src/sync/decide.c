/*-------------------------------------------------------------------------
 *
 * decide.c
 *		Which side of a pair wins: DESIGN section 4 as two tables.
 *
 * What a statement names is what its author means, so it comes before a value
 * that a trigger or a default put there.  In an UPDATE a value that changed
 * counts even if nobody named it, since foreign-key actions and triggers write
 * too, while naming a column and leaving its value as it is says something
 * only if the other one was named as well, to something else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sync/decide.h"

#define NUM_CLAIMS (CLAIM_NAMED + 1)

/* Rows: the old side.  Columns: the new side, NONE, WEAK, SET, NAMED. */
static const Decision insert_table[NUM_CLAIMS][NUM_CLAIMS] = {
	[CLAIM_NONE] = {DECIDE_DEFAULT, DECIDE_DOWN, DECIDE_DOWN, DECIDE_DOWN},
	[CLAIM_WEAK] = {DECIDE_UP, DECIDE_DEFAULT, DECIDE_DOWN, DECIDE_DOWN},
	[CLAIM_SET] = {DECIDE_UP, DECIDE_UP, DECIDE_BOTH, DECIDE_DOWN},
	[CLAIM_NAMED] = {DECIDE_UP, DECIDE_UP, DECIDE_UP, DECIDE_BOTH}
};

static const Decision update_table[NUM_CLAIMS][NUM_CLAIMS] = {
	[CLAIM_NONE] = {DECIDE_REST, DECIDE_REST, DECIDE_DOWN, DECIDE_DOWN},
	[CLAIM_WEAK] = {DECIDE_REST, DECIDE_REST, DECIDE_DOWN, DECIDE_BOTH},
	[CLAIM_SET] = {DECIDE_UP, DECIDE_UP, DECIDE_BOTH, DECIDE_DOWN},
	[CLAIM_NAMED] = {DECIDE_UP, DECIDE_BOTH, DECIDE_UP, DECIDE_BOTH}
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
