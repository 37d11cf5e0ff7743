/*-------------------------------------------------------------------------
 *
 * look.h
 *		Steps that look for rows which stand in a change's way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RUN_LOOK_H
#define ZDM_RUN_LOOK_H

#include "catalog/migration.h"
#include "catalog/step.h"

/*
 * Run "sql", the query of an ACTION_LOOK, as the migration's owner, with the step's
 * locks held.  Its columns are SQLSTATE, what is wrong, the row's name and, if there is a fourth, the
 * statement to type next; a row
 * is an error of that SQLSTATE which names the first ten.  An error of the
 * step's expression is raised with the names of the rows for which it fails.
 * Needs a transaction with an active snapshot.
 */
extern void look_run(const Migration *migration, const Step *step, const char *sql);

#endif							/* ZDM_RUN_LOOK_H */
