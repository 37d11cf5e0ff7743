/*-------------------------------------------------------------------------
 *
 * attach.c
 *		A partition attached to a table that is being migrated, or rewritten.
 *
 * PostgreSQL gives the partition the sync trigger, but the rows that it brings
 * were written without one.  An event trigger sees the statement at its end,
 * notes which leaves were attached, and opens what goes over rows again: whatever the
 * migration's state is until contract, and also for a partition that was there
 * before, which may have been written to while it was away.
 *
 * Where a hidden table is kept beside a partitioned one, the partition gets the trigger
 * for that here, as PostgreSQL makes none of an internal one; so one that is made comes
 * here, too.  And one that is detached loses it here.
 *
 * ALTER TABLE that rewrites a table leaves no trace of who wrote a row, so that
 * one that has not been filled would look like one that has: what has not been
 * passed over yet is noted like a partition that comes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/arrival.h"
#include "catalog/indexing.h"
#include "catalog/live.h"
#include "catalog/migration.h"
#include "catalog/namespace.h"
#include "catalog/owners.h"
#include "catalog/pair.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/second.h"
#include "catalog/step_progress.h"
#include "commands/event_trigger.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/identity.h"
#include "core/names.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "run/start.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "sync/table_trigger.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_partition_attached);
PG_FUNCTION_INFO_V1(zdm_table_rewritten);

static void
check_protocol(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("%s must be called by an event trigger", name)));
}

static bool
has_subcommand(Node *parsetree, AlterTableType subtype)
{
	ListCell   *lc;

	foreach(lc, IsA(parsetree, AlterTableStmt) ? ((AlterTableStmt *) parsetree)->cmds : NIL)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype == subtype)
			return true;
	}
	return false;
}

/* Does the statement bring a partition, with rows perhaps or without? */
static bool
brings_partition(Node *parsetree)
{
	if (IsA(parsetree, CreateStmt))
		return ((CreateStmt *) parsetree)->partbound != NULL;
	return has_subcommand(parsetree, AT_AttachPartition);
}

static bool
takes_partition(Node *parsetree)
{
	return has_subcommand(parsetree, AT_DetachPartition) || has_subcommand(parsetree, AT_DetachPartitionFinalize);
}

/* Has this transaction made relid a partition? */
static bool
has_come(Relation inherits, Oid relid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple) &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data));
	systable_endscan(scan);
	return found;
}

/*
 * The leaves of the tree below relid that were attached in this transaction.  By the
 * catalog: a name in the statement may mean another table by now.
 */
static List *
leaves_that_came(Oid relid)
{
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	List	   *leaves = NIL;
	ListCell   *lc;
	ListCell   *leaf;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (lfirst_oid(lc) == relid || !has_come(inherits, lfirst_oid(lc)))
			continue;
		foreach(leaf, find_all_inheritors(lfirst_oid(lc), NoLock, NULL))
		{
			if (get_rel_relkind(lfirst_oid(leaf)) == RELKIND_RELATION)
				leaves = list_append_unique_oid(leaves, lfirst_oid(leaf));
		}
	}
	table_close(inherits, AccessShareLock);
	return leaves;
}

static bool
has_rows(List *leaves)
{
	ListCell   *lc;
	bool		some = false;

	foreach(lc, leaves)
	{
		Relation	leaf = table_open(lfirst_oid(lc), NoLock);

		some |= RelationGetNumberOfBlocks(leaf) > 0;
		table_close(leaf, NoLock);
	}
	return some;
}

/*
 * A partition has come to a table beside which a hidden one is kept: what is written to
 * it is carried over from here on.  What it brings was not, which makes what the hidden
 * one holds void; so does whatever had done that before.
 */
static void
follow_second(void)
{
	ListCell   *lc;
	ListCell   *leaf;

	foreach(lc, second_of_partitioned())
	{
		Second	   *second = lfirst(lc);
		List	   *leaves = leaves_that_came(second->relid);
		bool		in_step = leaves != NIL && !has_rows(leaves) &&
			strcmp(second->stamp, second_stamp(second, leaves)) == 0;

		foreach(leaf, leaves)
		{
			Relation	rel = table_open(lfirst_oid(leaf), NoLock);

			if (table_trigger_find(rel, second->hidden) == NULL)
				table_trigger_create(rel, second);
			table_close(rel, NoLock);
		}
		if (in_step)
			second_update(second);
	}
}

