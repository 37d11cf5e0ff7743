/*-------------------------------------------------------------------------
 *
 * split.c
 *		A partition gives its rows, and its place, to smaller ones.
 *
 * Its rows are in the partitions of a hidden table, in step with it.  These are not
 * attached: ATTACH asks for proofs, of a bound, of a foreign key, and reads the rows for
 * them.  The partition leaves instead, and CREATE TABLE ... PARTITION OF makes the new
 * ones, as a person would: with indexes, constraints, foreign keys and triggers of the
 * partitioned table, all of them true of a table without rows.  Then each exchanges its
 * storage with the hidden one that has its rows, which is a matter of the catalog alone.
 * What the constraints say of these rows is true because it was of the partition's.
 *
 * DETACH would look for rows that refer to the partition's.  They refer to the new ones
 * from here on: the constraints that say so of this partition are taken away before.  And
 * a default partition beside would be searched for rows of the new ones; it has none,
 * because all of these are within the old one's bound: so it is not seen meanwhile.
 *
 * All of it is one transaction, under locks on whatever takes part: nobody sees a row
 * twice, or not at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "move/move.h"
#include "nodes/makefuncs.h"
#include "run/new_shape.h"
#include "run/split.h"
#include "run/stored_like.h"
#include "sync/table_trigger.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"
#include "verbs/sql.h"
#include "compat.h"

/* What is being done. */
typedef struct Splitting
{
	const Migration *migration;
	const SecondArgs *args;
	const Second *second;
	Oid			parent;
	Oid			leaf;			/* the partition */
	char	   *name;			/* its name, before it is put aside */
	Oid			owner;
	char	   *storage;		/* what stands behind the bound of a new one */
	List	   *indexes;		/* of the partition, ... */
	List	   *likes;			/* ... their likes in the hidden table, ... */
	List	   *above;			/* ... and the indexes of the partitioned table that they are parts of, or InvalidOid */
	List	   *names;			/* char *: of the indexes, before they are put aside */
	List	   *constraints;	/* char *: definitions of theirs, or "" */
	StringInfoData sql;			/* what was done */
} Splitting;

/* Of one of the new partitions. */
typedef struct Part
{
	Oid			relid;
	Oid			hidden;			/* the one with its rows */
	List	   *indexes;		/* as Splitting.indexes has them */
	List	   *likes;			/* and those of the hidden one */
} Part;

List *
split_relations(const SecondArgs *args, const Second *second)
{
	List	   *relations = list_make2_oid(args->root, second->relid);
	QuerySession session;
	Oid			other;
	ListCell   *lc;
	List	   *partners;

	relations = list_concat_unique_oid(relations, find_all_inheritors(second->hidden, NoLock, NULL));
	query_begin(&session);
	QUERY("WITH RECURSIVE tree(oid) AS (SELECT unnest(ARRAY[conrelid, confrelid]) FROM pg_constraint "
		  "  WHERE contype = 'f' AND (conrelid IN ($1, $2) OR confrelid IN ($1, $2)) "
		  "  UNION SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid WHERE t.oid <> $1) "
		  "SELECT array_agg(oid ORDER BY oid) FROM tree", arg_oid(args->root), arg_oid(second->relid));
	partners = query_oids(0, 1);
	query_end(&session);
	/* these go with their tables; the root has none */
	partners = list_concat(partners, second_table_toasts(relations));
	other = get_default_partition_oid(args->root);
	if (OidIsValid(other))
		partners = lappend_oid(partners, other);
	foreach(lc, partners)
		relations = list_append_unique_oid(relations, lfirst_oid(lc));
	return relations;
}

bool
split_awaits_serializable(const Second *second)
{
	return QUERY_ONCE_TEXT("SELECT 'x' FROM pg_locks WHERE mode = 'SIReadLock' "
						   "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
						   "AND relation IN (SELECT $1 UNION SELECT indexrelid FROM pg_index WHERE indrelid = $1) LIMIT 1",
						   arg_oid(second->relid)) != NULL;
}

