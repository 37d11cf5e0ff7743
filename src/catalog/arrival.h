/*-------------------------------------------------------------------------
 *
 * arrival.h
 *		Rows of zdm.arrival: rows of a table that did not go through its trigger.
 *
 * What a partition holds when it is attached was written without the sync
 * trigger, and so was what has been rewritten by ALTER TABLE, as far as can be
 * told.  Each such leaf is noted with the transactions that wrote it, and gone
 * over again, also one that had been done before it went away.  Writers of the
 * table and those who attach only ever insert here, so nobody waits for another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ARRIVAL_H
#define ZDM_ARRIVAL_H

#include "catalog/row.h"
#include "nodes/pg_list.h"

/*
 * Note for a migration that "leaves" (Oids of tables with rows) were attached, or
 * rewritten, with all that was written to them up to now, by this
 * transaction too.  The caller has locked their writers out.
 */
extern void arrival_note(int64 migration, List *leaves);

#define ARRIVAL_COLUMNS(COLUMN) \
	COLUMN(OID, leaf, MADE) \
	COLUMN(INT8, number, MADE)		/* greater for one that came later; 0: there from the start */ \
	COLUMN(INT8, unfilled, MADE)	/* transactions that have written rows of it anew, still unfilled */

typedef struct Arrival
{
	ARRIVAL_COLUMNS(ROW_FIELD)
} Arrival;

/*
 * The last arrival of each leaf that was attached to the migration's table, or in
 * which rows were left unfilled (zdm.unfilled).
 */
extern List *arrival_list(int64 migration); /* list of Arrival * */

/* That of the leaf among them; numbers 0 if nothing is noted of it. */
extern Arrival arrival_of(List *arrivals, Oid leaf);

#endif							/* ZDM_ARRIVAL_H */
