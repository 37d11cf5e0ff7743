/*-------------------------------------------------------------------------
 *
 * exclusion.c
 *		The plan of ADD CONSTRAINT ... EXCLUDE.
 *
 * PostgreSQL builds the index of an exclusion constraint under ACCESS EXCLUSIVE, and
 * has no statement that makes one of an index that is there.  But nothing in an index
 * says that it is one's: the constraint is rows of the catalog, and looks into the
 * index whenever a row is written.  So a plain index is built CONCURRENTLY, and
 * becomes the constraint's (run/index_constraint.c).
 *
 * What was written before that is looked at by the same index: before, so that no
 * writer meets a constraint that its table does not satisfy; and after it, for what
 * was written in between.  A snapshot of then sees every pair of rows that there is.
 * Whoever writes from then on is checked, against all rows; so both of a pair were
 * written by transactions that had ended by then, as the lock had them all end.  One
 * of the two may be updated meanwhile: in its place (HOT) it stays one of the pair,
 * with the values that are indexed, and in another it is checked against the other
 * one, and fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_opfamily.h"
#include "column/carry.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

/* The index that it needs, as it is stated. */
static IndexStmt *
statement(const Constraint *con)
{
	IndexStmt  *stmt = makeNode(IndexStmt);
	ListCell   *lc;

	stmt->isconstraint = true;
	stmt->accessMethod = con->access_method;
	stmt->options = con->options;
	stmt->tableSpace = con->indexspace;
	stmt->whereClause = con->where_clause;
	foreach(lc, con->exclusions)
	{
		List	   *pair = lfirst_node(List, lc);

		stmt->indexParams = lappend(stmt->indexParams, linitial_node(IndexElem, pair));
		stmt->excludeOpNames = lappend(stmt->excludeOpNames, lsecond_node(List, pair));
	}
	foreach(lc, con->including)
	{
		IndexElem  *elem = makeNode(IndexElem);

		elem->name = strVal(lfirst(lc));
		stmt->indexIncludingParams = lappend(stmt->indexIncludingParams, elem);
	}
	return stmt;
}

static char *
family_name(Oid family)
{
	HeapTuple	tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
	char	   *name = pstrdup(NameStr(((Form_pg_opfamily) GETSTRUCT(tuple))->opfname));

	ReleaseSysCache(tuple);
	return name;
}

/* The operator by which two values of the element exclude each other. */
static Oid
find_operator(const IndexElem *elem, List *name, Oid type, const char *method)
{
	Oid			operator = compatible_oper_opid(name, type, type, false);
	Oid			family = get_opclass_family(ResolveOpClass(elem->opclass, type, method, get_index_am_oid(method, false)));

	if (get_commutator(operator) != operator)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("operator %s is not commutative", format_operator(operator)),
				 errdetail("Only commutative operators can be used in exclusion constraints.")));
	if (get_op_opfamily_strategy(operator, family) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("operator %s is not a member of operator family \"%s\"", format_operator(operator), family_name(family)),
				 errdetail("The exclusion operator must be related to the index operator class for the constraint.")));
	return operator;
}

static Oid
element_type(Oid relid, const IndexElem *elem, const char *source)
{
	Node	   *tree;

	if (elem->name != NULL)
		return get_atttype(relid, get_attnum(relid, elem->name));
	(void) ddl_expression(relid, elem->expr, source, EXPR_KIND_INDEX_EXPRESSION, InvalidOid, -1, &tree);
	return exprType(tree);
}

/* As it stands in OPERATOR(...). */
static char *
operator_name(Oid operator)
{
	List	   *names;
	List	   *arguments;

	format_operator_parts(operator, &names, &arguments, false);
	return psprintf("%s.%s", quote_identifier(linitial(names)), (char *) lsecond(names));
}

static List *
find_operators(Oid relid, const IndexStmt *stmt, const char *source)
{
	List	   *operators = NIL;
	ListCell   *lc;
	ListCell   *name;

	forboth(lc, stmt->indexParams, name, stmt->excludeOpNames)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);

		operators = lappend_oid(operators, find_operator(elem, lfirst(name), element_type(relid, elem, source), stmt->accessMethod));
	}
	return operators;
}

static List *
read_operators(Oid relid, const IndexStmt *stmt, const char *source)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, find_operators(relid, stmt, source))
		names = lappend(names, operator_name(lfirst_oid(lc)));
	return names;
}

/* The name that PostgreSQL would choose; or the given one, found to be free. */
static char *
choose_name(Oid relid, const char *given, const IndexStmt *stmt)
{
	Oid			namespace = get_rel_namespace(relid);

	if (given == NULL)
		return ChooseRelationName(get_rel_name(relid), constraint_column_names(index_columns(stmt)), "excl", namespace, true);
	index_check_name(namespace, given);
	return constraint_name(relid, given, NULL, NULL);
}

static void
plan_look(MigrationPlan *plan, const ExclusionArgs *con, bool made, const char *note)
{
	ExclusionArgs look = *con;

	look.made = made;
	plan_step(plan, &verb_look_for_conflicts, &look, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(con->relation),
		.lock = AccessShareLock, .work = READS_TABLE, .note = pstrdup(note),
	});
}

