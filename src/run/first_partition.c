/*-------------------------------------------------------------------------
 *
 * first_partition.c
 *		A table becomes the first partition of the one that takes its name.
 *
 * The other table is made in the transaction in which they exchange their names: it is
 * empty, so that costs no more than a few rows of the catalog, and whatever has become of
 * the table since the call is seen as it is.
 *
 * Until contract the table is the default partition.  So it takes every row, as before,
 * and the way back finds all rows where they were: nothing has to be copied, and nothing
 * can have been lost.  PostgreSQL proves nothing for a default partition without others.
 *
 * With contract it gets its bound, in the catalog.  ATTACH would ask for a proof: a
 * constraint, by which rows beyond the bound would be refused while it is validated; and
 * DETACH before it, for referencing rows to be looked at.  The proof is an index of the
 * rows that are beyond the bound, built CONCURRENTLY: it refuses nothing, and it is asked
 * when nobody can write.  A row that is there moves the bound, if that is one of width.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "draft/probe.h"
#include "executor/spi.h"
#include "move/move.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "partitioning/partbounds.h"
#include "plan/partition_every.h"
#include "plan/second_plan.h"
#include "run/first_partition.h"
#include "run/new_shape.h"
#include "run/stored_like.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "verbs/sql.h"
#include "compat.h"

/* What is being done, and as whom. */
typedef struct Doing
{
	const Migration *migration;
	const FirstArgs *args;
	Oid			first;			/* the table with the rows */
	Oid			parent;			/* the other one */
	StringInfoData sql;			/* what was done */
} Doing;

/* The partitioned table that it is a partition of; InvalidOid: none. */
static Oid
parent_of(Oid relid)
{
	return get_rel_relispartition(relid) ? get_partition_parent(relid, true) : InvalidOid;
}

List *
first_partition_relations(const FirstArgs *args)
{
	Oid			parent = parent_of(args->relation);
	List	   *relations = list_make1_oid(args->relation);

	if (OidIsValid(parent))
		relations = lappend_oid(relations, parent);
	return list_concat_unique_oid(relations, move_relations(OidIsValid(parent) ? parent : args->relation,
															OidIsValid(parent) ? args->relation : InvalidOid, false));
}

/* One statement of the owner's; event triggers are not told. */
static void
run(Doing *doing, const char *sql)
{
	Identity	saved;

	identity_enter(doing->migration->owner, NIL, &saved);
	probe_run(sql);
	identity_leave(&saved);
	sql_statement(&doing->sql, "%s", sql);
}

static void
run_all(Doing *doing, List *statements)
{
	ListCell   *lc;

	foreach(lc, statements)
		run(doing, lfirst(lc));
}

static char *
table_name(Oid relid)
{
	return names_relation(relid);
}

static char *
beside(Oid relid, const char *name)
{
	return sql_qualified(get_rel_namespace(relid), name);
}

/* ---- there ---- */

static void
make_parent(Doing *doing)
{
	char	   *parent = beside(doing->first, doing->args->hidden);
	char	   *key = partition_layout_key_sql(doing->args->layout, doing->first, false);
	Identity	saved;

	run(doing, psprintf("CREATE TABLE %s (LIKE %s INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION) PARTITION BY %s", parent,
						table_name(doing->first), key));
	doing->parent = get_relname_relid(doing->args->hidden, get_rel_namespace(doing->first));
	identity_enter(doing->migration->owner, NIL, &saved);
	partition_layout_check_key(doing->parent, key, doing->migration->id);
	identity_leave(&saved);
	run_all(doing, query_printed_texts(doing->first, "SELECT format('ALTER TABLE ONLY %s ADD CONSTRAINT %I %s', $2, conname, pg_get_constraintdef(oid)) "
									   "FROM pg_constraint WHERE conrelid = $1 AND contype = 'c' AND NOT connoinherit ORDER BY conname",
									   QUERY_ARGS(arg_oid(doing->first), arg_text(parent))));
}

