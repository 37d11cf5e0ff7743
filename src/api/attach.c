/*-------------------------------------------------------------------------
 *
 * attach.c
 *		A partition attached to a table that is being migrated.
 *
 * PostgreSQL gives the partition the sync trigger, but the rows that it brings
 * were written without one.  An event trigger sees the statement at its end,
 * and opens the migration's backfill again, which passes over those leaves only
 * that it has not done: whatever the migration's state is until contract.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/migration.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/step.h"
#include "commands/event_trigger.h"
#include "core/errors.h"
#include "core/extension.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "run/start.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(zdm_partition_attached);

/* The table that the statement attached a partition to; NULL: it did not. */
static RangeVar *
table_attached_to(Node *parsetree)
{
	ListCell   *lc;

	if (!IsA(parsetree, AlterTableStmt))
		return NULL;
	foreach(lc, ((AlterTableStmt *) parsetree)->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype == AT_AttachPartition)
			return ((AlterTableStmt *) parsetree)->relation;
	}
	return NULL;
}

Datum
zdm_partition_attached(PG_FUNCTION_ARGS)
{
	RangeVar   *table;
	Oid			relid;
	List	   *tables;
	ListCell   *lc;
	ListCell   *live;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.partition_attached must be called by an event trigger")));
	table = table_attached_to(((EventTriggerData *) fcinfo->context)->parsetree);
	if (table == NULL || !extension_ready())
		PG_RETURN_NULL();

	/* the statement itself holds the lock still */
	relid = RangeVarGetRelid(table, NoLock, true);
	if (!OidIsValid(relid))
		PG_RETURN_NULL();
	tables = lcons_oid(relid, get_rel_relispartition(relid) ?
					   get_partition_ancestors(relid) : NIL);
	foreach(lc, tables)
	{
		foreach(live, migration_live_on(lfirst_oid(lc)))
		{
			Migration  *migration = lfirst(live);

			if (step_reopen_backfill(migration->id))
				start_at_commit(migration->id);
		}
	}
	PG_RETURN_NULL();
}
