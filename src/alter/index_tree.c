/*-------------------------------------------------------------------------
 *
 * index_tree.c
 *		An index, or a key, of a partitioned table and all its partitions.
 *
 * The partitioned table, which has no rows, has its index made alone and not
 * valid.  From then on PostgreSQL gives a new partition its part by itself.
 * Those that are there have theirs built one by one, CONCURRENTLY, and attached;
 * with the last the whole is valid.  A key is the same, but for the constraint
 * that each partition's index is given before.
 *
 * It may take days, and partitions come and go.  A step of one that is gone
 * does nothing; and when all are done the catalog is asked once more: what was
 * attached before the partitioned table had its index is planned for then.
 *
 * Undoing begins where the index hangs together: nobody can drop a part that is
 * attached, so the undo of attaching drops the whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "catalog/folded.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "partitioning/partdefs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "compat.h"

#define AGAIN_NOTE "once more: PostgreSQL looks only then whether all partitions have their part"

static void plan_member(IndexTree *tree, Oid relid, char *name);

static bool
is_partitioned(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
}

/* The name that PostgreSQL would choose for a partition's part. */
static char *
choose_name(IndexTree *tree, Oid relid)
{
	return index_choose_name(relid, tree->primary ? NULL : names_joined(tree->columns),
							 tree->primary ? "pkey" : tree->key ? "key" : "idx", tree->key != NULL, &tree->taken);
}

/* The index of a member of the tree. */
static IndexSpec *
member_spec(const IndexTree *tree, Oid relid)
{
	if (tree->stmt != NULL)
		return index_spec(tree->stmt, tree->source, relid);
	return deparse_index(tree->indexid, &(IndexLike) {.from = InvalidAttrNumber});
}

/* The table that the member must be a partition of, if it is not that itself. */
static Oid
root_of(const IndexTree *tree, Oid relid)
{
	return relid == tree->root ? InvalidOid : tree->root;
}

static void
plan_only(IndexTree *tree, Oid relid, char *name)
{
	Step		step = {
		.phase = "migrate", .undoable = true, .relations = list_make1_oid(relid),
		.lock = tree->key ? AccessExclusiveLock : ShareLock,
		.undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "of the partitioned table itself, which has no rows",
	};

	if (tree->key != NULL)
		plan_step(tree->plan, &verb_add_constraint, &(ConstraintArgs) {
			.relation = relid, .root = root_of(tree, relid), .name = name, .kind = 'd',
			.definition = tree->key, .only = true,
		}, &step);
	else
		plan_step(tree->plan, &verb_create_index, &(CreateIndexArgs) {
			.relation = relid, .root = root_of(tree, relid), .name = name, .spec = member_spec(tree, relid),
		}, &step);
}

static void
plan_leaf(IndexTree *tree, Oid relid, char *name)
{
	char	   *own = ddl_own_name(tree->plan, name);

	index_build_step(tree->plan, member_spec(tree, relid), relid, root_of(tree, relid), own);
	if (tree->key == NULL)
	{
		index_rename_step(tree->plan, relid, own, name);
		return;
	}
	plan_step(tree->plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = relid, .root = root_of(tree, relid), .name = name,
		.kind = tree->primary ? CONSTRAINT_PRIMARY : CONSTRAINT_UNIQUE,
		.index = own, .deferral = tree->deferral,
	}, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make1_oid(relid), .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
}

static void
plan_attach(IndexTree *tree, Oid parent, char *parent_name, Oid relid, char *name, bool again)
{
	plan_step(tree->plan, &verb_attach_index, &(AttachIndexArgs) {
		.relation = relid, .root = root_of(tree, relid), .name = name,
		.parent = parent, .parent_name = parent_name, .constraint = tree->key != NULL,
		.again = again,
	}, &(Step) {
		.phase = "migrate", .undoable = true,

		/* it locks the part so: nobody has that who has not its table */
		.relations = list_make1_oid(relid), .lock = AccessExclusiveLock,
		.undo_relations = list_make1_oid(parent), .work = CATALOG_ONLY, .note = again ? AGAIN_NOTE : "",
	});
}

