/*-------------------------------------------------------------------------
 *
 * new_shape.c
 *		The second table where it is of another shape: made, and exchanged by name.
 *
 * Such a table has rows of another type, so it cannot take the first one's storage: it
 * takes its name, and what hangs on the table moves (move/).  It is made by plain
 * statements, as the owner; no event trigger fires.
 *
 * Its indexes are built as those of a table that is written anew in its shape are
 * (second_table.c), as if none were unique.  They come to be what they stand for in the
 * transaction of the exchange, where the rows of both tables are the same, and those of
 * the first one satisfy it.
 *
 * After the exchange the first table is the hidden one: the trigger is on the other,
 * whose name it now has, and zdm.second reads the other way round.  Nothing else differs:
 * whoever carries rows over asks which table is which, not which was there first.  Logical
 * decoding goes by pg_class.relrewrite, which is as old as the row that is decoded: so
 * none is decoded twice, or not at all.
 *
 * SERIALIZABLE goes on, too: who has read the first table has its locks there, where the
 * trigger writes from then on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/folded.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/second_security.h"
#include "catalog/table_key.h"
#include "column/load.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/probe.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "move/move.h"
#include "plan/meaning.h"
#include "plan/second_plan.h"
#include "run/index_constraint.h"
#include "run/new_shape.h"
#include "run/partitioned_like.h"
#include "run/stored_like.h"
#include "storage/lmgr.h"
#include "sync/apply.h"
#include "sync/expr.h"
#include "sync/table_trigger.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "compat.h"

/* ---- making it ---- */

/*
 * Each of the columns, in the order of the names in $2, if there are any; and then what
 * CREATE TABLE cannot say.  $3 is of type $4, $5: which is stored as it wishes.
 */
#define COLUMNS \
	"SELECT format('%I %s%s%s%s%s', a.attname, CASE WHEN a.attname = $3 THEN $4 ELSE format_type(a.atttypid, a.atttypmod) END, " \
	"  CASE WHEN a.attname = $3 AND NOT $5 THEN NULL WHEN a.attcompression = 'p' THEN ' COMPRESSION pglz' " \
	"    WHEN a.attcompression = 'l' THEN ' COMPRESSION lz4' END, " \
	"  CASE WHEN a.attname IS DISTINCT FROM $3 AND a.attcollation NOT IN (0, t.typcollation) THEN format(' COLLATE %I.%I', cn.nspname, co.collname) END, " \
	"  CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid), " \
	"    CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) END, " \
	"  CASE WHEN a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conrelid = $1 AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]) " \
	"    THEN ' NOT NULL' END), " \
	"CASE WHEN a.attstorage <> t.typstorage AND (a.attname IS DISTINCT FROM $3 OR $5) THEN format('ALTER COLUMN %I SET STORAGE %s', a.attname, " \
	"  CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) END " \
	"FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum " \
	"LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace " \
	"WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY array_position($2, a.attname::text), a.attnum"

/*
 * CHECKs, and on servers that have names for them, NOT NULLs: one that is not valid cannot be
 * said in CREATE TABLE, and comes when the partitions are there ($2), for which it is
 * valid as long as they are empty.
 */
#define CONSTRAINTS \
	"SELECT format('ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint " \
	"WHERE conrelid = $1 AND contype IN ('c', 'n') AND convalidated IS DISTINCT FROM $2 ORDER BY contype DESC, conname"

/* The statements for those constraints that are valid, or for those that are not. */
static List *
constraints(const SecondArgs *args, const char *name, bool not_valid)
{
	QuerySession session;
	List	   *statements = NIL;
	uint64		n;

	query_begin_printing(&session, args->relation);
	n = QUERY(CONSTRAINTS, arg_oid(args->relation), arg_bool(not_valid));
	for (uint64 row = 0; row < n; row++)
		statements = lappend(statements, psprintf("ALTER TABLE %s %s", name, query_text(row, 1)));
	query_end(&session);
	return statements;
}

/* The columns as a list for CREATE TABLE, and the statements that follow it. */
static char *
column_list(const SecondArgs *args, const char *name, List **statements)
{
	const ConvertedColumn *converted = args->converted;
	QuerySession session;
	StringInfoData buf;
	uint64		n;

	initStringInfo(&buf);
	query_begin_printing(&session, args->relation);
	n = QUERY(COLUMNS, arg_oid(args->relation), arg_texts(args->columns), arg_text(converted != NULL ? converted->name : NULL),
			  arg_text(converted != NULL ? converted->type : NULL), arg_bool(converted != NULL && converted->toastable));
	for (uint64 row = 0; row < n; row++)
	{
		appendStringInfo(&buf, "%s%s", row > 0 ? ", " : "", query_text(row, 1));
		if (!query_null(row, 2))
			*statements = lappend(*statements, psprintf("ALTER TABLE %s %s", name, query_text(row, 2)));
	}
	query_end(&session);
	*statements = list_concat(*statements, constraints(args, name, false));
	return buf.data;
}

