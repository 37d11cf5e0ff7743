/*-------------------------------------------------------------------------
 *
 * alter_table.c
 *		The plan of ALTER TABLE: as it stands, or taken apart.
 *
 * If the guard's rules find no work and no harm in the whole statement, it is
 * run as it stands.  Otherwise each subcommand is planned by itself, and the
 * steps of all of them are put in the order of their phases; what several of
 * them fill in is filled in by one pass.  A subcommand that
 * is harmless but cannot be written out again by itself must be stated by
 * itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "alter/alter.h"
#include "alter/plain.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/query.h"
#include "column/column.h"
#include "core/errors.h"
#include "core/expression.h"
#include "draft/by_path.h"
#include "rules/statement.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

static bool
has_subcommand(const AlterTableStmt *stmt, AlterTableType type)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype == type)
			return true;
	}
	return false;
}

/* Work counts whatever its size: the table may have grown when the step runs. */
bool
alter_stands(Change *change)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, change->stmt);
	bool		new_columns = has_subcommand(stmt, AT_AddColumn);
	Judgement  *judgement;
	ListCell   *lc;

	/* first, as the rules would find some of the mistakes, but not their positions */
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (subcommand_kind(cmd)->check != NULL)
			subcommand_kind(cmd)->check(change, cmd, new_columns);
	}
	judgement = ddl_judge(change);
	return get_rel_relkind(change->relid) != RELKIND_MATVIEW &&
		change->up_source == NULL && change->down_source == NULL &&
		!has_subcommand(stmt, AT_DropColumn) &&
		judgement->works == NIL && ddl_objection(judgement) == NULL;
}

/* The fill of SET NOT NULL, an expression over the row. */
static List *
fill_of(const Change *change, const char *column)
{
	AttrNumber	attnum = ddl_attribute(change->relid, column);
	Oid			type;
	int32		typmod;
	Oid			collation;
	Node	   *tree;
	List	   *fill;

	if (change->up_source == NULL)
		return NIL;
	get_atttypetypmodcoll(change->relid, attnum, &type, &typmod, &collation);
	fill = ddl_expression_text(change->relid, change->up_source, ddl_fill_argument(change), type, typmod, &tree);
	by_path_refuse_session(tree, "a fill");
	return fill;
}

/* What the column has now, or NIL. */
static List *
present_default(Oid relid, AttrNumber attnum)
{
	QuerySession session;
	char	   *expression;

	query_begin_printing(&session, relid);
	QUERY("SELECT (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = $1 AND adnum = $2)",
		  arg_oid(relid), arg_int2(attnum));
	expression = query_text(0, 1);
	query_end(&session);
	return expression == NULL ? NIL : expression_text(expression);
}

/* First, as applications may need it for what the other subcommands ask of a row. */
void
alter_plan_default(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd)
{
	AttrNumber	attnum = ddl_attribute(change->relid, cmd->name);
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (cmd->def != NULL)
		ddl_refuse_breach(change);
	get_atttypetypmodcoll(change->relid, attnum, &type, &typmod, &collation);
	plain_catalog_step(plan, "expand", &verb_set_default, &(SetDefaultArgs) {
		.relation = change->relid, .column = expression_column(attnum),
		.value = cmd->def == NULL ? NIL : ddl_expression(change->relid, cmd->def, change->ddl,
														 EXPR_KIND_COLUMN_DEFAULT, type, typmod, NULL),
		.former = present_default(change->relid, attnum),
	});
}

/* Work on a table that is too small for the guard to mind is refused too. */
static void
refuse_work(const Judgement *judgement)
{
	RuleWork   *work = judgement->works ? linitial(judgement->works) : NULL;

	if (work != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() knows no safe way for this statement"),
				 errdetail("Under its lock comes a %s.", work->what),
				 work->hint ? errhint("%s", work->hint) : 0));
}

/* The other table of a foreign key, which is locked when that is dropped; or none. */
static Oid
referenced_table(Oid relid, const char *constraint)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID,
										ObjectIdGetDatum(get_relation_constraint_oid(relid, constraint, true)));
	Oid			referenced = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		referenced = ((Form_pg_constraint) GETSTRUCT(tuple))->confrelid;
		ReleaseSysCache(tuple);
	}
	return referenced;
}

bool
alter_replaces(const Change *change, const char *name)
{
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_DropConstraint && name != NULL && strcmp(cmd->name, name) == 0)
			return OidIsValid(get_relation_constraint_oid(change->relid, name, true));
	}
	return false;
}

