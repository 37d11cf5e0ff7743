/*-------------------------------------------------------------------------
 *
 * reorder_columns.c
 *		The plan of a table whose columns are put in another order.
 *
 * A column's place is its place in the row, so the table is made anew, and takes the
 * first one's name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/plan.h"
#include "plan/rewrite_wish.h"
#include "plan/second_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Each column once. */
static void
check_columns(const Change *change)
{
	List	   *known = second_plan_claims(change);
	List	   *named = NIL;
	ListCell   *lc;

	foreach(lc, change->columns)
	{
		if (get_attnum(change->relid, lfirst(lc)) <= InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation %s does not exist", (char *) lfirst(lc), names_relation(change->relid))));
		if (list_member(named, makeString(lfirst(lc))))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" is named more than once", (char *) lfirst(lc))));
		named = lappend(named, makeString(lfirst(lc)));
	}
	foreach(lc, known)
	{
		if (!list_member(named, makeString(lfirst(lc))))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" is missing", (char *) lfirst(lc)),
					 errdetail("The columns are to be named in their new order, all of them."),
					 errhint("To take one away: SELECT zdm.migrate('ALTER TABLE %s DROP COLUMN %s');",
							 names_relation(change->relid), quote_identifier(lfirst(lc)))));
	}
}

static void
check(Change *change)
{
	SecondArgs	scratch = {0};

	if (get_rel_relkind(change->relid) == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is partitioned, and its columns cannot be put in another order", names_relation(change->relid)),
				 errhint("Make the partitioned table anew as it is to be, and attach or copy what it holds.")));
	rewrite_wish_read(change, change->relid, &scratch);
	check_columns(change);
	second_plan_check(change, false);
}

static void
make(MigrationPlan *plan, Change *change)
{
	SecondArgs	second = second_plan_args(plan, change->relid);

	second.new_shape = true;
	second.columns = change->columns;
	rewrite_wish_read(change, change->relid, &second);
	second_plan_steps(plan, &second);
	plan_note(plan, "%s", "from the cutover on SELECT *, INSERT and COPY without a column list have the new order; a held prepared statement fails once (0A000) when its SELECT * changes");
}

static char *
definition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'reorder_columns', 'relation', $1, 'order_by', $2, 'columns', $3)",
		  arg_oid(change->relid), arg_text(change->order_by), arg_texts(change->columns));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_reorder_columns = {
	.name = "reorder_columns",
	.claims = second_plan_claims,
	.check = check,
	.make = make,
	.definition = definition,
	.one_shape = true,
	.whole_table = true,
};