/* Of a table with rows. */
static void
plan_steps(MigrationPlan *plan, const ExclusionArgs *con)
{
	index_build_step(plan, con->spec, con->relation, con->root, con->index);
	plan_look(plan, con, false, "gives no row if no two exclude each other; each is looked for by the index");
	plan_step(plan, &verb_make_exclusion, con, &(Step) {
		.phase = "migrate", .undoable = true, .relations = list_make1_oid(con->relation),
		.lock = ShareRowExclusiveLock, .undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = psprintf("of index %s, which SQL has no word for: by hand it builds one of its own, under ACCESS EXCLUSIVE, so that the other steps are to be left out",
						 quote_identifier(con->index)),
	});
	plan_look(plan, con, true, "for rows that were written before the constraint was there");
}

/* What is stated, on the table or one of its partitions. */
static ExclusionArgs
read_constraint(MigrationPlan *plan, const Change *change, const Constraint *stated, const IndexStmt *stmt, Oid relid)
{
	bool		whole = relid == plan->relid;
	ExclusionArgs con = {
		.relation = relid, .root = whole ? InvalidOid : plan->relid,
		.name = choose_name(relid, whole ? stated->conname : NULL, stmt),
		.spec = index_spec(stmt, change->ddl, relid),
		.operators = read_operators(relid, stmt, change->ddl),
		.row = fit_row_name(relid), .deferrable = stated->deferrable, .deferred = stated->initdeferred,
	};

	con.index = ddl_own_name(plan, con.name);
	return con;
}

/* Does rows' equality in the partition key's column decide whether they exclude each other? */
static bool
includes_key_column(Oid relid, const IndexStmt *stmt, List *operators, const char *column, Oid equality)
{
	ListCell   *lc;
	ListCell   *operator;

	forboth(lc, stmt->indexParams, operator, operators)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);

		if (elem->name == NULL || strcmp(elem->name, column) != 0)
			continue;
		if (lfirst_oid(operator) != equality)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot match partition key to index on column \"%s\" using non-equal operator \"%s\"",
							column, get_opname(lfirst_oid(operator)))));
		return true;
	}
	return false;
}

/* Two rows of different partitions are never compared: so they must not exclude each other. */
static void
check_partition_key(Oid relid, const IndexStmt *stmt, List *operators)
{
	Relation	rel = table_open(relid, AccessShareLock);
	PartitionKey key = RelationGetPartitionKey(rel);

	for (int i = 0; i < key->partnatts; i++)
	{
		Oid			equality = get_opfamily_member(key->partopfamily[i], key->partopcintype[i], key->partopcintype[i],
												   key->strategy == PARTITION_STRATEGY_HASH ? HTEqualStrategyNumber : BTEqualStrategyNumber);

		if (key->partattrs[i] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unsupported EXCLUDE constraint with partition key definition"),
					 errdetail("EXCLUDE constraints cannot be used when partition keys include expressions.")));
		if (!includes_key_column(relid, stmt, operators, get_attname(relid, key->partattrs[i], false), equality))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unique constraint on partitioned table must include all partitioning columns"),
					 errdetail("EXCLUDE constraint on table \"%s\" lacks column \"%s\" which is part of the partition key.",
							   get_rel_name(relid), get_attname(relid, key->partattrs[i], false))));
	}
	table_close(rel, NoLock);
}

/*
 * Partition by partition; the constraint of the whole, added last, finds theirs, and
 * builds nothing.
 */
static void
plan_partitioned(MigrationPlan *plan, const Change *change, const Constraint *stated, const IndexStmt *stmt)
{
	ExclusionArgs whole = read_constraint(plan, change, stated, stmt, plan->relid);
	ListCell   *lc;

	foreach(lc, find_all_inheritors(plan->relid, AccessShareLock, NULL))
	{
		Oid			relid = lfirst_oid(lc);
		char		relkind = get_rel_relkind(relid);
		ExclusionArgs part;

		if (relkind == RELKIND_PARTITIONED_TABLE)
			check_partition_key(relid, stmt, find_operators(relid, stmt, change->ddl));
		if (relkind == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("partition %s is a foreign table", names_relation(relid)),
					 errdetail("It has no exclusion constraint of its own, so that the partitioned table can have none.")));
		if (relid != plan->relid)
			whole.known = lappend_oid(whole.known, relid);
		if (relkind != RELKIND_RELATION)
			continue;
		part = read_constraint(plan, change, stated, stmt, relid);
		plan_steps(plan, &part);
	}
	plan_step(plan, &verb_complete_exclusion, &whole, &(Step) {
		.phase = "migrate", .undoable = true, .relations = list_make1_oid(plan->relid),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY, .note = "finds those of the partitions",
	});
}

void
exclusion_plan(MigrationPlan *plan, const Change *change, const Constraint *stated)
{
	IndexStmt  *stmt = statement(stated);
	bool		partitioned = get_rel_relkind(plan->relid) == RELKIND_PARTITIONED_TABLE;
	ExclusionArgs con;

	if (partitioned && !ZDM_HAS_PARTITIONED_EXCLUSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("exclusion constraints are not supported on partitioned tables"),
				 errdetail("Before PostgreSQL 17, no partitioned table has exclusion constraints."),
				 errhint("Add it to each of its partitions, by a migration of its own.")));
	index_check_statement(stmt, plan->relid);
	if (partitioned)
	{
		plan_partitioned(plan, change, stated, stmt);
		return;
	}
	con = read_constraint(plan, change, stated, stmt, plan->relid);
	plan_steps(plan, &con);
}
