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
 * it there is nothing to go back from, as no row nor definition is another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/second.h"
#include "catalog/table_key.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "plan/plan.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static void
refuse_partitioned(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s is partitioned, and a table is written anew by itself", names_relation(relid)),
			 errhint("Call the function for each of its partitions.")));
}

/* Its rows are in several tables, and batches go over one. */
static void
refuse_children(Oid relid)
{
	List	   *children = find_inheritance_children(relid, AccessShareLock);

	if (children != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s has inheritance children", names_relation(relid)),
				 errhint("ALTER TABLE %s NO INHERIT %s; makes it a table of its own.",
						 names_relation(linitial_oid(children)), names_relation(relid))));
}

static void
refuse_without_key(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("table %s has no key by which its rows can be carried over", names_relation(relid)),
			 errdetail("A key is a primary key, or a unique index of columns that are all NOT NULL, without WHERE; not DEFERRABLE."),
			 errhint("Add a primary key: SELECT zdm.migrate('ALTER TABLE %s ADD PRIMARY KEY (...)');", names_relation(relid))));
}

static void
check(Change *change)
{
	Relation	rel = table_open(change->relid, AccessShareLock);

	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		refuse_partitioned(change->relid);
	refuse_children(change->relid);
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the access method of table %s is not heap", names_relation(change->relid))));
	if (!OidIsValid(table_key_find(rel)))
		refuse_without_key(change->relid);
	table_close(rel, NoLock);
}

/* All columns, so that no other migration fills one in meanwhile. */
static List *
claims(const Change *change)
{
	QuerySession session;
	List	   *names;

	query_begin(&session);
	QUERY("SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped",
		  arg_oid(change->relid));
	names = query_texts(0, 1);
	query_end(&session);
	return names;
}

/* "%s" is its size. */
static char *
with_size(const char *fmt, Oid relid)
{
	QuerySession session;
	char	   *text;

	query_begin(&session);
	QUERY("SELECT format($2, pg_size_pretty(pg_total_relation_size($1)))", arg_oid(relid), arg_text(fmt));
	text = query_text(0, 1);
	query_end(&session);
	return text;
}

static void
make(MigrationPlan *plan, Change *change)
{
	SecondArgs	second = {
		.relation = change->relid, .namespace = get_rel_namespace(change->relid),
		.hidden = second_name(plan->migration, get_rel_name(change->relid)),
	};

	plan_step(plan, &verb_make_second, &second, &(Step) {
		.phase = "migrate", .lock = ShareRowExclusiveLock, .undoable = true, .undo_lock = AccessExclusiveLock,
		.work = "catalog only",
		.note = "with its key, and a trigger that carries over what is written from then on; no event trigger fires, and nothing of it is published",
	});
	plan_step(plan, &verb_copy_rows, &second, &(Step) {
		.phase = "migrate", .lock = RowExclusiveLock,
		.work = "copies every row, in short batches; readers and writers go on",
		.note = with_size("takes up to %s of disk until the exchange", change->relid),
	});
	plan_step(plan, &verb_build_second_indexes, &second, &(Step) {
		.phase = "migrate", .lock = AccessShareLock,
		.work = "builds every index of the table, for the copy; readers and writers go on",
		.note = "waits for transactions that write the table",
	});
	plan_step(plan, &verb_compare_rows, &second, &(Step) {
		.phase = "migrate", .lock = AccessShareLock,
		.work = "reads every row of both; readers and writers go on",
	});
	plan_step(plan, &verb_exchange_storage, &second, &(Step) {
		.phase = "migrate", .lock = AccessExclusiveLock,
		.work = "catalog only",
		.note = "once the two have exchanged their storage; waits first for snapshots from before the last row was copied, which would not see it",
	});
	plan_note(plan, "%s", "rows that are written at REPEATABLE READ or SERIALIZABLE may fail once (40001) if they were copied since the snapshot");
	plan_note(plan, "%s", "nothing is to be switched: it completes by itself, and cannot be reverted after that");
}

static char *
definition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'rewrite', 'relation', $1)", arg_oid(change->relid));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_rewrite = {
	.name = "rewrite",
	.claims = claims,
	.check = check,
	.make = make,
	.definition = definition,
	.one_shape = true,
	.partition_ok = true,
	.whole_table = true,
};
