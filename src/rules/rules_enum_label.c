/*-------------------------------------------------------------------------
 *
 * rules_enum_label.c
 *		Statements that use a value of an enum too early.
 *
 * A value that ALTER TYPE ... ADD VALUE has added cannot be used before the
 * transaction has committed.  raw_expression_tree_walker knows no DDL, so each
 * kind of statement is looked at in the parts that hold expressions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "rules/rules.h"
#include "nodes/nodeFuncs.h"
#include "compat.h"

static bool
names_label_walker(Node *node, List *labels)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (IsA(node, A_Const))
	{
		const char *text = zdm_const_string((A_Const *) node);

		foreach(lc, labels)
		{
			if (text != NULL && strcmp(text, (char *) lfirst(lc)) == 0)
				return true;
		}
		return false;
	}
	return raw_expression_tree_walker(node, names_label_walker, labels);
}

static bool
column_names_label(ColumnDef *def, List *labels)
{
	ListCell   *lc;

	foreach(lc, def->constraints)
	{
		if (names_label_walker(((Constraint *) lfirst(lc))->raw_expr, labels))
			return true;
	}
	return false;
}

bool
rules_label_in_query(Node *stmt, List *labels)
{
	return names_label_walker(stmt, labels);
}

bool
rules_label_in_alter_table(Node *stmt, List *labels)
{
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, stmt)->cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

		if (cmd->def == NULL)
			continue;
		if (cmd->subtype == AT_ColumnDefault && names_label_walker(cmd->def, labels))
			return true;
		if (IsA(cmd->def, Constraint) &&
			names_label_walker(((Constraint *) cmd->def)->raw_expr, labels))
			return true;
		if (IsA(cmd->def, ColumnDef) && column_names_label((ColumnDef *) cmd->def, labels))
			return true;
	}
	return false;
}

bool
rules_label_in_create_table(Node *stmt, List *labels)
{
	ListCell   *lc;

	foreach(lc, castNode(CreateStmt, stmt)->tableElts)
	{
		if (IsA(lfirst(lc), ColumnDef) && column_names_label((ColumnDef *) lfirst(lc), labels))
			return true;
	}
	return false;
}

bool
rules_label_in_index(Node *stmt, List *labels)
{
	return names_label_walker(castNode(IndexStmt, stmt)->whereClause, labels);
}
