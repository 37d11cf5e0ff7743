/*-------------------------------------------------------------------------
 *
 * guard.c
 *		The hook that judges DDL before it runs.
 *
 * Every statement that is not DDL leaves by the first test, and so does what has to
 * be watched after DDL (queries, the end of the transaction) in a transaction that
 * has run none.  DDL is judged in a subtransaction that is rolled back, so that
 * looking leaves no lock behind; then it is refused, or run under a lock
 * timeout with the hold clock armed.
 *
 * A statement on its own answers for its effect on applications at once.  In a
 * transaction block, or in a function, later statements may mend it: reliances
 * are then looked at just before the commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/relation.h"
#include "access/xact.h"
#include "api/guard.h"
#include "api/hint.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "core/attempt.h"
#include "core/citus.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/guc.h"
#include "ddl/backstop.h"
#include "facts/facts_query.h"
#include "ddl/follow.h"
#include "ddl/hold_timeout.h"
#include "ddl/log_watch.h"
#include "ddl/own_statement.h"
#include "ddl/pending.h"
#include "rules/statement.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

static ProcessUtility_hook_type prev_process_utility = NULL;
static ExecutorStart_hook_type prev_executor_start = NULL;

/*
 * The statements that were judged as a whole and are running, the innermost
 * first.  State of a statement is its subtransaction's: an error ends what was
 * begun in the subtransaction that it rolls back, and nothing around it.  They
 * are looked at when an error has left the stack, and so are not kept on it.
 */
typedef struct JudgedStatement
{
	SubTransactionId subid;		/* in which it was begun */
	bool		watched;		/* by the backstop */
	struct JudgedStatement *outer;
} JudgedStatement;

static struct
{
	/* of the transaction */
	bool		ddl;			/* it has run some; nothing else has to ask for its locks */
	JudgedStatement *judged;	/* the innermost */

	/* of the session: columns that it has added and committed, which no application gives a value yet */
	List	   *columns;
}			session;

/* One statement on its way through the judgement. */
typedef struct GuardCase
{
	Node	   *stmt;
	const char *sql;
	bool		in_block;
	Facts	   *facts;
	Judgement  *judgement;
	List	   *breaches;		/* Finding: reliances that it breaks, and later statements may mend */
} GuardCase;

/* Is the guard off in this session while the default is another? */
static bool
is_switched_off(void)
{
	const char *reset;

	if (guc_guard != GUARD_OFF)
		return false;
	reset = GetConfigOptionResetString("zdm.guard");
	return reset != NULL && strcmp(reset, "off") != 0;
}

static bool
is_active(void)
{
	/* what applies changes from elsewhere runs no DDL of its own, but triggers do */
	if (creating_extension || IsBinaryUpgrade || IsParallelWorker() || !IsTransactionState())
		return false;
	if (guc_guard == GUARD_OFF && !is_switched_off())
		return false;
	/* Citus moves, splits and drops its shards on other nodes: the coordinator was asked. */
	return extension_ready() && !citus_own_session();
}

/* Most locks of a transaction that makes much are on what it made. */
static bool
is_made_here(Oid relid)
{
	Relation	relation = try_relation_open(relid, NoLock);
	bool		made_here;

	if (relation == NULL)
		return true;
	made_here = relation->rd_createSubid != InvalidSubTransactionId ||
		relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP;
	relation_close(relation, NoLock);
	return made_here;
}

/* An existing table that this transaction keeps others from; NULL if none. */
static FactRelation *
strongly_locked(Facts *facts, LOCKMODE *mode)
{
	LockData   *locks;

	if (!session.ddl)
		return NULL;
	locks = GetLockStatusData();
	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];
		FactRelation *rel;

		if (lock->pid != MyProcPid || lock->locktag.locktag_type != LOCKTAG_RELATION ||
			lock->locktag.locktag_field1 != MyDatabaseId ||
			lock->locktag.locktag_field2 < FirstNormalObjectId)
			continue;
		for (*mode = AccessExclusiveLock; *mode >= ShareLock; (*mode)--)
		{
			if (lock->holdMask & LOCKBIT_ON(*mode))
				break;
		}
		if (*mode < ShareLock || is_made_here(lock->locktag.locktag_field2))
			continue;
		rel = facts_by_oid(facts, lock->locktag.locktag_field2);
		if (rel != NULL && rel->heap == InvalidOid && rules_is_strong(rel, *mode))
			return rel;
	}
	return NULL;
}

