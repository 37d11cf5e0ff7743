/*-------------------------------------------------------------------------
 *
 * outcome.h
 *		What is there when a migration is completed, and whether it still is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_OUTCOME_H
#define ZDM_OUTCOME_H

#include "rules/change.h"

/*
 * What the change will have made, as far as it can be told by looking: a list of
 * char * for migration_set_outcome().
 */
extern List *outcome_of(const Change *change);

/*
 * Is it there still, on the same table?  Of a change that leaves nothing that
 * could be looked for, yes as long as its table is there.
 */
extern bool outcome_stands(const Migration *migration);

/* Has the table been dropped, other than by the migration itself? */
extern bool outcome_table_gone(const Migration *migration);

/* May a completed migration be reverted: is its opposite a step of its plan? */
extern bool outcome_has_opposite(const Migration *migration);

#endif							/* ZDM_OUTCOME_H */
