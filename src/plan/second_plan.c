/*-------------------------------------------------------------------------
 *
 * second_plan.c
 *		The steps of a change that makes a second table of another shape.
 *
 * Up to the cutover they are those of a table that is written anew in its shape
 * (rewrite.c).  Then the two exchange their names, and the first one follows, hidden,
 * until contract: it is what the way back leads to.  Should it have missed anything by
 * then, a TRUNCATE, say, all rows are copied to it before; and in any case every row is
 * compared before either of the two is dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_tablespace.h"
#include "catalog/query.h"
#include "catalog/second.h"
#include "catalog/table_key.h"
#include "commands/tablespace.h"
#include "core/errors.h"
#include "core/names.h"
#include "miscadmin.h"
#include "move/move.h"
#include "plan/second_plan.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

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
refuse_foreign_leaves(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("partition %s is a foreign table", names_relation(lfirst_oid(lc))),
					 errdetail("Its rows cannot be carried over from here."),
					 errhint("ALTER TABLE %s DETACH PARTITION %s; first.", names_relation(relid), names_relation(lfirst_oid(lc)))));
	}
}

static void
refuse_without_key(Oid relid)
{
	/* one that is asked late: its columns are NOT NULL at least */
	char	   *columns = QUERY_ONCE_TEXT("SELECT string_agg(pg_get_indexdef(indexrelid, n, true), ', ' ORDER BY n) FROM pg_index, generate_series(1, indnkeyatts) n "
										  "WHERE indrelid = $1 AND indisprimary", arg_oid(relid));

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("table %s has no key by which its rows can be carried over", names_relation(relid)),
			 errdetail("A key is a primary key, or a unique index of columns that are all NOT NULL, without WHERE; not DEFERRABLE."),
			 columns == NULL ? errhint("Add a primary key: SELECT zdm.migrate('ALTER TABLE %s ADD PRIMARY KEY (...)');", names_relation(relid)) :
			 errhint("Give it one beside its primary key: SELECT zdm.migrate('CREATE UNIQUE INDEX ON %s (%s)');", names_relation(relid), columns)));
}

void
second_plan_check_table(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);

	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		refuse_foreign_leaves(relid);
	else
		refuse_children(relid);
	if (rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_tableam != GetHeapamTableAmRoutine())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the access method of table %s is not heap", names_relation(relid))));
	if (!OidIsValid(table_key_find(rel)))
		refuse_without_key(relid);
	table_close(rel, NoLock);
}

List *
second_plan_claims(const Change *change)
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

char *
second_plan_with_size(const char *fmt, Oid relid)
{
	QuerySession session;
	char	   *text;

	query_begin(&session);
	QUERY("SELECT format($2, pg_size_pretty(pg_total_relation_size($1)))", arg_oid(relid), arg_text(fmt));
	text = query_text(0, 1);
	query_end(&session);
	return text;
}

/* Where the table is, one of its owner's can be made. */
static void
check_tablespace(Oid relid, Oid owner)
{
	Oid			tablespace = get_rel_tablespace(relid);

	if (OidIsValid(tablespace) && tablespace != MyDatabaseTableSpace &&
		object_aclcheck(TableSpaceRelationId, tablespace, owner, ACL_CREATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of %s cannot make a table in tablespace %s", names_relation(relid),
						quote_identifier(get_tablespace_name(tablespace))),
				 errhint("GRANT CREATE ON TABLESPACE %s TO %s;", quote_identifier(get_tablespace_name(tablespace)),
						 quote_identifier(GetUserNameFromId(owner, false)))));
}

void
second_plan_check_places(Oid relid, int64 migration)
{
	Oid			namespace = get_rel_namespace(relid);
	Relation	rel = table_open(relid, AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;
	bool		may_create;
	bool		may_use;
	char	   *grant;

	table_close(rel, NoLock);
	/* of several, any one does for object_aclcheck() */
	may_create = object_aclcheck(NamespaceRelationId, namespace, owner, ACL_CREATE) == ACLCHECK_OK;
	may_use = object_aclcheck(NamespaceRelationId, namespace, owner, ACL_USAGE) == ACLCHECK_OK;
	if (may_create && may_use)
	{
		check_tablespace(relid, owner);
		return;
	}
	grant = psprintf("GRANT %s ON SCHEMA %s TO %s;", may_use ? "CREATE" : may_create ? "USAGE" : "USAGE, CREATE",
					 quote_identifier(get_namespace_name(namespace)), quote_identifier(GetUserNameFromId(owner, false)));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the owner of %s cannot make a table in schema %s", names_relation(relid),
					quote_identifier(get_namespace_name(namespace))),
			 migration == 0 ? errhint("%s", grant) :
			 errhint("%s then SELECT zdm.resume(" INT64_FORMAT ").", grant, migration)));
}