static void
limit_lock_wait(void)
{
	if (LockTimeout == 0 && guc_ddl_lock_timeout > 0)
		(void) set_config_option("lock_timeout", psprintf("%d", guc_ddl_lock_timeout),
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
judge_case(void *arg)
{
	GuardCase  *gc = (GuardCase *) arg;

	limit_lock_wait();
	PushActiveSnapshot(GetTransactionSnapshot());
	gc->judgement = rules_judge(gc->facts, gc->stmt, gc->sql, strongly_locked);
	/* From here on the facts are ahead of the catalog. */
	gc->facts->simulated = true;
	gc->breaches = rules_breaches(gc->facts, gc->judgement->reliances, gc->judgement->findings);
	if (!gc->in_block)
		gc->judgement->findings = list_concat(gc->judgement->findings, gc->breaches);
	PopActiveSnapshot();
}

static int
report_level(void)
{
	return guc_guard == GUARD_REFUSE ? ERROR : guc_guard == GUARD_WARN ? WARNING : LOG;
}

/* Many tools show the message alone: it says the way out. */
static char *
way_out(const Finding *finding)
{
	char	   *call = hint_function(finding->hint);

	if (finding->needed_by != NULL)
		return psprintf(", needed by %s", finding->needed_by);
	if (strcmp(finding->rule, RULE_MIGRATION) == 0 || call == NULL)
		return "";
	return psprintf("; use %s", call);
}

/* One report for all that is unsafe: the first finding leads, each has a line. */
static void
report(List *findings, const char *outcome)
{
	Finding    *first = NULL;
	StringInfoData detail;
	StringInfoData hint;
	ListCell   *lc;

	initStringInfo(&detail);
	initStringInfo(&hint);
	foreach(lc, findings)
	{
		Finding    *finding = (Finding *) lfirst(lc);

		if (!finding->unsafe)
			continue;
		if (first == NULL)
			first = finding;
		appendStringInfo(&detail, "%s%s", detail.len > 0 ? "\n" : "", finding->detail);
		/* Where a migration is in the way, what would do otherwise only harms it. */
		if (strcmp(first->rule, RULE_MIGRATION) == 0 && strcmp(finding->rule, RULE_MIGRATION) != 0)
			continue;
		if (finding->hint != NULL && strstr(hint.data, finding->hint) == NULL)
			appendStringInfo(&hint, "%s%s", hint.len > 0 ? "\n" : "", finding->hint);
	}
	if (first == NULL)
		return;
	ereport(report_level(),
			(errcode(ERRCODE_ZDM_DDL_REFUSED),
			 errmsg("%s by rule %s: %s%s", outcome, first->rule, first->object, way_out(first)),
			 errdetail_internal("%s", detail.data),
			 hint.len > 0 ? errhint("%s", hint.data) : 0));
}

static const char *
outcome(void)
{
	return guc_guard == GUARD_REFUSE ? "DDL refused" :
		guc_guard == GUARD_WARN ? "DDL would be refused" :
		"zdm.guard is off, which lets through what is refused";
}

/*
 * Work that passes because this session has raised the size from which work counts,
 * which takes a right: said once for the statement, as for a guard that is off.
 */
static void
report_size(const Judgement *judgement)
{
	const char *reset = GetConfigOptionResetString("zdm.guard_min_size");
	int			blocks = reset != NULL ? atoi(reset) : guc_guard_min_size;
	FactRelation *rel = NULL;
	LOCKMODE	mode = rules_strong_lock(judgement, &rel);
	ListCell   *lc;

	if (guc_guard == GUARD_OFF || guc_guard_min_size <= blocks || mode == NoLock)
		return;
	foreach(lc, judgement->works)
	{
		RuleWork   *work = (RuleWork *) lfirst(lc);

		if (work->blocks < blocks || work->blocks == 0 || work->blocks >= guc_guard_min_size)
			continue;
		ereport(LOG,
				(errmsg("zdm.guard_min_size lets through what is refused: %s", facts_name(rel)),
				 errdetail("The work is on " INT64_FORMAT " kB, while %s is locked.",
						   (int64) work->blocks * (BLCKSZ / 1024), facts_name(rel))));
		return;
	}
}

static char *
statement_text(PlannedStmt *pstmt, const char *query)
{
	int			start = pstmt->stmt_location < 0 ? 0 : pstmt->stmt_location;
	int			length = pstmt->stmt_len > 0 ? pstmt->stmt_len : (int) strlen(query + start);

	while (length > 0 && (isspace((unsigned char) query[start]) || query[start] == ';'))
		start++, length--;
	return pnstrdup(query + start, length);
}

/*
 * Judges the statement; raises the refusal.  Returns the strongest lock that
 * the statement will take on an existing relation of some size, which is then
 * named in *relation.  *watched: the backstop is up.
 */
static LOCKMODE
judge(PlannedStmt *pstmt, const char *query, bool in_block, char **relation, bool *strong, bool *watched)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_zdm guard",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	GuardCase	gc = {.stmt = copyObject(pstmt->utilityStmt), .in_block = in_block};
	ErrorData  *error;
	FactRelation *rel = NULL;
	LOCKMODE	mode = NoLock;

	gc.sql = statement_text(pstmt, query);
	gc.facts = facts_create(false);
	gc.facts->in_block = in_block;
	gc.facts->enum_labels = list_copy(pending_get()->labels);
	gc.facts->new_columns = list_copy(pending_get()->columns);
	gc.facts->session_columns = session.columns;
	*strong = *watched = false;
	if (attempt_run(judge_case, &gc, ATTEMPT_UNDO, &error))
	{
		hint_call(gc.judgement->findings, gc.sql, gc.judgement, false);
		report(gc.judgement->findings, outcome());
		report_size(gc.judgement);
		*watched = backstop_begin(gc.judgement);
		/* Who turns the guard off means to hold the lock for as long as it takes. */
		if (guc_guard != GUARD_OFF)
			mode = rules_strong_lock(gc.judgement, &rel);
		if (in_block)
			hint_reliances(gc.breaches, gc.sql, gc.judgement);
		*strong = mode != NoLock;
		if (mode != NoLock)
			*relation = MemoryContextStrdup(TopTransactionContext, facts_name(rel));
		if (mode != NoLock && facts_tree_blocks(gc.facts, rel) < guc_guard_min_size)
			mode = NoLock;
	}
	else
		/* Mostly what PostgreSQL is about to say itself; an internal error is ours. */
		ereport(ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTERNAL_ERROR ? LOG : DEBUG1,
				(errmsg_internal("pg_zdm could not judge the statement: %s", error->message)));
	MemoryContextSwitchTo(old);
	/* On its own it has answered for its reliances; a column that it adds is still new afterwards. */
	if (!in_block && gc.judgement != NULL)
		gc.judgement->reliances = NIL;
	if (gc.judgement != NULL && pending_is_more(gc.judgement))
	{
		MemoryContextSetParent(context, TopTransactionContext);
		pending_add(gc.judgement);
	}
	else
		MemoryContextDelete(context);
	return mode;
}

/* Hand on to whoever comes next. */
static void
run_utility(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
			ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_process_utility != NULL)
		prev_process_utility(pstmt, query, read_only, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only, context, params, env, dest, qc);
}

