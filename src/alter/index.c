/*-------------------------------------------------------------------------
 *
 * index.c
 *		The plans of CREATE INDEX, DROP INDEX and REINDEX.
 *
 * On a partitioned table, which has no rows, the index is made on the table
 * alone; those of the leaves are built one by one and attached, and with the
 * last of them the whole is valid.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "alter/plain.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_tablespace.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "facts/facts_expr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

/* The name that PostgreSQL would choose: of the table and what is indexed. */
static char *
choose_name(Oid relid, const IndexStmt *stmt)
{
	return ChooseRelationName(get_rel_name(relid), names_joined(index_columns(stmt)), "idx",
							  get_rel_namespace(relid), false);
}

/*
 * Partitions' own indexes that are like the one that is stated.  PostgreSQL would attach
 * them, and no way back could part them again: so a second one is built beside.
 */
static List *
indexes_like(const Change *change)
{
	Facts	   *facts = facts_create(true);
	FactRelation *rel;
	FactIndex  *stated;
	List	   *like = NIL;
	ListCell   *lc;

	(void) ddl_judge_alone(facts, change);
	rel = facts_by_oid(facts, change->relid);
	stated = rel->indexes != NIL ? llast(rel->indexes) : NULL;
	/* of one that PostgreSQL refuses the rules remember nothing */
	if (stated == NULL || OidIsValid(stated->oid))
		return NIL;
	foreach(lc, facts_tree(facts, rel, true))
	{
		FactRelation *member = lfirst(lc);
		ListCell   *li;

		facts_detail(facts, member);
		foreach(li, member->indexes)
		{
			FactIndex  *own = lfirst(li);

			if (member != rel && OidIsValid(own->oid) && own->valid && !own->partitioned &&
				facts_index_matches(rel, stated, member, own))
				like = lappend_oid(like, own->oid);
		}
	}
	return like;
}

static void
plan_index(MigrationPlan *plan, const Change *change, char *name)
{
	IndexStmt  *stmt = castNode(IndexStmt, change->stmt);
	IndexTree	tree = {
		.plan = plan, .root = plan->relid, .stmt = stmt, .source = change->ddl,
		.unique = stmt->unique, .only = !stmt->relation->inh,
		.columns = index_columns(stmt), .nkeys = list_length(stmt->indexParams),
	};
	char	   *own;

	if (get_rel_relkind(plan->relid) == RELKIND_PARTITIONED_TABLE)
	{
		tree.like = tree.only ? NIL : indexes_like(change);
		index_tree_plan(&tree, name);
		return;
	}
	own = ddl_own_name(plan, name);
	index_build_step(plan, index_spec(stmt, change->ddl, plan->relid), plan->relid, InvalidOid, own);
	index_rename_step(plan, plan->relid, own, name);
}

static void
check_tablespace(const char *name, Oid owner)
{
	Oid			tablespace = get_tablespace_oid(name, false);

	if (tablespace != MyDatabaseTableSpace &&
		object_aclcheck(TableSpaceRelationId, tablespace, owner, ACL_CREATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLESPACE, name);
}

/* Workers build it with more rights than the caller has: look at theirs here. */
static void
check_rights(const IndexStmt *stmt, Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	Oid			namespace = get_rel_namespace(relid);

	ReleaseSysCache(tuple);
	if (object_aclcheck(NamespaceRelationId, namespace, owner, ACL_CREATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, get_namespace_name(namespace));
	if (stmt->tableSpace != NULL)
		check_tablespace(stmt->tableSpace, owner);
}

static void
check_columns(const IndexStmt *stmt, Oid relid)
{
	ListCell   *lc;

	foreach(lc, list_concat_copy(stmt->indexParams, stmt->indexIncludingParams))
	{
		const char *name = lfirst_node(IndexElem, lc)->name;

		if (name != NULL && get_attnum(relid, name) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg(stmt->isconstraint ? "column \"%s\" named in key does not exist" : "column \"%s\" does not exist", name)));
		if (name != NULL && get_attnum(relid, name) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("index creation on system columns is not supported")));
		if (name != NULL && get_attgenerated(relid, get_attnum(relid, name)) == ZDM_GENERATED_VIRTUAL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("indexes on virtual generated columns are not supported"),
					 errhint("Index the expression that it is generated from.")));
	}
}

