/*-------------------------------------------------------------------------
 *
 * statistics.c
 *		Extended statistics objects.
 *
 * The object itself goes over, with its name, owner, target and comment.  What ANALYZE
 * has found for it goes with it where it says the same of the other table: where the
 * columns have their numbers, and both have rows of their own or neither has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attmap.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_statistic_ext.h"
#include "move/act.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteManip.h"
#include "storage/lockdefs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

/* Which number a column has in the other table; 0 where it is not used, or is not there. */
static AttrMap *
map_columns(Oid from, Oid to)
{
	Relation	rel = table_open(from, NoLock);
	int			natts = RelationGetNumberOfAttributes(rel);
	AttrMap    *map = make_attrmap(natts);

	table_close(rel, NoLock);
	for (int i = 0; i < natts; i++)
	{
		char	   *name = get_attname(from, i + 1, true);

		map->attnums[i] = name != NULL ? get_attnum(to, name) : InvalidAttrNumber;
	}
	return map;
}

/* stxexprs is NULL without any. */
static Node *
map_expressions(HeapTuple tuple, const MoveAct *act, const AttrMap *map)
{
	bool		isnull;
	bool		whole_row;
	Datum		tree = SysCacheGetAttr(STATEXTOID, tuple, Anum_pg_statistic_ext_stxexprs, &isnull);

	if (isnull)
		return NULL;
	return map_variable_attnos(stringToNode(TextDatumGetCString(tree)), 1, 0, map,
							   get_rel_type_id(act->other), &whole_row);
}

/* As CREATE STATISTICS records it. */
static void
record_dependencies(const MoveAct *act, Oid namespace, const int2vector *keys, Node *expressions)
{
	ObjectAddress object;
	ObjectAddress on;

	(void) deleteDependencyRecordsFor(StatisticExtRelationId, act->class, true);
	ObjectAddressSet(object, StatisticExtRelationId, act->class);
	for (int i = 0; i < keys->dim1; i++)
	{
		ObjectAddressSubSet(on, RelationRelationId, act->other, keys->values[i]);
		recordDependencyOn(&object, &on, DEPENDENCY_AUTO);
	}
	if (keys->dim1 == 0)
	{
		ObjectAddressSet(on, RelationRelationId, act->other);
		recordDependencyOn(&object, &on, DEPENDENCY_AUTO);
	}
	if (expressions != NULL)
		recordDependencyOnSingleRelExpr(&object, expressions, act->other, DEPENDENCY_NORMAL, DEPENDENCY_AUTO, false);
	ObjectAddressSet(on, NamespaceRelationId, namespace);
	recordDependencyOn(&object, &on, DEPENDENCY_NORMAL);
}

static int
compare_numbers(const void *a, const void *b)
{
	return *(const int16 *) a - *(const int16 *) b;
}

/* The keys in the other table, in their order there; false if any is another number, or of another type. */
static bool
map_keys(HeapTuple tuple, const MoveAct *act, const AttrMap *map, int2vector **keys)
{
	Form_pg_statistic_ext form = (Form_pg_statistic_ext) GETSTRUCT(tuple);
	int			n = form->stxkeys.dim1;
	int16	   *numbers = palloc(Max(n, 1) * sizeof(int16));
	bool		same = true;

	for (int i = 0; i < n; i++)
	{
		numbers[i] = map->attnums[form->stxkeys.values[i] - 1];
		same = same && numbers[i] == form->stxkeys.values[i] &&
			get_atttype(act->other, numbers[i]) == get_atttype(act->object, form->stxkeys.values[i]);
	}
	qsort(numbers, n, sizeof(int16), compare_numbers);
	*keys = buildint2vector(numbers, n);
	return same;
}

static void
update(HeapTuple tuple, Oid relid, int2vector *keys, Node *expressions)
{
	Relation	catalog = table_open(StatisticExtRelationId, RowExclusiveLock);
	Datum		values[Natts_pg_statistic_ext] = {0};
	bool		nulls[Natts_pg_statistic_ext] = {0};
	bool		replaces[Natts_pg_statistic_ext] = {0};
	HeapTuple	changed;

	values[Anum_pg_statistic_ext_stxrelid - 1] = ObjectIdGetDatum(relid);
	replaces[Anum_pg_statistic_ext_stxrelid - 1] = true;
	values[Anum_pg_statistic_ext_stxkeys - 1] = PointerGetDatum(keys);
	replaces[Anum_pg_statistic_ext_stxkeys - 1] = true;
	if (expressions != NULL)
	{
		values[Anum_pg_statistic_ext_stxexprs - 1] = CStringGetTextDatum(nodeToString(expressions));
		replaces[Anum_pg_statistic_ext_stxexprs - 1] = true;
	}
	changed = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replaces);
	CatalogTupleUpdate(catalog, &tuple->t_self, changed);
	table_close(catalog, RowExclusiveLock);
}

static bool
is_partitioned(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
}

static void
run(const MoveAct *act)
{
	HeapTuple	tuple = SearchSysCacheCopy1(STATEXTOID, ObjectIdGetDatum(act->class));
	AttrMap    *map = map_columns(act->object, act->other);
	Node	   *expressions = map_expressions(tuple, act, map);
	int2vector *keys;
	bool		same = map_keys(tuple, act, map, &keys);

	update(tuple, act->other, keys, expressions);
	record_dependencies(act, ((Form_pg_statistic_ext) GETSTRUCT(tuple))->stxnamespace, keys, expressions);
	if (!same || is_partitioned(act->object) != is_partitioned(act->other))
		(void) QUERY_ONCE("DELETE FROM pg_statistic_ext_data WHERE stxoid = $1", arg_oid(act->class));
}

static void
add_pair(Moving *moving, const MovePair *pair)
{
	QuerySession session;
	uint64		n;

	query_begin_printing(&session, pair->from);
	n = QUERY("SELECT oid, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = $1 ORDER BY oid",
			  arg_oid(pair->from));
	for (uint64 row = 0; row < n; row++)
		act_add(&moving->enter, &(MoveAct) {
			.sql = psprintf("-- as it is\n%s", query_text(row, 2)),
			.run = run, .class = query_oid(row, 1), .object = pair->from, .other = pair->to,
		});
	query_end(&session);
}

const MovePart move_statistics = {.pair = add_pair};
