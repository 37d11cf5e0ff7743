/*-------------------------------------------------------------------------
 *
 * column_steps.h
 *		The steps that give a second column all that the first one has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_COLUMN_STEPS_H
#define ZDM_COLUMN_STEPS_H

#include "column/column.h"

/* Add the new column, its attributes and its pair (phase expand). */
extern void column_plan_expand(MigrationPlan *plan, const Column *old, const NewColumn *new,
							   const Pair *pair);

/* Fill it, then build what hangs on it, then verify (phase migrate). */
extern void column_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new);

/* Make the new column the authoritative one (phase cutover). */
extern void column_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new);

/* Verify, drop the old column, give the old names (phase contract). */
extern void column_plan_contract(MigrationPlan *plan, const Column *old, const NewColumn *new);

#endif							/* ZDM_COLUMN_STEPS_H */
