/*-------------------------------------------------------------------------
 *
 * conversion.h
 *		What is computed for a hidden table of the rows that are carried over to it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CONVERSION_H
#define ZDM_CONVERSION_H

#include "access/attnum.h"
#include "catalog/second.h"
#include "sync/expr.h"
#include "sync/kept.h"
#include "utils/relcache.h"

/* A column of the hidden table that is computed there. */
typedef struct ComputedValue
{
	const char *name;
	AttrNumber	attnum;
	int16		attlen;
	bool		attbyval;
	SyncExpr   *expr;			/* over the hidden table's row */
} ComputedValue;

typedef struct Conversion
{
	Kept		kept;			/* of the hidden table; the one beside it is its other */

	/* the column that the two have of different types: */
	SyncExpr   *value;			/* what the hidden table is to have, over the source's row */
	SyncExpr   *origin;			/* where that loses something: what the source is to have, over the hidden row; else NULL */
	SyncExpr   *back;			/* where partitions go by it: the same whatever is lost; else NULL */
	List	   *checks;			/* SyncExpr *: the hidden table's CHECKs about it */

	List	   *computed;		/* ComputedValue *: besides */
	bool		may_fail;		/* one of these */
} Conversion;

/* Compiled once for a session.  Valid until the end of the transaction. */
extern const Conversion *conversion_get(Relation source, Relation hidden, const Second *second);

#endif							/* ZDM_CONVERSION_H */
