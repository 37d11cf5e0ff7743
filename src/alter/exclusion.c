/*-------------------------------------------------------------------------
 *
 * exclusion.c
 *		The plan of ADD CONSTRAINT ... EXCLUDE, and of a key WITHOUT OVERLAPS: as it is
 *		stated, or as the table has it that a partition comes to.
 *
 * PostgreSQL builds the index of an exclusion constraint under ACCESS EXCLUSIVE, and
 * has no statement that makes one of an index that is there.  But nothing in an index
 * says that it is one's: the constraint is rows of the catalog, and looks into the
 * index whenever a row is written.  So a plain index is built CONCURRENTLY, and
 * becomes the constraint's (run/index_constraint.c).  A key WITHOUT OVERLAPS (18) is the
 * same, by operators that its columns' types decide.
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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "catalog/folded.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_opfamily.h"
#include "catalog/query.h"
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

/* The constraint, on a table and all its partitions. */
typedef struct Exclusion
{
	MigrationPlan *plan;
	Oid			root;			/* the table at the top */
	char	   *name;			/* that is given for it there, or NULL */
	char		type;			/* as in pg_constraint */
	bool		deferrable;
	bool		deferred;
	const IndexStmt *stmt;		/* the index as it is stated ... */
	const char *source;
	Oid			indexid;		/* ... or another table's, with columns of the same names */
	List	   *columns;		/* String: that names are made of */
	List	   *keys;			/* char *: columns, NULL for an expression */
	List	   *operators;		/* Oid, of each key */
	List	  **taken;			/* as in IndexTree */
} Exclusion;

/* What PostgreSQL would say of a key WITHOUT OVERLAPS. */
static void
check_without_overlaps(Oid relid, const Constraint *con)
{
	const char *last = strVal(llast(con->keys));

	if (list_length(con->keys) < 2)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("constraint using WITHOUT OVERLAPS needs at least two columns")));
	if (!zdm_type_may_overlap(get_atttype(relid, get_attnum(relid, last))))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" in WITHOUT OVERLAPS is not a range or multirange type", last)));
	if (zdm_statement_nulls_not_distinct(con))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does not do NULLS NOT DISTINCT together with WITHOUT OVERLAPS"),
				 errhint("Leave one of them out.")));
}

/* The index of a key WITHOUT OVERLAPS: until it is the key's, it is not unique. */
static IndexStmt *
key_statement(const Constraint *con)
{
	IndexStmt  *stmt = index_key_statement(con);

	stmt->accessMethod = "gist";
	stmt->unique = stmt->primary = false;
	return stmt;
}

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

/* By which the key's types are compared, where the constraint does not say. */
static Oid
key_operator(const IndexElem *elem, Oid type, bool last)
{
	return zdm_without_overlaps_operator(ResolveOpClass(elem->opclass, type, "gist", GIST_AM_OID), last);
}

/* Keys and operators as they are stated. */
static void
read_keys(Exclusion *con)
{
	ListCell   *lc;

	foreach(lc, con->stmt->indexParams)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);
		Oid			type = element_type(con->root, elem, con->source);
		int			i = foreach_current_index(lc);

		con->keys = lappend(con->keys, elem->name);
		con->operators = lappend_oid(con->operators, con->type != CONSTRAINT_EXCLUSION ?
									 key_operator(elem, type, i == list_length(con->stmt->indexParams) - 1) :
									 find_operator(elem, list_nth(con->stmt->excludeOpNames, i), type, con->stmt->accessMethod));
	}
	con->columns = index_columns(con->stmt);
}

/* The same of a constraint that is there. */
static void
load_keys(Exclusion *con)
{
	Relation	index = index_open(con->indexid, AccessShareLock);
	Form_pg_index form = index->rd_index;
	Oid		   *operators;
	Oid		   *procs;
	uint16	   *strategies;

	RelationGetExclusionInfo(index, &operators, &procs, &strategies);
	for (int i = 0; i < form->indnatts; i++)
	{
		AttrNumber	attnum = form->indkey.values[i];

		con->columns = lappend(con->columns, makeString(get_attname(con->indexid, i + 1, false)));
		if (i >= form->indnkeyatts)
			continue;
		con->keys = lappend(con->keys, attnum == InvalidAttrNumber ? NULL : get_attname(form->indrelid, attnum, false));
		con->operators = lappend_oid(con->operators, operators[i]);
	}
	index_close(index, NoLock);
}

static List *
operator_names(const Exclusion *con)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, con->operators)
		names = lappend(names, operator_name(lfirst_oid(lc)));
	return names;
}

