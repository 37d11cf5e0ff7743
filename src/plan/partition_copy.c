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

#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/plan.h"
#include "plan/second_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * Without a key, rows of a published table could be neither updated nor deleted any more:
 * nor, in partitions that are made beside the first, by an index that PostgreSQL does not
 * make their identity.
 */
static void
check_identity(Oid relid, bool attach)
{
	char	   *publication = QUERY_ONCE_TEXT("SELECT quote_ident(p.pubname) FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname "
											  "JOIN pg_namespace s ON s.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = t.tablename "
											  "WHERE c.oid = $1 AND (p.pubupdate OR p.pubdelete) AND (c.relreplident = 'd' OR c.relreplident = 'i' AND ($2 OR "
											  "EXISTS (SELECT FROM pg_index WHERE indrelid = $1 AND indisreplident AND indisprimary))) ORDER BY 1 LIMIT 1",
											  arg_oid(relid), arg_bool(attach));

	if (publication != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is published by %s, and needs its primary key as replica identity", names_relation(relid), publication),
				 errdetail("Without one, no row of it could be updated or deleted."),
				 errhint("Give primary_key columns, or ALTER TABLE %s REPLICA IDENTITY FULL; first.", names_relation(relid))));
}

void
plan_partition_check_inherited(Oid relid)
{
	char	   *constraint = QUERY_ONCE_TEXT("SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = $1 AND contype = 'c' AND connoinherit ORDER BY 1 LIMIT 1",
											 arg_oid(relid));

	if (constraint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("constraint %s of %s is NO INHERIT", constraint, names_relation(relid)),
				 errdetail("A partitioned table has no such constraint, and partitions would be without it."),
				 errhint("Add it once more as one that is inherited, and then drop this one: SELECT zdm.migrate('ALTER TABLE %s ADD CHECK (...)').",
						 names_relation(relid))));
}

void
plan_partition_check(const Change *change)
{
	plan_partition_check_inherited(change->relid);
	if (change->layout->no_primary_key)
		check_identity(change->relid, change->partition->attach);
}

void
plan_partition_copy(MigrationPlan *plan, const Change *change)
{
	SecondArgs	second = second_plan_args(plan, change->relid);

	second.new_shape = true;
	second.layout = change->layout;
	second_plan_steps(plan, &second);
}

static void
check_partitioned(Oid relid)
{
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s is not partitioned", names_relation(relid)),
			 get_rel_relispartition(relid) ?
			 errhint("SELECT zdm.unpartition_table(%s); makes one table of the one that it is a partition of.",
					 quote_literal_cstr(names_relation(llast_oid(get_partition_ancestors(relid))))) :
			 errhint("There is nothing to do: it is one table.")));
}

static void
check_unpartition(Change *change)
{
	check_partitioned(change->relid);
	second_plan_check(change, false);
}

static void
make_unpartition(MigrationPlan *plan, Change *change)
{
	SecondArgs	second = second_plan_args(plan, change->relid);

	second.new_shape = true;
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