/* One primary key in the place of another; of the same name, and the replica identity where that was. */
static void
exchange_key(Doing *doing, bool drop, const char *index)
{
	char	   *table = table_name(doing->first);
	const char *constraint = quote_identifier(doing->args->constraint);
	bool		identity = QUERY_ONCE("SELECT FROM pg_index WHERE indrelid = $1 AND indisprimary AND indisreplident", arg_oid(doing->first)) > 0;

	if (drop)
		run(doing, psprintf("ALTER TABLE %s DROP CONSTRAINT %s", table, constraint));
	if (index == NULL)
		return;
	run(doing, psprintf("ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s", table, constraint, quote_identifier(index)));
	if (identity)
		run(doing, psprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", table, constraint));
}

/* The new primary key; what was unique stays so by an index of its own. */
static void
change_key(Doing *doing)
{
	const FirstArgs *args = doing->args;

	if (args->constraint != NULL)
		exchange_key(doing, args->kept_index != NULL, args->key_index);
}

/* Is the index one that the parent has not: ours for the way back, or a key that it gives up? */
static bool
stays_alone(const Doing *doing, Oid indexid, bool primary)
{
	const FirstArgs *args = doing->args;

	return (args->kept_index != NULL && strcmp(get_rel_name(indexid), args->kept_index) == 0) ||
		(primary && args->layout->no_primary_key);
}

/* The like of an index, on the parent alone; of a constraint, with that. */
static Oid
make_like(Doing *doing, Oid indexid, const char *constraint)
{
	char	   *name = psprintf("zdm_" INT64_FORMAT "_%u", doing->migration->id, indexid);
	char	   *parent = table_name(doing->parent);
	Making		making = {.migration = doing->migration->id, .flavour = FLAVOUR_RUN};

	if (constraint != NULL)
		run(doing, psprintf("ALTER TABLE ONLY %s ADD CONSTRAINT %s %s", parent, quote_identifier(name), constraint));
	else
		run(doing, index_spec_sql(&making, deparse_index(indexid, &(IndexLike) {0}), parent, name, INDEX_ONLY));
	return get_relname_relid(name, get_rel_namespace(doing->parent));
}

static void
make_likes(Doing *doing, Move *move)
{
	QuerySession session;
	List	   *indexes;
	List	   *constraints = NIL;
	List	   *primary;
	uint64		n;
	ListCell   *lc;
	ListCell   *con;
	ListCell   *first;

	query_begin_printing(&session, doing->first);
	n = QUERY("SELECT array_agg(indexrelid ORDER BY indexrelid), array_agg(CASE WHEN indisprimary THEN 'p' ELSE '' END ORDER BY indexrelid), "
			  "array_agg(coalesce((SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x')), '') ORDER BY indexrelid) "
			  "FROM pg_index WHERE indrelid = $1 AND indisvalid AND indislive", arg_oid(doing->first));
	indexes = n > 0 ? query_oids(0, 1) : NIL;
	primary = n > 0 ? query_texts(0, 2) : NIL;
	constraints = n > 0 ? query_texts(0, 3) : NIL;
	query_end(&session);
	forthree(lc, indexes, con, constraints, first, primary)
	{
		const char *definition = lfirst(con);

		if (stays_alone(doing, lfirst_oid(lc), strcmp(lfirst(first), "p") == 0))
			continue;
		move->indexes = lappend_oid(move->indexes, lfirst_oid(lc));
		move->likes = lappend_oid(move->likes, make_like(doing, lfirst_oid(lc), definition[0] != '\0' ? definition : NULL));
	}
}

static void
run_acts(Doing *doing, const Move *move)
{
	List	   *acts = move_acts(move);
	char	   *sql = move_sql(acts);

	if (sql[0] != '\0')
		sql_statement(&doing->sql, "%s", sql);
	move_run(acts);
	CommandCounterIncrement();
}

/* A name that is free beside the relation: base with suffix, and a number if need be. */
static char *
free_name(Oid namespace, const char *base, const char *suffix)
{
	char	   *name = names_make(base, suffix);

	for (int i = 1; OidIsValid(get_relname_relid(name, namespace)); i++)
		name = names_make(base, psprintf("%s_%d", suffix, i));
	return name;
}

/* The partition's indexes are called after it, where the table's were called after that. */
static void
rename_indexes(Doing *doing, const Move *move, const char *table, const LayoutPart *part)
{
	ListCell   *lc;
	ListCell   *like;
	size_t		length = strlen(table);

	forboth(lc, move->indexes, like, move->likes)
	{
		/* they have exchanged their names */
		const char *name = get_rel_name(lfirst_oid(like));
		const char *rest = strncmp(name, table, length) == 0 && name[length] == '_' ? name + length : psprintf("_%s", name);

		run(doing, psprintf("ALTER INDEX %s RENAME TO %s", table_name(lfirst_oid(lc)),
							quote_identifier(free_name(get_rel_namespace(doing->first), part->name, rest))));
	}
}

static void
become(Doing *doing)
{
	const LayoutPart *part = linitial(doing->args->layout->parts);
	char	   *table = get_rel_name(doing->first);
	Move		move = {.migration = doing->migration->id, .from = doing->first, .attach = true};

	second_plan_check_places(doing->first, doing->migration->id);
	partition_layout_check(doing->args->layout, doing->first, doing->migration->id);
	make_parent(doing);
	change_key(doing);
	move.to = doing->parent;
	make_likes(doing, &move);
	run_acts(doing, &move);
	run(doing, psprintf("ALTER TABLE %s RENAME TO %s", table_name(doing->first), quote_identifier(part->name)));
	rename_indexes(doing, &move, table, part);
	if (part->namespace != get_rel_namespace(doing->first))
		run(doing, psprintf("ALTER TABLE %s SET SCHEMA %s", table_name(doing->first), quote_identifier(get_namespace_name(part->namespace))));
	run(doing, psprintf("ALTER TABLE %s ATTACH PARTITION %s DEFAULT", table_name(doing->parent), table_name(doing->first)));
	migration_set_relation(doing->migration->id, doing->parent);
}

/* ---- back ---- */

static void
refuse_others(const Doing *doing)
{
	List	   *children = find_inheritance_children(doing->parent, NoLock);
	ListCell   *lc;

	foreach(lc, children)
	{
		if (lfirst_oid(lc) != doing->first)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s has got another partition since the cutover: %s", table_name(doing->parent), table_name(lfirst_oid(lc))),
					 errhint("ALTER TABLE %s DETACH PARTITION %s; then SELECT zdm.resume(" INT64_FORMAT ").", table_name(doing->parent),
							 table_name(lfirst_oid(lc)), doing->migration->id)));
	}
}

