/*-------------------------------------------------------------------------
 *
 * ddl.c
 *		zdm.migrate() and zdm.plan(): changes stated as plain DDL; and those
 *		that have a function of their own beside it.
 *
 * Both go the same way as far as the plan; then one stores it, and the other
 * prints it and forgets it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/access.h"
#include "api/change.h"
#include "api/ddl.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "core/citus.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "ddl/to_change.h"
#include "draft/ddl_text.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "plan/plan.h"
#include "plan/retype_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_migrate);
PG_FUNCTION_INFO_V1(zdm_plan);
PG_FUNCTION_INFO_V1(zdm_set_not_null);
PG_FUNCTION_INFO_V1(zdm_backfill);

#define PLAN_COLUMNS 6

/* Report positions in the DDL as such until the callback is taken off. */
static void
push_ddl_context(ErrorContextCallback *callback, char *ddl)
{
	callback->previous = error_context_stack;
	callback->callback = change_error_callback;
	callback->arg = ddl;
	error_context_stack = callback;
}

/*
 * A column keeps the collation that it was given, and has its type's otherwise, a
 * domain's in any case: to say the same by COLLATE, as tools do, asks for nothing more.
 */
static void
check_collation(const Change *change, const CollateClause *clause)
{
	AttrNumber	attnum = ddl_attribute(change->relid, change->column);
	Oid			collation = get_collation_oid(clause->collname, false);
	Oid			old_type;
	Oid			kept;
	int32		old_typmod;
	char	   *domain = quote_qualified_identifier(get_namespace_name(get_rel_namespace(change->relid)),
													psprintf("%s_type", change->column));

	if (!OidIsValid(get_typcollation(change->type)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("collations are not supported by type %s", format_type_be(change->type))));
	get_atttypetypmodcoll(change->relid, attnum, &old_type, &old_typmod, &kept);
	if (kept == get_typcollation(old_type) || get_typtype(change->type) == TYPTYPE_DOMAIN)
		kept = get_typcollation(change->type);
	if (collation != kept)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() keeps the collation of a column, and takes another one from a domain only"),
				 errhint("CREATE DOMAIN %s AS %s COLLATE %s; then SELECT zdm.migrate(%s);",
						 domain, format_type_with_typemod(change->type, change->typmod),
						 NameListToQuotedString(clause->collname),
						 quote_literal_cstr(psprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", names_relation(change->relid),
													 quote_identifier(change->column), domain)))));
}

/*
 * What ALTER COLUMN TYPE says of the new type.  USING is "up", with the names
 * in it qualified.
 */
static void
read_new_type(Change *change)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, change->stmt);
	ColumnDef  *def = castNode(ColumnDef, linitial_node(AlterTableCmd, stmt->cmds)->def);
	ParseState *pstate = make_parsestate(NULL);

	(void) ddl_attribute(change->relid, change->column);
	pstate->p_sourcetext = change->ddl;
	typenameTypeIdAndMod(pstate, def->typeName, &change->type, &change->typmod);
	CheckAttributeType(change->column, change->type, get_typcollation(change->type), NIL, 0);
	if (def->collClause != NULL)
		check_collation(change, def->collClause);
	if (def->raw_default == NULL)
		return;
	if (change->up_source != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("both USING and up are given"),
				 errdetail("They mean the same.")));
	ddl_refuse_subquery(def->raw_default, "USING");
	change->up_source = expression_sql(ddl_expression(change->relid, def->raw_default, change->ddl,
													  EXPR_KIND_ALTER_COL_TRANSFORM, InvalidOid, -1, NULL),
									   change->relid, false);
}

/* May the caller make the change, and can it be made of this table? */
static void
check_access(const PlanKind *kind, Change *change)
{
	access_check_owner(change->relid);
	citus_check(change->relid, change->kind);
	if (kind->any_table == NULL || !kind->any_table(change))
		change_check_table(change);
}

/* The change that the arguments state, with the right to make it. */
static Change *
read_change(const char *ddl, const char *up, const char *down)
{
	Change	   *change = change_from_ddl(ddl, up, down);
	bool		changes_type;

	change->definition = change_ddl_definition(ddl, up, down);
	changes_type = OidIsValid(change->relid) && strcmp(change->kind, plan_change_column_type.name) == 0;
	if (changes_type)
	{
		access_check_owner(change->relid);
		change->kind = retype_plan_kind(change->relid, change->column, false);
	}
	if (OidIsValid(change->relid))
		check_access(plan_kind(change->kind), change);
	if (changes_type)
		read_new_type(change);
	return change;
}

