/*-------------------------------------------------------------------------
 *
 * update.c
 *		The plan of zdm.backfill: a batched UPDATE of the user's own.
 *
 * Rows are due while a condition holds for them; without one of the user's,
 * while a column differs from what is assigned to it.  A pass over the table
 * follows the other until one finds no row due.  Both are resolved with the names
 * of whoever stated them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "alter/alter.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "ddl/to_change.h"
#include "draft/by_path.h"
#include "optimizer/optimizer.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"
#include "compat.h"

/* Before the assignments, to have them parsed: positions are counted from it. */
#define PARSED_AS "UPDATE t SET "

static void
update_step(MigrationPlan *plan, const FillArgs *fill)
{
	plan_step(plan, &verb_fill, fill, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(plan->relid), .lock = RowExclusiveLock,
		.work = "writes every row for which the condition holds, in short batches",
		.note = fill->fire_triggers ? "by blocks, firing triggers; run by hand, do it in batches" :
		"by blocks, without firing triggers; run by hand, do it in batches",
	});
}

static Assignment *
assign(List *column, List *value)
{
	Assignment *assignment = palloc(sizeof(Assignment));

	assignment->column = column;
	assignment->value = value;
	return assignment;
}

void
update_fill_step(MigrationPlan *plan, List *column, List *value)
{
	update_step(plan, &(FillArgs) {
		.relation = plan->relid, .assignments = list_make1(assign(column, value)),
		.condition = expression_format("%e IS NULL", column),
	});
}

Step *
update_join_fills(List *fills)
{
	Step	   *first = linitial(fills);
	MigrationPlan scratch = {.migration = first->migration, .relid = linitial_oid(first->relations)};
	FillArgs	joined = {.relation = scratch.relid};
	List	   *conditions = NIL;
	ListCell   *lc;

	if (list_length(fills) == 1)
		return first;
	foreach(lc, fills)
	{
		const FillArgs *fill = fill_args(lfirst(lc));
		Assignment *one = linitial(fill->assignments);

		/* a row that lacks the one may have the other */
		joined.assignments = lappend(joined.assignments,
									 assign(one->column, expression_format("COALESCE(%e, %e)", one->column, one->value)));
		conditions = lappend(conditions, fill->condition);
	}
	joined.condition = expression_join(conditions, " OR ");
	update_step(&scratch, &joined);
	return linitial(scratch.steps);
}

static List *
parse_assignments(const char *source)
{
	DdlReading	reading;
	List	   *statements;
	UpdateStmt *stmt;

	ddl_reading_begin(&reading, source, "assignments");
	statements = raw_parser(source, RAW_PARSE_DEFAULT);
	ddl_reading_end(&reading);
	stmt = (UpdateStmt *) linitial_node(RawStmt, statements)->stmt;
	if (list_length(statements) != 1 || !IsA(stmt, UpdateStmt) || stmt->fromClause != NIL ||
		stmt->whereClause != NULL || zdm_has_returning(stmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("assignments must be of the form \"column = expression, ...\""),
				 errhint("What follows WHERE is the argument \"condition\".")));
	return stmt->targetList;
}

List *
update_targets(const Change *change)
{
	return parse_assignments(psprintf(PARSED_AS "%s", change->assignments));
}

/* Columns that rows are found or held together by are not for a quiet update. */
static void
check_target(const Change *change, AttrNumber attnum, const char *name)
{
	QuerySession session;
	bool		partition_key;
	bool		foreign_key;
	bool		generated;

	query_begin(&session);
	/* by name: the numbers of a partition are its own */
	QUERY("SELECT EXISTS (SELECT 1 FROM pg_partition_tree($1) t JOIN pg_partitioned_table p ON p.partrelid = t.relid "
		  "JOIN pg_attribute a ON a.attrelid = t.relid AND a.attnum > 0 AND NOT a.attisdropped "
		  "WHERE a.attname = (SELECT attname FROM pg_attribute WHERE attrelid = $1 AND attnum = $2) "
		  "AND (a.attnum = ANY (partattrs::int2[]) OR partexprs IS NOT NULL)), "
		  "EXISTS (SELECT 1 FROM pg_constraint WHERE contype = 'f' AND (conrelid = $1 AND $2 = ANY (conkey) "
		  "OR confrelid = $1 AND $2 = ANY (confkey))), "
		  "(SELECT attgenerated <> '' OR attidentity = 'a' FROM pg_attribute WHERE attrelid = $1 AND attnum = $2)",
		  arg_oid(change->relid), arg_int2(attnum));
	partition_key = query_bool(0, 1);
	foreign_key = query_bool(0, 2);
	generated = query_bool(0, 3);
	query_end(&session);
	if (partition_key)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" may decide about a row's partition, and cannot be backfilled", name),
				 errhint("UPDATE such rows yourself, in batches.")));
	if (generated)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"%s\" can only be updated to DEFAULT", name)));
	if (foreign_key && !change->fire_triggers)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is of a foreign key, which is checked by triggers", name),
				 errhint("Call it with fire_triggers => true.")));
}