/* The parent's indexes, and those of the partition that are theirs. */
static void
pair_indexes(const Doing *doing, Move *move)
{
	QuerySession session;

	query_begin(&session);
	if (QUERY("SELECT array_agg(p.indexrelid ORDER BY p.indexrelid), array_agg(f.indexrelid ORDER BY p.indexrelid) FROM pg_index p "
			  "JOIN pg_inherits ON inhparent = p.indexrelid JOIN pg_index f ON f.indexrelid = inhrelid "
			  "WHERE p.indrelid = $1 AND f.indrelid = $2", arg_oid(doing->parent), arg_oid(doing->first)) > 0)
	{
		move->indexes = query_oids(0, 1);
		move->likes = query_oids(0, 2);
	}
	query_end(&session);
}

static void
change_key_back(Doing *doing)
{
	const FirstArgs *args = doing->args;

	if (args->constraint != NULL)
		exchange_key(doing, true, args->kept_index);
}

static void
come_back(Doing *doing)
{
	Move		move = {.migration = doing->migration->id, .from = doing->parent, .to = doing->first, .attach = true};

	refuse_others(doing);
	if (get_rel_namespace(doing->first) != get_rel_namespace(doing->parent))
		run(doing, psprintf("ALTER TABLE %s SET SCHEMA %s", table_name(doing->first),
							quote_identifier(get_namespace_name(get_rel_namespace(doing->parent)))));
	move.middle = psprintf("ALTER TABLE %s DETACH PARTITION %s", table_name(doing->parent), table_name(doing->first));
	pair_indexes(doing, &move);
	run_acts(doing, &move);
	run(doing, psprintf("DROP TABLE %s", table_name(doing->parent)));
	change_key_back(doing);
	migration_set_relation(doing->migration->id, doing->first);
}

