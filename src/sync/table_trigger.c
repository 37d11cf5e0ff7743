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
 * goes only if the table has none of its key, and in its place, again.
 *
 * A partitioned table has one for each leaf: PostgreSQL makes none of an internal
 * trigger when a partition comes, so api/attach.c does.
 *
 * The trigger is internal: nobody else can make one like it and have rows written to
 * a table that is not theirs; psql and pg_dump leave it out, and so does ALTER TABLE
 * ... DISABLE TRIGGER USER.
 *
 * TRUNCATE is not told: it gives the table another storage, by which the worker sees
 * that what the hidden one holds is void.
 *
 * The hidden table has a trigger by which all other writes are refused.  What is carried
 * over does not fire it, as it fires none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/query.h"
#include "commands/trigger.h"
#include "core/errors.h"
#include "core/names.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "sync/apply.h"
#include "sync/kept.h"
#include "sync/table_trigger.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(zdm_sync_table);
PG_FUNCTION_INFO_V1(zdm_refuse_hidden);

/* What the trigger's arguments are, in their order. */
typedef enum TableArgument
{
	ARG_HIDDEN,					/* the hidden table */
	ARG_RELID,					/* the table */
	ARG_KEY,
	ARG_HIDDEN_KEY,
	ARG_SHAPE,					/* same, new, or turned */
	ARG_MIGRATION,
	ARG_OWN,					/* how many of the next: columns that are one table's own (Second.own) */
	ARG_CONVERTED,				/* and then of Second.converted; the rest is Second.settings */
	ARGUMENTS
} TableArgument;

/*
 * What a statement needs for one table, in the trigger's FmgrInfo.  Of two plain tables it
 * is kept for the session, as most statements write one row.  The lock on the hidden table
 * comes first, and with it what has been changed by DDL before: who changes more than that
 * waits for the lock's end.
 */
typedef struct TableCall
{
	Kept		kept;
	bool		possible;
	bool		busy;			/* a row is being carried over, or an error has broken that off */
	Apply		apply;
} TableCall;

static KeptCache table_calls = {.by_any = true};

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
		!trigdata->tg_trigger->tgisinternal || trigdata->tg_trigger->tgnargs < ARGUMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.sync_table: is for the triggers that a migration makes"),
				 errhint("DROP TRIGGER on the table.")));
}

static Oid
oid_argument(const Trigger *trigger, TableArgument n)
{
	return (Oid) strtoul(trigger->tgargs[n], NULL, 10);
}

/* Those from "begin" to before "end", as copies: what is compiled may outlive the trigger's entry in the cache. */
static List *
texts_of(const Trigger *trigger, int begin, int end)
{
	List	   *texts = NIL;

	for (int i = begin; i < end; i++)
		texts = lappend(texts, pstrdup(trigger->tgargs[i]));
	return texts;
}

/* As far as carrying rows over needs it: what is in the trigger need not be read from a table. */
static Second
read_arguments(const Trigger *trigger)
{
	const char *shape = trigger->tgargs[ARG_SHAPE];
	int			converted = ARGUMENTS + atoi(trigger->tgargs[ARG_OWN]);
	int			settings = converted + atoi(trigger->tgargs[ARG_CONVERTED]);

	return (Second) {
		.migration = strtoll(trigger->tgargs[ARG_MIGRATION], NULL, 10),
		.relid = oid_argument(trigger, ARG_RELID),
		.hidden = oid_argument(trigger, ARG_HIDDEN),
		.key = oid_argument(trigger, ARG_KEY),
		.hidden_key = oid_argument(trigger, ARG_HIDDEN_KEY),
		.new_shape = strcmp(shape, "same") != 0,
		.turned = strcmp(shape, "turned") == 0,
		.own = texts_of(trigger, ARGUMENTS, converted),
		.converted = texts_of(trigger, converted, settings),
		.settings = texts_of(trigger, settings, trigger->tgnargs),
	};
}

static void
begin_call(TableCall *call, TriggerData *trigdata, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	Second		second = read_arguments(trigdata->tg_trigger);

	call->possible = apply_begin(&call->apply, trigdata->tg_relation, &second);
	MemoryContextSwitchTo(caller);
}

static void
load_call(Kept *kept, Relation rel, void *arg)
{
	begin_call((TableCall *) kept, arg, kept->context);
}

static TableCall *
get_kept_call(TriggerData *trigdata)
{
	Relation	rel = trigdata->tg_relation;
	TableCall  *call = (TableCall *) kept_get(&table_calls, rel, sizeof(TableCall), load_call, trigdata);

	if (call->busy)
	{
		/* a function in an index of the hidden table's writes the table, or an error has left it so */
		kept_drop(&table_calls, &call->kept);
		call = (TableCall *) kept_get(&table_calls, rel, sizeof(TableCall), load_call, trigdata);
	}
	call->apply.noted = false;
	return call;
}

/* Are the two plain tables?  The hidden one is locked then, as it is before anything that is kept is looked at. */
static bool
lock_plain(const TriggerData *trigdata)
{
	Oid			hidden = oid_argument(trigdata->tg_trigger, ARG_HIDDEN);

	/* who writes a leaf alone comes to the table before the hidden one, as everybody does */
	if (oid_argument(trigdata->tg_trigger, ARG_RELID) != RelationGetRelid(trigdata->tg_relation))
		return false;
	LockRelationOid(hidden, RowExclusiveLock);
	return get_rel_relkind(hidden) == RELKIND_RELATION;
}

