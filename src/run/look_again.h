/*-------------------------------------------------------------------------
 *
 * look_again.h
 *		What is looked at again when it counts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LOOK_AGAIN_H
#define ZDM_LOOK_AGAIN_H

#include "catalog/migration.h"
#include "catalog/step.h"

/*
 * Refuse to exchange the columns, to drop the old one, or to go back to it, if
 * something hangs on them that the migration does not know of
 * (ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST) or the table is another one by now
 * (ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE).  "again" is the function to call when
 * that has been mended.  Nothing is refused where the table is gone.  Of the catalog
 * as it is now: in a step, with its locks held.  Need a transaction.
 */
extern void look_again_before_cutover(const Migration *migration, const char *again);
extern void look_again_before_contract(const Migration *migration, const char *again);
extern void look_again_before_revert(const Migration *migration, const char *again);

/* The error of the first of the step's assertions that does not hold. */
extern void look_again_asserts(const Step *step, bool undo);

/*
 * Is the sync trigger there, enabled and the last one, on the table and on each
 * partition?  NULL if so; else what is wrong, and in "hint" the statement that helps.
 */
extern char *look_again_trigger(const Migration *migration, char **hint);

/*
 * On the way back: refuse it if rows were written since the cutover that the old side
 * cannot hold (ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE).  Whoever resumes it has seen
 * that, and what is not mended by then is lost.
 */
extern void look_again_loss(const Migration *migration, const Step *step);

/* The same as texts; false if there are no such rows. */
extern bool look_again_lost(const Migration *migration, MigrationError *loss);

#endif							/* ZDM_LOOK_AGAIN_H */