static void
tell_way_on(void *arg)
{
	int64		migration = *(int64 *) arg;
	int			code = geterrcode();
	const char *first = code == ERRCODE_DUPLICATE_TABLE ? "Rename or drop what has that name" :
		code == ERRCODE_INVALID_OBJECT_DEFINITION ? "Drop or detach the partition that is in the way" : NULL;

	if (first != NULL && migration != 0)
		errhint("%s, then SELECT zdm.resume(" INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
				first, migration, migration);
}

void
new_shape_run(const Migration *migration, const char *sql)
{
	int64		id = migration->id;
	ErrorContextCallback context = {.callback = tell_way_on, .arg = &id, .previous = error_context_stack};

	error_context_stack = &context;
	probe_run(sql);
	error_context_stack = context.previous;
}

/* Columns that the second table computes: it has no rows yet. */
static void
add_computed(const Migration *migration, const SecondArgs *args, const char *name)
{
	ListCell   *lc;

	foreach(lc, args->computed)
	{
		char	   *sql = second_computed_sql(args, lfirst(lc), name, false);

		meaning_check_text(migration->id, sql);
		probe_run(sql);
	}
}

/* What stands behind the list of columns. */
static char *
form_of(const SecondArgs *args, const Second *second, Relation source)
{
	if (partitioned_like_is(second))
		return psprintf(" PARTITION BY %s%s", partitioned_like_key(args->relation), stored_like(source));
	if (args->layout != NULL)
		return psprintf(" PARTITION BY %s", partition_layout_key_sql(args->layout, args->relation, false));
	return stored_like(source);
}

/* Partitions as they were stated. */
static void
create_parts(const Migration *migration, const SecondArgs *args, Relation source, Oid hidden, const char *name)
{
	const char *unlogged = source->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "";
	char	   *storage = stored_like(source);
	ListCell   *lc;

	/* before any row is routed by it */
	partition_layout_check_key(hidden, partition_layout_key_sql(args->layout, args->relation, false), migration->id);
	foreach(lc, args->layout->parts)
	{
		const LayoutPart *part = lfirst(lc);

		new_shape_run(migration, psprintf("CREATE %sTABLE %s PARTITION OF %s %s%s", unlogged,
										  second_part_name(args, foreach_current_index(lc)), name, part->bound, storage));
	}
}

/* Partitions as the first table has them. */
static void
create_like(const Migration *migration, const SecondArgs *args, const char *name, Second *second)
{
	int64		id = migration->id;
	ErrorContextCallback context = {.callback = tell_way_on, .arg = &id, .previous = error_context_stack};
	const ConvertedColumn *converted = args->converted;
	Relation	hidden = table_open(second->hidden, NoLock);
	LikeColumn	column = {
		.target = TupleDescAttr(RelationGetDescr(hidden), get_attnum(second->hidden, converted->name) - 1),
		.up = {converted->up, converted->up_resolution}, .settings = second->settings,
	};
	List	   *parts = partitioned_like_parts(args->relation, &column);

	table_close(hidden, NoLock);
	error_context_stack = &context;
	partitioned_like_make(args, parts, name, second);
	error_context_stack = context.previous;
}

/* Generated columns stand in CREATE TABLE, which is not looked into: each is read as if it were added to the table. */
static void
check_generated(const Migration *migration, Oid relid)
{
	QuerySession session;
	List	   *statements = NIL;
	uint64		n;
	ListCell   *lc;

	query_begin_printing(&session, relid);
	n = QUERY("SELECT format('ALTER TABLE %s ADD COLUMN %I %s GENERATED ALWAYS AS (%s) STORED', a.attrelid::regclass, a.attname, "
			  "format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a "
			  "JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = $1 AND a.attgenerated <> ''",
			  arg_oid(relid));
	for (uint64 row = 0; row < n; row++)
		statements = lappend(statements, query_text(row, 1));
	query_end(&session);
	foreach(lc, statements)
		meaning_check_carried(migration->id, relid, lfirst(lc));
}

static void
run_carried(const Migration *migration, Oid relid, List *statements)
{
	ListCell   *lc;

	foreach(lc, statements)
	{
		meaning_check_carried(migration->id, relid, lfirst(lc));
		probe_run(lfirst(lc));
	}
}

