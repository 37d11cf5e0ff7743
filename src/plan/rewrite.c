/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *		The plan of a table that is written anew in its shape.
 *
 * What PostgreSQL writes under ACCESS EXCLUSIVE is written beside: a hidden table of
 * the same shape is kept in step, filled, given the same indexes and compared row by
 * row.  Then the two exchange their storage, which is a matter of the catalog alone,
 * and the hidden one goes with the old storage.  The table is the same to all that
 * refers to it.  Before the exchange the way back is to drop the hidden table; after
 * it there is nothing to go back from, as no row is another.
 *
 * Of a partitioned table the leaves are done one after the other: so there is never
 * more than one hidden table, and the disk need hold only the largest of them twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/persistence.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/second.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/plan.h"
#include "plan/rewrite_wish.h"
#include "plan/second_plan.h"
#include "utils/lsyscache.h"

/* The tables with rows: of a partitioned one its leaves, each by itself. */
static List *
list_tables(Oid relid)
{
	List	   *tables = NIL;
	ListCell   *lc;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(relid);
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		char		relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("partition %s is a foreign table", names_relation(lfirst_oid(lc))),
					 errdetail("Its rows cannot be written anew from here."),
					 errhint("Call the function for each of the other partitions.")));
		if (relkind == RELKIND_RELATION)
			tables = lappend_oid(tables, lfirst_oid(lc));
	}
	return tables;
}

static void
check(Change *change)
{
	List	   *tables = list_tables(change->relid);
	SecondArgs	scratch = {0};
	ListCell   *lc;

	/* what is wrong with the statement comes before what is wrong with the table */
	rewrite_wish_read(change, change->relid, &scratch);
	foreach(lc, tables)
		second_plan_check_table(lfirst_oid(lc));
	if (tables == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s has no partition with rows", names_relation(change->relid)),
				 errhint("There is nothing to be written anew.")));
}

/* What the exchange has in its note, and what comes of it beside. */
static char *
exchange_note(const SecondArgs *second)
{
	const char *sequences = second->persistence != '\0' && persistence_sequences(second->relation) != NIL ?
		"; its sequences change with it" : "";
	const char *marked = OidIsValid(second->index) ? "; the index is marked as the one that it is clustered by" : "";

	return psprintf("once the two have exchanged their storage%s%s; waits first for snapshots from before the last row was copied, which would not see it",
					sequences, marked);
}

/* A table's part of the plan. */
static void
plan_table(MigrationPlan *plan, const Change *change, Oid relid)
{
	SecondArgs	second = second_plan_args(plan, relid);
	List	   *table = list_make1_oid(relid);
	/* a partition can be dropped meanwhile: then there is nothing to do for it */
	List	   *needs = list_make1_oid(change->relid);

	second.root = relid == change->relid ? InvalidOid : change->relid;
	rewrite_wish_read(change, relid, &second);
	plan_step(plan, &verb_make_second, &second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs,
		.lock = ShareRowExclusiveLock, .undoable = true, .undo_lock = AccessExclusiveLock,
		.work = "catalog only",
		.note = "with its key, and a trigger that carries over what is written from then on; no event trigger fires, and nothing of it is published",
	});
	plan_step(plan, &verb_copy_rows, &second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = RowExclusiveLock, .queries = second.order != NIL,
		.work = "copies every row, in short batches; readers and writers go on",
		.note = second_plan_with_size(second.order == NIL && !OidIsValid(second.index) ? "takes up to %s of disk until the exchange" :
						  "takes up to %s of disk until the exchange; the order is found first, in one go and with one snapshot", relid),
	});
	plan_step(plan, &verb_build_second_indexes, &second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = AccessShareLock,
		.work = "builds every index of the table, for the copy; readers and writers go on",
		.note = "waits for transactions that write the table",
	});
	plan_step(plan, &verb_compare_rows, &second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = AccessShareLock,
		.work = "reads every row of both; readers and writers go on",
	});
	plan_step(plan, &verb_exchange_storage, &second, &(Step) {
		.phase = "migrate", .relations = table, .needs = needs, .lock = AccessExclusiveLock,
		.work = "catalog only",
		.note = exchange_note(&second),
	});
}

static void
make(MigrationPlan *plan, Change *change)
{
	List	   *tables = list_tables(change->relid);
	ListCell   *lc;

	foreach(lc, tables)
		plan_table(plan, change, lfirst_oid(lc));
	second_plan_note_snapshots(plan);
	second_plan_note_completes(plan);
	if (get_rel_relkind(change->relid) == RELKIND_PARTITIONED_TABLE)
		plan_note(plan, "%d partitions, one after the other, each with its own exchange: a revert leaves alone what is done; those that come meanwhile are left out, and those that go too",
				  list_length(tables));
}

static char *
definition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'rewrite', 'relation', $1, 'order_by', $2)",
		  arg_oid(change->relid), arg_text(change->order_by));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_rewrite = {
	.name = "rewrite",
	.claims = second_plan_claims,
	.check = check,
	.make = make,
	.definition = definition,
	.one_shape = true,
	.partition_ok = true,
	.whole_table = true,
};
