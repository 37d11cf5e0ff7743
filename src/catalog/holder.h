/*-------------------------------------------------------------------------
 *
 * holder.h
 *		Whose transaction is waited for.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HOLDER_H
#define ZDM_HOLDER_H

#include "core/claim.h"

/* NULL, NULL: nobody's now, or it cannot be told. */
typedef struct Holder
{
	char	   *detail;			/* whose it is */
	char	   *hint;			/* how one ends that has no session any more */
} Holder;

/* Of the transaction that has a claim, or the row of a migration.  A look only. */
extern Holder holder_of_claim(ClaimKind kind, int64 number);
extern Holder holder_of_migration(int64 migration);

/* An ErrorContextCallback, with a Holder * for its argument: the error of a wait for it says so. */
extern void holder_say(void *arg);

#endif							/* ZDM_HOLDER_H */