static void
create_table(const Migration *migration, const SecondArgs *args, Relation source, const char *hidden, Second *second)
{
	List	   *statements = NIL;
	char	   *name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(source)), hidden);
	char	   *columns = column_list(args, name, &statements);
	const char *unlogged = source->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "";
	char	   *sql = psprintf("CREATE %sTABLE %s (%s)%s", unlogged, name, columns, form_of(args, second, source));
	Identity	identity;

	identity_enter(source->rd_rel->relowner, NIL, &identity);
	check_generated(migration, args->relation);
	probe_run(sql);
	second->hidden = get_relname_relid(hidden, RelationGetNamespace(source));
	run_carried(migration, args->relation, statements);
	add_computed(migration, args, name);
	if (partitioned_like_is(second))
		create_like(migration, args, name, second);
	else if (args->layout != NULL)
		create_parts(migration, args, source, second->hidden, name);
	run_carried(migration, args->relation, constraints(args, name, true));
	identity_leave(&identity);
}

/* The relation, and its TOAST table, are what logical decoding leaves out: a rewrite of "of"; or are not, for InvalidOid. */
static void
set_rewrite(Oid relid, Oid of)
{
	Relation	catalog = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple;
	Form_pg_class form;
	Oid			toast;

	/* had in the exchange (new_shape_relations()); nobody else sees one that was just made */
	LockRelationOid(relid, AccessExclusiveLock);
	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	form = (Form_pg_class) GETSTRUCT(tuple);
	toast = form->reltoastrelid;
	form->relrewrite = of;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
	if (OidIsValid(toast))
		set_rewrite(toast, OidIsValid(of) ? toast : InvalidOid);
}

static void
set_tree_rewrite(Oid relid, Oid of)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		set_rewrite(lfirst_oid(lc), of);
}

static void
close_tree(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		Relation	rel = relation_open(lfirst_oid(lc), AccessExclusiveLock);

		table_trigger_close(rel);
		relation_close(rel, NoLock);
	}
}

static void
open_tree(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		table_trigger_let(rel);
		relation_close(rel, NoLock);
	}
}

/* Rows are not to be read there by whom the table's own privileges and policies keep out. */
static void
keep_tree_private(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		move_keep_private(lfirst_oid(lc));
}

/* By which columns rows are found in a table of that layout; NIL: those of the table's key. */
static List *
key_columns(const SecondArgs *args)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, args->layout != NULL ? args->layout->primary_key : NIL)
		names = lappend(names, get_attname(args->relation, lfirst_int(lc), false));
	return names;
}

/*
 * The key of the hidden table, and of each partition.  Without the partition key in it,
 * rows of several partitions can have the same: so it is not unique then.
 */
static void
create_key(const SecondArgs *args, Second *second)
{
	SecondKey	key = {.unique = args->layout == NULL || !args->layout->no_primary_key, .columns = key_columns(args)};
	Relation	hidden = table_open(second->hidden, AccessExclusiveLock);
	ListCell   *lc;

	second->hidden_key = second_table_create_index(second, hidden, second->key, InvalidOid, &key);
	table_close(hidden, NoLock);
	foreach(lc, find_all_inheritors(second->hidden, NoLock, NULL))
	{
		Relation	leaf;

		if (lfirst_oid(lc) == second->hidden)
			continue;
		leaf = table_open(lfirst_oid(lc), AccessExclusiveLock);
		(void) second_table_create_part(second, leaf, second->key, second->hidden_key, &key);
		table_close(leaf, NoLock);
	}
}

/* Do the table's partitions go by it? */
static bool
converted_routes(Oid relid, const ConvertedColumn *converted)
{
	bool		in_expression;

	return column_in_partition_key(relid, converted->name, &in_expression);
}

/* What Second.converted has of the column. */
static List *
conversion(const SecondArgs *args)
{
	const ConvertedColumn *converted = args->converted;
	List	   *things;

	if (converted == NULL)
		return NIL;
	things = list_make5(converted->name,
						converted->up, converted->up_resolution != NULL ? converted->up_resolution : "",
						converted->down, converted->down_resolution != NULL ? converted->down_resolution : "");
	things = lappend(things, converted->exact ? CONVERTED_EXACT : CONVERTED_LOSSY);
	return lappend(things, converted_routes(args->relation, converted) ? CONVERTED_ROUTES : CONVERTED_BESIDE);
}

/* Names of the columns that the second table computes by itself, or has of another type (char *). */
static List *
own_columns(const SecondArgs *args)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, args->computed)
		names = lappend(names, ((ComputedColumn *) lfirst(lc))->name);
	return args->converted != NULL ? lappend(names, args->converted->name) : names;
}