/* One statement of the owner's; event triggers are not told. */
static void
run(Splitting *splitting, const char *sql)
{
	Identity	saved;

	identity_enter(splitting->owner, NIL, &saved);
	new_shape_run(splitting->migration, sql);
	identity_leave(&saved);
	CommandCounterIncrement();
	sql_statement(&splitting->sql, "%s", sql);
}

/* Each index of the partition with its like; false if one has none. */
static bool
pair_indexes(Splitting *splitting)
{
	Relation	leaf = table_open(splitting->leaf, NoLock);
	List	   *indexes = RelationGetIndexList(leaf);
	ListCell   *lc;

	table_close(leaf, NoLock);
	foreach(lc, indexes)
	{
		Oid			indexid = lfirst_oid(lc);
		Oid			like = second_table_like(splitting->second, indexid);
		Oid			constraint = get_index_constraint(indexid);
		char	   *definition = OidIsValid(constraint) ?
			linitial(query_printed_texts(splitting->leaf, "SELECT pg_get_constraintdef($1)", QUERY_ARGS(arg_oid(constraint)))) : pstrdup("");

		if (!OidIsValid(like))
			return false;
		splitting->indexes = lappend_oid(splitting->indexes, indexid);
		splitting->likes = lappend_oid(splitting->likes, like);
		splitting->above = lappend_oid(splitting->above, get_rel_relispartition(indexid) ? get_partition_parent(indexid, false) : InvalidOid);
		splitting->names = lappend(splitting->names, get_rel_name(indexid));
		splitting->constraints = lappend(splitting->constraints, definition);
	}
	return true;
}

/* Rows that refer to the partition's refer to the new ones' from here on, as the partitioned table's constraint has it. */
static void
release_references(Oid relid)
{
	QuerySession session;
	List	   *constraints;
	ListCell   *lc;

	query_begin(&session);
	QUERY("SELECT array_agg(oid ORDER BY oid) FROM pg_constraint WHERE confrelid = $1 AND contype = 'f' AND conparentid <> 0", arg_oid(relid));
	constraints = query_oids(0, 1);
	query_end(&session);
	foreach(lc, constraints)
	{
		ObjectAddress address;

		ConstraintSetParentConstraint(lfirst_oid(lc), InvalidOid, InvalidOid);
		deleteDependencyRecordsForClass(ConstraintRelationId, lfirst_oid(lc), ConstraintRelationId, DEPENDENCY_INTERNAL);
		CommandCounterIncrement();
		ObjectAddressSet(address, ConstraintRelationId, lfirst_oid(lc));
		performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
		CommandCounterIncrement();
	}
}

/* The partition keeps nothing that the new ones are to have: not its place, nor a name. */
static void
put_aside(Splitting *splitting)
{
	char	   *aside = names_make(splitting->args->hidden, "_old");
	Relation	leaf = table_open(splitting->leaf, NoLock);
	ListCell   *lc;

	(void) table_trigger_drop(leaf, splitting->second->hidden);
	table_close(leaf, NoLock);
	(void) deleteDependencyRecordsForSpecific(RelationRelationId, splitting->second->hidden, DEPENDENCY_AUTO,
											  RelationRelationId, splitting->leaf);
	CommandCounterIncrement();
	release_references(splitting->leaf);
	run(splitting, psprintf("ALTER TABLE %s RENAME TO %s", names_relation(splitting->leaf), quote_identifier(aside)));
	run(splitting, psprintf("ALTER TABLE %s DETACH PARTITION %s", names_relation(splitting->parent), names_relation(splitting->leaf)));
	foreach(lc, splitting->indexes)
		run(splitting, psprintf("ALTER INDEX %s RENAME TO %s", names_relation(lfirst_oid(lc)),
								quote_identifier(names_make(aside, psprintf("_%d", foreach_current_index(lc) + 1)))));
}