static void
plan_child(IndexTree *tree, Oid parent, char *parent_name, Oid relid)
{
	char	   *name = choose_name(tree, relid);

	plan_member(tree, relid, name);
	plan_attach(tree, parent, parent_name, relid, name, false);
}

/* The part of relid, and of all that is below it. */
static void
plan_member(IndexTree *tree, Oid relid, char *name)
{
	ListCell   *lc;

	if (!is_partitioned(relid))
	{
		plan_leaf(tree, relid, name);
		return;
	}
	plan_only(tree, relid, name);
	if (tree->only)
		return;
	foreach(lc, find_inheritance_children(relid, AccessShareLock))
		plan_child(tree, relid, name, lfirst_oid(lc));
}

/* Is it one of the columns that are to be unique? */
static bool
is_key_column(const IndexTree *tree, const char *name)
{
	ListCell   *lc;

	foreach(lc, tree->columns)
	{
		if (foreach_current_index(lc) < tree->nkeys && strcmp(strVal(lfirst(lc)), name) == 0)
			return true;
	}
	return false;
}

/* What PostgreSQL would say of one partitioned table when the step runs. */
static void
check_partition_key(const IndexTree *tree, Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	PartitionKey key = folded_partition_key(rel);
	const char *what = tree->primary ? "PRIMARY KEY" : "UNIQUE";

	for (int i = 0; i < key->partnatts; i++)
	{
		char	   *name;

		if (key->partattrs[i] == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unsupported %s constraint with partition key definition", what),
					 errdetail("%s constraints cannot be used when partition keys include expressions.", what)));
		name = get_attname(relid, key->partattrs[i], false);
		if (!is_key_column(tree, name))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unique constraint on partitioned table must include all partitioning columns"),
					 errdetail("%s constraint on table \"%s\" lacks column \"%s\" which is part of the partition key.",
							   what, get_rel_name(relid), name)));
	}
	table_close(rel, NoLock);
}

/*
 * A partition with a primary key of its own could be given no second one; and
 * once attached, that would go when the migration is reverted.
 */
static void
check_no_primary_key(Oid relid)
{
	QuerySession session;
	char	   *constraint = NULL;

	query_begin(&session);
	if (QUERY("SELECT conname FROM pg_constraint WHERE conrelid = $1 AND contype = 'p'", arg_oid(relid)) > 0)
		constraint = query_text(0, 1);
	query_end(&session);
	if (constraint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("multiple primary keys for table \"%s\" are not allowed", get_rel_name(relid)),
				 errdetail("The partition has primary key %s already.", quote_identifier(constraint)),
				 errhint("Drop it; or build the same key on each other partition (CREATE UNIQUE INDEX CONCURRENTLY, then ALTER TABLE ... ADD PRIMARY KEY USING INDEX): the partitioned table's then finds them and builds nothing.")));
}

/*
 * Has each partition with rows the key already, under whatever name?  Then the
 * partitioned table's own finds them, and builds nothing.
 */
static bool
all_have_key(const IndexTree *tree)
{
	QuerySession session;
	bool		all;

	if (tree->key == NULL)
		return false;
	query_begin_printing(&session, tree->root);
	/* with blanks left out "A b" and "Ab" read alike: so the names are compared, too */
	QUERY("SELECT count(*) > 0 AND bool_and(EXISTS (SELECT FROM pg_constraint o JOIN pg_index i ON i.indexrelid = o.conindid "
		  "WHERE o.conrelid = t.relid AND o.contype::text = $2 AND i.indisvalid AND o.conparentid = 0 "
		  "AND $4 = (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = o.conindid) "
		  "AND replace(pg_get_constraintdef(o.oid), ' ', '') = replace($3, ' ', ''))) "
		  "FROM pg_partition_tree($1::regclass) t WHERE t.isleaf",
		  arg_oid(tree->root), arg_text(tree->primary ? "p" : "u"), arg_text(tree->key),
		  arg_texts(ddl_strings(tree->columns)));
	all = query_bool(0, 1);
	query_end(&session);
	return all;
}

