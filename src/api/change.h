/*-------------------------------------------------------------------------
 *
 * change.h
 *		Stating a change: what all functions that do it have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_API_CHANGE_H
#define ZDM_API_CHANGE_H

#include "catalog/migration.h"
#include "fmgr.h"
#include "plan/plan.h"
#include "rules/change.h"

/*
 * Check the change, write a migration and its plan, have it started at commit,
 * and return its id; or the id of the one that made this change under this
 * label before.  The label may be NULL.  Errors: whatever is wrong with the
 * change; ERRCODE_DUPLICATE_OBJECT if the label is another change's;
 * ERRCODE_OBJECT_IN_USE if another migration is in the way.
 */
extern int64 change_state(Change *change, const char *label);

/* Can the caller have the table changed so? */
extern void change_check_table(const Change *change);

/*
 * From a change to its plan, with what the preflight finds: is another migration in
 * the way or the change wrong; what its expressions mean; the steps.  The one way
 * there, whether the plan is shown, stored, written as a script or only tried:
 * zdm.migrate() refuses nothing that zdm.plan() has printed.  With a migration, that
 * is written before its plan is made, which has names from its number.
 */
extern void change_plan(Change *change, MigrationPlan *plan, Migration *migration);

/* The same of a change that has been checked. */
extern void change_make(Change *change, MigrationPlan *plan, Migration *migration);

/* What identifies a change stated as DDL under its label. */
extern char *change_ddl_definition(const char *ddl, const char *up, const char *down);

/*
 * Was this DDL, as text, stated under this label before?  Needed before its
 * names are looked up, as what it dropped is no longer there.  Errors as above,
 * and ERRCODE_INSUFFICIENT_PRIVILEGE.
 */
extern bool change_known_ddl(const char *ddl, const char *up, const char *down,
							 const char *label, int64 *id);

/* Arguments of SQL functions. */
extern char *change_name_argument(FunctionCallInfo fcinfo, int n, const char *what);
extern char *change_text_argument(FunctionCallInfo fcinfo, int n);

/*
 * SQL that somebody has written.  ERRCODE_FEATURE_NOT_SUPPORTED if what it says
 * depends on the session's standard_conforming_strings.
 */
extern void change_check_text(const char *sql);
extern char *change_sql_argument(FunctionCallInfo fcinfo, int n);
extern char *change_required_sql(FunctionCallInfo fcinfo, int n, const char *what);
extern Oid	change_relation_argument(FunctionCallInfo fcinfo, int n);

#endif							/* ZDM_API_CHANGE_H */
