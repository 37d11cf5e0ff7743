/*-------------------------------------------------------------------------
 *
 * decide.h
 *		Which side of a pair wins: DESIGN section 4 as two tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DECIDE_H
#define ZDM_DECIDE_H

/* What a statement, or a trigger before ours, did to one side of a pair. */
typedef enum Claim
{
	CLAIM_NONE,					/* nothing: INSERT left it out, UPDATE left it alone */
	CLAIM_WEAK,					/* INSERT: perhaps a volatile default; UPDATE: set to what it was */
	CLAIM_SET,					/* it has a value that the statement did not name */
	CLAIM_BLANK,				/* INSERT: the statement gave it NULL or its default */
	CLAIM_UNSURE,				/* INSERT: it gave it a value, or a default that cannot be compared with */
	CLAIM_NAMED					/* the statement gave it this value */
} Claim;

typedef enum Decision
{
	DECIDE_REST,				/* neither was touched: leave alone what is in step */
	DECIDE_DEFAULT,				/* neither was given: the authoritative side's default */
	DECIDE_UP,					/* derive the new side */
	DECIDE_DOWN,				/* derive the old side */
	DECIDE_BOTH					/* keep them if they agree, else zdm.on_conflict */
} Decision;

/* Both are pure. */
extern Decision decide_insert(Claim old_side, Claim new_side);
extern Decision decide_update(Claim old_side, Claim new_side);

#endif							/* ZDM_DECIDE_H */