/* "column IS DISTINCT FROM (expression)"; NIL if the type cannot be compared. */
static List *
difference(Oid type, List *column, List *expression)
{
	if (!OidIsValid(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr))
		return NIL;
	return expression_format("%e IS DISTINCT FROM (%e)", column, expression);
}

/* One assignment; appends to both lists. */
static void
read_assignment(const Change *change, ResTarget *target, const char *source,
				List **assignments, List **differences, bool *comparable)
{
	AttrNumber	attnum = ddl_attribute(change->relid, target->name);
	List	   *column = expression_column(attnum);
	Oid			type;
	int32		typmod;
	Oid			collation;
	Node	   *tree;
	List	   *expression;
	List	   *differs;

	if (target->indirection != NIL || IsA(target->val, MultiAssignRef) || IsA(target->val, SetToDefault))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("assignments must be of the form \"column = expression, ...\"")));
	check_target(change, attnum, target->name);
	ddl_refuse_subquery(target->val, "assignments");
	get_atttypetypmodcoll(change->relid, attnum, &type, &typmod, &collation);
	expression = ddl_expression(change->relid, target->val, source, EXPR_KIND_ALTER_COL_TRANSFORM,
								type, typmod, &tree);
	by_path_refuse_session(tree, "an assignment");
	*assignments = lappend(*assignments, assign(column, expression));
	differs = contain_volatile_functions(tree) ? NIL : difference(type, column, expression);
	if (differs == NIL)
		*comparable = false;
	else
		*differences = lappend(*differences, differs);
}

static List *
due_condition(const Change *change, List *differences, bool comparable)
{
	List	   *given;
	Node	   *tree;

	if (change->condition == NULL && !comparable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("these assignments need a condition"),
				 errdetail("A column is assigned a volatile value, or one that cannot be compared, so it cannot be told which rows are done."),
				 errhint("Give a condition that holds for rows that are to be updated, and not for those that have been.")));
	if (change->condition == NULL)
		return expression_join(differences, " OR ");
	given = ddl_expression_text(change->relid, change->condition, "condition", BOOLOID, -1, &tree);
	by_path_refuse_session(tree, "a condition");
	return comparable ? expression_format("(%e) AND (%e)", given, expression_join(differences, " OR ")) : given;
}

static void
check_table(const Change *change)
{
	QuerySession session;
	bool		rules;

	query_begin(&session);
	QUERY("SELECT EXISTS (SELECT 1 FROM pg_rewrite WHERE ev_class = $1 AND ev_type = '2')",
		  arg_oid(change->relid));
	rules = query_bool(0, 1);
	query_end(&session);
	if (rules)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s has a rule ON UPDATE, which would change what a backfill does",
						names_relation(change->relid))));
}

static void
make(MigrationPlan *plan, Change *change)
{
	char	   *source = psprintf(PARSED_AS "%s", change->assignments);
	DdlReading	reading;
	FillArgs	fill = {.relation = change->relid, .fire_triggers = change->fire_triggers};
	List	   *differences = NIL;
	bool		comparable = true;
	ListCell   *lc;

	check_table(change);
	ddl_reading_begin(&reading, source, "assignments");
	foreach(lc, parse_assignments(source))
		read_assignment(change, lfirst_node(ResTarget, lc), source, &fill.assignments, &differences, &comparable);
	ddl_reading_end(&reading);
	fill.condition = due_condition(change, differences, comparable);
	update_step(plan, &fill);
}

static List *
claims(const Change *change)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, update_targets(change))
		names = lappend(names, lfirst_node(ResTarget, lc)->name);
	return names;
}

static char *
definition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'backfill', 'relation', $1, 'assignments', $2, 'condition', $3, 'fire_triggers', $4)",
		  arg_oid(change->relid), arg_text(change->assignments), arg_text(change->condition),
		  arg_bool(change->fire_triggers));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_backfill = {
	.name = "backfill",
	.claims = claims,
	.make = make,
	.definition = definition,
	.one_shape = true,
};