/* Run a judged statement under the lock timeout and the hold clock. */
static void
run_judged(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
		   ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc,
		   LOCKMODE mode, const char *relation, bool strong, bool watched)
{
	bool		(*waits) (Node *stmt) = statement_kind(pstmt->utilityStmt)->waits;
	JudgedStatement *outer = session.judged;
	int			nest_level = 0;

	if (strong && (waits == NULL || !waits(pstmt->utilityStmt)))
	{
		nest_level = NewGUCNestLevel();
		limit_lock_wait();
	}
	if (mode != NoLock)
		hold_timeout_arm(relation, mode);
	session.judged = MemoryContextAlloc(TopTransactionContext, sizeof(JudgedStatement));
	*session.judged = (JudgedStatement) {GetCurrentSubTransactionId(), watched, outer};
	run_utility(pstmt, query, read_only, context, params, env, dest, qc);
	/* of a statement that has committed in its middle it is gone already */
	if (session.judged != NULL)
		pfree(session.judged);
	session.judged = outer;
	if (watched)
		backstop_end();
	if (nest_level > 0)
		AtEOXact_GUC(true, nest_level);
}

/* A query that would do O(n) work while this transaction blocks others. */
static void
judge_query(QueryDesc *query_desc)
{
	MemoryContext old = MemoryContextSwitchTo(query_desc->estate->es_query_cxt);
	double		blocks = facts_plan_work(query_desc);
	FactRelation *held;
	Finding		finding = {.rule = RULE_LOCKS_HELD, .unsafe = true};

	if (blocks >= guc_guard_min_size && blocks > 0 && is_active())
	{
		held = strongly_locked(facts_create(false), &finding.lock);
		if (held != NULL)
		{
			finding.object = facts_name(held);
			finding.detail = psprintf("The planner expects this query to read and write %.0f MB while %s on %s blocks others.",
									  blocks * BLCKSZ / (1024 * 1024),
									  rules_lock_name(finding.lock), finding.object);
			finding.hint = "COMMIT; first, then run it in a transaction of its own, in batches.";
			report(list_make1(&finding), guc_guard == GUARD_REFUSE ? "query refused" : outcome());
		}
	}
	MemoryContextSwitchTo(old);
}