/* One step, which no undo could take back without taking their keys too. */
static void
plan_key_of_all(IndexTree *tree, char *name)
{
	plan_step(tree->plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = tree->root, .name = name, .kind = 'd', .definition = tree->key,
	}, &(Step) {
		.phase = "migrate",
		.relations = list_make1_oid(tree->root), .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "each partition has its key already",
	});
}

static void
check_tree(const IndexTree *tree)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(tree->root, AccessShareLock, NULL))
	{
		Oid			relid = lfirst_oid(lc);

		if (tree->unique && is_partitioned(relid))
			check_partition_key(tree, relid);
		if (tree->primary && relid != tree->root)
			check_no_primary_key(relid);
	}
}

/* A partition that is a foreign table, or InvalidOid. */
static Oid
foreign_leaf(Oid root)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(root, AccessShareLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

/*
 * PostgreSQL makes an index of a tree that has foreign leaves, and leaves those
 * out; but one that is put together from parts is never valid without theirs.  So
 * the others have theirs first, and the index of the tree itself, which is made
 * last, finds them and builds nothing.
 */
static void
plan_beside_foreign(IndexTree *tree, char *name)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(tree->root, AccessShareLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			plan_leaf(tree, lfirst_oid(lc), choose_name(tree, lfirst_oid(lc)));
	}
	plan_step(tree->plan, &verb_create_index, &(CreateIndexArgs) {
		.relation = tree->root, .name = name, .whole = true, .spec = member_spec(tree, tree->root),
	}, &(Step) {
		/* it takes of two indexes of a partition the first, which may be one that was there */
		.phase = "migrate", .undoable = tree->like == NIL,
		.relations = list_make1_oid(tree->root), .lock = ShareLock, .undo_lock = AccessExclusiveLock,
		.work = CATALOG_ONLY,
		.note = "finds the indexes of the partitions; foreign tables have none",
	});
}

static void
note_indexes_like(const IndexTree *tree)
{
	ListCell   *lc;

	foreach(lc, tree->like)
		plan_note(tree->plan, "%s of partition %s is like it: another one is built beside it, and once the migration is completed it may go with DROP INDEX CONCURRENTLY",
				  names_relation(lfirst_oid(lc)), names_relation(IndexGetRelation(lfirst_oid(lc), false)));
}

void
index_tree_plan(IndexTree *tree, char *name)
{
	Oid			foreign = foreign_leaf(tree->root);

	if (OidIsValid(foreign) && tree->unique)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot create unique index on partitioned table \"%s\"", get_rel_name(tree->root)),
				 errdetail("Partition %s is a foreign table.", names_relation(foreign)),
				 errhint("Detach it first.")));

	if (all_have_key(tree))
	{
		plan_key_of_all(tree, name);
		return;
	}
	check_tree(tree);
	note_indexes_like(tree);
	tree->taken = list_make1(quote_qualified_identifier(get_namespace_name(get_rel_namespace(tree->root)), name));
	if (OidIsValid(foreign) && !tree->only)
	{
		plan_beside_foreign(tree, name);
		return;
	}
	plan_member(tree, tree->root, name);
	if (!tree->only)
		plan_index_completion(tree->plan, tree->root, name);
}

/* What the tree's index is, from the catalog. */
static void
load_tree(IndexTree *tree)
{
	QuerySession session;
	ListCell   *lc;
	List	   *columns;

	query_begin_printing(&session, tree->root);
	QUERY("SELECT array_agg(attname::text ORDER BY attnum), min(indnkeyatts)::int4, bool_and(indisunique) "
		  "FROM pg_index JOIN pg_attribute ON attrelid = indexrelid WHERE indexrelid = $1", arg_oid(tree->indexid));
	columns = query_texts(0, 1);
	tree->nkeys = query_int4(0, 2);
	tree->unique = query_bool(0, 3);
	if (QUERY("SELECT pg_get_constraintdef(oid), contype = 'p', CASE WHEN condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' "
			  "WHEN condeferrable THEN ' DEFERRABLE' ELSE '' END FROM pg_constraint "
			  "WHERE conindid = $1 AND contype IN ('p', 'u')", arg_oid(tree->indexid)) > 0)
	{
		tree->key = query_text(0, 1);
		tree->primary = query_bool(0, 2);
		tree->deferral = query_text(0, 3);
	}
	query_end(&session);
	foreach(lc, columns)
		tree->columns = lappend(tree->columns, makeString(lfirst(lc)));
}

