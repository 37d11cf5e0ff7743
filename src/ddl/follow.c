/*-------------------------------------------------------------------------
 *
 * follow.c
 *		Run code for the DDL that it would run, without any effect.
 *
 * What a DO block or a function does depends on its branches, so it has to be
 * run to be judged.  Four things keep that without effect: the transaction is
 * read-only, utility statements are handed to a collector, queries that would
 * write or call what is not harmless are started but not run, and what is left
 * of such code (an assignment in PL/pgSQL runs no query) is stopped by an error
 * before it is called.  Whatever the code did take is rolled back.  The hooks
 * that do this are there only while code is followed.
 *
 * Harmless is what is known to be: built-in functions that are not volatile, a
 * few that are, and functions in SQL and PL/pgSQL, whose own calls come here as
 * well.  Not those that change the user or a setting: with queries left out,
 * they would answer what they refuse otherwise, or tell what the caller may not
 * read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/proclang.h"
#include "core/attempt.h"
#include "facts/facts_query.h"
#include "ddl/follow.h"
#include "rules/statement.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "compat.h"

static ProcessUtility_hook_type prev_process_utility = NULL;
static ExecutorStart_hook_type prev_executor_start = NULL;
static ExecutorRun_hook_type prev_executor_run = NULL;
static ExecutorFinish_hook_type prev_executor_finish = NULL;
static object_access_hook_type prev_object_access = NULL;

/* Code that is followed. */
typedef struct Follow
{
	FollowCollector collector;
	void	   *arg;
	bool		starting_only;	/* a query is being started that will not be run */
} Follow;

/* The innermost, NULL: none.  On the stack of follow_code(), which takes it off again. */
static Follow *followed = NULL;

/* The hooks below are in place. */
static bool hooked = false;

bool
follow_active(void)
{
	return followed != NULL;
}

/* Volatile, and yet they do nothing but look at a clock, a generator, or a size. */
static bool
is_harmless_volatile(Oid funcid)
{
	switch (funcid)
	{
		case F_CLOCK_TIMESTAMP:
		case F_TIMEOFDAY:
		case F_STATEMENT_TIMESTAMP:
		case F_GEN_RANDOM_UUID:
		case F_PG_RELATION_SIZE_REGCLASS_TEXT:
		case F_PG_TABLE_SIZE:
		case F_PG_INDEXES_SIZE:
		case F_PG_TOTAL_RELATION_SIZE:
			return true;
		default:
			return false;
	}
}

/* PL/pgSQL as its extension made it: whoever may make a language by that name is a superuser. */
static bool
is_plpgsql(Oid langid)
{
	HeapTuple	tuple = SearchSysCache1(LANGOID, ObjectIdGetDatum(langid));
	Form_pg_language lang;
	bool		same;

	if (!HeapTupleIsValid(tuple))
		return false;
	lang = (Form_pg_language) GETSTRUCT(tuple);
	same = strcmp(NameStr(lang->lanname), "plpgsql") == 0 && superuser_arg(lang->lanowner);
	ReleaseSysCache(tuple);
	return same;
}

/* Why the function is not run; NULL if it is harmless. */
static const char *
why_not_run(Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc;
	const char *why = NULL;

	if (!HeapTupleIsValid(tuple))
		return "is gone";
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->prosecdef && proc->proowner != GetUserId())
		why = "changes the user";
	else if (!heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL))
		why = "changes settings";
	else if (proc->prolang == INTERNALlanguageId && funcid < FirstNormalObjectId)
		why = proc->provolatile == PROVOLATILE_VOLATILE && !is_harmless_volatile(funcid) ? "is volatile" : NULL;
	else if (proc->prolang != SQLlanguageId && !is_plpgsql(proc->prolang))
		why = "is neither SQL nor PL/pgSQL";
	ReleaseSysCache(tuple);
	return why;
}

static bool
is_opaque(Oid funcid, void *context)
{
	return why_not_run(funcid) != NULL;
}

