/*-------------------------------------------------------------------------
 *
 * concurrently.c
 *		Statements that wait for others by design.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "ddl/concurrently.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"

bool
concurrently_always(Node *stmt)
{
	return true;
}

bool
concurrently_index(Node *stmt)
{
	return castNode(IndexStmt, stmt)->concurrent;
}

bool
concurrently_drop(Node *stmt)
{
	return castNode(DropStmt, stmt)->concurrent;
}

bool
concurrently_refresh(Node *stmt)
{
	return castNode(RefreshMatViewStmt, stmt)->concurrent;
}

/* A table or index that is no tree is done in the transaction of the statement. */
bool
concurrently_reindex(Node *node)
{
	ReindexStmt *stmt = castNode(ReindexStmt, node);
	ListCell   *lc;
	Oid			relid;
	char		relkind;

	foreach(lc, stmt->params)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "concurrently") == 0 && defGetBoolean(option))
			return true;
	}
	relid = stmt->relation != NULL ? RangeVarGetRelid(stmt->relation, NoLock, true) : InvalidOid;
	relkind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';
	return relkind != RELKIND_RELATION && relkind != RELKIND_MATVIEW && relkind != RELKIND_INDEX;
}

/* DETACH PARTITION CONCURRENTLY stands alone. */
bool
concurrently_alter_table(Node *stmt)
{
	AlterTableCmd *cmd = linitial_node(AlterTableCmd, castNode(AlterTableStmt, stmt)->cmds);

	return cmd->subtype == AT_DetachPartition && castNode(PartitionCmd, cmd->def)->concurrent;
}

void
alone_index(Node *stmt)
{
	castNode(IndexStmt, stmt)->concurrent = false;
}

void
alone_drop(Node *stmt)
{
	castNode(DropStmt, stmt)->concurrent = false;
}

void
alone_refresh(Node *stmt)
{
	castNode(RefreshMatViewStmt, stmt)->concurrent = false;
}

void
alone_reindex(Node *node)
{
	ReindexStmt *stmt = castNode(ReindexStmt, node);
	ListCell   *lc;

	foreach(lc, stmt->params)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, "concurrently") == 0)
			stmt->params = foreach_delete_current(stmt->params, lc);
	}
}

void
alone_alter_table(Node *stmt)
{
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, stmt)->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->def != NULL && IsA(cmd->def, PartitionCmd))
			((PartitionCmd *) cmd->def)->concurrent = false;
	}
}