void
index_tree_plan_like(IndexTree *tree)
{
	char	   *name;

	load_tree(tree);
	check_tree(tree);
	name = choose_name(tree, tree->root);
	plan_member(tree, tree->root, name);
	if (is_partitioned(tree->root))
		plan_index_completion(tree->plan, tree->root, name);
}

/* The part of "parent", an index, that relid has, if any; is it valid? */
static Oid
find_part(Oid parent, Oid relid, bool *valid)
{
	QuerySession session;
	Oid			part = InvalidOid;

	query_begin(&session);
	if (QUERY("SELECT indexrelid, indisvalid FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid "
			  "WHERE indrelid = $1 AND inhparent = $2", arg_oid(relid), arg_oid(parent)) > 0)
	{
		part = query_oid(0, 1);
		*valid = query_bool(0, 2);
	}
	query_end(&session);
	return part;
}

/*
 * Plan for what is missing below relid, whose index is not valid: parts of
 * partitions that were attached, or the one that is to be attached once more.
 */
static void
plan_missing(IndexTree *tree, Oid relid, Oid indexid)
{
	List	   *children = find_inheritance_children(relid, AccessShareLock);
	char	   *name = get_rel_name(indexid);
	Oid			part = InvalidOid;
	int			before = list_length(tree->plan->steps);
	ListCell   *lc;

	foreach(lc, children)
	{
		Oid			child = lfirst_oid(lc);
		bool		valid = false;

		part = find_part(indexid, child, &valid);
		if (!OidIsValid(part))
			plan_child(tree, relid, name, child);
		else if (!valid)
			plan_missing(tree, child, part);
	}
	if (list_length(tree->plan->steps) == before && children != NIL)
		plan_attach(tree, relid, name, llast_oid(children), get_rel_name(part), true);
}

/* Has the last one been attached once more, just before this step? */
static bool
was_attached_again(const Step *step)
{
	Step	   *before = step_load(step->migration, step->number - 1);

	return before != NULL && verb_is(before, &verb_attach_index) &&
		((AttachIndexArgs *) verb_args(before))->again;
}

static bool
is_valid(Oid indexid)
{
	QuerySession session;
	bool		valid;

	query_begin(&session);
	valid = QUERY("SELECT FROM pg_index WHERE indexrelid = $1 AND indisvalid", arg_oid(indexid)) > 0;
	query_end(&session);
	return valid;
}

void
index_tree_complete(int64 migration, const Step *step)
{
	NamedArgs  *index = verb_args(step);
	Oid			root = index->relation;
	Oid			indexid = get_relname_relid(index->name, get_rel_namespace(root));
	MigrationPlan plan = {.migration = migration, .relid = root, .stored = step->number};
	IndexTree	tree = {.plan = &plan, .root = root};

	if (!OidIsValid(indexid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s\" of %s no longer exists", index->name, names_relation(root)),
				 errhint("Go back with SELECT zdm.revert(" INT64_FORMAT "), and state it again.", migration)));
	if (is_valid(indexid))
		return;
	tree.indexid = indexid;
	load_tree(&tree);
	plan_missing(&tree, root, indexid);
	if (plan.steps == NIL || was_attached_again(step))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index %s is not valid, though each partition has its part", names_relation(indexid)),
				 errdetail("A partition has gone in between, and this release of PostgreSQL does not look again."),
				 errhint("Go back with SELECT zdm.revert(" INT64_FORMAT "), and state it again.", migration)));
	plan_index_completion(&plan, root, index->name);
	step_make_room(migration, step->number, list_length(plan.steps));
	plan_store_steps(&plan);
}