static void
guard_executor_start(QueryDesc *query_desc, int eflags)
{
	if (prev_executor_start != NULL)
		prev_executor_start(query_desc, eflags);
	else
		standard_ExecutorStart(query_desc, eflags);
	if (session.ddl && session.judged == NULL && !follow_active() &&
		!(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		judge_query(query_desc);
}

/* A deployment adds a column in one transaction, and drops its default in the next. */
static void
remember_columns(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *lc;

	foreach(lc, pending_get()->columns)
		session.columns = lappend(session.columns, pstrdup((char *) lfirst(lc)));
	MemoryContextSwitchTo(old);
}

static void
check_reliances(void)
{
	List	   *reliances = pending_get()->reliances;

	remember_columns();
	pending_clear();
	if (reliances == NIL || !is_active())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	report(rules_breaches(facts_create(false), reliances, NIL),
		   guc_guard == GUARD_REFUSE ? "COMMIT refused" : outcome());
	PopActiveSnapshot();
}

static void
guard_xact_callback(XactEvent event, void *arg)
{
	if (!session.ddl)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			check_reliances();
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
		default:
			session.ddl = false;
			session.judged = NULL;
			backstop_end();
			pending_clear();
			hold_timeout_disarm();
			break;
	}
}

/* An error that is caught leaves by no other way. */
static void
guard_subxact_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (!session.ddl)
		return;
	pending_subtransaction(event);
	hold_timeout_subtransaction(event, subid, parent);
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	/* subtransactions are numbered as they begin: those inside of this one come after it */
	for (; session.judged != NULL && session.judged->subid >= subid; session.judged = session.judged->outer)
	{
		if (session.judged->watched)
			backstop_end();
	}
}

static void
guard_utility(PlannedStmt *pstmt, const char *query, bool read_only, ProcessUtilityContext context,
			  ParamListInfo params, QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *stmt = pstmt->utilityStmt;
	bool		in_block;
	char	   *relation = NULL;
	bool		strong;
	bool		watched;
	LOCKMODE	mode;

	/* What another statement runs for itself was judged with it. */
	if (IsA(stmt, TransactionStmt) || query == guard_own || context == PROCESS_UTILITY_SUBCOMMAND ||
		!statement_kind(stmt)->guarded || !is_active())
	{
		run_utility(pstmt, query, read_only, context, params, env, dest, qc);
		return;
	}
	session.ddl = true;
	if (IsA(stmt, LockStmt))
	{
		/* It does nothing but lock, and under NOWAIT not even looking at the table may wait. */
		run_utility(pstmt, query, read_only, context, params, env, dest, qc);
		return;
	}
	in_block = context != PROCESS_UTILITY_TOPLEVEL || IsTransactionBlock() || IsSubTransaction();
	mode = judge(pstmt, query, in_block, &relation, &strong, &watched);
	run_judged(pstmt, query, read_only, context, params, env, dest, qc, mode, relation, strong, watched);
}

void
guard_init(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = guard_utility;
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = guard_executor_start;
	RegisterXactCallback(guard_xact_callback, NULL);
	RegisterSubXactCallback(guard_subxact_callback, NULL);
	log_watch_init();
}