/* The name that PostgreSQL would choose, of partitions by what their index is; or the given one, found to be free. */
static char *
choose_name(const Exclusion *con, Oid relid)
{
	bool		primary = con->type == CONSTRAINT_PRIMARY;

	if (con->name == NULL || relid != con->root)
		return index_choose_name(relid, primary ? NULL : names_joined(con->columns),
								 primary ? "pkey" : con->type == CONSTRAINT_UNIQUE && con->stmt != NULL && relid == con->root ? "key" : "excl",
								 true, con->taken);
	index_check_name(get_rel_namespace(relid), con->name);
	return constraint_name(relid, con->name, NULL, NULL);
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

/* On the table at the top, or one of its partitions. */
static ExclusionArgs
member_args(const Exclusion *con, Oid relid)
{
	ExclusionArgs args = {
		.relation = relid, .root = relid == con->root ? InvalidOid : con->root,
		.name = choose_name(con, relid), .type = con->type,
		.spec = con->stmt != NULL ? index_spec(con->stmt, con->source, relid) :
			deparse_index(con->indexid, &(IndexLike) {.from = InvalidAttrNumber, .not_unique = true}),
		.operators = operator_names(con),
		.row = fit_row_name(relid), .deferrable = con->deferrable, .deferred = con->deferred,
	};

	args.index = ddl_own_name(con->plan, args.name);
	return args;
}

static const char *
kind_name(const Exclusion *con)
{
	return con->type == CONSTRAINT_PRIMARY ? "PRIMARY KEY" : con->type == CONSTRAINT_UNIQUE ? "UNIQUE" : "EXCLUDE";
}

/* Does rows' equality in the partition key's column decide whether they exclude each other? */
static bool
includes_key_column(const Exclusion *con, const char *column, Oid equality)
{
	ListCell   *lc;
	ListCell   *operator;

	forboth(lc, con->keys, operator, con->operators)
	{
		if (lfirst(lc) == NULL || strcmp(lfirst(lc), column) != 0)
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
check_partition_key(const Exclusion *con, Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	PartitionKey key = folded_partition_key(rel);

	for (int i = 0; i < key->partnatts; i++)
	{
		Oid			equality = get_opfamily_member(key->partopfamily[i], key->partopcintype[i], key->partopcintype[i],
												   key->strategy == PARTITION_STRATEGY_HASH ? HTEqualStrategyNumber : BTEqualStrategyNumber);

		if (key->partattrs[i] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unsupported %s constraint with partition key definition", kind_name(con)),
					 errdetail("%s constraints cannot be used when partition keys include expressions.", kind_name(con))));
		if (!includes_key_column(con, get_attname(relid, key->partattrs[i], false), equality))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("unique constraint on partitioned table must include all partitioning columns"),
					 errdetail("%s constraint on table \"%s\" lacks column \"%s\" which is part of the partition key.",
							   kind_name(con), get_rel_name(relid), get_attname(relid, key->partattrs[i], false))));
	}
	table_close(rel, NoLock);
}

/* What PostgreSQL would say of one of the tables. */
static void
check_member(const Exclusion *con, Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	if (relkind == RELKIND_PARTITIONED_TABLE)
		check_partition_key(con, relid);
	if (relkind == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("partition %s is a foreign table", names_relation(relid)),
				 errdetail("It has no exclusion constraint of its own, so that the partitioned table can have none.")));
	if (con->type == CONSTRAINT_PRIMARY)
		constraint_check_no_primary_key(relid);
}

/*
 * Partition by partition; the constraint of the whole, added last, finds theirs, and
 * builds nothing.
 */
static void
plan_partitioned(const Exclusion *con)
{
	ExclusionArgs whole = member_args(con, con->root);
	ListCell   *lc;

	foreach(lc, find_all_inheritors(con->root, AccessShareLock, NULL))
	{
		Oid			relid = lfirst_oid(lc);
		ExclusionArgs part;

		check_member(con, relid);
		if (relid != con->root)
			whole.known = lappend_oid(whole.known, relid);
		if (get_rel_relkind(relid) != RELKIND_RELATION)
			continue;
		part = member_args(con, relid);
		plan_steps(con->plan, &part);
	}
	plan_step(con->plan, &verb_complete_exclusion, &whole, &(Step) {
		.phase = "migrate", .undoable = true, .relations = list_make1_oid(con->root),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY, .note = "finds those of the partitions",
	});
}

void
exclusion_check_found(Oid root)
{
	if (!exclusion_is_found())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this server's release does not find the exclusion constraints that the partitions of %s have", names_relation(root)),
				 errdetail("It would build each once more, under ACCESS EXCLUSIVE."),
				 errhint("Update the server to the last minor release, or use plain DDL when nobody uses the table.")));
}

static void
plan_all(const Exclusion *con)
{
	ExclusionArgs args;

	if (get_rel_relkind(con->root) == RELKIND_PARTITIONED_TABLE)
	{
		plan_partitioned(con);
		return;
	}
	check_member(con, con->root);
	args = member_args(con, con->root);
	plan_steps(con->plan, &args);
}

void
exclusion_plan(MigrationPlan *plan, const Change *change, const Constraint *stated)
{
	bool		exclusion = stated->contype == CONSTR_EXCLUSION;
	List	   *taken = NIL;
	IndexStmt  *stmt = exclusion ? statement(stated) : key_statement(stated);
	Exclusion	con = {
		.plan = plan, .root = plan->relid, .name = stated->conname,
		.type = exclusion ? CONSTRAINT_EXCLUSION : stated->contype == CONSTR_PRIMARY ? CONSTRAINT_PRIMARY : CONSTRAINT_UNIQUE,
		.deferrable = stated->deferrable, .deferred = stated->initdeferred,
		.stmt = stmt, .source = change->ddl, .taken = &taken,
	};

	if (get_rel_relkind(plan->relid) == RELKIND_PARTITIONED_TABLE && !ZDM_HAS_PARTITIONED_EXCLUSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("exclusion constraints are not supported on partitioned tables"),
				 errdetail("Before PostgreSQL 17, no partitioned table has exclusion constraints."),
				 errhint("Add it to each of its partitions, by a migration of its own.")));
	if (get_rel_relkind(plan->relid) == RELKIND_PARTITIONED_TABLE)
		exclusion_check_found(plan->relid);
	index_check_statement(stmt, plan->relid);
	if (!exclusion)
		check_without_overlaps(plan->relid, stated);
	read_keys(&con);
	plan_all(&con);
}

void
exclusion_plan_like(MigrationPlan *plan, Oid root, Oid indexid, List **taken)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(get_index_constraint(indexid)));
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	Exclusion	con = {
		.plan = plan, .root = root, .type = form->contype,
		.deferrable = form->condeferrable, .deferred = form->condeferred, .indexid = indexid, .taken = taken,
	};

	ReleaseSysCache(tuple);
	load_keys(&con);
	plan_all(&con);
}