/* What is known of it is by its name. */
static void
check_converted(const Migration *migration, const SecondArgs *args)
{
	if (args->converted != NULL && get_attnum(args->relation, args->converted->name) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of %s no longer exists", args->converted->name, names_relation(args->relation)),
				 errhint("Give it its name back, then SELECT zdm.resume(" INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
						 migration->id, migration->id)));
}

void
new_shape_make(const Migration *migration, const SecondArgs *args)
{
	Relation	source = table_open(args->relation, ShareRowExclusiveLock);
	char	   *name = second_name(migration->id, args->relation);
	Second		second = {
		.migration = migration->id,
		.relid = args->relation,
		.key = table_key_find(source),
		.filenode = zdm_relfilenode(source),
		.new_shape = true,
		.own = own_columns(args),
		.converted = conversion(args),
		.settings = args->converted != NULL ? migration->result_settings : NIL,
	};

	second.layout = second_layout(args->relation, partitioned_like_is(&second));
	second_table_check(migration, args, source);
	check_converted(migration, args);
	second_plan_check_places(args->relation, migration->id);
	if (args->layout != NULL && !partitioned_like_is(&second))
		partition_layout_check(args->layout, args->relation, migration->id);
	if (!OidIsValid(second.key))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s has no key any more", names_relation(second.relid)),
				 errhint("Add a primary key, then SELECT zdm.resume(" INT64_FORMAT ").", migration->id)));
	create_table(migration, args, source, name, &second);
	set_tree_rewrite(second.hidden, second.relid);
	keep_tree_private(second.hidden);
	second_table_depend(second.hidden, second.relid);
	create_key(args, &second);
	close_tree(second.hidden);
	table_trigger_create(source, &second);
	(void) second_secure(&second);
	second_insert(&second);
	table_close(source, NoLock);
}

char *
new_shape_analyze(const Second *second)
{
	return psprintf("ANALYZE %s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(second->hidden)),
															 get_rel_name(second->hidden)));
}

/* ---- whether it can be made ---- */

typedef struct Trial
{
	const SecondArgs *args;
	List	   *settings;
} Trial;

/* Of a column of the partition key the two expressions are about it alone: up was asked for the bounds. */
static void
check_down(const SecondArgs *args, const Second *second, Relation source)
{
	Relation	hidden = table_open(second->hidden, NoLock);
	AttrNumber	attnum = get_attnum(args->relation, args->converted->name);
	AttrNumber	hidden_attnum = get_attnum(second->hidden, args->converted->name);
	ExprStated	down = {args->converted->down, args->converted->down_resolution};
	ExprActor	actor = {source->rd_rel->relowner, second->settings};

	partitioned_like_check_alone(expr_compile(&down, args->relation, hidden, hidden_attnum,
											  TupleDescAttr(RelationGetDescr(source), attnum - 1), &actor, CurrentMemoryContext),
								 second->hidden, hidden_attnum, "down");
	table_close(hidden, NoLock);
}

static void
run_trial(void *arg)
{
	const Trial *trial = arg;
	Relation	source = table_open(trial->args->relation, AccessShareLock);
	Migration	none = {0};
	Second		second = {
		.relid = trial->args->relation, .new_shape = true,
		.converted = conversion(trial->args), .settings = trial->settings,
	};

	PushActiveSnapshot(GetTransactionSnapshot());
	create_table(&none, trial->args, source, trial->args->hidden, &second);
	check_down(trial->args, &second, source);
	PopActiveSnapshot();
	table_close(source, NoLock);
}

void
new_shape_try(const SecondArgs *args, List *settings)
{
	Trial		trial = {.args = args, .settings = settings};
	ErrorData  *error;

	if (attempt_run(run_trial, &trial, ATTEMPT_UNDO, &error))
		return;
	/* what was run says nothing to the caller */
	error->context = NULL;
	error->cursorpos = error->internalpos = 0;
	error->internalquery = NULL;
	ReThrowError(error);
}

/* ---- the exchange ---- */

/* The table and its partitions; none, if somebody has dropped it. */
static List *
tree_of(Oid relid)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) ? find_all_inheritors(relid, NoLock, NULL) : NIL;
}

List *
new_shape_relations(const Second *second)
{
	List	   *relations = list_make2_oid(second->relid, second->hidden);
	List	   *both = list_concat(tree_of(second->relid), tree_of(second->hidden));

	relations = list_concat_unique_oid(relations, move_relations(second->relid, second->hidden, second->converted != NIL));
	return list_concat_unique_oid(relations, second_table_toasts(both));
}

