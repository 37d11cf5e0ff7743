/*-------------------------------------------------------------------------
 *
 * exclusion.c
 *		The plan of ADD CONSTRAINT ... EXCLUDE.
 *
 * PostgreSQL builds the index of an exclusion constraint under ACCESS EXCLUSIVE, and
 * has no statement that makes one of an index that is there.  But nothing in an index
 * says that it is one's: the constraint is rows of the catalog, and looks into the
 * index whenever a row is written.  So a plain index is built CONCURRENTLY, and
 * becomes the constraint's (run/exclusion.c).
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
#include "alter/alter.h"
#include "alter/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_opfamily.h"
#include "column/carry.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/expression.h"
#include "draft/deparse.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
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
read_operators(Oid relid, const IndexStmt *stmt, const char *source)
{
	List	   *operators = NIL;
	ListCell   *lc;
	ListCell   *name;

	forboth(lc, stmt->indexParams, name, stmt->excludeOpNames)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);
		Oid			type = element_type(relid, elem, source);

		operators = lappend(operators, operator_name(find_operator(elem, lfirst(name), type, stmt->accessMethod)));
	}
	return operators;
}

/* The name that PostgreSQL would choose; or the given one, found to be free. */
static char *
choose_name(Oid relid, const Constraint *con, const IndexStmt *stmt)
{
	Oid			namespace = get_rel_namespace(relid);

	if (con->conname == NULL)
		return ChooseRelationName(get_rel_name(relid), constraint_column_names(index_columns(stmt)), "excl", namespace, true);
	index_check_name(namespace, con->conname);
	return constraint_name(relid, con->conname, NULL, NULL);
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

void
exclusion_plan(MigrationPlan *plan, const Change *change, const Constraint *stated)
{
	IndexStmt  *stmt = statement(stated);
	ExclusionArgs con = {.relation = plan->relid, .deferrable = stated->deferrable, .deferred = stated->initdeferred};

	if (get_rel_relkind(plan->relid) == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does not add an exclusion constraint to a partitioned table"),
				 errhint("Add it to each of its partitions, by a migration of its own.")));
	index_check_statement(stmt, plan->relid);
	con.name = choose_name(plan->relid, stated, stmt);
	con.index = ddl_own_name(plan, con.name);
	con.spec = index_spec(stmt, change->ddl, plan->relid);
	con.row = fit_row_name(plan->relid);
	con.operators = read_operators(plan->relid, stmt, change->ddl);
	plan_steps(plan, &con);
}