/* A constraint that takes another's name has one of its own until that is gone. */
static Constraint *
under_own_name(MigrationPlan *plan, const Change *change, Constraint *con)
{
	bool		replaced = alter_replaces(change, con->conname);

	if ((replaced && get_rel_relkind(change->relid) == RELKIND_PARTITIONED_TABLE) ||
		(con->contype == CONSTR_PRIMARY && has_subcommand((AlterTableStmt *) change->stmt, AT_DropConstraint)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() replaces neither a primary key nor a constraint of a partitioned table in one statement"),
				 errhint("Drop the one, and then add the other, each by a migration of its own.")));
	if (!replaced)
		return con;
	con = copyObject(con);
	con->conname = ddl_own_name(plan, con->conname);
	return con;
}

/*
 * What takes something away comes last, in one transaction: until then the
 * migration can be reverted, and what is to be replaced is in force.
 */
static void
plan_drops(MigrationPlan *plan, const Change *change)
{
	DropPartsArgs parts = {.relation = change->relid};
	List	   *relations = list_make1_oid(change->relid);
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_DropNotNull)
			parts.nullable = lappend(parts.nullable, expression_column(ddl_attribute(change->relid, cmd->name)));
		if (cmd->subtype == AT_DropConstraint)
		{
			if (cmd->missing_ok)
				parts.optional = lappend(parts.optional, cmd->name);
			else
				parts.constraints = lappend(parts.constraints, cmd->name);
			relations = list_append_unique_oid(relations, referenced_table(change->relid, cmd->name));
		}
	}
	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
	{
		Constraint *con = (Constraint *) lfirst_node(AlterTableCmd, lc)->def;

		if (lfirst_node(AlterTableCmd, lc)->subtype == AT_AddConstraint && alter_replaces(change, con->conname))
			parts.renamed = lappend(lappend(parts.renamed, ddl_own_name(plan, con->conname)), con->conname);
	}
	if (parts.nullable != NIL || parts.constraints != NIL || parts.optional != NIL)
		plan_step(plan, &verb_drop_parts, &parts, &(Step) {
			.phase = "migrate",
			.relations = list_delete_oid(relations, InvalidOid),
			.lock = AccessExclusiveLock, .work = CATALOG_ONLY, .note = "cannot be undone",
		});
}

/* Of a foreign key it is a query of the owner, on both tables. */
void
alter_plan_validation(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd)
{
	Oid			referenced = referenced_table(change->relid, cmd->name);

	plan_step(plan, &verb_validate_constraint, &(ValidateArgs) {
		.relation = change->relid, .name = cmd->name,
	}, &(Step) {
		.phase = "migrate",
		.relations = OidIsValid(referenced) ? list_append_unique_oid(list_make1_oid(change->relid), referenced) : NIL,
		.queries = OidIsValid(referenced),
		.lock = ShareUpdateExclusiveLock, .work = READS_TABLE,
	});
}

void
alter_plan_add_column(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd)
{
	add_column_plan(plan, change, castNode(ColumnDef, cmd->def));
}

void
alter_plan_set_not_null(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd)
{
	not_null_plan(plan, cmd->name, fill_of(change, cmd->name));
}

void
alter_plan_add_constraint(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd)
{
	constraint_plan(plan, change, under_own_name(plan, change, castNode(Constraint, cmd->def)));
}

/* What takes something away: plan_drops(). */
void
alter_plan_last(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd)
{
}

static void
plan_part(MigrationPlan *plan, Change *change, const AlterTableCmd *cmd, const Judgement *judgement)
{
	const SubcommandKind *kind = subcommand_kind(cmd);

	if (kind->plan != NULL)
	{
		kind->plan(plan, change, cmd);
		return;
	}
	if (ddl_objection(judgement) != NULL)
		ddl_refuse(ddl_objection(judgement));
	if (list_length(((AlterTableStmt *) change->stmt)->cmds) == 1)
		refuse_work(judgement);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() cannot take this ALTER TABLE apart"),
			 errdetail("One of its subcommands needs an online way, and another cannot be planned together with it."),
			 errhint("State its subcommands one by one.")));
}

static int
phase_order(const char *phase)
{
	static const char *const order[] = {"expand", "migrate", "cutover", "contract"};
	int			i = 0;

	while (strcmp(order[i], phase) != 0)
		i++;
	return i;
}

/* Steps are done in the order of their phases and undone in that of their numbers. */
static void
sort_by_phase(MigrationPlan *plan)
{
	List	   *sorted = NIL;
	ListCell   *lc;

	for (int phase = 0; phase < 4; phase++)
	{
		foreach(lc, plan->steps)
		{
			Step	   *step = lfirst(lc);

			if (phase_order(step->phase) != phase)
				continue;
			sorted = lappend(sorted, step);
			step->number = list_length(sorted);
		}
	}
	plan->steps = sorted;
}

