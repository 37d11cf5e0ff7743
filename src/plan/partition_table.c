/*-------------------------------------------------------------------------
 *
 * partition_table.c
 *		The plan of a table that is partitioned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "alter/alter.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/second.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "draft/deparse.h"
#include "move/move.h"
#include "plan/partition_key.h"
#include "plan/partition_layout.h"
#include "plan/plan.h"
#include "plan/second_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "verbs/first_partition.h"

static void
check_table(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	char	   *other;

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is partitioned already", names_relation(relid)),
				 errhint("Partitions are added to it by CREATE TABLE ... PARTITION OF.")));
	if (OidIsValid(rel->rd_rel->reloftype))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is a typed table", names_relation(relid)),
				 errhint("ALTER TABLE %s NOT OF; first.", names_relation(relid))));
	table_close(rel, NoLock);
	other = QUERY_ONCE_TEXT("SELECT format('ALTER TABLE %s NO INHERIT %s; first.', inhrelid::regclass, inhparent::regclass) "
							"FROM pg_inherits WHERE inhparent = $1 OR inhrelid = $1 LIMIT 1", arg_oid(relid));
	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s inherits, or is inherited from", names_relation(relid)),
				 errdetail("A partitioned table can do neither."),
				 errhint("%s", other)));
}

/* A default partition takes over what has no bound yet, and HASH knows none. */
static void
check_attach(const Change *change)
{
	if (change->layout->strategy == PARTITION_STRATEGY_HASH)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("way => 'attach' does not go with HASH"),
				 errdetail("One partition would take all rows.")));
	if (QUERY_ONCE("SELECT FROM pg_index WHERE indrelid = $1 AND indisexclusion AND indislive", arg_oid(change->relid)) > 0)
		exclusion_check_found(change->relid);
	move_check(change->relid, &(MoveTarget) {.partitioned = true});
}

static void
check(Change *change)
{
	check_table(change->relid);
	/* before the rows are read, which the owner could not either */
	second_plan_check_places(change->relid, 0);
	change->layout = partition_layout_read(change);
	if (change->partition->attach)
		check_attach(change);
	else
		second_plan_check(change, true);
	plan_partition_check(change);
}

/* The index of the primary key that goes; InvalidOid: none does. */
static Oid
former_key(const Change *change)
{
	QuerySession session;
	Oid			index = InvalidOid;

	if (change->layout->primary_key == NIL)
		return InvalidOid;
	query_begin(&session);
	if (QUERY("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisprimary", arg_oid(change->relid)) > 0)
		index = query_oid(0, 1);
	query_end(&session);
	return index;
}

static void
plan_index(MigrationPlan *plan, char *name, IndexSpec *spec, char *phase, char *note)
{
	plan_step(plan, &verb_build_index, &(BuildIndexArgs) {
		.relation = plan->relid, .name = name, .spec = spec,
	}, &(Step) {
		.phase = phase, .undoable = strcmp(phase, "contract") != 0, .relations = list_make1_oid(plan->relid),
		.lock = ShareUpdateExclusiveLock, .work = "reads the table twice; readers and writers go on", .note = note,
	});
}

/* A btree over columns. */
static IndexSpec *
key_spec(Oid relid, List *columns)
{
	IndexSpec  *spec = palloc0(sizeof(IndexSpec));
	ListCell   *lc;

	spec->of = relid;
	spec->unique = true;
	spec->method = "btree";
	foreach(lc, columns)
	{
		IndexKey   *key = palloc0(sizeof(IndexKey));

		key->expression = expression_column(lfirst_int(lc));
		spec->keys = lappend(spec->keys, key);
	}
	return spec;
}

/* The new primary key's index; and one like the old one's, with which the way back stays open. */
static void
plan_keys(MigrationPlan *plan, const Change *change, FirstArgs *first)
{
	Oid			former = former_key(change);

	if (change->layout->primary_key == NIL)
		return;
	first->constraint = OidIsValid(former) ? get_rel_name(former) : names_make(get_rel_name(change->relid), "_pkey");
	first->key_index = ddl_own_name(plan, psprintf("%s_key", get_rel_name(change->relid)));
	plan_index(plan, first->key_index, key_spec(change->relid, change->layout->primary_key), "migrate", "the new primary key");
	if (!OidIsValid(former))
		return;
	first->kept_index = ddl_own_name(plan, psprintf("%s_kept", get_rel_name(change->relid)));
	plan_index(plan, first->kept_index, deparse_index(former, &(IndexLike) {0}), "migrate",
			   "as the primary key is now: it stays unique until contract, so that the way back stays open");
}

