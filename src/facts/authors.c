/*-------------------------------------------------------------------------
 *
 * authors.c
 *		Who wrote what PostgreSQL would open.
 *
 * Some questions only PostgreSQL's planner or an ALTER TABLE on a copy answers,
 * and both fold the expressions that they find on a table: that runs functions,
 * with the rights of whoever asks.  So it is first looked at whose functions
 * those are.  What the current user wrote himself, and what superusers did, who
 * have every right already, may be opened as he; anything else may not.
 *
 * Nothing is opened to find out: trees are only read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/partition.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "facts/authors.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "compat.h"

static void
add_author(List **authors, Oid role)
{
	if (role != GetUserId() && !superuser_arg(role))
		*authors = list_append_unique_oid(*authors, role);
}

static bool
add_function(Oid funcid, void *context)
{
	HeapTuple	tuple;

	if (funcid < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (HeapTupleIsValid(tuple))
	{
		add_author((List **) context, ((Form_pg_proc) GETSTRUCT(tuple))->proowner);
		ReleaseSysCache(tuple);
	}
	return false;
}

/* Making a value of the type may run CHECKs: those of a domain, also inside an array or a row. */
static void
add_type(List **authors, Oid type)
{
	HeapTuple	tuple;

	if (type < FirstNormalObjectId)
		return;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (HeapTupleIsValid(tuple))
	{
		add_author(authors, ((Form_pg_type) GETSTRUCT(tuple))->typowner);
		ReleaseSysCache(tuple);
	}
}

static void add_relation(List **authors, Oid relid);

static bool
authors_walker(Node *node, List **authors)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, add_function, authors);
	if (IsA(node, CoerceToDomain) || IsA(node, CoerceViaIO))
		add_type(authors, exprType(node));
	if (IsA(node, RangeTblEntry) && ((RangeTblEntry *) node)->rtekind == RTE_RELATION)
	{
		foreach(lc, find_all_inheritors(((RangeTblEntry *) node)->relid, NoLock, NULL))
			add_relation(authors, lfirst_oid(lc));
		return false;
	}
	if (IsA(node, RangeTblEntry))
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, authors_walker, authors, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, authors_walker, authors);
}

/* A tree in a catalog's row. */
static void
add_stored(List **authors, int cache, HeapTuple tuple, AttrNumber attnum)
{
	bool		isnull;
	Datum		datum = SysCacheGetAttr(cache, tuple, attnum, &isnull);

	if (!isnull)
		authors_walker(stringToNode(TextDatumGetCString(datum)), authors);
}

static void
add_row(List **authors, int cache, Oid oid, AttrNumber attnum, AttrNumber further)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		return;
	add_stored(authors, cache, tuple, attnum);
	if (further != InvalidAttrNumber)
		add_stored(authors, cache, tuple, further);
	ReleaseSysCache(tuple);
}

static void
add_relation(List **authors, Oid relid)
{
	Relation	relation = try_relation_open(relid, AccessShareLock);
	TupleConstr *constr;
	ListCell   *lc;

	if (relation == NULL)
		return;
	constr = RelationGetDescr(relation)->constr;
	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
		authors_walker(stringToNode(constr->defval[i].adbin), authors);
	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		authors_walker(stringToNode(constr->check[i].ccbin), authors);
	foreach(lc, RelationGetIndexList(relation))
		add_row(authors, INDEXRELID, lfirst_oid(lc), Anum_pg_index_indexprs, Anum_pg_index_indpred);
	foreach(lc, RelationGetStatExtList(relation))
		add_row(authors, STATEXTOID, lfirst_oid(lc), Anum_pg_statistic_ext_stxexprs, InvalidAttrNumber);
	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		add_row(authors, PARTRELID, relid, Anum_pg_partitioned_table_partexprs, InvalidAttrNumber);
	/* a partition's own bound is opened by the keys above it */
	foreach(lc, relation->rd_rel->relispartition ? get_partition_ancestors(relid) : NIL)
		add_row(authors, PARTRELID, lfirst_oid(lc), Anum_pg_partitioned_table_partexprs, InvalidAttrNumber);
	relation_close(relation, AccessShareLock);
}

List *
authors_of_query(Query *query)
{
	List	   *authors = NIL;

	authors_walker((Node *) query, &authors);
	return authors;
}

List *
authors_of_relation(Oid relid)
{
	List	   *authors = NIL;

	add_relation(&authors, relid);
	return authors;
}
