/*-------------------------------------------------------------------------
 *
 * trigger_ddl.c
 *		Keeping the sync trigger the last to fire.
 *
 * A user may create or rename a trigger, or attach a partition that has some,
 * at any time.  An event trigger looks at such statements when they are done,
 * and if a trigger now sorts after ours, renames ours.
 *
 * That asks for no lock: PostgreSQL's ALTER TRIGGER would take ACCESS EXCLUSIVE
 * behind the weaker lock of CREATE TRIGGER, and who has read the table and is about
 * to write it waits for that one already, which is a deadlock.  The statement's own
 * lock is enough.  It keeps writers out, who alone look at triggers, and whoever else
 * makes or renames some: of the table and its partitions for CREATE and ALTER
 * TRIGGER, of the partition that comes for ATTACH PARTITION.  So only where a
 * trigger was added is ours renamed: a partition's own may be called otherwise than
 * the one that it is a clone of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/trigger_name.h"
#include "facts/facts_migration.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_keep_sync_last);

/* Can it have brought a trigger to a table that was there, or another name of one?  CREATE SCHEMA cannot. */
static bool
brings_triggers(Node *stmt)
{
	ListCell   *lc;

	switch (nodeTag(stmt))
	{
		case T_CreateTrigStmt:
			return true;
		case T_RenameStmt:
			return ((RenameStmt *) stmt)->renameType == OBJECT_TRIGGER;
		case T_AlterTableStmt:
			foreach(lc, ((AlterTableStmt *) stmt)->cmds)
			{
				if (((AlterTableCmd *) lfirst(lc))->subtype == AT_AttachPartition)
					return true;
			}
			return false;
		default:
			return false;
	}
}

/* Has a partition, or one of its triggers, come in this transaction? */
static bool
have_come(Oid catalog, Oid index, AttrNumber column, Oid relid)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* ALTER TRIGGER ... RENAME TO, but for the lock. */
static void
rename_trigger(Oid relid, const char *from, char *to)
{
	Relation	catalog = table_open(TriggerRelationId, RowExclusiveLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Form_pg_trigger form;

	ScanKeyInit(&key[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(from));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 2, key);
	tuple = heap_copytuple(systable_getnext(scan));
	systable_endscan(scan);
	form = (Form_pg_trigger) GETSTRUCT(tuple);
	namestrcpy(&form->tgname, to);
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	InvokeObjectPostAlterHook(TriggerRelationId, form->oid, 0);
	heap_freetuple(tuple);
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcacheByRelid(relid);
	CommandCounterIncrement();
}

/*
 * See to it that relid's own sync trigger, if it has one, is the last of its
 * triggers.  True if it was not.
 */
static bool
keep_last(Oid relid, bool tell)
{
	char	   *name = trigger_name_find(relid);
	char	   *later = name ? trigger_name_later(relid, name) : NULL;
	char	   *wanted;

	if (later == NULL)
		return false;
	wanted = trigger_name_choose(relid, false);
	rename_trigger(relid, name, wanted);
	if (tell)
		ereport(NOTICE,
				(errmsg("trigger \"%s\" of table \"%s\" is now called \"%s\"",
						name, get_rel_name(relid), wanted),
				 errdetail("It has to fire after trigger \"%s\", and triggers fire in the order of their names.",
						   later)));
	return true;
}

/* A table is told of before its partitions. */
static int
by_depth(const ListCell *a, const ListCell *b)
{
	bool		a_is_part = get_rel_relispartition(lfirst_oid(a));

	if (a_is_part != get_rel_relispartition(lfirst_oid(b)))
		return a_is_part ? 1 : -1;
	return list_oid_cmp(a, b);
}

/*
 * Event trigger, at the end of CREATE TRIGGER, ALTER TRIGGER, ALTER TABLE: see
 * to it that the sync trigger still is the last to fire where a trigger was added.  By
 * the catalog: a name in the statement may mean another table by now.
 */
Datum
zdm_keep_sync_last(PG_FUNCTION_ARGS)
{
	List	   *tables;
	ListCell   *lc;
	bool		told = false;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.keep_sync_last: must be called as an event trigger")));
	if (!brings_triggers(((EventTriggerData *) fcinfo->context)->parsetree) || !extension_ready())
		PG_RETURN_NULL();

	tables = facts_synced_with(ProcedureRelationId, trigger_name_function());
	list_sort(tables, by_depth);
	foreach(lc, tables)
	{
		/* the statement holds its lock on those in which one was added */
		Oid			relid = lfirst_oid(lc);

		if (have_come(TriggerRelationId, TriggerRelidNameIndexId, Anum_pg_trigger_tgrelid, relid) ||
			have_come(InheritsRelationId, InheritsRelidSeqnoIndexId, Anum_pg_inherits_inhrelid, relid))
			told |= keep_last(relid, !told);
	}
	PG_RETURN_NULL();
}
