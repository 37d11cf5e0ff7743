/*-------------------------------------------------------------------------
 *
 * stmtcols.h
 *		Which columns the statement that fires a row trigger named.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STMTCOLS_H
#define ZDM_STMTCOLS_H

#include "commands/trigger.h"
#include "nodes/bitmapset.h"

typedef enum StmtCols
{
	STMTCOLS_UNKNOWN,			/* cannot be told: look at the values */
	STMTCOLS_KNOWN,				/* exactly those of the set */
	STMTCOLS_ALL,				/* every column: COPY without a list */
	STMTCOLS_REROUTED			/* an UPDATE moves the row to another partition */
} StmtCols;

/* Install the hooks.  Called once, from _PG_init. */
extern void stmtcols_init(void);

/*
 * For a BEFORE ROW trigger for INSERT or UPDATE.  With STMTCOLS_KNOWN, *cols has
 * the columns named, in the fired relation's own numbers, offset by
 * FirstLowInvalidHeapAttributeNumber; it is valid as long as the statement.
 * The answer is the same for every row of one relation in one statement.
 */
extern StmtCols stmtcols_named(TriggerData *trigdata, const Bitmapset **cols);

#endif							/* ZDM_STMTCOLS_H */
