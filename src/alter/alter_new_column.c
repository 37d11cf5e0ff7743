/*-------------------------------------------------------------------------
 *
 * alter_new_column.c
 *		Constraints of an ALTER TABLE over columns that it adds.
 *
 * Each subcommand is planned by itself, with the table as it is today.  What
 * names a column to be belongs to the plan of that column, as it would if it
 * had been written behind it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/alter.h"
#include "core/errors.h"
#include "nodes/nodeFuncs.h"
#include "compat.h"

/* Collect the names of the columns in a raw expression, as String nodes. */
static bool
collect_names(Node *node, List **names)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef) && IsA(llast(((ColumnRef *) node)->fields), String))
		*names = list_append_unique(*names, llast(((ColumnRef *) node)->fields));
	return raw_expression_tree_walker(node, collect_names, names);
}

static List *
constrained_columns(Constraint *con)
{
	List	   *names = list_concat_copy(con->keys, con->fk_attrs);
	ListCell   *lc;

	names = list_concat(names, con->including);
	(void) collect_names(con->raw_expr, &names);
	(void) collect_names(con->where_clause, &names);
	foreach(lc, con->exclusions)
	{
		IndexElem  *elem = linitial_node(IndexElem, lfirst_node(List, lc));

		if (elem->name != NULL)
			names = lappend(names, makeString(elem->name));
		(void) collect_names(elem->expr, &names);
	}
	return names;
}

/* The columns to be that are among these names (ColumnDef *). */
static List *
find_new_columns(List *cmds, List *names)
{
	List	   *found = NIL;
	ListCell   *lc;
	ListCell   *n;

	foreach(lc, cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype != AT_AddColumn)
			continue;
		foreach(n, names)
		{
			if (strcmp(strVal(lfirst(n)), castNode(ColumnDef, cmd->def)->colname) == 0)
				found = list_append_unique_ptr(found, cmd->def);
		}
	}
	return found;
}

/*
 * A constraint over one column that the statement adds is as good as one that
 * stands with the column.  Is it such a one?  Then it is added there.
 */
static bool
move_to_column(Oid relid, List *cmds, Constraint *con)
{
	List	   *names = constrained_columns(con);
	List	   *columns = find_new_columns(cmds, names);
	ColumnDef  *column;

	if (columns == NIL)
		return false;
	if (list_length(columns) > 1 || con->contype == CONSTR_EXCLUSION ||
		(con->contype != CONSTR_CHECK && list_length(names) > 1))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does not add a constraint together with several columns of it"),
				 errdetail("It cannot be stated before the columns are there."),
				 errhint("Add the columns first, and then the constraint, by a migration of its own.")));
	column = linitial(columns);
	if (con->conname == NULL && con->contype == CONSTR_CHECK && list_length(names) > 1)
		con->conname = constraint_name(relid, NULL, NULL, "check");
	column->constraints = lappend(column->constraints, con);
	return true;
}

List *
alter_planned_subcommands(const Change *change)
{
	List	   *cmds = copyObject(castNode(AlterTableStmt, change->stmt)->cmds);
	List	   *planned = NIL;
	ListCell   *lc;

	foreach(lc, cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype != AT_AddConstraint ||
			!move_to_column(change->relid, cmds, castNode(Constraint, cmd->def)))
			planned = lappend(planned, cmd);
	}
	return planned;
}