/* What pg_index has of the one, the other has too: what it is to be, not of which columns. */
static void
copy_flags(Oid indexid, Oid like, bool unique)
{
	Relation	catalog = table_open(IndexRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(INDEXRELID, ObjectIdGetDatum(indexid));
	HeapTuple	like_tuple = SearchSysCacheCopy1(INDEXRELID, ObjectIdGetDatum(like));
	Form_pg_index from = (Form_pg_index) GETSTRUCT(tuple);
	Form_pg_index to = (Form_pg_index) GETSTRUCT(like_tuple);

	to->indisunique = from->indisunique && unique;
	to->indisexclusion = from->indisexclusion;
	to->indimmediate = from->indimmediate;
	to->indisclustered = from->indisclustered;
	/* what a build that failed has left stays that: it may hold what it does not allow */
	to->indisvalid = from->indisvalid;
	CatalogTupleUpdate(catalog, &like_tuple->t_self, like_tuple);
	heap_freetuple(tuple);
	heap_freetuple(like_tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/* The constraint that the index is there for, for its like, a part of "parent" on a partition. */
static Oid
create_constraint(Relation hidden, Oid indexid, Oid like, Oid constraint, Oid parent)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	Relation	index = index_open(indexid, AccessShareLock);
	IndexInfo  *known = folded_index_info(index);
	IndexConstraint made = {
		.name = get_rel_name(like), .type = form->contype, .parent = parent,
		.operators = known->ii_ExclusionOps, .procs = known->ii_ExclusionProcs, .strategies = known->ii_ExclusionStrats,
	};

	if (form->contype == CONSTRAINT_PRIMARY)
		made.flags |= INDEX_CONSTR_CREATE_MARK_AS_PRIMARY;
	if (form->condeferrable)
		made.flags |= INDEX_CONSTR_CREATE_DEFERRABLE;
	if (form->condeferred)
		made.flags |= INDEX_CONSTR_CREATE_INIT_DEFERRED;
	if (zdm_without_overlaps_constraint(form))
		made.flags |= ZDM_INDEX_WITHOUT_OVERLAPS;
	index_close(index, NoLock);
	ReleaseSysCache(tuple);
	return index_constraint_make(hidden, like, &made);
}

/* Each index of the table and its like; false if one has none. */
static bool
pair_indexes(Second *second, Relation source)
{
	ListCell   *lc;

	second->indexes = second->likes = NIL;
	foreach(lc, RelationGetIndexList(source))
	{
		Oid			like = second_table_like(second, lfirst_oid(lc));

		if (!OidIsValid(like))
			return false;
		second->indexes = lappend_oid(second->indexes, lfirst_oid(lc));
		second->likes = lappend_oid(second->likes, like);
	}
	return true;
}

/* With the constraint that it is there for. */
static void
drop_index(Oid indexid)
{
	Oid			constraint = get_index_constraint(indexid);
	ObjectAddress object;

	if (OidIsValid(constraint))
		ObjectAddressSet(object, ConstraintRelationId, constraint);
	else
		ObjectAddressSet(object, RelationRelationId, indexid);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/* An index of the table that was dropped when its like had been built: that would go over under a name of ours. */
static void
drop_leftovers(const Second *second)
{
	Relation	hidden = table_open(second->hidden, NoLock);
	List	   *indexes = RelationGetIndexList(hidden);
	ListCell   *lc;

	table_close(hidden, NoLock);
	foreach(lc, indexes)
	{
		if (!list_member_oid(second->likes, lfirst_oid(lc)))
			drop_index(lfirst_oid(lc));
	}
}

/* Of a column that is of another type there, the operator class is another one: the type's own. */
#define CLASSES(index) \
	"ARRAY(SELECT CASE WHEN o.opcdefault THEN 0 ELSE o.oid END FROM unnest(" index ".indclass::oid[]) WITH ORDINALITY u(oid, n) " \
	"  JOIN pg_opclass o ON o.oid = u.oid ORDER BY u.n)"

/* The valid index of table $2, none of those in $3, that is defined as index $1 is. */
#define SAME_INDEX \
	"SELECT x.indexrelid FROM pg_index x JOIN pg_class xc ON xc.oid = x.indexrelid, pg_index l JOIN pg_class lc ON lc.oid = l.indexrelid " \
	"WHERE l.indexrelid = $1 AND x.indrelid = $2 AND x.indexrelid <> ALL ($3) AND x.indisvalid " \
	"AND (x.indisunique, x.indnkeyatts, x.indnatts, " CLASSES("x") ", x.indoption::text, xc.relam) = " \
	"  (l.indisunique, l.indnkeyatts, l.indnatts, " CLASSES("l") ", l.indoption::text, lc.relam) " \
	"AND NOT EXISTS (SELECT FROM unnest(x.indcollation::oid[], l.indcollation::oid[]) c(x, l) WHERE c.x <> c.l AND c.x <> 0 AND c.l <> 0) " \
	"AND pg_get_expr(x.indpred, x.indrelid) IS NOT DISTINCT FROM pg_get_expr(l.indpred, l.indrelid) " \
	"AND NOT EXISTS (SELECT FROM generate_series(1, x.indnatts) n " \
	"  WHERE pg_get_indexdef(x.indexrelid, n, false) <> pg_get_indexdef(l.indexrelid, n, false)) LIMIT 1"

/* REINDEX CONCURRENTLY has put another in an index's place: it is known by its like in the other table. */
static void
follow_reindexed(Second *second)
{
	QuerySession session;
	ListCell   *lc;
	ListCell   *other;

	query_begin_printing(&session, second->relid);
	forboth(lc, second->indexes, other, second->likes)
	{
		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))) ||
			QUERY(SAME_INDEX, arg_oid(lfirst_oid(other)), arg_oid(second->relid), arg_oids(second->indexes)) == 0)
			continue;
		if (second->key == lfirst_oid(lc))
			second->key = query_oid(0, 1);
		lfirst_oid(lc) = query_oid(0, 1);
	}
	query_end(&session);
}

