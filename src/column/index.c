/*-------------------------------------------------------------------------
 *
 * index.c
 *		Indexes over a column that is replaced.
 *
 * A second one is built over the new column, with a name of its own until contract,
 * when the old one goes with the old column and leaves its name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/part.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "utils/lsyscache.h"

static bool
load(Column *column, const Dependent *dependent)
{
	if (dependent_is_index(dependent))
		column->indexes = list_append_unique_oid(column->indexes, dependent->object);
	return dependent_is_index(dependent);
}

ColumnIndex *
column_index_load(Oid indexid)
{
	ColumnIndex *index = palloc0(sizeof(ColumnIndex));
	QuerySession session;
	ListCell   *lc;

	index->indexid = indexid;
	index->relid = IndexGetRelation(indexid, false);
	index->name = get_rel_name(indexid);
	index->partitioned = get_rel_relkind(indexid) == RELKIND_PARTITIONED_INDEX;
	query_begin(&session);
	QUERY("SELECT obj_description($1, 'pg_class')", arg_oid(indexid));
	index->comment = query_text(0, 1);
	query_end(&session);
	foreach(lc, index->partitioned ? find_inheritance_children(indexid, AccessShareLock) : NIL)
		index->children = lappend(index->children, column_index_load(lfirst_oid(lc)));
	return index;
}

/* What an index is beside an index; some things cannot simply be made a second time. */
static void
look_at_indexes(Column *column)
{
	QuerySession session;
	List	   *indexes = list_copy(column->indexes);
	ListCell   *lc;

	foreach(lc, column->keys)
		indexes = lappend_oid(indexes, ((ColumnKey *) lfirst(lc))->indexid);
	foreach(lc, column->exclusions)
		indexes = lappend_oid(indexes, ((ColumnExclusion *) lfirst(lc))->indexid);
	query_begin(&session);
	foreach(lc, indexes)
	{
		char	   *name = names_relation(lfirst_oid(lc));

		QUERY("SELECT indisreplident, indisclustered, NOT indisvalid, "
			  "EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass "
			  "  AND objid = $1 AND deptype = 'x') FROM pg_index WHERE indexrelid = $1",
			  arg_oid(lfirst_oid(lc)));
		if (query_bool(0, 1))
			column->identity_index = lfirst_oid(lc);
		if (query_bool(0, 2))
			column->cluster_index = lfirst_oid(lc);
		if (query_bool(0, 3))
			column_refuse_at_once(psprintf("index %s, which is invalid,", name), column->relid, column->name,
								  "Drop it, or build it again with REINDEX INDEX CONCURRENTLY.");
		if (query_bool(0, 4))
			column_refuse_at_once(psprintf("index %s, which depends on an extension,", name),
								  column->relid, column->name, "Run ALTER INDEX ... NO DEPENDS ON EXTENSION first.");
	}
	query_end(&session);
}

static void
look(Column *column)
{
	ListCell   *lc;

	look_at_indexes(column);
	foreach(lc, column->indexes)
		column->index_trees = lappend(column->index_trees, column_index_load(lfirst_oid(lc)));
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->indexes)
		claims = lappend(claims, psprintf("index %s", get_rel_name(lfirst_oid(lc))));
	return claims;
}

/* A column's index in the making. */
typedef struct NewIndex
{
	MigrationPlan *plan;
	const Column *old;
	const NewColumn *new;
} NewIndex;

static char *
index_name(const NewIndex *building, const ColumnIndex *index)
{
	return sql_own_name(building->plan->migration, index->name);
}

/* A step about a partition's index does nothing once it is no partition any more. */
static Oid
index_root(const NewIndex *building, const ColumnIndex *index)
{
	return index->relid == building->plan->relid ? InvalidOid : building->plan->relid;
}

static IndexSpec *
index_like(const NewIndex *building, const ColumnIndex *index)
{
	return deparse_index(index->indexid, &(IndexLike) {
		.from = get_attnum(index->relid, building->old->name), .to = carry_column(building->new->name),
		.retyped = building->new->retyped,
	});
}