char *
first_partition_exchange(const Migration *migration, const FirstArgs *args, bool back)
{
	Doing		doing = {.migration = migration, .args = args, .first = args->relation, .parent = parent_of(args->relation)};

	initStringInfo(&doing.sql);
	if (back)
		come_back(&doing);
	else
		become(&doing);
	return doing.sql.data;
}

/* ---- contract ---- */

/* Of the rows beyond the bound: what "columns" gives of one of them; NULL: there is none. */
static char *
find_beyond(const Doing *doing, const char *columns, const char *condition)
{
	MemoryContext caller = CurrentMemoryContext;
	Identity	saved;
	char	   *result = NULL;
	char	   *sql = psprintf("SELECT %s FROM ONLY %s WHERE (%s) IS NOT TRUE%s", columns, table_name(doing->first),
							   expression_sql(doing->args->layout->takes, doing->first, false), condition);

	identity_enter(doing->migration->owner, NIL, &saved);
	identity_pin_formats();
	(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* the index has none but these rows: whatever else the planner would take reads the table */
	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("rows could not be read")));
	if (SPI_processed > 0)
		result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (result != NULL)
		result = MemoryContextStrdup(caller, result);
	SPI_finish();
	identity_leave(&saved);
	return result;
}

static void
refuse_row(const Doing *doing, const char *row)
{
	if (row != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("a row of %s is beyond the bound that it is to have", table_name(doing->first)),
				 errdetail("It is %s.", row),
				 errhint("Change or delete it, then SELECT zdm.resume(" INT64_FORMAT "); or go back with SELECT zdm.revert(" INT64_FORMAT ").",
						 doing->migration->id, doing->migration->id)));
}

/* The partitions of the width from that of a value on, which is beyond one end of the bound; NIL: there is none. */
static List *
parts_beyond(const Doing *doing, const char *which, const char *than, const char *end)
{
	const PartitionLayout *layout = doing->args->layout;
	AttrNumber	attnum = (AttrNumber) linitial_int(layout->columns);
	Oid			type = get_atttype(doing->first, attnum);
	char	   *column = names_attribute(doing->first, attnum);
	EverySpan	span;

	/* there is nothing beyond the ends of the type */
	if (strcmp(end, "MINVALUE") == 0 || strcmp(end, "MAXVALUE") == 0)
		return NIL;
	span.lowest = span.highest = find_beyond(doing, psprintf("pg_catalog.%s(%s)", which, column),
											 psprintf("%s AND %s %s %s", partition_every_finite(column, type), column, than, end));
	return span.lowest == NULL ? NIL :
		partition_every_parts(layout, type, get_rel_name(doing->parent), get_rel_namespace(doing->parent), &span);
}

/* A row that no finite bound takes, or one at all, if the bounds are not ours to move. */
static void
refuse_beyond(const Doing *doing)
{
	const PartitionLayout *layout = doing->args->layout;
	AttrNumber	attnum = (AttrNumber) linitial_int(layout->columns);
	char	   *condition = layout->every == NULL ? "" :
		psprintf(" AND (true%s) IS NOT TRUE", partition_every_finite(names_attribute(doing->first, attnum), get_atttype(doing->first, attnum)));

	refuse_row(doing, find_beyond(doing, expression_sql(fit_row_name(doing->first), doing->first, false), condition));
}

/* Those that are to be, by the rows that there are now. */
static List *
settled_parts(const Doing *doing)
{
	const PartitionLayout *layout = doing->args->layout;
	const LayoutPart *first = linitial(layout->parts);
	List	   *below;
	List	   *above;
	LayoutPart *settled;

	if (doing->args->beyond == NULL)
		return layout->parts;
	refuse_beyond(doing);
	if (layout->every == NULL)
		return layout->parts;
	below = parts_beyond(doing, "min", "<", partition_bound_from(first));
	above = parts_beyond(doing, "max", ">=", partition_bound_to(first));
	settled = partition_bound_set(first, partition_bound_from(below != NIL ? linitial(below) : first),
								  partition_bound_to(above != NIL ? linitial(above) : first));
	if (above == NIL)
		return lcons(settled, list_copy_tail(layout->parts, 1));
	/* the default one that was asked for */
	if (strcmp(((LayoutPart *) llast(layout->parts))->bound, "DEFAULT") == 0)
		above = lappend(above, llast(layout->parts));
	return lcons(settled, list_copy_tail(above, 1));
}