/* What was dropped since the names were exchanged: of the table, its like goes too; of the hidden one, the index has none. */
static void
forget_dropped(Second *second)
{
	List	   *indexes = NIL;
	List	   *likes = NIL;
	ListCell   *lc;
	ListCell   *other;

	forboth(lc, second->indexes, other, second->likes)
	{
		bool		there = IndexGetRelation(lfirst_oid(lc), true) == second->relid;
		bool		like_there = IndexGetRelation(lfirst_oid(other), true) == second->hidden;

		if (like_there && !there)
			drop_index(lfirst_oid(other));
		if (!like_there || !there)
			continue;
		indexes = lappend_oid(indexes, lfirst_oid(lc));
		likes = lappend_oid(likes, lfirst_oid(other));
	}
	second->indexes = indexes;
	second->likes = likes;
}

/* What is unique in the table can be so in a partitioned one only if the partition key is in it. */
static bool
stays_unique(const SecondArgs *args, Oid indexid, Oid like)
{
	Relation	index;
	bool		primary;
	bool		stays = true;
	ListCell   *lc;

	if (args->layout == NULL)
		return true;
	index = index_open(indexid, AccessShareLock);
	primary = index->rd_index->indisprimary;
	foreach(lc, args->layout->columns)
	{
		bool		found = false;

		for (int i = 0; i < index->rd_index->indnkeyatts; i++)
			found |= lfirst_int(lc) != 0 && index->rd_index->indkey.values[i] == lfirst_int(lc);
		stays &= found;
	}
	index_close(index, NoLock);
	return primary ? !args->layout->no_primary_key : stays;
}

/* The like on the hidden table, or a part of it on a partition, becomes what it stands for. */
static Oid
settle_index(Oid relid, Oid indexid, Oid like, bool unique, Oid constraint, Oid parent)
{
	Relation	rel = relation_open(relid, NoLock);
	Oid			made = InvalidOid;

	/* before the index says that it is one of an exclusion: that is read from the constraint */
	if (OidIsValid(constraint))
		made = create_constraint(rel, indexid, like, constraint, parent);
	copy_flags(indexid, like, unique);
	CacheInvalidateRelcache(rel);
	relation_close(rel, NoLock);
	CommandCounterIncrement();
	return made;
}

/* Of the parts on partitions, what each was settled to. */
typedef struct Settled
{
	List	   *relids;
	List	   *constraints;	/* Oid */
} Settled;

static Oid
settled_above(const Settled *settled, Oid relid)
{
	Oid			above = get_partition_parent(relid, false);
	ListCell   *lc;
	ListCell   *constraint;

	forboth(lc, settled->relids, constraint, settled->constraints)
	{
		if (lfirst_oid(lc) == above)
			return lfirst_oid(constraint);
	}
	return InvalidOid;
}

static void
settle_like(const SecondArgs *args, const Second *second, Oid indexid, Oid like)
{
	bool		unique = stays_unique(args, indexid, like);
	Oid			constraint = unique ? get_index_constraint(indexid) : InvalidOid;
	Settled		settled = {0};
	ListCell   *lc;

	/* what is above others comes before them */
	foreach(lc, find_all_inheritors(second->hidden, NoLock, NULL))
	{
		bool		root = lfirst_oid(lc) == second->hidden;
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);
		Oid			part = table_key_part(rel, like);
		Oid			made = InvalidOid;

		relation_close(rel, NoLock);
		if (OidIsValid(part))
			made = settle_index(lfirst_oid(lc), partitioned_like_index(second, lfirst_oid(lc), indexid), part, unique, constraint,
								root ? InvalidOid : settled_above(&settled, lfirst_oid(lc)));
		settled.relids = lappend_oid(settled.relids, lfirst_oid(lc));
		settled.constraints = lappend_oid(settled.constraints, made);
	}
}