/* A default partition beside, which has no rows of the new ones, is not seen to be one meanwhile; returns it. */
static Oid
hide_default(const Splitting *splitting)
{
	Oid			other = get_default_partition_oid(splitting->parent);

	if (!OidIsValid(other))
		return InvalidOid;
	if (!splitting->args->layout->within)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s has got a default partition, %s, of which rows could belong to the new ones", names_relation(splitting->parent),
						names_relation(other)),
				 errdetail("The new ones are not known to be within the bound of %s.", quote_identifier(splitting->name)),
				 errhint("Detach it, then SELECT zdm.resume(" INT64_FORMAT ").", splitting->migration->id)));
	(void) DeleteInheritsTuple(other, splitting->parent, false, NULL);
	CacheInvalidateRelcacheByRelid(splitting->parent);
	CommandCounterIncrement();
	return other;
}

static void
show_default(const Splitting *splitting, Oid other)
{
	if (!OidIsValid(other))
		return;
	StoreSingleInheritance(other, splitting->parent, 1);
	/* what it does not take is another */
	CacheInvalidateRelcacheByRelid(splitting->parent);
	CacheInvalidateRelcacheByRelid(other);
	CommandCounterIncrement();
}

/* What an index is called on a partition, where the old one's was called after that. */
static char *
index_name(const Splitting *splitting, const char *name, const LayoutPart *part)
{
	size_t		length = strlen(splitting->name);
	bool		after = strncmp(name, splitting->name, length) == 0 && name[length] == '_';
	const char *rest = after ? name + length : psprintf("_%s", name);
	char	   *result = names_make(part->name, rest);

	for (int i = 1; OidIsValid(get_relname_relid(result, part->namespace)); i++)
		result = names_make(part->name, psprintf("%s%d", rest, i));
	return result;
}

/* An index that only the partition has. */
static Oid
make_own_index(Splitting *splitting, const LayoutPart *part, const char *table, int n)
{
	char	   *name = index_name(splitting, list_nth(splitting->names, n), part);
	const char *constraint = list_nth(splitting->constraints, n);
	Making		making = {.migration = splitting->migration->id, .flavour = FLAVOUR_RUN};

	if (constraint[0] != '\0')
		run(splitting, psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table, quote_identifier(name), constraint));
	else
		run(splitting, index_spec_sql(&making, deparse_index(list_nth_oid(splitting->indexes, n), &(IndexLike) {0}), table, name, INDEX_WHOLE));
	return get_relname_relid(name, part->namespace);
}

/* Where one of the new ones is called as the old one was, its indexes are, too. */
static void
name_index(Splitting *splitting, const LayoutPart *layout, Oid indexid, const char *name)
{
	if (layout->namespace == get_rel_namespace(splitting->leaf) && strcmp(layout->name, splitting->name) == 0 &&
		strcmp(get_rel_name(indexid), name) != 0)
		run(splitting, psprintf("ALTER INDEX %s RENAME TO %s", names_relation(indexid), quote_identifier(name)));
}

/* The index of a relation that is a part of the other; InvalidOid: none is. */
static Oid
part_of_index(Oid relid, Oid indexid)
{
	Relation	rel = table_open(relid, NoLock);
	Oid			part = index_get_partition(rel, indexid);

	table_close(rel, NoLock);
	return part;
}

static void
make_indexes(Splitting *splitting, const LayoutPart *layout, Part *part)
{
	char	   *table = names_relation(part->relid);

	for (int i = 0; i < list_length(splitting->indexes); i++)
	{
		Oid			above = list_nth_oid(splitting->above, i);
		Oid			index = OidIsValid(above) ? part_of_index(part->relid, above) : make_own_index(splitting, layout, table, i);

		if (OidIsValid(index))
			name_index(splitting, layout, index, list_nth(splitting->names, i));
		part->indexes = lappend_oid(part->indexes, index);
		part->likes = lappend_oid(part->likes, part_of_index(part->hidden, list_nth_oid(splitting->likes, i)));
	}
}

