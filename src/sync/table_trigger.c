/*-------------------------------------------------------------------------
 *
 * table_trigger.c
 *		The trigger that keeps a hidden table in step with its table.
 *
 * An AFTER row trigger: what it carries over is the row as all BEFORE triggers have
 * left it, and it fires for every way in which rows are written: ON CONFLICT, MERGE,
 * COPY, the actions of foreign keys, moves between partitions, logical replication
 * (it is ENABLE ALWAYS).
 *
 * Such triggers fire at the end of their statement, and what a trigger before ours
 * writes is over, its own triggers included, before ours is told of the first: so
 * events may come in another order than the rows were written in.  None is therefore
 * taken for what it says, but as a key to look at.  A row that has been written over
 * since by this transaction is left to the event of that; and one that was deleted
 * goes only if the table has none of its key again.
 *
 * The trigger is internal: nobody else can make one like it and have rows written to
 * a table that is not theirs; psql and pg_dump leave it out, and so does ALTER TABLE
 * ... DISABLE TRIGGER USER.
 *
 * TRUNCATE is not told: it gives the table another storage, by which the worker sees
 * that what the hidden one holds is void.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "core/errors.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "sync/apply.h"
#include "sync/table_trigger.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(zdm_sync_table);

/* Kept in the trigger's FmgrInfo: one statement, one table. */
typedef struct TableCall
{
	bool		possible;
	Apply		apply;
} TableCall;

static void
check_protocol(FunctionCallInfo fcinfo)
{
	TriggerData *trigdata;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.sync_table: must be called as a trigger")));
	trigdata = (TriggerData *) fcinfo->context;
	if (!TRIGGER_FIRED_AFTER(trigdata->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		!trigdata->tg_trigger->tgisinternal || trigdata->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.sync_table: is for the triggers that a migration makes"),
				 errhint("DROP TRIGGER on the table.")));
}

static TableCall *
get_call(FmgrInfo *flinfo, TriggerData *trigdata)
{
	TableCall  *call = flinfo->fn_extra;
	MemoryContext caller;
	Oid			hidden;
	Oid			key;

	if (call != NULL)
		return call;
	caller = MemoryContextSwitchTo(flinfo->fn_mcxt);
	call = palloc0(sizeof(TableCall));
	table_trigger_arguments(trigdata->tg_trigger, &hidden, &key);
	call->possible = apply_begin(&call->apply, trigdata->tg_relation, hidden, key);
	flinfo->fn_extra = call;
	MemoryContextSwitchTo(caller);
	return call;
}

void
table_trigger_arguments(const Trigger *trigger, Oid *hidden, Oid *key)
{
	*hidden = (Oid) strtoul(trigger->tgargs[0], NULL, 10);
	*key = (Oid) strtoul(trigger->tgargs[1], NULL, 10);
}

Oid
table_trigger_function(void)
{
	return LookupFuncName(list_make2(makeString("zdm"), makeString("sync_table")), 0, NULL, false);
}

const Trigger *
table_trigger_find(Relation source, Oid hidden)
{
	Oid			function = table_trigger_function();

	for (int i = 0; source->trigdesc != NULL && i < source->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &source->trigdesc->triggers[i];
		Oid			its_hidden;
		Oid			key;

		if (trigger->tgfoid != function || !trigger->tgisinternal || trigger->tgnargs != 2)
			continue;
		table_trigger_arguments(trigger, &its_hidden, &key);
		if (its_hidden == hidden)
			return trigger;
	}
	return NULL;
}

void
table_trigger_create(Relation source, Oid hidden, Oid key)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);

	stmt->trigname = "zdm_sync_table";
	stmt->funcname = list_make2(makeString("zdm"), makeString("sync_table"));
	stmt->args = list_make2(makeString(psprintf("%u", hidden)), makeString(psprintf("%u", key)));
	stmt->row = true;
	stmt->timing = TRIGGER_TYPE_AFTER;
	stmt->events = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE;
	(void) CreateTriggerFiringOn(stmt, NULL, RelationGetRelid(source), InvalidOid, InvalidOid, InvalidOid,
								 table_trigger_function(), InvalidOid, NULL, true, false, TRIGGER_FIRES_ALWAYS);
	CommandCounterIncrement();
}

/* Is it still the row's last version, as far as this transaction goes? */
static bool
is_last(Relation rel, TupleTableSlot *slot)
{
	return table_tuple_satisfies_snapshot(rel, slot, SnapshotSelf);
}

Datum
zdm_sync_table(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata;
	TableCall  *call;
	Apply	   *apply;
	TupleTableSlot *before;
	TupleTableSlot *after;

	check_protocol(fcinfo);
	trigdata = (TriggerData *) fcinfo->context;
	call = get_call(fcinfo->flinfo, trigdata);
	if (!call->possible)
		return PointerGetDatum(NULL);
	apply = &call->apply;
	before = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ? NULL : trigdata->tg_trigslot;
	after = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ? trigdata->tg_trigslot :
		TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newslot : NULL;

	apply_open(apply, trigdata->tg_relation);
	if (after != NULL && is_last(trigdata->tg_relation, after))
		apply_put(apply, after);
	if (before != NULL && (after == NULL || !apply_same_key(apply, before, after)))
		apply_remove(apply, before);
	apply_close(apply);
	return PointerGetDatum(NULL);
}