static void
settle_indexes(const SecondArgs *args, const Second *second)
{
	ListCell   *lc;
	ListCell   *other;

	forboth(lc, second->indexes, other, second->likes)
		settle_like(args, second, lfirst_oid(lc), lfirst_oid(other));
}

/* What has come to the table since the names were exchanged, and has no like in the first one. */
static void
refuse_new_indexes(const Migration *migration, const Second *second, Relation source)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(source))
	{
		if (!list_member_oid(second->indexes, lfirst_oid(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("index %s of %s would be lost on the way back", names_relation(lfirst_oid(lc)),
							names_relation(second->relid)),
					 errdetail("It was made since the cutover, or the like of it was dropped."),
					 errhint("DROP INDEX %s%s; then SELECT zdm.resume(" INT64_FORMAT "), and make it again afterwards.",
							 /* of a partitioned index there is no other way */
							 get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_INDEX ? "" : "CONCURRENTLY ",
							 names_relation(lfirst_oid(lc)), migration->id)));
	}
}

/* What has come since the call, and was never asked about the values that a column is to have. */
static void
refuse_judges(const Migration *migration, const SecondArgs *args)
{
	ListCell   *lc;

	foreach(lc, args->computed)
	{
		const ComputedColumn *column = lfirst(lc);
		char	   *judge = second_judges_column(args->relation, column->name);

		if (judge != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s is about column \"%s\" of %s, which is to have other values", judge, column->name,
							names_relation(args->relation)),
					 errdetail("It was made since the migration was stated."),
					 errhint("Drop it, then SELECT zdm.resume(" INT64_FORMAT "), and make it again after zdm.contract().", migration->id)));
	}
}

/* Before names are exchanged: is the other's every index there?  On the way back, all of them are. */
static bool
ready_indexes(const Migration *migration, const SecondArgs *args, Second *second)
{
	Relation	source = table_open(second->relid, NoLock);
	bool		ready = true;

	if (second->turned)
	{
		follow_reindexed(second);
		forget_dropped(second);
		refuse_new_indexes(migration, second, source);
	}
	else
	{
		refuse_judges(migration, args);
		ready = pair_indexes(second, source);
	}
	table_close(source, NoLock);
	if (ready && !second->turned)
	{
		drop_leftovers(second);
		settle_indexes(args, second);
	}
	return ready;
}

/* The one that is hidden is not from here on, and the other way round. */
static void
turn(Second *second)
{
	Second		was = *second;

	second->relid = was.hidden;
	second->hidden = was.relid;
	second->key = was.hidden_key;
	second->hidden_key = was.key;
	second->indexes = was.likes;
	second->likes = was.indexes;
	second->parts = was.hidden_parts;
	second->hidden_parts = was.parts;
	second->turned = !was.turned;
	second->refilled = false;
}

/* The first table depends on nothing: the second would go with it. */
static void
stand_alone(Oid hidden, Oid relid)
{
	(void) deleteDependencyRecordsForSpecific(RelationRelationId, hidden, DEPENDENCY_AUTO, RelationRelationId, relid);
	CommandCounterIncrement();
}

static void
take_trigger(const Second *second)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(second->relid, NoLock, NULL))
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		(void) table_trigger_drop(rel, second->hidden);
		relation_close(rel, NoLock);
	}
}

/* Rows are carried over the other way from here on. */
static void
settle_direction(Second *second)
{
	Relation	source;

	set_tree_rewrite(second->relid, InvalidOid);
	set_tree_rewrite(second->hidden, second->relid);
	second_table_depend(second->hidden, second->relid);
	close_tree(second->hidden);
	source = table_open(second->relid, NoLock);
	second->filenode = zdm_relfilenode(source);
	table_trigger_create(source, second);
	table_close(source, NoLock);
	(void) second_secure(second);
	second_update(second);
}

/* As it reads; NULL: there is none. */
static char *
default_text(Oid relid, AttrNumber attnum)
{
	QuerySession session;
	char	   *text = NULL;

	query_begin_printing(&session, relid);
	if (QUERY("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = $1 AND adnum = $2", arg_oid(relid), arg_int2(attnum)) > 0)
		text = query_text(0, 1);
	query_end(&session);
	return text;
}

static bool
has_default(Oid relid, const char *column)
{
	return default_text(relid, get_attnum(relid, column)) != NULL;
}

