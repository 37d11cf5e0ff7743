/*-------------------------------------------------------------------------
 *
 * trigger_ddl.c
 *		Keeping the sync trigger the last to fire.
 *
 * A user may create or rename a trigger, or attach a partition that has some,
 * at any time.  An event trigger looks at such statements when they are done,
 * and if a trigger now sorts after ours, renames ours.  On a partitioned table
 * that is done at the top, since a clone has its parent's name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_keep_sync_last);

/* The table whose triggers a statement changed; NULL: none, or not so. */
static RangeVar *
table_touched(Node *stmt)
{
	ListCell   *lc;

	switch (nodeTag(stmt))
	{
		case T_CreateTrigStmt:
			return ((CreateTrigStmt *) stmt)->relation;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_TRIGGER)
				return ((RenameStmt *) stmt)->relation;
			return NULL;
		case T_AlterTableStmt:
			foreach(lc, ((AlterTableStmt *) stmt)->cmds)
			{
				if (((AlterTableCmd *) lfirst(lc))->subtype == AT_AttachPartition)
					return ((AlterTableStmt *) stmt)->relation;
			}
			return NULL;
		default:
			return NULL;
	}
}

/* The outermost of relid and the tables it is a partition of that has ours. */
static Oid
outermost_with_trigger(Oid relid)
{
	Oid			found = trigger_name_find(relid) != NULL ? relid : InvalidOid;
	ListCell   *lc;

	if (!OidIsValid(found) || !get_rel_relispartition(relid))
		return found;
	foreach(lc, get_partition_ancestors(relid))
	{
		if (trigger_name_find(lfirst_oid(lc)) != NULL)
			found = lfirst_oid(lc);
	}
	return found;
}

static void
rename_one(Oid relid, char *from, char *to)
{
	RenameStmt *stmt = makeNode(RenameStmt);

	stmt->renameType = OBJECT_TRIGGER;
	stmt->relation = makeRangeVar(get_namespace_name(get_rel_namespace(relid)),
								  get_rel_name(relid), -1);
	stmt->subname = from;
	stmt->newname = to;
	(void) renametrig(stmt);
	CommandCounterIncrement();
}

/*
 * Rename the trigger of relid and of its partitions, as the owner, whoever ran
 * the statement: for that, TRIGGER privilege is enough.
 */
static void
rename_trigger(Oid relid, char *from, char *to)
{
	Relation	rel = RelationIdGetRelation(relid);
	Identity saved;
	ListCell   *lc;

	identity_enter(rel->rd_rel->relowner, NIL, &saved);
	RelationClose(rel);
	rename_one(relid, from, to);
	if (!ZDM_RENAMETRIG_RECURSES)
	{
		foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		{
			if (lfirst_oid(lc) != relid)
				rename_one(lfirst_oid(lc), from, to);
		}
	}
	identity_leave(&saved);
}

/*
 * Event trigger, at the end of CREATE TRIGGER, ALTER TRIGGER, ALTER TABLE: see
 * to it that a table's sync trigger still is the last to fire.  A table without
 * one is left after a look into pg_trigger.
 */
Datum
zdm_keep_sync_last(PG_FUNCTION_ARGS)
{
	RangeVar   *table;
	Oid			relid;
	char	   *greatest;
	char	   *name;
	char	   *wanted;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.keep_sync_last: must be called as an event trigger")));
	table = table_touched(((EventTriggerData *) fcinfo->context)->parsetree);
	if (table == NULL)
		PG_RETURN_NULL();

	/* the statement holds its lock on the table */
	relid = RangeVarGetRelid(table, NoLock, true);
	if (OidIsValid(relid))
		relid = outermost_with_trigger(relid);
	if (!OidIsValid(relid))
		PG_RETURN_NULL();

	name = trigger_name_find(relid);
	greatest = trigger_name_greatest(relid);
	if (greatest == NULL || strcmp(greatest, name) < 0)
		PG_RETURN_NULL();
	wanted = trigger_name_choose(relid, false);
	rename_trigger(relid, name, wanted);
	ereport(NOTICE,
			(errmsg("trigger \"%s\" of table \"%s\" is now called \"%s\"",
					name, get_rel_name(relid), wanted),
			 errdetail("It has to fire after trigger \"%s\", and triggers fire in the order of their names.",
					   greatest)));
	PG_RETURN_NULL();
}