static void
check_target(const Change *change, const MoveTarget *target)
{
	second_plan_check_table(change->relid);
	second_plan_check_places(change->relid, 0);
	move_check(change->relid, target);
}

void
second_plan_check(const Change *change, bool partitioned)
{
	check_target(change, &(MoveTarget) {.partitioned = partitioned});
}

void
second_plan_check_converted(const Change *change, const MoveConverted *converted)
{
	check_target(change, &(MoveTarget) {
		.partitioned = get_rel_relkind(change->relid) == RELKIND_PARTITIONED_TABLE, .converted = converted,
	});
}

SecondArgs
second_plan_args(const MigrationPlan *plan, Oid relid)
{
	return (SecondArgs) {
		.relation = relid, .namespace = get_rel_namespace(relid), .hidden = second_name(plan->migration, relid),
	};
}

void
second_plan_note_snapshots(MigrationPlan *plan)
{
	plan_note(plan, "%s", "rows that are written at REPEATABLE READ or SERIALIZABLE may fail once (40001) if they were copied since the snapshot");
}

void
second_plan_note_completes(MigrationPlan *plan)
{
	plan_note(plan, "%s", "nothing is to be switched: it completes by itself, and cannot be reverted after that");
}

static void
plan_migrate(MigrationPlan *plan, const SecondArgs *second, List *table)
{
	plan_step(plan, &verb_make_second, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = table,
		.lock = ShareRowExclusiveLock, .undoable = true, .undo_lock = AccessExclusiveLock,
		.work = "catalog only",
		.note = "with its key, and a trigger that carries over what is written from then on; no event trigger fires, and nothing of it is published",
	});
	plan_step(plan, &verb_copy_rows, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = table, .lock = RowExclusiveLock, .queries = second->order != NIL,
		.work = "copies every row, in short batches; readers and writers go on",
		.note = second_plan_with_size(second->order == NIL ? "takes up to %s of disk until contract" :
									  "takes up to %s of disk until contract; the order is found first, in one go and with one snapshot", second->relation),
	});
	plan_step(plan, &verb_build_second_indexes, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = table, .lock = AccessShareLock,
		.work = "builds every index of the table, for the copy; readers and writers go on",
		.note = "waits for transactions that write the table",
	});
	plan_step(plan, &verb_analyze_second, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = table, .lock = AccessShareLock,
		.work = "reads a sample of the copy",
	});
	plan_step(plan, &verb_compare_rows, second, &(Step) {
		.phase = "migrate", .relations = table, .needs = table, .lock = AccessShareLock,
		.work = "reads every row of both; readers and writers go on",
	});
}

static void
plan_cutover(MigrationPlan *plan, const SecondArgs *second, List *table)
{
	plan_step(plan, &verb_exchange_tables, second, &(Step) {
		.phase = "cutover", .relations = table, .needs = table, .lock = AccessExclusiveLock, .undoable = true,
		.work = "catalog only",
		.note = "with all that hangs on the table; waits first for snapshots from before the last row was copied, which would not see it",
	});
	plan_step(plan, &verb_compare_first, second, &(Step) {
		.phase = "cutover", .relations = table, .needs = table, .lock = AccessShareLock, .undoable = true, .only_back = true,
		.work = "on the way back: reads every row of both; readers and writers go on",
	});
	plan_step(plan, &verb_refill_first, second, &(Step) {
		.phase = "cutover", .relations = table, .needs = table, .lock = RowExclusiveLock, .undoable = true, .only_back = true,
		.work = "on the way back, if the table was truncated or its triggers were off: copies every row; readers and writers go on",
	});
}

static void
plan_contract(MigrationPlan *plan, const SecondArgs *second, List *table)
{
	plan_step(plan, &verb_compare_rows, second, &(Step) {
		.phase = "contract", .relations = table, .needs = table, .lock = AccessShareLock,
		.work = "reads every row of both; readers and writers go on",
	});
	plan_step(plan, &verb_drop_first, second, &(Step) {
		.phase = "contract", .relations = table, .needs = table, .lock = AccessExclusiveLock,
		.work = "catalog only",
		.note = "the first step that cannot be undone",
	});
}

void
second_plan_steps(MigrationPlan *plan, const SecondArgs *second)
{
	List	   *table = list_make1_oid(second->relation);

	plan_migrate(plan, second, table);
	plan_cutover(plan, second, table);
	plan_contract(plan, second, table);
	second_plan_note_snapshots(plan);
	plan_note(plan, "%s", "between cutover and contract the first table follows, hidden: each write is carried over to it");
}
