/*-------------------------------------------------------------------------
 *
 * stmtcols.c
 *		Which columns the statement that fires a row trigger named.
 *
 * A trigger is told which columns an UPDATE set, but not which an INSERT gave,
 * and nothing of the statement around it.  The executor knows, so the hooks
 * here keep a stack of what is running: a frame is pushed while a statement
 * that writes is in ExecutorRun or ExecutorFinish (modifying CTEs whose rows
 * nobody fetches run in the latter), and while COPY FROM runs, which has no
 * executor.  The frame on top belongs to whoever fires the trigger now.
 * ExecutorStart would not do: cursors are started in one order and run in
 * another.  Frames live on the C stack and are popped on error as well, so a
 * caught error leaves the stack right.  A plain SELECT pays one comparison.
 *
 * Knows nothing of migrations.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "sync/stmtcols.h"
#include "tcop/utility.h"
#include "utils/rel.h"
#include "compat.h"

typedef struct StmtFrame
{
	struct StmtFrame *outer;
	QueryDesc  *query;			/* NULL for COPY */
	CopyStmt   *copy;			/* NULL for a query */
} StmtFrame;

static StmtFrame *top_frame = NULL;

static ExecutorRun_hook_type prev_ExecutorRun = NULL;
static ExecutorFinish_hook_type prev_ExecutorFinish = NULL;
static ProcessUtility_hook_type prev_ProcessUtility = NULL;

static inline bool
query_writes(QueryDesc *queryDesc)
{
	return queryDesc->operation != CMD_SELECT ||
		queryDesc->plannedstmt->hasModifyingCTE;
}

static void
call_executor_run(ZDM_EXECUTOR_RUN_PARAMS)
{
	if (prev_ExecutorRun)
		prev_ExecutorRun(ZDM_EXECUTOR_RUN_ARGS);
	else
		standard_ExecutorRun(ZDM_EXECUTOR_RUN_ARGS);
}

/* Apart from the hook, so that a query that only reads needs no room for the frame. */
static pg_noinline void
run_in_frame(ZDM_EXECUTOR_RUN_PARAMS)
{
	StmtFrame	frame = {.outer = top_frame,.query = queryDesc};

	top_frame = &frame;
	PG_TRY();
	{
		call_executor_run(ZDM_EXECUTOR_RUN_ARGS);
	}
	PG_FINALLY();
	{
		top_frame = frame.outer;
	}
	PG_END_TRY();
}

static void
stmtcols_ExecutorRun(ZDM_EXECUTOR_RUN_PARAMS)
{
	if (query_writes(queryDesc))
		run_in_frame(ZDM_EXECUTOR_RUN_ARGS);
	else
		call_executor_run(ZDM_EXECUTOR_RUN_ARGS);
}

static void
call_executor_finish(QueryDesc *queryDesc)
{
	if (prev_ExecutorFinish)
		prev_ExecutorFinish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
}

static pg_noinline void
finish_in_frame(QueryDesc *queryDesc)
{
	StmtFrame	frame = {.outer = top_frame,.query = queryDesc};

	top_frame = &frame;
	PG_TRY();
	{
		call_executor_finish(queryDesc);
	}
	PG_FINALLY();
	{
		top_frame = frame.outer;
	}
	PG_END_TRY();
}

static void
stmtcols_ExecutorFinish(QueryDesc *queryDesc)
{
	/* other triggers it fires run statements of their own */
	if (queryDesc->plannedstmt->hasModifyingCTE)
		finish_in_frame(queryDesc);
	else
		call_executor_finish(queryDesc);
}

static void
call_process_utility(PlannedStmt *pstmt, const char *queryString,
					 bool readOnlyTree, ProcessUtilityContext context,
					 ParamListInfo params, QueryEnvironment *queryEnv,
					 DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_ProcessUtility)
		prev_ProcessUtility(pstmt, queryString, readOnlyTree, context,
							params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);
}

static void
stmtcols_ProcessUtility(PlannedStmt *pstmt, const char *queryString,
						bool readOnlyTree, ProcessUtilityContext context,
						ParamListInfo params, QueryEnvironment *queryEnv,
						DestReceiver *dest, QueryCompletion *qc)
{
	StmtFrame	frame = {.outer = top_frame};

	if (!IsA(pstmt->utilityStmt, CopyStmt) ||
		!((CopyStmt *) pstmt->utilityStmt)->is_from)
	{
		call_process_utility(pstmt, queryString, readOnlyTree, context,
							 params, queryEnv, dest, qc);
		return;
	}

	frame.copy = (CopyStmt *) pstmt->utilityStmt;
	top_frame = &frame;
	PG_TRY();
	{
		call_process_utility(pstmt, queryString, readOnlyTree, context,
							 params, queryEnv, dest, qc);
	}
	PG_FINALLY();
	{
		top_frame = frame.outer;
	}
	PG_END_TRY();
}

void
stmtcols_init(void)
{
	prev_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = stmtcols_ExecutorRun;
	prev_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = stmtcols_ExecutorFinish;
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = stmtcols_ProcessUtility;
}

/*
 * COPY's list, by name: the row may have been routed to a partition in which
 * the columns have other numbers.
 */