static TableCall *
get_call(FmgrInfo *flinfo, TriggerData *trigdata)
{
	TableCall  *call = flinfo->fn_extra;

	if (call != NULL)
		return call;
	if (lock_plain(trigdata))
		call = get_kept_call(trigdata);
	else
	{
		/* leaves are locked one by one, as rows come to them */
		call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(TableCall));
		begin_call(call, trigdata, flinfo->fn_mcxt);
	}
	flinfo->fn_extra = call;
	return call;
}

static Oid
trigger_function(const char *name)
{
	return LookupFuncName(list_make2(makeString("zdm"), makeString(pstrdup(name))), 0, NULL, false);
}

/* The internal trigger of the relation that calls the function, for that hidden table if it is not InvalidOid. */
static const Trigger *
find_trigger(Relation rel, const char *name, Oid hidden)
{
	Oid			function = trigger_function(name);

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgfoid == function && trigger->tgisinternal &&
			(!OidIsValid(hidden) || (trigger->tgnargs >= ARGUMENTS && oid_argument(trigger, ARG_HIDDEN) == hidden)))
			return trigger;
	}
	return NULL;
}

const Trigger *
table_trigger_find(Relation source, Oid hidden)
{
	return find_trigger(source, "sync_table", hidden);
}

static Oid
create_trigger(Oid relid, const char *name, List *args, bool row, int16 timing, int16 events)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);
	ObjectAddress trigger;

	stmt->trigname = psprintf("zdm_%s", name);
	stmt->funcname = list_make2(makeString("zdm"), makeString(pstrdup(name)));
	stmt->args = args;
	stmt->row = row;
	stmt->timing = timing;
	stmt->events = events;
	trigger = CreateTriggerFiringOn(stmt, NULL, relid, InvalidOid, InvalidOid, InvalidOid,
									trigger_function(name), InvalidOid, NULL, true, false, TRIGGER_FIRES_ALWAYS);
	CommandCounterIncrement();
	return trigger.objectId;
}

static Node *
oid_text(Oid oid)
{
	return (Node *) makeString(psprintf("%u", oid));
}

static Node *
count_text(const List *list)
{
	return (Node *) makeString(psprintf("%d", list_length(list)));
}

static List *
add_texts(List *args, const List *texts)
{
	const ListCell *lc;

	foreach(lc, texts)
		args = lappend(args, makeString(pstrdup(lfirst(lc))));
	return args;
}

/* What up and down call cannot be dropped. */
static void
depend_on_calls(Oid trigger, const Second *second)
{
	ObjectAddress address;

	ObjectAddressSet(address, TriggerRelationId, trigger);
	for (int i = 1; second->converted != NIL && i <= 3; i += 2)
	{
		const char *resolution = list_nth(second->converted, i + 1);
		ExprStated	stated = {list_nth(second->converted, i), resolution[0] != '\0' ? resolution : NULL};

		expr_depend_on_calls(&stated, &address);
	}
}

void
table_trigger_create(Relation source, const Second *second)
{
	const char *shape = !second->new_shape ? "same" : second->turned ? "turned" : "new";
	List	   *args = list_make5(oid_text(second->hidden), oid_text(second->relid), oid_text(second->key),
								  oid_text(second->hidden_key), makeString(pstrdup(shape)));
	ListCell   *lc;

	args = lappend(args, makeString(psprintf(INT64_FORMAT, second->migration)));
	args = lappend(lappend(args, count_text(second->own)), count_text(second->converted));
	args = add_texts(add_texts(add_texts(args, second->own), second->converted), second->settings);
	foreach(lc, find_all_inheritors(RelationGetRelid(source), NoLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			depend_on_calls(create_trigger(lfirst_oid(lc), "sync_table", args, true, TRIGGER_TYPE_AFTER,
										   TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE), second);
	}
}

void
table_trigger_close(Relation rel)
{
	(void) create_trigger(RelationGetRelid(rel), "refuse_hidden", NIL, false, TRIGGER_TYPE_BEFORE,
						  TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE | TRIGGER_TYPE_TRUNCATE);
}

static bool
drop_trigger(const Trigger *trigger)
{
	ObjectAddress address;

	if (trigger == NULL)
		return false;
	ObjectAddressSet(address, TriggerRelationId, trigger->tgoid);
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
	return true;
}

void
table_trigger_let(Relation rel)
{
	(void) drop_trigger(find_trigger(rel, "refuse_hidden", InvalidOid));
}

bool
table_trigger_drop(Relation source, Oid hidden)
{
	return drop_trigger(table_trigger_find(source, hidden));
}

List *
table_trigger_relations(Oid hidden)
{
	QuerySession session;
	List	   *relations;

	query_begin(&session);
	/* the hidden table is the first of the arguments */
	QUERY("SELECT array_agg(tgrelid ORDER BY tgrelid) FROM pg_trigger WHERE tgfoid = $1 AND tgisinternal "
		  "AND substring(tgargs FOR length($2) + 1) = convert_to($2, 'UTF8') || '\\x00'",
		  arg_oid(trigger_function("sync_table")), arg_text(psprintf("%u", hidden)));
	relations = query_oids(0, 1);
	query_end(&session);
	return relations;
}

Datum
zdm_refuse_hidden(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.refuse_hidden: must be called as a trigger")));
	trigdata = (TriggerData *) fcinfo->context;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("%s is kept in step by a migration, and nobody else writes it",
					names_relation(RelationGetRelid(trigdata->tg_relation))),
			 errhint("Write the table that it stands beside: SELECT id, relation FROM zdm.migrations names it.")));
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

	call->busy = true;
	apply_open(apply, trigdata->tg_relation);
	if (after != NULL && is_last(trigdata->tg_relation, after))
		apply_put(apply, after);
	if (before != NULL && (after == NULL || !apply_same_key(apply, before, after)))
		apply_remove(apply, before);
	apply_close(apply);
	call->busy = false;
	return PointerGetDatum(NULL);
}
