/*-------------------------------------------------------------------------
 *
 * statement.c
 *		The lines of statements and of ALTER TABLE's subcommands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "rules/statement.h"
#include "compat.h"

const StatementKind *
statement_kind(const Node *stmt)
{
	static const StatementKind unknown = {0};
	int			tag = (int) nodeTag(stmt);

	return tag < statement_table_length ? &statement_table[tag] : &unknown;
}

const SubcommandKind *
subcommand_kind(const AlterTableCmd *cmd)
{
	static const SubcommandKind unknown = {0};
	int			subtype = (int) cmd->subtype;

	return subtype < subcommand_table_length ? &subcommand_table[subtype] : &unknown;
}

RangeVar *
statement_relation(Node *stmt)
{
	size_t		offset = statement_kind(stmt)->relation;

	return offset == 0 ? NULL : *(RangeVar **) ((char *) stmt + offset);
}

const char *
subcommand_object(const AlterTableCmd *cmd)
{
	if (cmd->subtype == AT_AlterConstraint)
		return zdm_altered_constraint(cmd);
	if (cmd->name != NULL || cmd->def == NULL)
		return cmd->name;
	if (IsA(cmd->def, ColumnDef))
		return ((ColumnDef *) cmd->def)->colname;
	return IsA(cmd->def, Constraint) ? ((Constraint *) cmd->def)->conname : NULL;
}