/* Somebody gives rows a place in a hidden table that had none. */
static void
follow_hidden(void)
{
	ListCell   *lc;

	foreach(lc, second_all())
	{
		if (get_rel_relkind(((Second *) lfirst(lc))->hidden) == RELKIND_PARTITIONED_TABLE)
			second_follow_leaves(lfirst(lc));
	}
}

/*
 * A partition that has left such a table keeps nothing of ours, at whatever depth.  It is
 * locked; what is below it may be in use, and its trigger then stays and does nothing.
 */
static void
let_go_of_detached(void)
{
	ListCell   *lc;
	ListCell   *other;

	foreach(lc, second_of_partitioned())
	{
		const Second *second = lfirst(lc);
		List	   *with = table_trigger_relations(second->hidden);

		foreach(other, list_difference_oid(with, find_all_inheritors(second->relid, NoLock, NULL)))
		{
			Relation	rel;

			if (!ConditionalLockRelationOid(lfirst_oid(other), AccessExclusiveLock))
				continue;
			rel = try_relation_open(lfirst_oid(other), NoLock);
			if (rel == NULL)
				continue;
			(void) table_trigger_drop(rel, second->hidden);
			table_close(rel, NoLock);
		}
	}
}

/*
 * A partition that has left a table of which a second column is filled in keeps that
 * column, or it could not be attached again; but nothing fills it in any more.
 */
static void
warn_of_left_behind(const AlterTableStmt *stmt)
{
	Oid			relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	List	   *tables = OidIsValid(relid) && live_any() ? lcons_oid(relid, get_rel_relispartition(relid) ? get_partition_ancestors(relid) : NIL) : NIL;
	ListCell   *lc;
	ListCell   *name;

	foreach(lc, tables != NIL ? stmt->cmds : NIL)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		Oid			part = cmd->subtype == AT_DetachPartition || cmd->subtype == AT_DetachPartitionFinalize ?
			RangeVarGetRelid(castNode(PartitionCmd, cmd->def)->name, NoLock, true) : InvalidOid;

		foreach(name, OidIsValid(part) ? pair_left_behind(tables, part) : NIL)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("%s keeps column %s of a migration, which nothing fills in any more",
							names_relation(part), quote_identifier(lfirst(name))),
					 errdetail("An INSERT that leaves it out fails: it is NOT NULL."),
					 errhint("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL; or fill it in and leave it so, if it is to be attached again.",
							 names_relation(part), quote_identifier(lfirst(name)))));
	}
}

Datum
zdm_partition_attached(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	check_protocol(fcinfo, "zdm.partition_attached");
	if (takes_partition(((EventTriggerData *) fcinfo->context)->parsetree) && extension_ready())
	{
		let_go_of_detached();
		warn_of_left_behind(castNode(AlterTableStmt, ((EventTriggerData *) fcinfo->context)->parsetree));
	}
	if (!brings_partition(((EventTriggerData *) fcinfo->context)->parsetree) || !extension_ready())
		PG_RETURN_NULL();
	follow_second();
	follow_hidden();
	/* one that was made has no rows */
	if (IsA(((EventTriggerData *) fcinfo->context)->parsetree, CreateStmt))
		PG_RETURN_NULL();
	foreach(lc, migration_live_on_partitioned())
	{
		Migration  *migration = lfirst(lc);
		List	   *leaves = leaves_that_came(migration->relid);

		if (leaves == NIL)
			continue;
		/* it is locked, and so are those that were there */
		owners_check(migration->relid, identity_of(migration->relid));
		arrival_note(migration->id, leaves);
		if (step_reopen_backfill(migration->id))
			start_at_commit(migration->id);
	}
	PG_RETURN_NULL();
}

/* Event trigger, before ALTER TABLE rewrites a table. */
Datum
zdm_table_rewritten(PG_FUNCTION_ARGS)
{
	Oid			relid;
	List	   *tables;
	ListCell   *lc;
	ListCell   *live;

	check_protocol(fcinfo, "zdm.table_rewritten");
	if (!extension_ready())
		PG_RETURN_NULL();
	relid = DatumGetObjectId(OidFunctionCall0(F_PG_EVENT_TRIGGER_TABLE_REWRITE_OID));
	tables = lcons_oid(relid, get_rel_relispartition(relid) ?
					   get_partition_ancestors(relid) : NIL);
	foreach(lc, tables)
	{
		foreach(live, migration_live_on(lfirst_oid(lc)))
		{
			Migration  *migration = lfirst(live);

			/* once all has been passed over, all has been filled */
			if (step_backfill_is_open(migration->id))
				arrival_note(migration->id, list_make1_oid(relid));
		}
	}
	PG_RETURN_NULL();
}