static bool
is_ordered(const IndexStmt *stmt)
{
	bool		ordered = false;
	ListCell   *lc;

	foreach(lc, stmt->indexParams)
		ordered |= lfirst_node(IndexElem, lc)->ordering != SORTBY_DEFAULT;
	return ordered;
}

static void
check_method(const IndexStmt *stmt)
{
	IndexAmRoutine *method = GetIndexAmRoutineByAmId(get_index_am_oid(stmt->accessMethod, false), false);
	const char *lacks = stmt->unique && !method->amcanunique ? "unique indexes" :
		stmt->indexIncludingParams != NIL && !method->amcaninclude ? "included columns" :
		list_length(stmt->indexParams) > 1 && !method->amcanmulticol ? "multicolumn indexes" :
		stmt->excludeOpNames != NIL && method->amgettuple == NULL ? "exclusion constraints" :
		is_ordered(stmt) && !method->amcanorder ? "ASC/DESC options" : NULL;

	if (lacks != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" does not support %s", stmt->accessMethod, lacks)));
}

void
index_check_statement(const IndexStmt *stmt, Oid relid)
{
	check_rights(stmt, relid);
	check_columns(stmt, relid);
	check_method(stmt);
}

/* The invalid index that has the name, or InvalidOid. */
static Oid
invalid_index(const IndexStmt *stmt, Oid relid)
{
	Oid			indexid = get_relname_relid(stmt->idxname, get_rel_namespace(relid));
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	bool		invalid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	invalid = !((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	ReleaseSysCache(tuple);
	return invalid ? indexid : InvalidOid;
}

/*
 * An invalid index under the name is what a CREATE INDEX CONCURRENTLY that was
 * broken off has left, by whichever tool.  It serves nobody and costs every
 * writer, and "already exists" says neither: so it is named, or, with IF NOT
 * EXISTS, makes way for the one that is wanted.
 */
static bool
plan_leftover(MigrationPlan *plan, const IndexStmt *stmt)
{
	Oid			indexid = stmt->idxname != NULL ? invalid_index(stmt, plan->relid) : InvalidOid;

	if (!OidIsValid(indexid))
		return false;
	if (!stmt->if_not_exists || get_rel_relkind(indexid) != RELKIND_INDEX ||
		IndexGetRelation(indexid, false) != plan->relid)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("index %s exists already, and is invalid", names_relation(indexid)),
				 errdetail("A CREATE INDEX CONCURRENTLY that was broken off has left it: no query uses it, and every writer keeps it up to date."),
				 errhint("DROP INDEX %s%s; and state the index again; or, if it is the one that is wanted, REINDEX INDEX CONCURRENTLY %s;",
						 get_rel_relkind(indexid) == RELKIND_INDEX ? "CONCURRENTLY " : "",
						 names_relation(indexid), names_relation(indexid))));
	plan_step(plan, &verb_drop_index_concurrently, &(RelationArgs) {.relation = indexid}, &(Step) {
		.phase = "migrate",
		.relations = list_make2_oid(indexid, plan->relid),
		.lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		.note = "invalid, as a CREATE INDEX CONCURRENTLY that was broken off has left it",
	});
	return true;
}

static void
make_create_index(MigrationPlan *plan, Change *change)
{
	IndexStmt  *stmt = castNode(IndexStmt, change->stmt);
	char	   *name = stmt->idxname ? stmt->idxname : choose_name(plan->relid, stmt);

	index_check_statement(stmt, plan->relid);
	if (plan_leftover(plan, stmt))
	{
		plan_index(plan, change, name);
		return;
	}
	if (stmt->if_not_exists && stmt->idxname != NULL &&
		OidIsValid(get_relname_relid(name, get_rel_namespace(plan->relid))))
	{
		plan_note(plan, "relation \"%s\" already exists: nothing is done", name);
		return;
	}
	if (stmt->idxname != NULL)
		index_check_name(get_rel_namespace(plan->relid), name);
	plan_index(plan, change, name);
}

static List *
claims_create_index(const Change *change)
{
	IndexStmt  *stmt = castNode(IndexStmt, change->stmt);

	return stmt->idxname != NULL ? list_make1(stmt->idxname) : NIL;
}

/* It adds no column and no trigger. */
static bool
any_table(Change *change)
{
	return true;
}

const PlanKind plan_create_index = {
	.name = "create_index",
	.claims = claims_create_index,
	.make = make_create_index,
	.any_table = any_table,
	.one_shape = true,
};

