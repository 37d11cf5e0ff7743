/*-------------------------------------------------------------------------
 *
 * retype_plan.h
 *		What the two plans of a column of another type have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RETYPE_PLAN_H
#define ZDM_RETYPE_PLAN_H

#include "column/column.h"
#include "draft/retype.h"
#include "rules/change.h"

/* The new type as ALTER TABLE has it, with the collation that the column was given. */
extern char *retype_plan_type(const Column *column, const Change *change);

/* What the server says of the change: errors are its own, for what hangs on the column and does not go with the type. */
extern RetypeWork retype_plan_ask(const Column *column, const Change *change);

/*
 * Plan the change as one plain statement, if this server makes it without a rewrite; else
 * false.  Errors: PostgreSQL's for what hangs on the column and does not go with the type.
 */
extern bool retype_plan_in_place(MigrationPlan *plan, const Column *column, const Change *change);

/*
 * The kind of a change of type: of a column that is to keep its place, or has to, as it is
 * in the partition key of relid.
 */
extern const char *retype_plan_kind(Oid relid, const char *column, bool keep_place);

/* As PlanKind has it. */
extern char *retype_plan_definition(const Change *change);

#endif							/* ZDM_RETYPE_PLAN_H */