static StmtCols
copy_columns(CopyStmt *copy, Relation rel, const Bitmapset **cols)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Bitmapset  *named = NULL;
	ListCell   *lc;

	if (copy->attlist == NIL)
		return STMTCOLS_ALL;
	foreach(lc, copy->attlist)
	{
		const char *name = strVal(lfirst(lc));

		for (int i = 0; i < tupdesc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(tupdesc, i);

			if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
				named = bms_add_member(named,
									   i + 1 - FirstLowInvalidHeapAttributeNumber);
		}
	}
	*cols = named;
	return STMTCOLS_KNOWN;
}

static bool
plan_writes_to(Plan *plan, Index rti)
{
	ModifyTable *mt = (ModifyTable *) plan;

	return plan != NULL && IsA(plan, ModifyTable) &&
		(list_member_int(mt->resultRelations, rti) ||
		 mt->rootRelation == rti || mt->nominalRelation == rti);
}

/*
 * The ModifyTable that writes to a result relation.  There are no others than
 * the top of the plan and the tops of the plans of its modifying CTEs.
 */
static ModifyTable *
find_modify_table(PlannedStmt *stmt, ResultRelInfo *target)
{
	ResultRelInfo *root = target->ri_RootResultRelInfo;
	Index		rti = (root ? root : target)->ri_RangeTableIndex;
	ListCell   *lc;

	if (plan_writes_to(stmt->planTree, rti))
		return (ModifyTable *) stmt->planTree;
	foreach(lc, stmt->subplans)
	{
		if (plan_writes_to((Plan *) lfirst(lc), rti))
			return (ModifyTable *) lfirst(lc);
	}
	return NULL;
}

/* What one target says of an INSERT into it; false: it inserts nothing. */
static bool
insert_columns(ModifyTable *mt, ResultRelInfo *target, EState *estate,
			   StmtCols *verdict, const Bitmapset **cols)
{
	bool		routed = target->ri_RootResultRelInfo != NULL;
	int			inserts;

	*cols = NULL;
	if (mt->operation == CMD_INSERT)
	{
		*verdict = STMTCOLS_KNOWN;
		*cols = ExecGetInsertedCols(target, estate);
		return true;
	}
	if (mt->operation == CMD_UPDATE)
	{
		*verdict = STMTCOLS_REROUTED;
		return routed;
	}
	if (!zdm_is_merge(mt->operation))
		return false;

	/*
	 * The executor has one set for all actions of a MERGE: the union.  It is
	 * exact if only one action can be the one that inserts here.
	 */
	inserts = zdm_merge_actions(mt, CMD_INSERT);
	if (inserts == 0)
	{
		*verdict = STMTCOLS_REROUTED;
		return routed;
	}
	*verdict = STMTCOLS_UNKNOWN;
	if (inserts == 1 && !(routed && zdm_merge_actions(mt, CMD_UPDATE) > 0))
	{
		*verdict = STMTCOLS_KNOWN;
		*cols = ExecGetInsertedCols(target, estate);
	}
	return true;
}

/* The same for an UPDATE, whose set is in the trigger's own data. */
static StmtCols
update_columns(ModifyTable *mt, TriggerData *trigdata, const Bitmapset **cols)
{
	if (zdm_is_merge(mt->operation) && zdm_merge_actions(mt, CMD_UPDATE) != 1)
		return STMTCOLS_UNKNOWN;
	*cols = trigdata->tg_updatedcols;
	return STMTCOLS_KNOWN;
}

/*
 * The target among "list" that fires the trigger.  Two modifying CTEs may write
 * to one table; each has its own copy of the triggers.  (Not the function that is
 * called: where another library listens to calls, that is a copy of its own.)
 */
static ResultRelInfo *
find_target(List *list, TriggerData *trigdata)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		ResultRelInfo *target = (ResultRelInfo *) lfirst(lc);

		if (target->ri_RelationDesc == trigdata->tg_relation &&
			target->ri_TrigDesc != NULL &&
			trigdata->tg_trigger >= target->ri_TrigDesc->triggers &&
			trigdata->tg_trigger < target->ri_TrigDesc->triggers + target->ri_TrigDesc->numtriggers)
			return target;
	}
	return NULL;
}

StmtCols
stmtcols_named(TriggerData *trigdata, const Bitmapset **cols)
{
	StmtCols	verdict = STMTCOLS_UNKNOWN;
	EState	   *estate;
	ResultRelInfo *target;
	ModifyTable *mt;

	*cols = NULL;
	if (top_frame == NULL)
		return STMTCOLS_UNKNOWN;
	if (top_frame->query == NULL)
		return copy_columns(top_frame->copy, trigdata->tg_relation, cols);

	estate = top_frame->query->estate;
	target = find_target(estate->es_opened_result_relations, trigdata);
	if (target == NULL)
		target = find_target(estate->es_tuple_routing_result_relations, trigdata);
	mt = target ? find_modify_table(top_frame->query->plannedstmt, target) : NULL;
	if (mt == NULL)
		return STMTCOLS_UNKNOWN;
	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		return update_columns(mt, trigdata, cols);
	return insert_columns(mt, target, estate, &verdict, cols) ? verdict : STMTCOLS_UNKNOWN;
}