/* An index that the caller owns, its table locked so that both stay. */
static Oid
find_index(RangeVar *name)
{
	Oid			indexid = RangeVarGetRelid(name, AccessShareLock, true);
	char		relkind = get_rel_relkind(indexid);

	if (!OidIsValid(indexid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s\" does not exist", name->relname)));
	if (relkind == RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is the index of a partitioned table", names_relation(indexid)),
				 errdetail("PostgreSQL can neither drop nor rebuild it CONCURRENTLY."),
				 errhint("Rebuild the indexes of its partitions one by one; drop it with plain DDL and a short lock_timeout.")));
	if (relkind != RELKIND_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", name->relname)));
	if (!object_ownercheck(RelationRelationId, indexid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, name->relname);
	return indexid;
}

static void
make_drop_index(MigrationPlan *plan, Change *change)
{
	DropStmt   *stmt = castNode(DropStmt, change->stmt);
	ListCell   *lc;

	if (stmt->behavior == DROP_CASCADE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does not do DROP INDEX CASCADE"),
				 errdetail("PostgreSQL cannot do it CONCURRENTLY."),
				 errhint("Drop what depends on the index first.")));
	ddl_refuse_needed(change);
	foreach(lc, stmt->objects)
	{
		RangeVar   *name = makeRangeVarFromNameList(lfirst(lc));
		ObjectAddress address = {ConstraintRelationId};
		char	   *constraint;
		Oid			indexid;

		if (stmt->missing_ok && !OidIsValid(RangeVarGetRelid(name, NoLock, true)))
			continue;
		indexid = find_index(name);
		address.objectId = get_index_constraint(indexid);
		constraint = OidIsValid(address.objectId) ? getObjectDescription(&address, false) : NULL;
		if (constraint != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop index %s because %s requires it", name->relname, constraint),
					 errhint("You can drop %s instead.", constraint)));
		plan_step(plan, &verb_drop_index_concurrently, &(RelationArgs) {.relation = indexid}, &(Step) {
			.phase = "migrate",
			.relations = list_make2_oid(indexid, IndexGetRelation(indexid, false)),
			.lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
			.note = "waits for transactions that use the table; blocks nobody",
		});
	}
}

const PlanKind plan_drop_index = {
	.name = "drop_index",
	.make = make_drop_index,
	.one_shape = true,
};

/* Where the indexes are to be, or NULL: where they are.  VERBOSE would have nobody to tell. */
static char *
reindex_tablespace(const ReindexStmt *stmt, Oid relid)
{
	char	   *tablespace = NULL;
	ListCell   *lc;

	foreach(lc, stmt->params)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "tablespace") == 0)
			tablespace = defGetString(option);
		else if (strcmp(option->defname, "concurrently") != 0 && strcmp(option->defname, "verbose") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("unrecognized REINDEX option \"%s\"", option->defname)));
	}
	if (tablespace == NULL)
		return NULL;
	check_tablespace(tablespace, identity_of(relid));
	if (get_tablespace_oid(tablespace, false) == GLOBALTABLESPACE_OID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot move non-shared relation to tablespace \"%s\"", tablespace)));
	return pstrdup(tablespace);
}

static void
make_reindex(MigrationPlan *plan, Change *change)
{
	ReindexStmt *stmt = castNode(ReindexStmt, change->stmt);
	Oid			relid;
	bool		index = stmt->kind == REINDEX_OBJECT_INDEX;

	if (!index && stmt->kind != REINDEX_OBJECT_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does REINDEX INDEX and REINDEX TABLE only"),
				 errhint("State it for each table.")));
	if (index)
		relid = find_index(stmt->relation);
	else
	{
		relid = RangeVarGetRelid(stmt->relation, AccessShareLock, false);
		if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, stmt->relation->relname);
	}
	plan_step(plan, &verb_reindex, &(ReindexArgs) {
		.relation = relid, .index = index, .tablespace = reindex_tablespace(stmt, relid),
	}, &(Step) {
		.phase = "migrate",
		.relations = list_make1_oid(relid),
		.lock = ShareUpdateExclusiveLock, .work = BUILDS_INDEX,
		.note = "a try that is broken off leaves an invalid index with a name that ends in _ccnew, which may be dropped",
	});
}

const PlanKind plan_reindex = {
	.name = "reindex",
	.make = make_reindex,
	.one_shape = true,
};
