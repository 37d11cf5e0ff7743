/*-------------------------------------------------------------------------
 *
 * generate_column.c
 *		The plan of stored generated columns that are added, or computed otherwise.
 *
 * Every row is to hold the value, and PostgreSQL makes no ordinary column a generated
 * one: so a second table computes it as its rows are written, and takes the first
 * one's name.  What anything on the table says of such a column is not asked about the
 * new values: so there may be nothing, and what is wanted comes afterwards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "alter/alter.h"
#include "alter/plain.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "catalog/second.h"
#include "column/column.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/by_path.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "plan/plan.h"
#include "plan/second_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* On a table without rows it is no work. */
static bool
stands_on_empty_table(Change *change)
{
	return ddl_is_empty(change->relid) && ddl_objection(ddl_judge(change)) == NULL;
}

/* The column's own expression; nothing else comes with it. */
static const Constraint *
generation_of(const ColumnDef *def)
{
	const Constraint *generation = NULL;
	ListCell   *lc;

	foreach(lc, def->constraints)
	{
		const Constraint *con = lfirst_node(Constraint, lc);

		if (con->contype == CONSTR_GENERATED)
			generation = con;
		else if (con->contype != CONSTR_NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("zdm.migrate() does not add a stored generated column together with constraints of it"),
					 errdetail("The rows that there are would have to be found to satisfy them."),
					 errhint("Add the column by itself, and, after zdm.contract(), its constraints by migrations of their own.")));
	}
	return generation;
}

/* What stands between its name and GENERATED. */
static char *
declared_type(const ColumnDef *def, Oid type, int32 typmod)
{
	const char *storage = zdm_storage_name(def);
	char	   *collation = NULL;

	if (def->collClause != NULL)
		collation = QUERY_ONCE_TEXT("SELECT format('%I.%I', n.nspname, c.collname) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace "
									"WHERE c.oid = $1", arg_oid(get_collation_oid(def->collClause->collname, false)));
	return psprintf("%s%s%s%s%s%s%s", ddl_type(type, typmod),
					storage != NULL ? " STORAGE " : "", storage != NULL ? quote_identifier(storage) : "",
					def->compression != NULL ? " COMPRESSION " : "",
					def->compression != NULL ? quote_identifier(def->compression) : "",
					collation != NULL ? " COLLATE " : "", collation != NULL ? collation : "");
}

/* The second table has other ones: tableoid alone may stand there. */
static void
refuse_system_columns(Node *tree)
{
	Bitmapset  *columns = NULL;

	pull_varattnos(tree, 1, &columns);
	for (AttrNumber attnum = FirstLowInvalidHeapAttributeNumber + 1; attnum < 0; attnum++)
	{
		if (bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, columns))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a generated column of a table that has rows must not use system column \"%s\"",
							NameStr(SystemAttributeDefinition(attnum)->attname)),
					 errdetail("Rows come to another table, which takes the name.")));
	}
}

static List *
read_expression(const Change *change, Node *raw, Oid type, int32 typmod)
{
	Node	   *tree;
	List	   *expression = ddl_expression(change->relid, raw, change->ddl, EXPR_KIND_GENERATED_COLUMN, type, typmod, &tree);

	refuse_system_columns(tree);
	by_path_check(tree, identity_of(change->relid));
	return expression;
}

static ComputedColumn *
read_new_column(const Change *change, const ColumnDef *def)
{
	ComputedColumn *column = palloc0(sizeof(ComputedColumn));
	Oid			type;
	int32		typmod;

	column_check_new_name(change->relid, def->colname);
	if (!add_column_type(def, change->ddl, &type, &typmod))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("both default and generation expression specified for column \"%s\" of table \"%s\"",
						def->colname, get_rel_name(change->relid))));
	column->name = def->colname;
	column->type = declared_type(def, type, typmod);
	column->expression = read_expression(change, generation_of(def)->raw_expr, type, typmod);
	return column;
}

static ComputedColumn *
read_old_column(const Change *change, const AlterTableCmd *cmd)
{
	ComputedColumn *column = palloc0(sizeof(ComputedColumn));
	char	   *judge = second_judges_column(change->relid, cmd->name);
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (judge != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is about column \"%s\" of %s, which is to have other values", judge, cmd->name,
						names_relation(change->relid)),
				 errdetail("The rows that there are would have to be found to satisfy it."),
				 errhint("Drop it, and make it again after zdm.contract().")));
	get_atttypetypmodcoll(change->relid, get_attnum(change->relid, cmd->name), &type, &typmod, &collation);
	column->name = cmd->name;
	column->expression = read_expression(change, cmd->def, type, typmod);
	return column;
}

/* The columns of the statement (ComputedColumn *); one that is there, and may be, is none of them. */
static List *
read_columns(const Change *change)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_SetExpression)
			columns = lappend(columns, read_old_column(change, cmd));
		else if (!cmd->missing_ok || get_attnum(change->relid, ((ColumnDef *) cmd->def)->colname) == InvalidAttrNumber)
			columns = lappend(columns, read_new_column(change, castNode(ColumnDef, cmd->def)));
	}
	return columns;
}

/* Two tables of partitions would have to be kept alike. */
static void
refuse_partitioned(Oid relid)
{
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is partitioned, and its rows are not computed anew", names_relation(relid)),
				 errdetail("PostgreSQL would compute the column for every row of every partition while nobody can read them."),
				 errhint("Add an ordinary column, keep it with a trigger, and fill it in with zdm.backfill().")));
}

static List *
claims(const Change *change)
{
	List	   *names = second_plan_claims(change);
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AddColumn)
			names = lappend(names, ((ColumnDef *) cmd->def)->colname);
	}
	return names;
}

static void
check(Change *change)
{
	if (alter_stands(change))
	{
		plan_alter_table.check(change);
		return;
	}
	if (stands_on_empty_table(change))
		return;
	refuse_partitioned(change->relid);
	(void) read_columns(change);
	second_plan_check(change, false);
}

static void
make(MigrationPlan *plan, Change *change)
{
	SecondArgs	second = second_plan_args(plan, change->relid);
	ListCell   *lc;

	if (alter_stands(change) || stands_on_empty_table(change))
	{
		plain_step(plan, change, ddl_judge(change));
		return;
	}
	second.new_shape = true;
	second.computed = read_columns(change);
	second_plan_steps(plan, &second);
	foreach(lc, second.computed)
	{
		const ComputedColumn *column = lfirst(lc);

		if (column->type != NULL)
			plan_note(plan, "column \"%s\" is there, with its value in every row, from the cutover on, in the last place: SELECT * has one column more, and a held prepared statement with one fails once (0A000)",
					  column->name);
		else
			plan_note(plan, "column \"%s\" has its new values from the cutover on, all rows at once", column->name);
	}
	plan_note(plan, "%s", "a row of which it cannot be computed goes through until the cutover, which stops at it; from then on its write fails, as always in PostgreSQL");
}

const PlanKind plan_generate_column = {
	.name = "generate_column",
	.claims = claims,
	.check = check,
	.make = make,
	.any_table = alter_stands,
	.one_shape = true,
	.whole_table = true,
};
