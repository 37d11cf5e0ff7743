/*-------------------------------------------------------------------------
 *
 * facts.c
 *		The catalog as one DDL statement finds it.
 *
 * Each part of a relation is read when a rule first asks for it, since most
 * statements need only a name and a size, and the guard runs before every DDL
 * statement of every session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "commands/sequence.h"
#include "facts/facts.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "compat.h"

static FactRelation *load_relation(Facts *facts, Oid relid);

Facts *
facts_create(bool simulated)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "pg_zdm facts",
											   ALLOCSET_SMALL_SIZES);
	Facts	   *facts = MemoryContextAllocZero(mcxt, sizeof(Facts));

	facts->mcxt = mcxt;
	facts->simulated = simulated;
	return facts;
}

static FactRelation *
known_by_oid(Facts *facts, Oid relid)
{
	ListCell   *lc;

	foreach(lc, facts->relations)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (rel->oid == relid)
			return rel;
	}
	return NULL;
}

FactRelation *
facts_by_oid(Facts *facts, Oid relid)
{
	FactRelation *rel = known_by_oid(facts, relid);

	if (rel == NULL)
		rel = load_relation(facts, relid);
	return (rel == NULL || rel->gone) ? NULL : rel;
}

FactRelation *
facts_find_name(Facts *facts, const char *schema, const char *name)
{
	ListCell   *lc;
	Oid			nspid;
	Oid			relid;

	/* a text may name very many */
	CHECK_FOR_INTERRUPTS();
	foreach(lc, facts->relations)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (!rel->gone && strcmp(rel->name, name) == 0 && strcmp(rel->schema, schema) == 0)
			return rel;
	}

	nspid = LookupExplicitNamespace(schema, true);
	relid = OidIsValid(nspid) ? get_relname_relid(name, nspid) : InvalidOid;

	/* A relation we know already by its OID was renamed or dropped by the text. */
	if (!OidIsValid(relid) || known_by_oid(facts, relid) != NULL)
		return NULL;
	return load_relation(facts, relid);
}

FactRelation *
facts_find(Facts *facts, const RangeVar *rv)
{
	List	   *path;
	ListCell   *lc;

	if (rv->schemaname != NULL)
		return facts_find_name(facts, rv->schemaname, rv->relname);

	if (facts->simulated)
	{
		FactRelation *rel = facts_find_name(facts, "pg_temp", rv->relname);

		if (rel != NULL)
			return rel;
	}
	path = fetch_search_path(true);
	foreach(lc, path)
	{
		char	   *schema = get_namespace_name(lfirst_oid(lc));
		FactRelation *rel;

		rel = schema ? facts_find_name(facts, schema, rv->relname) : NULL;
		if (rel != NULL)
			return rel;
	}
	return NULL;
}

char *
facts_target_schema(const RangeVar *rv)
{
	List	   *path;

	if (rv->relpersistence == RELPERSISTENCE_TEMP)
		return "pg_temp";
	if (rv->schemaname != NULL)
		return rv->schemaname;
	path = fetch_search_path(false);
	if (path != NIL && get_namespace_name(linitial_oid(path)) != NULL)
		return get_namespace_name(linitial_oid(path));
	return "public";
}

FactRelation *
facts_add(Facts *facts, const RangeVar *rv, char kind)
{
	MemoryContext old = MemoryContextSwitchTo(facts->mcxt);
	FactRelation *rel = palloc0(sizeof(FactRelation));

	rel->schema = pstrdup(facts_target_schema(rv));
	rel->name = pstrdup(rv->relname);
	rel->kind = kind;
	rel->persistence = rv->relpersistence;
	rel->fresh = true;
	rel->owner = rel->author = GetUserId();
	rel->populated = true;
	rel->replica_identity = REPLICA_IDENTITY_DEFAULT;
	rel->detailed = true;
	rel->children_known = true;
	facts->relations = lappend(facts->relations, rel);
	MemoryContextSwitchTo(old);
	return rel;
}

static void
load_size(FactRelation *rel, Relation relation)
{
	if (!RELKIND_HAS_STORAGE(relation->rd_rel->relkind))
		return;
	rel->heap_blocks = RelationGetNumberOfBlocks(relation);
	rel->total_blocks = rel->heap_blocks;
	if (OidIsValid(relation->rd_rel->reltoastrelid))
	{
		Relation	toast = try_relation_open(relation->rd_rel->reltoastrelid, AccessShareLock);

		if (toast != NULL)
		{
			rel->total_blocks += RelationGetNumberOfBlocks(toast);
			relation_close(toast, AccessShareLock);
		}
	}
}

