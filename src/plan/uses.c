/*-------------------------------------------------------------------------
 *
 * uses.c
 *		Which columns a change makes something hang on.
 *
 * A migration of a column takes along what hangs on it when it is stated.  An
 * index or a constraint that another migration makes later would be dropped with
 * the old column, and nobody would notice.  So the columns of such are claimed
 * too, more weakly: two indexes may be built on one column at the same time.
 *
 * And what an expression of a migration reads is there for as long as the
 * migration lives: neither another migration nor DDL (rules/rules_migration.c) takes
 * it away, gives it another type or another name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/alter.h"
#include "catalog/migration.h"
#include "catalog/query.h"
#include "draft/ddl_text.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "plan/uses.h"
#include "utils/lsyscache.h"

static List *
add_use(List *uses, const char *column)
{
	return column == NULL ? uses : lappend(uses, psprintf(MIGRATION_USES "%s", column));
}

static List *
add_names(List *uses, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
		uses = add_use(uses, strVal(lfirst(lc)));
	return uses;
}

static List *
add_columns(List *uses, List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
		uses = add_use(uses, lfirst(lc));
	return uses;
}

static bool
find_references(Node *node, List **uses)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		Node	   *last = llast(((ColumnRef *) node)->fields);

		if (IsA(last, String))
			*uses = add_use(*uses, strVal(last));
		return false;
	}
	return raw_expression_tree_walker(node, find_references, uses);
}

static List *
add_index(List *uses, IndexStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, list_concat_copy(stmt->indexParams, stmt->indexIncludingParams))
	{
		IndexElem  *elem = lfirst_node(IndexElem, lc);

		uses = add_use(uses, elem->name);
		(void) find_references(elem->expr, &uses);
	}
	(void) find_references(stmt->whereClause, &uses);
	return uses;
}

static List *
add_constraint(List *uses, Constraint *con)
{
	uses = add_names(uses, con->keys);
	uses = add_names(uses, con->including);
	uses = add_names(uses, con->fk_attrs);
	(void) find_references(con->raw_expr, &uses);
	return uses;
}

static bool
find_numbers(Node *node, List **numbers)
{
	if (node == NULL)
		return false;
	if (IsA(node, ParamRef))
	{
		*numbers = list_append_unique_int(*numbers, ((ParamRef *) node)->number);
		return false;
	}
	return raw_expression_tree_walker(node, find_numbers, numbers);
}

/* The columns that a stored expression (sync/expr.h) reads, but for those of its pair. */
static List *
add_inputs(List *uses, const Change *change, const char *stored)
{
	List	   *numbers = NIL;
	ListCell   *lc;

	if (stored == NULL)
		return uses;
	(void) find_numbers(linitial_node(RawStmt, raw_parser(stored, RAW_PARSE_PLPGSQL_EXPR))->stmt, &numbers);
	foreach(lc, numbers)
	{
		char	   *name = get_attname(change->relid, (AttrNumber) lfirst_int(lc), true);

		if (name != NULL && (change->column == NULL || strcmp(name, change->column) != 0))
			uses = add_use(uses, name);
	}
	return uses;
}

/* The constraints of a new column may read others. */
static List *
add_column_constraints(List *uses, ColumnDef *def)
{
	ListCell   *lc;

	foreach(lc, def->constraints)
		uses = add_constraint(uses, lfirst_node(Constraint, lc));
	return uses;
}

static List *
add_statement(List *uses, Node *stmt)
{
	ListCell   *lc;

	if (IsA(stmt, IndexStmt))
		return add_index(uses, (IndexStmt *) stmt);
	if (!IsA(stmt, AlterTableStmt))
		return uses;
	foreach(lc, ((AlterTableStmt *) stmt)->cmds)
	{
		Node	   *def = lfirst_node(AlterTableCmd, lc)->def;

		if (def != NULL && IsA(def, Constraint))
			uses = add_constraint(uses, (Constraint *) def);
		if (def != NULL && IsA(def, ColumnDef))
			uses = add_column_constraints(uses, (ColumnDef *) def);
	}
	return uses;
}

/*
 * Columns beside the change's own in the indexes, constraints and statistics that are made
 * again over the new one: who drops such a column drops them, and what was to take their
 * place would be left.
 */
static List *
add_companions(List *uses, const Change *change)
{
	bool		replaced = change->column != NULL && (change->new_name != NULL || OidIsValid(change->type));
	AttrNumber	attnum = replaced ? get_attnum(change->relid, change->column) : InvalidAttrNumber;
	QuerySession session;
	List	   *names;

	if (attnum <= 0)
		return uses;
	query_begin(&session);
	QUERY("SELECT array_agg(DISTINCT a.attname::text) FROM pg_depend d JOIN pg_depend e ON e.classid = d.classid AND e.objid = d.objid "
		  "AND e.refclassid = d.refclassid AND e.refobjid = d.refobjid AND e.refobjsubid > 0 AND e.refobjsubid <> d.refobjsubid "
		  "JOIN pg_attribute a ON a.attrelid = e.refobjid AND a.attnum = e.refobjsubid WHERE d.refclassid = 'pg_class'::regclass "
		  "AND d.refobjid = $1 AND d.refobjsubid = $2 AND (d.classid IN ('pg_constraint'::regclass, 'pg_statistic_ext'::regclass) "
		  "OR d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_index WHERE indexrelid = d.objid))",
		  arg_oid(change->relid), arg_int2(attnum));
	names = query_texts(0, 1);
	query_end(&session);
	return add_columns(uses, names);
}

List *
uses_columns(const Change *change)
{
	List	   *uses = add_companions(add_inputs(add_inputs(NIL, change, change->up), change, change->down), change);

	/* a fill, and what a backfill assigns, and to which rows */
	if (!OidIsValid(change->type) && change->up_source != NULL)
		(void) find_references(ddl_parse_expression(change->up_source, ddl_fill_argument(change)), &uses);
	if (change->condition != NULL)
		(void) find_references(ddl_parse_expression(change->condition, "condition"), &uses);
	if (change->assignments != NULL)
		(void) find_references((Node *) update_targets(change), &uses);
	return change->stmt == NULL ? uses : add_statement(uses, change->stmt);
}

static const char *
without_prefix(const char *claim)
{
	return strncmp(claim, MIGRATION_USES, strlen(MIGRATION_USES)) == 0 ? claim + strlen(MIGRATION_USES) : claim;
}

static bool
conflict(const char *one, const char *other)
{
	bool		both_use = without_prefix(one) != one && without_prefix(other) != other;

	return !both_use && strcmp(without_prefix(one), without_prefix(other)) == 0;
}

const char *
uses_find_conflict(List *claims, List *others)
{
	ListCell   *a;
	ListCell   *b;

	foreach(a, claims)
	{
		foreach(b, others)
		{
			if (conflict(lfirst(a), lfirst(b)))
				return without_prefix(lfirst(a));
		}
	}
	return NULL;
}