/* Constraints that only the partition has: nothing is there yet that they could be wrong about. */
static void
make_constraints(Splitting *splitting, const Part *part)
{
	char	   *name = names_relation(part->relid);
	List	   *statements = query_printed_texts(splitting->leaf, "SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $3, conname, pg_get_constraintdef(oid)) "
												 "FROM pg_constraint c WHERE conrelid = $1 AND contype = 'c' "
												 "AND NOT EXISTS (SELECT FROM pg_constraint d WHERE d.conrelid = $2 AND d.contype = 'c' AND d.conname = c.conname) "
												 "UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', $3, a.attname) "
												 "FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = $2 AND b.attname = a.attname "
												 "WHERE a.attrelid = $1 AND a.attnum > 0 AND a.attnotnull AND NOT b.attnotnull",
												 QUERY_ARGS(arg_oid(splitting->leaf), arg_oid(part->relid), arg_text(name)));
	ListCell   *lc;

	foreach(lc, statements)
		run(splitting, lfirst(lc));
}

/* Would the rows of the one be read wrongly as the other's? */
static bool
is_same_shape(Oid relid, Oid hidden)
{
	return QUERY_ONCE_TEXT("SELECT 'x' FROM (SELECT * FROM pg_attribute WHERE attrelid = $1 AND attnum > 0) a "
						   "FULL JOIN (SELECT * FROM pg_attribute WHERE attrelid = $2 AND attnum > 0) b ON b.attnum = a.attnum "
						   "WHERE a.attname IS DISTINCT FROM b.attname OR a.atttypid <> b.atttypid OR a.attgenerated <> b.attgenerated "
						   "OR a.attisdropped OR b.attisdropped LIMIT 1", arg_oid(relid), arg_oid(hidden)) == NULL;
}

/* Would the entries of the one be in another order, or of something else, in the other? */
static bool
is_same_index(Oid indexid, Oid like)
{
	return OidIsValid(indexid) && OidIsValid(like) &&
		QUERY_ONCE_TEXT("SELECT 'x' FROM pg_index a, pg_index b WHERE a.indexrelid = $1 AND b.indexrelid = $2 "
						"AND a.indkey::text = b.indkey::text AND a.indoption::text = b.indoption::text AND a.indclass::text = b.indclass::text "
						"AND a.indcollation::text = b.indcollation::text AND a.indnkeyatts = b.indnkeyatts "
						"AND pg_get_expr(a.indexprs, a.indrelid) IS NOT DISTINCT FROM pg_get_expr(b.indexprs, b.indrelid) "
						"AND pg_get_expr(a.indpred, a.indrelid) IS NOT DISTINCT FROM pg_get_expr(b.indpred, b.indrelid) "
						"AND (SELECT relam FROM pg_class WHERE oid = $1) = (SELECT relam FROM pg_class WHERE oid = $2) "
						"AND ARRAY(SELECT attoptions::text FROM pg_attribute WHERE attrelid = $1 ORDER BY attnum) = "
						"  ARRAY(SELECT attoptions::text FROM pg_attribute WHERE attrelid = $2 ORDER BY attnum)",
						arg_oid(indexid), arg_oid(like)) != NULL;
}

static void
check_same(const Splitting *splitting, const Part *part)
{
	Relation	rel = table_open(part->relid, NoLock);
	bool		same = is_same_shape(part->relid, part->hidden) &&
		list_length(RelationGetIndexList(rel)) == list_length(part->indexes);
	ListCell   *lc;
	ListCell   *like;

	table_close(rel, NoLock);
	forboth(lc, part->indexes, like, part->likes)
		same = same && is_same_index(lfirst_oid(lc), lfirst_oid(like));
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns or indexes of partition %s are not those of %s", quote_identifier(splitting->name),
						names_relation(splitting->parent)),
				 errdetail("They would not fit a partition that is made of it now: another order of an index, say."),
				 errhint("Give the partition the indexes that the partitioned table has, then SELECT zdm.resume(" INT64_FORMAT ").",
						 splitting->migration->id)));
}