static FactRelation *
load_relation(Facts *facts, Oid relid)
{
	Relation	relation = try_relation_open(relid, AccessShareLock);
	MemoryContext old;
	FactRelation *rel;

	if (relation == NULL)
		return NULL;
	old = MemoryContextSwitchTo(facts->mcxt);
	rel = palloc0(sizeof(FactRelation));
	rel->oid = relid;
	rel->schema = get_namespace_name(RelationGetNamespace(relation));
	rel->name = pstrdup(RelationGetRelationName(relation));
	rel->kind = relation->rd_rel->relkind;
	rel->persistence = relation->rd_rel->relpersistence;
	rel->fresh = relation->rd_createSubid != InvalidSubTransactionId ||
		rel->persistence == RELPERSISTENCE_TEMP;
	rel->is_partition = relation->rd_rel->relispartition;
	rel->is_child = rel->is_partition || has_superclass(relid);
	rel->owner = rel->author = relation->rd_rel->relowner;
	rel->am = relation->rd_rel->relam;
	rel->tablespace = relation->rd_rel->reltablespace;
	rel->replica_identity = relation->rd_rel->relreplident;
	rel->row_security = relation->rd_rel->relrowsecurity;
	rel->row_security_forced = relation->rd_rel->relforcerowsecurity;
	rel->populated = relation->rd_rel->relispopulated;
	rel->invoker = rel->kind == RELKIND_VIEW && zdm_security_invoker(relation);
	if (relation->rd_index != NULL)
		rel->heap = relation->rd_index->indrelid;
	load_size(rel, relation);
	facts->relations = lappend(facts->relations, rel);
	MemoryContextSwitchTo(old);
	relation_close(relation, AccessShareLock);
	return rel;
}

/* Does a column's default call nextval?  Then, of which sequence, if constant? */
static bool
draws_from_sequence(Node *node, FactColumn *col)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == F_NEXTVAL)
	{
		Node	   *arg = linitial(((FuncExpr *) node)->args);

		col->serial = true;
		if (IsA(arg, Const) && !((Const *) arg)->constisnull)
			col->sequence = DatumGetObjectId(((Const *) arg)->constvalue);
		return true;
	}
	return expression_tree_walker(node, draws_from_sequence, col);
}

static bool
note_function(Oid funcid, void *context)
{
	FactColumn *col = (FactColumn *) context;

	if (funcid >= FirstNormalObjectId)
		col->functions = list_append_unique_oid(col->functions, funcid);
	return false;
}

static bool
calls_functions(Node *node, FactColumn *col)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, note_function, col);
	return expression_tree_walker(node, calls_functions, col);
}

void
facts_note_default(FactColumn *col, Node *expr)
{
	col->serial = false;
	col->sequence = InvalidOid;
	col->sequence_name = NULL;
	col->functions = NIL;
	draws_from_sequence(expr, col);
	calls_functions(expr, col);
}

void
facts_note_sequence(FactColumn *col, FactRelation *seq)
{
	col->serial = true;
	col->sequence = seq->oid;
	col->sequence_schema = seq->schema;
	col->sequence_name = seq->name;
}

static void
load_columns(FactRelation *rel, Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);
	TupleConstr *constr = desc->constr;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		FactColumn *col = facts_new_column(rel, NameStr(att->attname));

		col->type = att->atttypid;
		col->typmod = att->atttypmod;
		col->collation = att->attcollation;
		col->notnull = att->attnotnull;
		col->has_default = att->atthasdef;
		col->identity = att->attidentity;
		col->generated = att->attgenerated;
		col->dropped = att->attisdropped;
		col->fresh = rel->fresh;
	}
	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
	{
		Node	   *expr = stringToNode(constr->defval[i].adbin);

		facts_note_default(facts_attribute(rel, constr->defval[i].adnum), expr);
	}
}

static List *
conkey_list(HeapTuple tuple, Relation catalog)
{
	bool		isnull;
	Datum		datum = heap_getattr(tuple, Anum_pg_constraint_conkey,
									 RelationGetDescr(catalog), &isnull);
	List	   *result = NIL;
	ArrayType  *array;

	if (isnull)
		return NIL;
	array = DatumGetArrayTypeP(datum);
	for (int i = 0; i < ARR_DIMS(array)[0]; i++)
		result = lappend_int(result, ((int16 *) ARR_DATA_PTR(array))[i]);
	return result;
}

static void
load_constraint(FactRelation *rel, HeapTuple tuple, Relation catalog)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	FactConstraint *con = facts_new_constraint(rel, form->contype, NameStr(form->conname));
	bool		isnull;
	Datum		datum;

	con->oid = form->oid;
	con->valid = form->convalidated;
	con->enforced = zdm_constraint_enforced(form);
	con->no_inherit = form->connoinherit;
	con->columns = conkey_list(tuple, catalog);
	con->referenced = form->confrelid;
	if (OidIsValid(form->conindid))
		con->index = get_rel_name(form->conindid);
	/* A server that has NOT NULL constraints marks the column even for one that is not valid. */
	if (con->type == 'n' && !con->valid && con->columns != NIL)
		facts_attribute(rel, linitial_int(con->columns))->notnull = false;
	datum = heap_getattr(tuple, Anum_pg_constraint_conbin, RelationGetDescr(catalog), &isnull);
	if (!isnull)
		con->expr = stringToNode(TextDatumGetCString(datum));
}