/* Move the steps of a part that come before its next backfill to the plan. */
static Step *
take_until_backfill(MigrationPlan *plan, List **part)
{
	while (*part != NIL)
	{
		Step	   *step = linitial(*part);

		*part = list_delete_first(*part);
		if (step->action == ACTION_BACKFILL)
			return step;
		plan->steps = lappend(plan->steps, step);
	}
	return NULL;
}

static bool
has_backfill(List *part)
{
	ListCell   *lc;

	foreach(lc, part)
	{
		if (((Step *) lfirst(lc))->action == ACTION_BACKFILL)
			return true;
	}
	return false;
}

/*
 * Put the parts' steps together.  The first backfills of all parts become one,
 * and so do the second ones: each part's steps stay in their order.  A part
 * that has none, or no more, waits for those that have, unless it comes before
 * all of them.
 */
static void
join_parts(MigrationPlan *plan, List *parts)
{
	List	   *fills;
	bool		first = true;
	ListCell   *lc;

	do
	{
		fills = NIL;
		foreach(lc, parts)
		{
			List	   *part = lfirst(lc);

			if (has_backfill(part))
				fills = lappend(fills, take_until_backfill(plan, &part));
			else if (first && fills == NIL)
				(void) take_until_backfill(plan, &part);
			lfirst(lc) = part;
		}
		if (fills != NIL)
			plan->steps = lappend(plan->steps, update_join_fills(fills));
		first = false;
	} while (fills != NIL);
	foreach(lc, parts)
		plan->steps = list_concat(plan->steps, lfirst(lc));
}

static void
make(MigrationPlan *plan, Change *change)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, change->stmt);
	Judgement  *judgement;
	List	   *parts = NIL;
	ListCell   *lc;

	if (has_subcommand(stmt, AT_DropConstraint) || has_subcommand(stmt, AT_DropColumn))
		ddl_refuse_needed(change);
	if (alter_stands(change))
	{
		plain_step(plan, change, ddl_judge(change));
		return;
	}
	judgement = ddl_judge(change);
	if (!stmt->relation->inh)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does not do ALTER TABLE ONLY for this change"),
				 errhint("Leave ONLY out.")));
	foreach(lc, alter_planned_subcommands(change))
	{
		plan_part(plan, change, lfirst_node(AlterTableCmd, lc), judgement);
		parts = lappend(parts, plan->steps);
		plan->steps = NIL;
	}
	join_parts(plan, parts);
	plan_drops(plan, change);
	sort_by_phase(plan);
}

/* What stands is tried; what is taken apart has its mistakes found by its parts. */
static void
check(Change *change)
{
	MigrationPlan scratch = {.relid = change->relid};

	make(&scratch, change);
	if (alter_stands(change))
		plain_try(change);
}

static List *
claims(const Change *change)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, change->stmt);
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		const char *name = subcommand_object(lfirst_node(AlterTableCmd, lc));

		if (name != NULL)
			names = lappend(names, unconstify(char *, name));
	}
	return names;
}

/* Of zdm.set_not_null(): DDL is compared as text. */
static char *
definition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'set_not_null', 'relation', $1, 'column', $2, 'fill', $3)",
		  arg_oid(change->relid), arg_text(change->column), arg_text(change->up_source));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

/* An exclusion constraint is the table's alone: neither its children nor what it is a partition of have to do with it. */
static bool
adds_exclusions(const Change *change)
{
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype != AT_AddConstraint || ((Constraint *) cmd->def)->contype != CONSTR_EXCLUSION)
			return false;
	}
	return get_rel_relkind(change->relid) == RELKIND_RELATION;
}

static bool
any_table(Change *change)
{
	return adds_exclusions(change) || alter_stands(change);
}

/* One kind for each single subcommand that applications ask for by name. */
#define ALTER_TABLE_KIND(kind) \
	{.name = kind, .claims = claims, .check = check, .make = make, .definition = definition, \
	 .any_table = any_table, .one_shape = true}

const PlanKind plan_alter_table = ALTER_TABLE_KIND("alter_table");
const PlanKind plan_add_column = ALTER_TABLE_KIND("add_column");
const PlanKind plan_add_constraint = ALTER_TABLE_KIND("add_constraint");
const PlanKind plan_drop_column = ALTER_TABLE_KIND("drop_column");
const PlanKind plan_set_not_null = ALTER_TABLE_KIND("set_not_null");