Change *
ddl_read_change(char *ddl, const char *up, const char *down)
{
	ErrorContextCallback callback;
	Change	   *change;

	push_ddl_context(&callback, ddl);
	change = read_change(ddl, up, down);
	error_context_stack = callback.previous;
	return change;
}

Change *
ddl_plan(char *ddl, const char *up, const char *down, MigrationPlan *plan)
{
	ErrorContextCallback callback;
	Change	   *change;

	change_check_text(ddl);
	push_ddl_context(&callback, ddl);
	change = read_change(ddl, up, down);
	change_plan(change, plan, NULL);
	error_context_stack = callback.previous;
	return change;
}

Datum
zdm_migrate(PG_FUNCTION_ARGS)
{
	char	   *ddl = change_required_sql(fcinfo, 0, "ddl");
	char	   *up = change_sql_argument(fcinfo, 1);
	char	   *down = change_sql_argument(fcinfo, 2);
	char	   *label = change_text_argument(fcinfo, 3);
	ErrorContextCallback callback;
	int64		id;

	if (change_known_ddl(ddl, up, down, label, &id))
		PG_RETURN_INT64(id);
	push_ddl_context(&callback, ddl);
	id = change_state(read_change(ddl, up, down), label);
	error_context_stack = callback.previous;
	PG_RETURN_INT64(id);
}

/* The lock of a step, with the relations that it is on if they are not the one. */
static char *
lock_text(const Step *step, Oid relid)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, step_lock_name(step->lock));
	if (step->lock == NoLock || (step->beside == NIL && list_length(step->relations) == 1 && linitial_oid(step->relations) == relid))
		return buf.data;
	foreach(lc, step->relations)
		appendStringInfo(&buf, "%s%s", lc == list_head(step->relations) ? " on " : ", ",
						 names_relation(lfirst_oid(lc)));
	foreach(lc, step->beside)
		appendStringInfo(&buf, "%s%s", lc == list_head(step->beside) ? "; SHARE UPDATE EXCLUSIVE on " : ", ",
						 names_relation(lfirst_oid(lc)));
	return buf.data;
}

static void
put_step(ReturnSetInfo *rsinfo, const Step *step, Oid relid)
{
	Datum		values[PLAN_COLUMNS];
	bool		nulls[PLAN_COLUMNS] = {0};

	values[0] = Int32GetDatum(step->number);
	values[1] = CStringGetTextDatum(step->phase);
	values[2] = CStringGetTextDatum(verb_sql(step, false, FLAVOUR_SHOWN));
	values[3] = CStringGetTextDatum(lock_text(step, relid));
	values[4] = CStringGetTextDatum(step->work ? step->work : "");
	values[5] = CStringGetTextDatum(step->note ? step->note : "");
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
zdm_plan(PG_FUNCTION_ARGS)
{
	char	   *ddl = change_required_sql(fcinfo, 0, "ddl");
	char	   *up = change_sql_argument(fcinfo, 1);
	char	   *down = change_sql_argument(fcinfo, 2);
	MigrationPlan plan = {0};
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	(void) ddl_plan(ddl, up, down, &plan);
	foreach(lc, plan.steps)
		put_step((ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc), plan.relid);
	return (Datum) 0;
}

Datum
zdm_set_not_null(PG_FUNCTION_ARGS)
{
	Oid			relid = change_relation_argument(fcinfo, 0);
	char	   *column = change_name_argument(fcinfo, 1, "column_name");
	AlterTableCmd *cmd = makeNode(AlterTableCmd);
	AlterTableStmt *stmt = makeNode(AlterTableStmt);
	Change		change = {
		.kind = "set_not_null",
		.relid = relid,
		.column = column,
		.up_source = change_sql_argument(fcinfo, 2),
		.stmt = (Node *) stmt,
	};

	access_check_table(relid, false);
	cmd->subtype = AT_SetNotNull;
	cmd->name = column;
	stmt->relation = makeRangeVar(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid), -1);
	stmt->objtype = OBJECT_TABLE;
	stmt->cmds = list_make1(cmd);
	change.statement = psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", names_relation(relid),
								quote_identifier(column));
	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 3)));
}

Datum
zdm_backfill(PG_FUNCTION_ARGS)
{
	Change		change = {
		.kind = "backfill",
		.relid = change_relation_argument(fcinfo, 0),
		.assignments = change_required_sql(fcinfo, 1, "assignments"),
		.condition = change_sql_argument(fcinfo, 2),
		.fire_triggers = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3),
	};

	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 4)));
}