static bool
calls_opaque(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_opaque, context))
		return true;
	if (IsA(node, NextValueExpr))
		return true;
	return expression_tree_walker(node, calls_opaque, context);
}

static bool
plan_calls_opaque(Plan *plan)
{
	if (plan == NULL)
		return false;
	return calls_opaque((Node *) plan->targetlist, NULL) ||
		calls_opaque((Node *) plan->qual, NULL) ||
		plan_calls_opaque(outerPlan(plan)) || plan_calls_opaque(innerPlan(plan));
}

static bool
is_skipped(QueryDesc *query_desc)
{
	return followed != NULL &&
		(query_desc->operation != CMD_SELECT || query_desc->plannedstmt->hasModifyingCTE ||
		 query_desc->plannedstmt->rowMarks != NIL ||
		 plan_calls_opaque(query_desc->plannedstmt->planTree));
}

/* Does the plan call functions that are not built in? */
static bool
calls_users(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->invalItems)
	{
		if (lfirst_node(PlanInvalItem, lc)->cacheId == PROCOID)
			return true;
	}
	return false;
}

/*
 * Starting a query can run functions (partitions are pruned by what they give):
 * where it may, what is not harmless is not even started.
 */
static void
follow_executor_start(QueryDesc *query_desc, int eflags)
{
	bool		skipped = is_skipped(query_desc);
	bool		outer = followed != NULL && followed->starting_only;

	if (skipped)
		eflags |= EXEC_FLAG_EXPLAIN_ONLY;
	if (followed != NULL)
		followed->starting_only = skipped && !calls_users(query_desc->plannedstmt);
	if (prev_executor_start != NULL)
		prev_executor_start(query_desc, eflags);
	else
		standard_ExecutorStart(query_desc, eflags);
	if (followed != NULL)
		followed->starting_only = outer;
}

/* No rows: but whoever takes them must have heard that none come. */
static void
send_nothing(QueryDesc *query_desc)
{
	if (query_desc->operation != CMD_SELECT && !query_desc->plannedstmt->hasReturning)
		return;
	query_desc->dest->rStartup(query_desc->dest, query_desc->operation, query_desc->tupDesc);
	query_desc->dest->rShutdown(query_desc->dest);
}

static void
follow_executor_run(ZDM_EXECUTOR_RUN_PARAMS)
{
	if (is_skipped(queryDesc))
	{
		send_nothing(queryDesc);
		return;
	}
	if (prev_executor_run != NULL)
		prev_executor_run(ZDM_EXECUTOR_RUN_ARGS);
	else
		standard_ExecutorRun(ZDM_EXECUTOR_RUN_ARGS);
}

static void
follow_executor_finish(QueryDesc *query_desc)
{
	if (is_skipped(query_desc))
		return;
	if (prev_executor_finish != NULL)
		prev_executor_finish(query_desc);
	else
		standard_ExecutorFinish(query_desc);
}

static void
follow_object_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	const char *why;

	if (prev_object_access != NULL)
		prev_object_access(access, classid, objectid, subid, arg);
	if (followed == NULL || followed->starting_only || access != OAT_FUNCTION_EXECUTE)
		return;
	why = why_not_run(objectid);
	if (why != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function %s %s, and is not run by zdm.check()", get_func_name(objectid), why)));
}

