/*-------------------------------------------------------------------------
 *
 * plain.h
 *		Statements that are run as they stand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PLAIN_H
#define ZDM_PLAIN_H

#include "plan/ddl_text.h"

/* One step that runs the statement, with the locks that the judgement names. */
extern void plain_step(MigrationPlan *plan, const Change *change, const Judgement *judgement);

/*
 * A statement of which nothing is left to do but its own catalog change.
 * Undo may be NULL.  Takes ACCESS EXCLUSIVE on the plan's table.
 */
extern void plain_catalog_step(MigrationPlan *plan, const char *phase, char *statement, char *undo);

/* in enum_value.c: refuse ALTER TYPE ... RENAME VALUE, with what to type instead. */
pg_noreturn extern void enum_refuse_rename(const AlterEnumStmt *stmt);

#endif							/* ZDM_PLAIN_H */