static void
load_constraints(FactRelation *rel)
{
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(rel->oid));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		load_constraint(rel, tuple, catalog);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static void
load_opclasses(FactIndex *idx, Relation index)
{
	Datum		datum = SysCacheGetAttrNotNull(INDEXRELID, index->rd_indextuple,
											   Anum_pg_index_indclass);
	oidvector  *classes = (oidvector *) DatumGetPointer(datum);

	for (int i = 0; i < idx->nkeys; i++)
	{
		idx->opclasses[i] = classes->values[i];
		idx->collations[i] = index->rd_indcollation[i];
	}
}

/* As it is stored: the relcache's own way to it folds constants, which runs functions. */
static Node *
index_tree(Relation index, AttrNumber attnum)
{
	bool		isnull;
	Datum		datum = SysCacheGetAttr(INDEXRELID, index->rd_indextuple, attnum, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(datum));
}

static void
load_operators(FactIndex *idx, Relation index)
{
	Oid		   *procs;
	uint16	   *strategies;

	RelationGetExclusionInfo(index, &idx->operators, &procs, &strategies);
}

static void
load_index(FactRelation *rel, Oid indexid)
{
	Relation	index = try_relation_open(indexid, AccessShareLock);
	FactIndex  *idx;

	if (index == NULL)
		return;
	idx = palloc0(sizeof(FactIndex));
	idx->name = pstrdup(RelationGetRelationName(index));
	idx->oid = indexid;
	idx->am = index->rd_rel->relam;
	idx->unique = index->rd_index->indisunique;
	idx->primary = index->rd_index->indisprimary;
	idx->exclusion = index->rd_index->indisexclusion;
	idx->valid = index->rd_index->indisvalid;
	idx->immediate = index->rd_index->indimmediate;
	idx->replica_identity = index->rd_index->indisreplident;
	idx->partitioned = index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX || index->rd_rel->relispartition;
	idx->nkeys = index->rd_index->indnkeyatts;
	idx->ncolumns = index->rd_index->indnatts;
	idx->columns = palloc0(sizeof(AttrNumber) * idx->ncolumns);
	idx->opclasses = palloc0(sizeof(Oid) * idx->nkeys);
	idx->collations = palloc0(sizeof(Oid) * idx->nkeys);
	for (int i = 0; i < idx->ncolumns; i++)
		idx->columns[i] = index->rd_index->indkey.values[i];
	load_opclasses(idx, index);
	if (idx->exclusion)
		load_operators(idx, index);
	idx->exprs = (List *) index_tree(index, Anum_pg_index_indexprs);
	idx->predicate = make_ands_implicit((Expr *) index_tree(index, Anum_pg_index_indpred));
	idx->tablespace = index->rd_rel->reltablespace;
	if (index->rd_rel->relkind == RELKIND_INDEX)
		idx->blocks = RelationGetNumberOfBlocks(index);
	idx->fresh = rel->fresh || index->rd_createSubid != InvalidSubTransactionId;
	rel->indexes = lappend(rel->indexes, idx);
	relation_close(index, AccessShareLock);
}

void
facts_detail(Facts *facts, FactRelation *rel)
{
	MemoryContext old;
	Relation	relation;
	ListCell   *lc;

	if (rel->detailed)
		return;
	rel->detailed = true;
	relation = try_relation_open(rel->oid, AccessShareLock);
	if (relation == NULL)
		return;
	old = MemoryContextSwitchTo(facts->mcxt);
	load_columns(rel, relation);
	load_constraints(rel);
	foreach(lc, RelationGetIndexList(relation))
		load_index(rel, lfirst_oid(lc));
	MemoryContextSwitchTo(old);
	relation_close(relation, AccessShareLock);
}

List *
facts_children(Facts *facts, FactRelation *rel)
{
	ListCell   *lc;

	if (rel->children_known)
		return rel->children;
	rel->children_known = true;
	foreach(lc, find_inheritance_children(rel->oid, NoLock))
	{
		FactRelation *child = facts_by_oid(facts, lfirst_oid(lc));
		MemoryContext old = MemoryContextSwitchTo(facts->mcxt);

		if (child != NULL)
			rel->children = lappend(rel->children, child);
		MemoryContextSwitchTo(old);
	}
	return rel->children;
}