static void
plan_plain_index(const NewIndex *building, const ColumnIndex *index)
{
	plan_step(building->plan, &verb_build_index, &(BuildIndexArgs) {
		.relation = index->relid, .root = index_root(building, index), .name = index_name(building, index),
		.spec = index_like(building, index),
	}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(index->relid), .lock = ShareUpdateExclusiveLock,
		.work = "reads the table twice; writers go on",
	});
}

/* The statistics targets of its expressions, which CREATE INDEX cannot say. */
static void
plan_index_statistics(const NewIndex *building, const ColumnIndex *index)
{
	IndexTargetsArgs args = {
		.relation = index->relid, .root = index_root(building, index), .name = index_name(building, index),
	};
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT attnum::int, attstattarget::int FROM pg_attribute "
			  "WHERE attrelid = $1 AND attstattarget >= 0 ORDER BY attnum", arg_oid(index->indexid));
	for (uint64 row = 0; row < n; row++)
	{
		args.columns = lappend_int(args.columns, query_int4(row, 1));
		args.targets = lappend_int(args.targets, query_int4(row, 2));
	}
	query_end(&session);
	if (n > 0)
		plan_step(building->plan, &verb_set_index_statistics, &args, &(Step) {
			.phase = "migrate", .relations = list_make1_oid(index->relid),
			.lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		});
}

/*
 * An index on a partitioned table: an empty one on the parent alone, one built
 * CONCURRENTLY for each leaf, then attached; the parent's is valid when all are.
 */
static void
plan_index(const NewIndex *building, const ColumnIndex *index)
{
	ListCell   *lc;

	if (!index->partitioned)
	{
		plan_plain_index(building, index);
		plan_index_statistics(building, index);
		return;
	}
	plan_step(building->plan, &verb_create_index, &(CreateIndexArgs) {
		.relation = index->relid, .root = index_root(building, index), .name = index_name(building, index),
		.spec = index_like(building, index),
	}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(index->relid), .lock = ShareLock, .work = CATALOG_ONLY,
		.note = "of the partitioned table itself, which has no rows",
	});
	plan_index_statistics(building, index);
	foreach(lc, index->children)
	{
		ColumnIndex *child = lfirst(lc);

		plan_index(building, child);
		plan_step(building->plan, &verb_attach_index, &(AttachIndexArgs) {
			.relation = child->relid, .root = index_root(building, child), .name = index_name(building, child),
			.parent = index->relid, .parent_name = index_name(building, index),
		}, &(Step) {
			.phase = "migrate", .relations = list_make1_oid(child->relid),
			/* it locks the index out of its readers, who are those of the table */
			.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		});
	}
	if (index->relid == building->plan->relid)
		plan_index_completion(building->plan, index->relid, index_name(building, index));
}

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	NewIndex	building = {.plan = plan, .old = old, .new = new};
	ListCell   *lc;

	foreach(lc, old->index_trees)
		plan_index(&building, lfirst(lc));
}

/*
 * Give the new index, and its partitions' ones, the names of the old.  A partition
 * that has been dropped has none, and one that was detached has the old one still.
 */
static void
append_renames(StringInfo sql, const Making *making, const Column *old, const ColumnIndex *index)
{
	bool		root = index->relid == old->relid;
	ListCell   *lc;

	if (root || sql_is_member(making, index->relid, old->relid))
		sql_statement(sql, "ALTER INDEX %s%s RENAME TO %s", root ? "" : "IF EXISTS ",
					  sql_index(making, index->relid, sql_own_name(making->migration, index->name)),
					  sql_name(index->name));
	if (index->comment != NULL && sql_is_member(making, index->relid, root ? InvalidOid : old->relid))
		sql_statement(sql, "COMMENT ON INDEX %s IS %s", sql_index(making, index->relid, index->name),
					  sql_literal(index->comment));
	foreach(lc, index->children)
		append_renames(sql, making, old, lfirst(lc));
}

static void
rename_all(StringInfo sql, const Making *making, const TwinArgs *twin)
{
	ListCell   *lc;

	foreach(lc, twin->old->index_trees)
		append_renames(sql, making, twin->old, lfirst(lc));
}

const ColumnPart column_index = {
	.load = load,
	.look = look,
	.claims = claims,
	.migrate = migrate,
	.rename = rename_all,
};
