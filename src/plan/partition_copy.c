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

/* A view that groups by the primary key alone, say, hangs on that very constraint. */
static void
check_needs_key(Oid relid)
{
	char	   *objects = QUERY_ONCE_TEXT("SELECT string_agg(o, ', ' ORDER BY o) FROM (SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS o "
										  "FROM pg_constraint c JOIN pg_depend d ON d.refclassid = 'pg_constraint'::regclass AND d.refobjid = c.oid "
										  "WHERE c.conrelid = $1 AND c.contype = 'p' AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)) x",
										  arg_oid(relid));

	if (objects != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("the primary key of %s, which is to be another or none, is needed by others", names_relation(relid)),
				 errdetail("They go by it: %s.", objects),
				 errhint("Have them name all columns in GROUP BY, and columns in ON CONFLICT, first.")));
}

void
plan_partition_check(const Change *change)
{
	plan_partition_check_inherited(change->relid);
	if (change->layout->primary_key != NIL || change->layout->no_primary_key)
		check_needs_key(change->relid);
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

/* What names single partitions would keep them from going: views, functions with SQL bodies, foreign keys. */
static void
check_alone(Oid relid)
{
	QuerySession session;
	char	   *objects;
	char	   *partition = NULL;

	query_begin(&session);
	QUERY("WITH t AS (SELECT relid FROM pg_partition_tree($1) WHERE relid <> $1), "
		  "x(class, oid, relid) AS (SELECT d.classid, d.objid, t.relid FROM t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass "
		  "  AND d.refobjid = t.relid AND d.deptype = 'n' AND (d.classid = 'pg_proc'::regclass OR d.classid = 'pg_rewrite'::regclass "
		  "  AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.oid = d.objid AND r.ev_class IN (TABLE t))) "
		  " UNION SELECT 'pg_constraint'::regclass, c.oid, t.relid FROM t JOIN pg_constraint c ON c.confrelid = t.relid "
		  "  WHERE c.contype = 'f' AND c.conparentid = 0) "
		  "SELECT string_agg(DISTINCT pg_describe_object(class, oid, 0), ', ' ORDER BY pg_describe_object(class, oid, 0)), min(relid::regclass::text) FROM x",
		  arg_oid(relid));
	objects = query_text(0, 1);
	if (objects != NULL)
		partition = query_text(0, 2);
	query_end(&session);
	if (objects != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("single partitions of %s, %s among them, are needed by others", names_relation(relid), partition),
				 errdetail("There will be one table without them.  They are named by: %s.", objects),
				 errhint("Drop what names them first, and make it again of the table afterwards.")));
}

static void
check_unpartition(Change *change)
{
	check_partitioned(change->relid);
	check_alone(change->relid);
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
