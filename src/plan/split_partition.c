/*-------------------------------------------------------------------------
 *
 * split_partition.c
 *		The plan of a partition whose place smaller ones take.
 *
 * Its rows are copied to the partitions of a hidden table, which is kept in step with it
 * (second_plan.c).  Then these take its place in one transaction (run/split.c), and it is
 * gone.  Before that the way back is to drop the hidden table; after it there is nothing
 * to go back from: applications see the partitioned table, and that has the rows that it
 * had.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/table_key.h"
#include "core/errors.h"
#include "core/names.h"
#include "move/move.h"
#include "plan/partition_layout.h"
#include "plan/plan.h"
#include "plan/second_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static void
check_partition(Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	if (relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("partition %s is itself partitioned", names_relation(relid)),
				 errhint("Call the function for one of its partitions.")));
	if (relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("partition %s is a foreign table", names_relation(relid)),
				 errdetail("Its rows cannot be carried over from here.")));
	if (PartitionHasPendingDetach(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("partition %s is being detached", names_relation(relid)),
				 errhint("ALTER TABLE %s DETACH PARTITION %s FINALIZE; ends that.",
						 names_relation(get_partition_parent(relid, true)), names_relation(relid))));
	second_plan_check_table(relid);
	second_plan_check_places(relid, 0);
	plan_partition_check_inherited(relid);
}

/* Rows of the partition that a default one beside it would be asked for, with everybody waiting. */
static void
check_default(const Change *change)
{
	Oid			other = get_default_partition_oid(change->relid);

	if (OidIsValid(other) && other != change->partition->split && !change->layout->within)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the new partitions are not known to be within the bound of %s", names_relation(change->partition->split)),
				 errdetail("Rows of default partition %s could belong to them.", names_relation(other)),
				 errhint("Give bounds within that of the partition.")));
}

/* Rows of several of the new ones can have the same key, if the partition key is not in it. */
static void
settle_key(const Change *change)
{
	Relation	rel = table_open(change->partition->split, AccessShareLock);
	Relation	index = RelationIdGetRelation(table_key_find(rel));
	ListCell   *lc;

	foreach(lc, change->layout->columns)
	{
		bool		found = false;

		for (int i = 0; i < index->rd_index->indnkeyatts; i++)
			found |= lfirst_int(lc) != 0 && index->rd_index->indkey.values[i] == lfirst_int(lc);
		if (!found)
			change->layout->no_primary_key = true;
	}
	RelationClose(index);
	table_close(rel, NoLock);
}

static void
check(Change *change)
{
	Oid			relid = change->partition->split;

	check_partition(relid);
	move_check_gifts(relid, change->relid);
	change->layout = partition_layout_read_split(change);
	check_default(change);
	settle_key(change);
}

/* In the order that the partitioned table's partitions get them in. */
static List *
column_names(Oid relid)
{
	QuerySession session;
	List	   *names;

	query_begin(&session);
	QUERY("SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped",
		  arg_oid(relid));
	names = query_texts(0, 1);
	query_end(&session);
	return names;
}

static void
plan_steps(MigrationPlan *plan, const SecondArgs *second)
{
	List	   *table = list_make1_oid(second->relation);
	/* the partition can be dropped meanwhile: then there is nothing to do */
	List	   *needs = list_make1_oid(second->root);

	plan_step(plan, &verb_make_second, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs,
		.lock = ShareRowExclusiveLock, .undoable = true, .undo_lock = AccessExclusiveLock,
		.work = "catalog only",
		.note = "with its key, and a trigger that carries over what is written from then on; no event trigger fires, and nothing of it is published",
	});
	plan_step(plan, &verb_copy_rows, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = RowExclusiveLock,
		.work = "copies every row of the partition, in short batches; readers and writers go on",
		.note = second_plan_with_size("takes up to %s of disk until the exchange", second->relation),
	});
	plan_step(plan, &verb_build_second_indexes, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = AccessShareLock,
		.work = "builds every index of the partition, for the copy; readers and writers go on",
		.note = "waits for transactions that write the partition",
	});
	plan_step(plan, &verb_analyze_second, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = AccessShareLock,
		.work = "reads a sample of the copy",
	});
	plan_step(plan, &verb_compare_rows, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = AccessShareLock,
		.work = "reads every row of both; readers and writers go on",
	});
	plan_step(plan, &verb_exchange_partition, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = AccessExclusiveLock,
		.work = "catalog only: no row is read, of these or of referencing tables",
		.note = "with locks on the partitioned table, its default partition and those that foreign keys join it with; waits first for snapshots from before the last row was copied",
	});
}

/* What is no part of an index of the partitioned table is as much as it can be, and no more. */
static void
note_own_keys(MigrationPlan *plan, Oid relid)
{
	char	   *names = QUERY_ONCE_TEXT("SELECT string_agg(quote_ident(c.relname), ', ' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
										"WHERE i.indrelid = $1 AND NOT c.relispartition AND (i.indisunique OR i.indisexclusion)", arg_oid(relid));

	if (names != NULL)
		plan_note(plan, "unique in this partition alone, by %s: each of the new ones has the like, of its own rows", names);
}

static void
note_publications(MigrationPlan *plan, const Change *change)
{
	char	   *names = QUERY_ONCE_TEXT("SELECT string_agg(quote_ident(p.pubname), ', ' ORDER BY p.pubname) FROM pg_publication p "
										"JOIN pg_publication_tables t USING (pubname) JOIN pg_class c ON c.relname = t.tablename "
										"JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = t.schemaname "
										"WHERE c.oid = $1 AND NOT pubviaroot", arg_oid(change->partition->split));

	if (names != NULL)
		plan_note(plan, "published by %s without publish_via_partition_root: from the exchange on, rows are sent as the new partitions', which the subscriber has to have by then, with the rows",
				  names);
}

static void
make(MigrationPlan *plan, Change *change)
{
	Oid			relid = change->partition->split;
	SecondArgs	second = second_plan_args(plan, relid);

	second.root = change->relid;
	second.new_shape = second.splits = true;
	second.layout = change->layout;
	second.columns = column_names(change->relid);
	plan_steps(plan, &second);
	second_plan_note_snapshots(plan);
	second_plan_note_completes(plan);
	plan_note(plan, "whoever names %s itself, and not the partitioned table, does not find it after the exchange, or finds the part of it that has its name",
			  names_relation(relid));
	note_own_keys(plan, relid);
	note_publications(plan, change);
	partition_layout_note(plan, change->layout);
}

/* By the partition's name: one of those in its place may have it, and the same call again is the same then. */
static char *
definition(const Change *change)
{
	const PartitionWish *wish = change->partition;
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'split_partition', 'relation', $1, 'partition', $2, 'partitions', $3, 'every', $4)",
		  arg_oid(change->relid), arg_text(names_relation(wish->split)), arg_texts(wish->partitions), arg_text(wish->every));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_split_partition = {
	.name = "split_partition",
	.claims = second_plan_claims,
	.check = check,
	.make = make,
	.definition = definition,
	.one_shape = true,
	.partition_ok = true,
	.whole_table = true,
};