/* What ANALYZE has found. */
static void
copy_statistics(const Part *part)
{
	ListCell   *lc;
	ListCell   *like;

	CopyStatistics(part->hidden, part->relid);
	forboth(lc, part->indexes, like, part->likes)
		CopyStatistics(lfirst_oid(like), lfirst_oid(lc));
	CommandCounterIncrement();
}

/* What hangs on the partition itself, and not on the partitioned table. */
static void
give(Splitting *splitting, const Part *part)
{
	List	   *acts = move_gifts(splitting->leaf, part->relid, splitting->indexes, part->indexes);
	char	   *sql = move_sql(acts);

	if (sql[0] != '\0')
		sql_statement(&splitting->sql, "%s", sql);
	move_run(acts);
	CommandCounterIncrement();
}

static Oid
make_part(Splitting *splitting, const LayoutPart *layout, int n)
{
	Part	   *part = palloc0(sizeof(Part));
	char	   *hidden = second_part_name(splitting->args, n);

	run(splitting, psprintf("CREATE %sTABLE %s PARTITION OF %s %s%s",
							get_rel_persistence(splitting->leaf) == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "",
							sql_qualified(layout->namespace, layout->name), names_relation(splitting->parent), layout->bound, splitting->storage));
	part->relid = get_relname_relid(layout->name, layout->namespace);
	part->hidden = RangeVarGetRelid(makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(hidden))), NoLock, false);
	make_constraints(splitting, part);
	make_indexes(splitting, layout, part);
	check_same(splitting, part);
	give(splitting, part);
	copy_statistics(part);
	second_table_trade(part->relid, part->hidden, part->indexes, part->likes);
	sql_statement(&splitting->sql, "-- %s: the storage of %s", names_relation(part->relid), hidden);
	return part->relid;
}

static void
drop(Oid relid)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, relid);
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

static void
make_parts(Splitting *splitting)
{
	Oid			other = hide_default(splitting);
	List	   *parts = NIL;
	ListCell   *lc;

	foreach(lc, splitting->args->layout->parts)
		parts = lappend_oid(parts, make_part(splitting, lfirst(lc), foreach_current_index(lc)));
	show_default(splitting, other);
	move_run(move_gifts_calls(splitting->migration->id, splitting->leaf, parts));
	sql_statement(&splitting->sql, "DROP TABLE %s", names_relation(splitting->leaf));
	drop(splitting->second->hidden);
	drop(splitting->leaf);
	foreach(lc, parts)
		second_table_settle_toast(lfirst_oid(lc));
}

char *
split_exchange(const Migration *migration, const SecondArgs *args, const Second *second, CopyEnd *end)
{
	Splitting	splitting = {
		.migration = migration, .args = args, .second = second, .parent = args->root, .leaf = second->relid,
		.name = get_rel_name(second->relid), .owner = identity_of(second->relid),
	};
	Relation	leaf;
	Relation	hidden;

	move_check_gifts(splitting.leaf, splitting.parent);
	if (!pair_indexes(&splitting))
		return NULL;
	initStringInfo(&splitting.sql);
	hidden = table_open(second->hidden, NoLock);
	second_table_tell_standbys(second, end, hidden);
	table_close(hidden, NoLock);
	leaf = table_open(splitting.leaf, NoLock);
	splitting.storage = stored_like(leaf);
	table_close(leaf, NoLock);
	put_aside(&splitting);
	make_parts(&splitting);
	second_delete(migration->id);
	return splitting.sql.data;
}