/* Settings that change what later statements mean, and nothing else. */
static bool
is_harmless_setting(const char *name)
{
	static const char *const names[] = {
		"search_path", "timezone", "datestyle", "intervalstyle", "default_tablespace",
		"default_table_access_method", "lock_timeout", "statement_timeout"
	};

	for (int i = 0; name != NULL && i < lengthof(names); i++)
	{
		if (pg_strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* What runs all the same: it holds no DDL itself, and changes nothing that outlives the rollback. */
bool
follow_runs_always(Node *stmt)
{
	return true;
}

bool
follow_runs_setting(Node *stmt)
{
	return is_harmless_setting(castNode(VariableSetStmt, stmt)->name);
}

bool
follow_runs_do(Node *stmt)
{
	ListCell   *lc;

	foreach(lc, castNode(DoStmt, stmt)->args)
	{
		DefElem    *arg = lfirst_node(DefElem, lc);

		if (strcmp(arg->defname, "language") == 0 &&
			!is_plpgsql(get_language_oid(strVal(arg->arg), false)))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("code in %s is not run by zdm.check()", strVal(arg->arg))));
	}
	return true;
}

static bool
runs(Node *stmt)
{
	bool		(*followed) (Node *stmt) = statement_kind(stmt)->followed;

	return followed != NULL && followed(stmt);
}

static void
follow_utility(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
			   ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (followed != NULL && IsA(pstmt->utilityStmt, VariableSetStmt) && !runs(pstmt->utilityStmt))
		return;
	if (followed != NULL && !runs(pstmt->utilityStmt))
		followed->collector(pstmt->utilityStmt, query, followed->arg);
	else if (prev_process_utility != NULL)
		prev_process_utility(pstmt, query, read_only, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only, context, params, env, dest, qc);
}

static void
run_code(void *arg)
{
	static const char *const settings[][2] = {
		{"transaction_read_only", "on"},
		/* what the code says is said to nobody */
		{"client_min_messages", "error"},
		{"log_min_messages", "fatal"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);

	/*
	 * PL/pgSQL keeps expressions to the end of the transaction, and asks for the
	 * functions in them once only: what was kept before is to be asked for again.
	 */
	ResetPlanCache();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	SPI_execute((const char *) arg, false, 0);
	SPI_finish();
	PopActiveSnapshot();
}

static bool
calls_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncCall))
		return true;
	return raw_expression_tree_walker(node, calls_function, context);
}

/* A query that reads tables is not followed. */
bool
follow_is_code(Node *node)
{
	SelectStmt *select = castNode(SelectStmt, node);
	ListCell   *lc;

	if (select->op != SETOP_NONE || select->intoClause != NULL)
		return false;
	foreach(lc, select->fromClause)
	{
		if (!IsA(lfirst(lc), RangeFunction))
			return false;
	}
	return calls_function((Node *) select->targetList, NULL) || select->fromClause != NIL;
}

bool
follow_is_always_code(Node *stmt)
{
	return true;
}

static void
set_hooks(void)
{
	if (hooked)
		return;
	hooked = true;
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = follow_utility;
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = follow_executor_start;
	prev_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = follow_executor_run;
	prev_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = follow_executor_finish;
	prev_object_access = object_access_hook;
	object_access_hook = follow_object_access;
}

/*
 * Back to what was followed before, if anything: if nothing, the hooks go.
 * Unless a library that the code made PostgreSQL load has put a hook in front
 * of ours: then ours have to stay, and hand on.
 */
static void
stop_following(Follow *outer)
{
	followed = outer;
	if (followed != NULL)
		followed->starting_only = false;
	if (followed != NULL ||
		ProcessUtility_hook != follow_utility || ExecutorStart_hook != follow_executor_start ||
		ExecutorRun_hook != follow_executor_run || ExecutorFinish_hook != follow_executor_finish ||
		object_access_hook != follow_object_access)
		return;
	hooked = false;
	ProcessUtility_hook = prev_process_utility;
	ExecutorStart_hook = prev_executor_start;
	ExecutorRun_hook = prev_executor_run;
	ExecutorFinish_hook = prev_executor_finish;
	object_access_hook = prev_object_access;
}

bool
follow_code(const char *sql, FollowCollector collector, void *arg, ErrorData **error)
{
	Follow		code = {.collector = collector, .arg = arg};
	Follow	   *outer = followed;
	bool		done;

	set_hooks();
	followed = &code;
	PG_TRY();
	{
		done = attempt_run(run_code, (void *) sql, ATTEMPT_UNDO, error);
	}
	PG_CATCH();
	{
		stop_following(outer);
		PG_RE_THROW();
	}
	PG_END_TRY();
	stop_following(outer);
	return done;
}
