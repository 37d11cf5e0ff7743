/*-------------------------------------------------------------------------
 *
 * older_table.c
 *		One line for each statement, and each subcommand of ALTER TABLE, that can
 *		hold what an older server does not know.
 *
 * What has no line is as old as the oldest target.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/older_table.h"
#include "compat.h"

typedef struct OlderStatement
{
	NodeTag		tag;
	void		(*look) (Node *node);
} OlderStatement;

typedef struct OlderSubcommand
{
	int			subcommand;		/* a number: what this server does not know is in no enum */
	void		(*look) (const RangeVar *table, const AlterTableCmd *cmd);
} OlderSubcommand;

static const OlderStatement statements[] = {
	{T_AlterTableStmt, older_look_at_alter_table},
	{T_CreateStmt, older_look_at_table},
	{T_CreateTableAsStmt, older_look_at_table_as},
	{T_DeleteStmt, older_look_at_query},
	{T_GrantStmt, older_look_at_grant},
	{T_IndexStmt, older_look_at_index},
	{T_InsertStmt, older_look_at_query},
#ifdef ZDM_HAS_MERGE
	{T_MergeStmt, older_look_at_query},
#endif
	{T_SelectStmt, older_look_at_query},
	{T_UpdateStmt, older_look_at_query},
	{T_ViewStmt, older_look_at_view},
};

static const OlderSubcommand subcommands[] = {
	{AT_AddColumn, older_look_at_column},
	{AT_AddConstraint, older_look_at_constraint},
	{AT_AlterConstraint, older_look_at_altered},
	{AT_ColumnDefault, older_look_at_default},
	{AT_DropConstraint, older_look_at_drop},
	{AT_SetAccessMethod, older_look_at_access_method},
	{AT_SetExpression, older_look_at_generation},
	{AT_SetStatistics, older_look_at_statistics},
	{AT_SetStorage, older_look_at_storage},
};

void
older_statement(Node *stmt)
{
	for (int i = 0; i < lengthof(statements); i++)
	{
		if (statements[i].tag == nodeTag(stmt))
			statements[i].look(stmt);
	}
}

void
older_subcommand(const RangeVar *table, const AlterTableCmd *cmd)
{
	for (int i = 0; i < lengthof(subcommands); i++)
	{
		if (subcommands[i].subcommand == (int) cmd->subtype)
			subcommands[i].look(table, cmd);
	}
}
