/*-------------------------------------------------------------------------
 *
 * older.c
 *		What a server older than this one does not know.
 *
 * A plan made for it takes the older form where there is one (core/target.h asks).
 * What is left has come with what the user stated, or with what hangs on the table
 * here: it is found in the statements as they are written, whoever made them, and
 * said in the script's place.  Which statement is looked at how stands in older_table.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "core/target.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "script/older_table.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

static bool look_at_expression(Node *node, void *context);
static void look_at_all(List *nodes);

/* The target may be older than what came with that version. */
static void
found(int since, const char *what)
{
	if (since > target_major())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("PostgreSQL %d does not know %s", target_major(), what),
				 errdetail("It came with PostgreSQL %d, and nothing older does the same.", since),
				 errhint("State the change without it, or make the files for a server that has it.")));
}

static void
look_at_constraint(const Constraint *con)
{
	if (zdm_constraint_nulls_not_distinct(con))
		found(15, "NULLS NOT DISTINCT");
	if (zdm_fk_del_set_columns(con) != NIL)
		found(15, "ON DELETE SET NULL and SET DEFAULT of some columns");
	if (zdm_without_overlaps(con) || zdm_fk_with_period(con))
		found(18, "WITHOUT OVERLAPS and PERIOD");
	if ((con->contype == CONSTR_CHECK || con->contype == CONSTR_FOREIGN) && !zdm_statement_enforced(con))
		found(18, "NOT ENFORCED");
	if (con->contype == CONSTR_NOTNULL && con->keys != NIL)
		found(18, "NOT NULL as a constraint of the table, that is NOT VALID or NO INHERIT");
	if (con->contype == CONSTR_GENERATED && zdm_generated_kind(con) == ZDM_GENERATED_VIRTUAL)
		found(18, "virtual generated columns");
	(void) look_at_expression(con->raw_expr, NULL);
	(void) look_at_expression(con->where_clause, NULL);
}

static void
look_at_column(const ColumnDef *def)
{
	look_at_all(def->constraints);
	(void) look_at_expression(def->raw_default, NULL);
}

/* A NOT NULL has had a name, by which it can be dropped, since 18. */
static void
look_at_dropped(const RangeVar *table, const char *name)
{
	Oid			relid = RangeVarGetRelid(table, NoLock, true);
	HeapTuple	tuple;
	char		kind;

	if (!OidIsValid(relid) || !OidIsValid(get_relation_constraint_oid(relid, name, true)))
		return;
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(get_relation_constraint_oid(relid, name, true)));
	kind = ((Form_pg_constraint) GETSTRUCT(tuple))->contype;
	ReleaseSysCache(tuple);
	if (kind == 'n')
		found(18, psprintf("a name of NOT NULL (\"%s\"), but ALTER COLUMN ... DROP NOT NULL", name));
}

static void
look_at_added(const RangeVar *table, const Constraint *con)
{
	Oid			relid = RangeVarGetRelid(table, NoLock, true);

	if (con->contype == CONSTR_FOREIGN && con->skip_validation && OidIsValid(relid) &&
		get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		found(18, "a foreign key of a partitioned table that is NOT VALID");
	look_at_constraint(con);
}

void
older_look_at_constraint(const RangeVar *table, const AlterTableCmd *cmd)
{
	look_at_added(table, castNode(Constraint, cmd->def));
}

void
older_look_at_column(const RangeVar *table, const AlterTableCmd *cmd)
{
	look_at_column(castNode(ColumnDef, cmd->def));
}

void
older_look_at_default(const RangeVar *table, const AlterTableCmd *cmd)
{
	(void) look_at_expression(cmd->def, NULL);
}

void
older_look_at_drop(const RangeVar *table, const AlterTableCmd *cmd)
{
	look_at_dropped(table, cmd->name);
}

void
older_look_at_access_method(const RangeVar *table, const AlterTableCmd *cmd)
{
	found(cmd->name != NULL ? 15 : 17, cmd->name != NULL ? "SET ACCESS METHOD" : "SET ACCESS METHOD DEFAULT");
}

void
older_look_at_generation(const RangeVar *table, const AlterTableCmd *cmd)
{
	found(17, "ALTER COLUMN ... SET EXPRESSION");
}

void
older_look_at_statistics(const RangeVar *table, const AlterTableCmd *cmd)
{
	if (cmd->def == NULL)
		found(17, "SET STATISTICS DEFAULT");
}

void
older_look_at_storage(const RangeVar *table, const AlterTableCmd *cmd)
{
	if (pg_strcasecmp(strVal(cmd->def), "default") == 0)
		found(16, "SET STORAGE DEFAULT");
}

void
older_look_at_altered(const RangeVar *table, const AlterTableCmd *cmd)
{
	if (zdm_alters_more_than_deferral(cmd))
		found(18, "ALTER CONSTRAINT of what is not its being deferred");
}

/* A privilege on tables that came with 17; the older view of privileges has no more than it can. */
void
older_look_at_grant(Node *node)
{
	const GrantStmt *stmt = (const GrantStmt *) node;
	ListCell   *lc;

	foreach(lc, stmt->privileges)
	{
		const AccessPriv *privilege = lfirst(lc);

		if (privilege->priv_name != NULL && strcmp(privilege->priv_name, "maintain") == 0)
			found(17, "the privilege MAINTAIN");
	}
}

void
older_look_at_index(Node *node)
{
	const IndexStmt *stmt = (const IndexStmt *) node;
	ListCell   *lc;

	if (zdm_statement_nulls_not_distinct(stmt))
		found(15, "NULLS NOT DISTINCT");
	foreach(lc, stmt->indexParams)
		(void) look_at_expression(lfirst_node(IndexElem, lc)->expr, NULL);
	(void) look_at_expression(stmt->whereClause, NULL);
}

void
older_look_at_view(Node *node)
{
	const ViewStmt *stmt = (const ViewStmt *) node;
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, "security_invoker") == 0)
			found(15, "views with security_invoker");
	}
	(void) look_at_expression(stmt->query, NULL);
}

/* What an expression or a query is made of. */
static bool
look_at_expression(Node *node, void *context)
{
	const char *what;
	int			since;

	if (node == NULL)
		return false;
	since = zdm_expression_since(node, &what);
	if (since > 0)
		found(since, what);
	return raw_expression_tree_walker(node, look_at_expression, context);
}

void
older_look_at_alter_table(Node *node)
{
	const AlterTableStmt *stmt = (const AlterTableStmt *) node;
	ListCell   *lc;

	foreach(lc, stmt->cmds)
		older_subcommand(stmt->relation, lfirst(lc));
}

void
older_look_at_table(Node *node)
{
	look_at_all(((CreateStmt *) node)->tableElts);
}

void
older_look_at_table_as(Node *node)
{
	(void) look_at_expression(((CreateTableAsStmt *) node)->query, NULL);
}

void
older_look_at_query(Node *node)
{
	(void) look_at_expression(node, NULL);
}

static void
look_at_all(List *nodes)
{
	ListCell   *lc;

	foreach(lc, nodes)
	{
		Node	   *node = lfirst(lc);

		if (IsA(node, Constraint))
			look_at_constraint((Constraint *) node);
		else if (IsA(node, ColumnDef))
			look_at_column((ColumnDef *) node);
	}
}

void
older_look(const char *sql)
{
	ListCell   *lc;

	if (target_major() >= ZDM_MAJOR)
		return;
	foreach(lc, raw_parser(sql, RAW_PARSE_DEFAULT))
		older_statement(lfirst_node(RawStmt, lc)->stmt);
}
