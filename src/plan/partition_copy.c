/*-------------------------------------------------------------------------
 *
 * partition_copy.c
 *		The plan of a table whose rows are copied into partitions, and of the way back to one.
 *
 * Both are a second table of another shape (second_plan.c): which leaf takes a row is
 * asked for each row that is copied or carried over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "catalog/second.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/plan.h"
#include "plan/second_plan.h"
#include "utils/lsyscache.h"

void
plan_partition_copy(MigrationPlan *plan, const Change *change)
{
	SecondArgs	second = {
		.relation = change->relid, .namespace = get_rel_namespace(change->relid),
		.hidden = second_name(plan->migration, get_rel_name(change->relid)),
		.new_shape = true, .layout = change->layout,
	};

	second_plan_steps(plan, &second);
}

static void
check_unpartition(Change *change)
{
	if (get_rel_relkind(change->relid) != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not partitioned", names_relation(change->relid))));
	second_plan_check(change, false);
}

static void
make_unpartition(MigrationPlan *plan, Change *change)
{
	SecondArgs	second = {
		.relation = change->relid, .namespace = get_rel_namespace(change->relid),
		.hidden = second_name(plan->migration, get_rel_name(change->relid)),
		.new_shape = true,
	};

	second_plan_steps(plan, &second);
}

static char *
define_unpartition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'unpartition_table', 'relation', $1)", arg_oid(change->relid));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_unpartition_table = {
	.name = "unpartition_table",
	.claims = second_plan_claims,
	.check = check_unpartition,
	.make = make_unpartition,
	.definition = define_unpartition,
	.one_shape = true,
	.whole_table = true,
};