static bool
equal_texts(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What "stored" makes of the column's default; the text of today where it reads other columns, too. */
static char *
default_through(const Second *second, const char *stored)
{
	Oid			first = second->turned ? second->hidden : second->relid;
	AttrNumber	attnum = get_attnum(second->relid, linitial(second->converted));
	bool		reads_others;
	char	   *text = expr_of_default(second->relid, first, stored, attnum, &reads_others);

	return reads_others ? default_text(second->relid, attnum) : text;
}

/*
 * Of an up of the user's own, the default goes through that; on the way back it is what
 * it was, unless it has been set since: then it goes through down.
 */
static void
convert_default(const ConvertedColumn *converted, const Second *second, MoveConverted *move)
{
	AttrNumber	attnum;
	bool		reads_others;
	char	   *now;
	char	   *made;

	/* an identity column, say, has none on either side */
	move->default_known = converted->mapped &&
		(has_default(second->relid, converted->name) || has_default(second->hidden, converted->name));
	if (!move->default_known)
		return;
	if (!second->turned)
	{
		move->default_text = default_through(second, converted->up);
		return;
	}
	attnum = get_attnum(second->hidden, converted->name);
	now = default_text(second->relid, get_attnum(second->relid, converted->name));
	made = expr_of_default(second->hidden, second->hidden, converted->up, attnum, &reads_others);
	if (reads_others || equal_texts(now, made))
		move->default_text = default_text(second->hidden, attnum);
	else
		move->default_text = default_through(second, converted->down);
}

char *
new_shape_exchange(Migration *migration, const SecondArgs *args, Second *second, CopyEnd *end, const SessionFunctions *functions)
{
	Relation	hidden;
	List	   *acts;
	char	   *sql;
	MoveConverted converted = {0};
	Move		move = {.migration = migration->id, .from = second->relid, .to = second->hidden};

	partitioned_like_settle(migration->id, second);
	if (!ready_indexes(migration, args, second))
		return NULL;
	if (!second->turned || second->refilled)
	{
		hidden = table_open(second->hidden, NoLock);
		second_table_tell_standbys(second, end, hidden);
		table_close(hidden, NoLock);
	}
	take_trigger(second);
	open_tree(second->hidden);
	(void) second_expose(second);
	stand_alone(second->hidden, second->relid);
	move.indexes = second->indexes;
	move.likes = second->likes;
	partitioned_like_add_indexes(second, &move.indexes, &move.likes);
	move.leaves_from = second->parts;
	move.leaves_to = second->hidden_parts;
	move.own = second->own;
	if (args->converted != NULL)
	{
		converted = (MoveConverted) {
			.name = args->converted->name, .exact = args->converted->exact,
			.in_key = converted_routes(second->relid, args->converted),
			.sequences = args->converted->sequences,
		};
		convert_default(args->converted, second, &converted);
		move.converted = &converted;
	}
	acts = move_acts(&move);
	sql = move_sql(acts);
	move_run(acts);
	CommandCounterIncrement();
	turn(second);
	settle_direction(second);
	migration_follow(migration, second->relid);
	sessions_compile_all(second->relid, functions);
	return sql;
}

/* ---- the way back ---- */

static void
check_shape(const Migration *migration, const Second *second)
{
	Relation	source = table_open(second->relid, NoLock);
	Relation	hidden = table_open(second->hidden, NoLock);
	bool		possible = apply_is_possible(source, hidden, second);

	table_close(hidden, NoLock);
	table_close(source, NoLock);
	if (!possible)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " cannot go back: %s has other columns or another key than it had at the cutover",
						migration->id, names_relation(second->relid)),
				 errdetail("The table that was there first, %s, cannot hold its rows.", names_relation(second->hidden)),
				 errhint("Give it back what it had, then SELECT zdm.resume(" INT64_FORMAT ").", migration->id)));
}

static void
empty(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);

		/* at once, not with the commit: what it holds is void whatever becomes of this */
		if (rel->rd_rel->relkind == RELKIND_RELATION)
			heap_truncate_one_rel(rel);
		table_close(rel, NoLock);
	}
}

/* With the table's: rows are carried over as its owner, and a pair of two owners is void. */
static void
follow_owner(const Second *second)
{
	Relation	source = table_open(second->relid, NoLock);
	Oid			owner = source->rd_rel->relowner;
	ListCell   *lc;

	table_close(source, NoLock);
	foreach(lc, find_all_inheritors(second->hidden, NoLock, NULL))
		ATExecChangeOwner(lfirst_oid(lc), owner, false, AccessExclusiveLock);
	CommandCounterIncrement();
}

void
new_shape_refill(const Migration *migration, Second *second)
{
	follow_reindexed(second);
	check_shape(migration, second);
	follow_owner(second);
	take_trigger(second);
	open_tree(second->hidden);
	empty(second->hidden);
	settle_direction(second);
	second->refilled = true;
	second_update(second);
}