/* The bound, as the catalog has it. */
static PartitionBoundSpec *
read_bound(Relation parent, const char *bound)
{
	char	   *sql = psprintf("ALTER TABLE t ATTACH PARTITION p %s", bound);
	AlterTableStmt *stmt = castNode(AlterTableStmt, linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT))->stmt);

	return transformPartitionBound(make_parsestate(NULL), parent,
								   castNode(PartitionCmd, linitial_node(AlterTableCmd, stmt->cmds)->def)->bound);
}

/* From the default partition to one with a bound; what that demands of its rows is known to hold. */
static void
set_bound(Doing *doing, const LayoutPart *part)
{
	Relation	parent = table_open(doing->parent, NoLock);
	Relation	catalog = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(doing->first));
	Datum		values[Natts_pg_class] = {0};
	bool		nulls[Natts_pg_class] = {0};
	bool		replaces[Natts_pg_class] = {0};
	Identity	saved;

	/* opening the key, and reading the bound, run code of the owner's types */
	identity_enter(doing->migration->owner, NIL, &saved);
	values[Anum_pg_class_relpartbound - 1] = CStringGetTextDatum(nodeToString(read_bound(parent, part->bound)));
	identity_leave(&saved);
	replaces[Anum_pg_class_relpartbound - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replaces);
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	update_default_partition_oid(doing->parent, InvalidOid);
	/* what all sessions know of the two, their plans included, is void */
	CacheInvalidateRelcache(parent);
	CacheInvalidateRelcacheByRelid(doing->first);
	table_close(catalog, RowExclusiveLock);
	table_close(parent, NoLock);
	CommandCounterIncrement();
	sql_statement(&doing->sql, "-- %s %s", table_name(doing->first), part->bound);
}

/* What it has of the first one: settings of the storage, and of the statistics of its columns. */
static void
make_part(Doing *doing, const LayoutPart *part)
{
	char	   *name = sql_qualified(part->namespace, part->name);
	Relation	first = table_open(doing->first, NoLock);
	char	   *storage = stored_like(first);
	const char *unlogged = first->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "";

	table_close(first, NoLock);
	run(doing, psprintf("CREATE %sTABLE %s PARTITION OF %s %s%s", unlogged, name, table_name(doing->parent), part->bound, storage));
	run_all(doing, query_printed_texts(doing->first, "SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', $2, attname, attstattarget) "
									   "FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0 "
									   "UNION ALL SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', $2, CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END) "
									   "FROM pg_class WHERE oid = $1 AND relreplident IN ('f', 'n')",
									   QUERY_ARGS(arg_oid(doing->first), arg_text(name))));
}

static void
drop_index(Doing *doing, const char *name)
{
	if (name != NULL)
		run(doing, psprintf("DROP INDEX IF EXISTS %s", beside(doing->first, name)));
}

char *
first_partition_settle(const Migration *migration, const FirstArgs *args)
{
	Doing		doing = {.migration = migration, .args = args, .first = args->relation, .parent = parent_of(args->relation)};
	List	   *parts;
	ListCell   *lc;

	if (!OidIsValid(doing.parent) || doing.parent != migration->relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is no partition any more", table_name(doing.first)),
				 errhint("Attach it again as the default partition, then SELECT zdm.resume(" INT64_FORMAT ").", migration->id)));
	initStringInfo(&doing.sql);
	parts = settled_parts(&doing);
	if (strcmp(((LayoutPart *) linitial(parts))->bound, "DEFAULT") != 0)
		set_bound(&doing, linitial(parts));
	for_each_from(lc, parts, 1)
		make_part(&doing, lfirst(lc));
	drop_index(&doing, args->beyond);
	drop_index(&doing, args->kept_index);
	return doing.sql.data;
}
