/*-------------------------------------------------------------------------
 *
 * ddl.h
 *		A change stated as DDL, for whoever does not carry it out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_API_DDL_H
#define ZDM_API_DDL_H

#include "draft/draft.h"
#include "rules/change.h"

/*
 * The change that a statement states, with the right to make it; neither checked
 * against other migrations nor resolved.  Positions in errors are those in "ddl".
 */
extern Change *ddl_read_change(char *ddl, const char *up, const char *down);

/*
 * The change and its plan, as change_plan() makes it: what zdm.plan() shows, and
 * what tells a hint that zdm.migrate() would take the statement.
 */
extern Change *ddl_plan(char *ddl, const char *up, const char *down, MigrationPlan *plan);

#endif							/* ZDM_API_DDL_H */