List *
facts_tree(Facts *facts, FactRelation *rel, bool recurse)
{
	List	   *tree = list_make1(rel);

	if (!recurse)
		return tree;
	/* The list grows while it is walked: breadth first, each member once. */
	for (int i = 0; i < list_length(tree); i++)
		tree = list_concat_unique_ptr(tree,
									  facts_children(facts, (FactRelation *) list_nth(tree, i)));
	return tree;
}

FactColumn *
facts_column(FactRelation *rel, const char *name)
{
	ListCell   *lc;

	foreach(lc, rel->columns)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);

		if (!col->dropped && strcmp(col->name, name) == 0)
			return col;
	}
	return NULL;
}

FactColumn *
facts_attribute(FactRelation *rel, AttrNumber attnum)
{
	if (attnum < 1 || attnum > list_length(rel->columns))
		return NULL;
	return (FactColumn *) list_nth(rel->columns, attnum - 1);
}

FactConstraint *
facts_constraint(FactRelation *rel, const char *name)
{
	ListCell   *lc;

	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (!con->dropped && con->name != NULL && strcmp(con->name, name) == 0)
			return con;
	}
	return NULL;
}

FactIndex *
facts_index(FactRelation *rel, const char *name)
{
	ListCell   *lc;

	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		if (!idx->dropped && idx->name != NULL && strcmp(idx->name, name) == 0)
			return idx;
	}
	return NULL;
}

FactColumn *
facts_new_column(FactRelation *rel, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(rel));
	FactColumn *col = palloc0(sizeof(FactColumn));

	CHECK_FOR_INTERRUPTS();
	col->name = pstrdup(name);
	col->attnum = list_length(rel->columns) + 1;
	col->typmod = -1;
	rel->columns = lappend(rel->columns, col);
	MemoryContextSwitchTo(old);
	return col;
}

FactConstraint *
facts_new_constraint(FactRelation *rel, char type, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(rel));
	FactConstraint *con = palloc0(sizeof(FactConstraint));

	con->name = name ? pstrdup(name) : NULL;
	con->type = type;
	con->valid = true;
	con->enforced = true;
	rel->constraints = lappend(rel->constraints, con);
	MemoryContextSwitchTo(old);
	return con;
}

bool
facts_name_in(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (strcmp((char *) lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

void
facts_note_column(Facts *facts, FactRelation *rel, const char *name)
{
	if (OidIsValid(rel->oid))
		facts->new_columns = lappend(facts->new_columns, psprintf("%u.%s", rel->oid, name));
}

bool
facts_added_column(Facts *facts, FactRelation *rel, FactColumn *col)
{
	HeapTuple	tuple;
	bool		ours;

	if (col->fresh)
		return true;
	if (!facts_name_in(facts->new_columns, psprintf("%u.%s", rel->oid, col->name)))
		return false;
	/* It may have been added in a subtransaction that was rolled back. */
	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(rel->oid), Int16GetDatum(col->attnum));
	if (!HeapTupleIsValid(tuple))
		return false;
	ours = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	ReleaseSysCache(tuple);
	return ours;
}

bool
facts_has_storage(const FactRelation *rel)
{
	return RELKIND_HAS_STORAGE(rel->kind) && rel->kind != RELKIND_SEQUENCE;
}

uint64
facts_tree_blocks(Facts *facts, FactRelation *rel)
{
	uint64		blocks = 0;
	ListCell   *lc;

	foreach(lc, facts_tree(facts, rel, true))
		blocks += ((FactRelation *) lfirst(lc))->total_blocks;
	return blocks;
}

bool
facts_types_known(const FactRelation *rel)
{
	ListCell   *lc;

	foreach(lc, rel->columns)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);

		if (!col->dropped && !OidIsValid(col->type))
			return false;
	}
	return true;
}

char *
facts_name(const FactRelation *rel)
{
	return quote_qualified_identifier(rel->schema, rel->name);
}

bool
facts_replica_identity_ok(Facts *facts, FactRelation *rel)
{
	ListCell   *lc;

	if (rel->replica_identity == REPLICA_IDENTITY_FULL)
		return true;
	if (rel->replica_identity == REPLICA_IDENTITY_NOTHING)
		return false;
	facts_detail(facts, rel);
	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		if (idx->dropped || !idx->immediate || !idx->valid)
			continue;
		if (rel->replica_identity == REPLICA_IDENTITY_INDEX ? idx->replica_identity : idx->primary)
			return true;
	}
	return false;
}

void
facts_forget_column(FactRelation *rel, FactColumn *col)
{
	ListCell   *lc;

	col->dropped = true;
	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (list_member_int(con->columns, col->attnum))
			con->dropped = true;
	}
	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		for (int i = 0; i < idx->ncolumns; i++)
			idx->dropped |= idx->columns[i] == col->attnum;
	}
}