/* Rows beyond the first partition's bound, which are few or none: so that it is known at any time which there are. */
static void
plan_beyond(MigrationPlan *plan, const Change *change, FirstArgs *first)
{
	IndexSpec  *spec = key_spec(change->relid, change->layout->every != NULL ? change->layout->columns : NIL);

	if (strcmp(((LayoutPart *) linitial(change->layout->parts))->bound, "DEFAULT") == 0 && list_length(change->layout->parts) == 1)
		return;
	spec->unique = false;
	if (spec->keys == NIL)
	{
		IndexKey   *key = palloc0(sizeof(IndexKey));

		key->expression = expression_text("(true)");
		spec->keys = list_make1(key);
	}
	spec->predicate = expression_format("(%e) IS NOT TRUE", change->layout->takes);
	first->beyond = ddl_own_name(plan, psprintf("%s_beyond", get_rel_name(change->relid)));
	plan_index(plan, first->beyond, spec, "contract",
			   "of the rows that are beyond the bound of the first partition: it proves the bound, and no row is refused meanwhile");
}

static void
plan_attach(MigrationPlan *plan, const Change *change)
{
	FirstArgs	first = {
		.relation = change->relid, .layout = change->layout, .hidden = second_name(plan->migration, change->relid),
	};

	plan_keys(plan, change, &first);
	plan_step(plan, &verb_become_partition, &first, &(Step) {
		.phase = "cutover", .undoable = true, .relations = list_make1_oid(change->relid),
		.lock = AccessExclusiveLock, .work = "changes the catalog only",
		.note = "and on what hangs on the table: no row moves; until contract it is the default partition, and holds all rows, so that none has to come back",
	});
	plan_beyond(plan, change, &first);
	plan_step(plan, &verb_settle_partitions, &first, &(Step) {
		.phase = "contract", .relations = list_make1_oid(change->relid),
		.lock = AccessExclusiveLock, .work = "changes the catalog only",
		.note = change->layout->every != NULL ?
		"the bound comes behind the highest row that there is then, and the partitions ahead behind that" :
		"stops if a row is beyond the bound of the first partition, and names it",
	});
	plan_note(plan, "no row moves: what queries gain by partitions begins with the rows that come");
}

/* A subscriber with the plain table would be sent rows of partitions that it does not have. */
static void
note_publications(MigrationPlan *plan)
{
	char	   *names = QUERY_ONCE_TEXT("SELECT string_agg(quote_ident(p.pubname), ', ' ORDER BY p.pubname) FROM pg_publication p "
										"JOIN pg_publication_tables t USING (pubname) JOIN pg_class c ON c.relname = t.tablename "
										"JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = t.schemaname "
										"WHERE c.oid = $1 AND NOT pubviaroot", arg_oid(plan->relid));

	if (names != NULL)
		plan_note(plan, "published by %s without publish_via_partition_root: from cutover on, rows are sent as the partition's, which a subscriber with the plain table does not have; ALTER PUBLICATION ... SET (publish_via_partition_root = true); before",
				  names);
}

static void
make(MigrationPlan *plan, Change *change)
{
	ListCell   *lc;

	note_publications(plan);
	if (change->partition->attach)
		plan_attach(plan, change);
	else
		plan_partition_copy(plan, change);
	foreach(lc, partition_key_losses(change->relid, change->layout))
		plan_note(plan, "%s", (char *) lfirst(lc));
	partition_layout_note(plan, change->layout);
}

static char *
definition(const Change *change)
{
	const PartitionWish *wish = change->partition;
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', 'partition_table', 'relation', $1, 'partition_by', $2, 'partitions', $3, 'every', $4, "
		  "'ahead', $5, 'with_default', $6, 'primary_key', $7, 'attach', $8)",
		  arg_oid(change->relid), arg_text(wish->by), arg_texts(wish->partitions), arg_text(wish->every), arg_int4(wish->ahead),
		  arg_bool(wish->with_default), arg_text(wish->primary_key), arg_bool(wish->attach));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const PlanKind plan_partition_table = {
	.name = "partition_table",
	.claims = second_plan_claims,
	.check = check,
	.make = make,
	.definition = definition,
	.one_shape = true,
	.whole_table = true,
};
