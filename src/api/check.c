/*-------------------------------------------------------------------------
 *
 * check.c
 *		zdm.check(): judge DDL text without running it.
 *
 * The same rules as the guard's judge each statement; the facts are kept, so
 * that each finds the catalog as the earlier ones would have left it.  What
 * a rollback takes back is found by judging again, silently, what is left.
 *
 * What a DO block, a procedure or a function would do depends on its branches.
 * So its code is run, in a read-only subtransaction that is rolled back, while
 * the guard hands its DDL to the rules instead of running it; no query that
 * writes and no function that is not known to be harmless is run.  If that stops
 * the code, a caution says how far it could be followed; but not in its own
 * words, which may tell what it has read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/check.h"
#include "api/hint.h"
#include "commands/defrem.h"
#include "core/attempt.h"
#include "core/guc.h"
#include "facts/facts_query.h"
#include "ddl/follow.h"
#include "rules/statement.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "compat.h"

typedef struct CheckStatement
{
	int			number;
	Node	   *node;
	const char *sql;
} CheckStatement;

typedef struct CheckSavepoint
{
	const char *name;
	int			done;			/* statements that came before it */
} CheckSavepoint;

typedef struct Check
{
	MemoryContext mcxt;
	int			nest_level;		/* of the settings that the text has put into effect */
	Facts	   *facts;
	int			statement;		/* the one being judged */
	bool		in_block;
	bool		silent;			/* judging again after a rollback */
	bool		followed;		/* inside a DO block or a function */
	bool		local_settings; /* the open transaction has SET LOCAL */
	List	   *done;			/* CheckStatement */
	List	   *savepoints;
	List	   *reliances;		/* of the open transaction */
	Judgement  *judgement;		/* of the last statement */
	List	   *findings;		/* CheckFinding */
	bool		made;			/* a type, a function or the like that is not in the catalog */
} Check;

static void check_statement(Check *check, CheckStatement *stmt);
static void check_setting(Check *check, VariableSetStmt *stmt);

static void
add_findings(Check *check, List *findings)
{
	ListCell   *lc;

	if (check->silent)
		return;
	foreach(lc, findings)
	{
		CheckFinding *added = palloc(sizeof(CheckFinding));

		added->statement = check->statement;
		added->finding = (Finding *) lfirst(lc);
		check->findings = lappend(check->findings, added);
	}
}

static void
add_caution(Check *check, const char *object, char *detail)
{
	Finding    *finding = palloc0(sizeof(Finding));

	finding->rule = RULE_NOT_JUDGED;
	finding->object = pstrdup(object);
	finding->detail = detail;
	add_findings(check, list_make1(finding));
}

/* What PostgreSQL itself would refuse. */
static void
add_failure(Check *check, const char *object, char *detail)
{
	Finding    *finding = palloc0(sizeof(Finding));

	finding->rule = RULE_WOULD_FAIL;
	finding->unsafe = true;
	finding->object = pstrdup(object);
	finding->detail = detail;
	add_findings(check, list_make1(finding));
}

/* As the text has it.  What the statement itself takes is no earlier lock. */
static FactRelation *
strongly_held(Facts *facts, LOCKMODE *mode)
{
	ListCell   *lc;

	foreach(lc, facts->relations)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (!rules_is_strong(rel, rel->held_before))
			continue;
		*mode = rel->held_before;
		return rel;
	}
	return NULL;
}

/* What is known of the last statement: its own effect need not be told twice. */
static List *
said_already(Check *check)
{
	List	   *said = NIL;
	ListCell   *lc;

	foreach(lc, check->findings)
	{
		CheckFinding *found = (CheckFinding *) lfirst(lc);

		if (found->statement == check->statement)
			said = lappend(said, found->finding);
	}
	return said;
}

static void
reset_settings(Check *check)
{
	AtEOXact_GUC(false, check->nest_level);
	check->nest_level = NewGUCNestLevel();
	check->local_settings = false;
}

/* SET LOCAL ends with its transaction: put only what outlives it into effect again. */
static void
end_local_settings(Check *check)
{
	ListCell   *lc;

	if (!check->local_settings)
		return;
	reset_settings(check);
	foreach(lc, check->done)
	{
		Node	   *node = ((CheckStatement *) lfirst(lc))->node;

		if (IsA(node, VariableSetStmt) && !((VariableSetStmt *) node)->is_local)
			check_setting(check, (VariableSetStmt *) node);
	}
}

/* "sql" is the statement that was the whole transaction; NULL if there were several. */
static void
end_transaction(Check *check, const char *sql)
{
	List	   *breaches = rules_breaches(check->facts, check->reliances, said_already(check));
	ListCell   *lc;

	if (sql != NULL && !check->silent)
		hint_call(breaches, sql, check->judgement, true);
	add_findings(check, breaches);
	check->reliances = NIL;
	check->in_block = false;
	check->savepoints = NIL;
	end_local_settings(check);
	check->facts->enum_labels = NIL;
	foreach(lc, check->facts->relations)
		((FactRelation *) lfirst(lc))->held = NoLock;
}

static void
start_over(Check *check, int done)
{
	List	   *statements = list_truncate(list_copy(check->done), done);
	int			number = check->statement;
	ListCell   *lc;

	check->facts = facts_create(true);
	check->facts->of_text = true;
	check->facts->mcxt = check->mcxt;
	check->reliances = NIL;
	check->in_block = false;
	check->done = NIL;
	check->silent = true;
	reset_settings(check);
	foreach(lc, statements)
		check_statement(check, (CheckStatement *) lfirst(lc));
	check->silent = false;
	check->statement = number;
}

static void
roll_back_to(Check *check, const char *name)
{
	for (int i = list_length(check->savepoints) - 1; i >= 0; i--)
	{
		CheckSavepoint *savepoint = (CheckSavepoint *) list_nth(check->savepoints, i);

		if (strcmp(savepoint->name, name) != 0)
			continue;
		check->savepoints = list_truncate(check->savepoints, i + 1);
		start_over(check, savepoint->done);
		return;
	}
}

static void
set_savepoint(Check *check, const char *name)
{
	CheckSavepoint *savepoint = palloc(sizeof(CheckSavepoint));

	savepoint->name = name;
	savepoint->done = list_length(check->done);
	check->savepoints = lappend(check->savepoints, savepoint);
}

static void
check_transaction(Check *check, TransactionStmt *stmt)
{
	CheckSavepoint *first;

	switch (stmt->kind)
	{
		case TRANS_STMT_BEGIN:
		case TRANS_STMT_START:
			if (!check->in_block)
				set_savepoint(check, "");
			check->in_block = true;
			break;
		case TRANS_STMT_SAVEPOINT:
			set_savepoint(check, stmt->savepoint_name);
			break;
		case TRANS_STMT_ROLLBACK_TO:
			roll_back_to(check, stmt->savepoint_name);
			break;
		case TRANS_STMT_ROLLBACK:
			if (check->savepoints == NIL)
				break;
			first = (CheckSavepoint *) linitial(check->savepoints);
			check->savepoints = NIL;
			start_over(check, first->done);
			break;
		case TRANS_STMT_COMMIT:
		case TRANS_STMT_PREPARE:
			end_transaction(check, NULL);
			break;
		default:
			break;
	}
}

static void
set_variable(void *arg)
{
	ExecSetVariableStmt((VariableSetStmt *) arg, true);
}

/* Settings that change what later statements mean are put into effect; SET LOCAL needs a transaction. */
static void
check_setting(Check *check, VariableSetStmt *stmt)
{
	static const char *const names[] = {
		"search_path", "timezone", "default_tablespace", "default_table_access_method",
		"zdm.guard_min_size"
	};

	ErrorData  *error;

	if (stmt->is_local && !check->in_block)
		return;
	if (stmt->name != NULL && (strcmp(stmt->name, "role") == 0 || strcmp(stmt->name, "session_authorization") == 0))
		check->facts->other_role = true;
	for (int i = 0; stmt->name != NULL && i < lengthof(names); i++)
	{
		if (pg_strcasecmp(stmt->name, names[i]) == 0)
		{
			VariableSetStmt *session = copyObject(stmt);

			session->is_local = false;
			if (attempt_run(set_variable, session, ATTEMPT_KEEP, &error))
				check->local_settings |= stmt->is_local;
			else
				add_failure(check, stmt->name, psprintf("PostgreSQL refuses it: %s.", error->message));
		}
	}
}

typedef struct CheckAttempt
{
	Check	   *check;
	CheckStatement *stmt;
	Judgement  *judgement;
} CheckAttempt;

static void
judge_statement(void *arg)
{
	CheckAttempt *attempt = (CheckAttempt *) arg;
	Check	   *check = attempt->check;
	ListCell   *lc;

	foreach(lc, check->facts->relations)
		((FactRelation *) lfirst(lc))->held_before = ((FactRelation *) lfirst(lc))->held;
	check->facts->in_block = check->in_block || check->followed;
	PushActiveSnapshot(GetTransactionSnapshot());
	attempt->judgement = rules_judge(check->facts, attempt->stmt->node, attempt->stmt->sql,
									 strongly_held);
	PopActiveSnapshot();
}

static List *
unsafe_first(List *findings)
{
	List	   *unsafe = NIL;
	List	   *cautions = NIL;
	ListCell   *lc;

	foreach(lc, findings)
	{
		if (((Finding *) lfirst(lc))->unsafe)
			unsafe = lappend(unsafe, lfirst(lc));
		else
			cautions = lappend(cautions, lfirst(lc));
	}
	return list_concat(unsafe, cautions);
}

/* The rule for what the statement does to the rows of a table, at the worst; NULL: nothing. */
static const char *
worst_rule(const Node *stmt, const RangeVar **relation)
{
	ListCell   *lc;

	if (IsA(stmt, IndexStmt))
	{
		*relation = ((IndexStmt *) stmt)->relation;
		return ((IndexStmt *) stmt)->concurrent ? NULL : RULE_INDEX_NOT_CONCURRENT;
	}
	if (!IsA(stmt, AlterTableStmt))
		return NULL;
	*relation = ((AlterTableStmt *) stmt)->relation;
	foreach(lc, ((AlterTableStmt *) stmt)->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		const char *worst = subcommand_kind(cmd)->worst;

		if (worst != NULL && !(IsA(cmd->def, Constraint) && ((Constraint *) cmd->def)->skip_validation))
			return worst;
	}
	return NULL;
}

/*
 * A statement over what an earlier one of the text makes cannot be judged before
 * that is there.  So of a large table the worst is assumed.
 */
static bool
assume_worst(Check *check, const CheckStatement *stmt, const ErrorData *error)
{
	const RangeVar *relation = NULL;
	const char *rule = worst_rule(stmt->node, &relation);
	FactRelation *rel = rule != NULL ? facts_find(check->facts, relation) : NULL;
	Finding    *finding;

	if (!check->made || rel == NULL || rel->fresh || rel->gone ||
		facts_tree_blocks(check->facts, rel) < Max(guc_guard_min_size, 1) ||
		(error->sqlerrcode != ERRCODE_UNDEFINED_OBJECT && error->sqlerrcode != ERRCODE_UNDEFINED_FUNCTION))
		return false;
	finding = palloc0(sizeof(Finding));
	finding->rule = rule;
	finding->unsafe = true;
	finding->object = quote_qualified_identifier(rel->schema, rel->name);
	finding->detail = psprintf("What the text makes before is not there yet (%s), so the worst is assumed: every row of the table is gone through under a lock that blocks its writers.",
							   error->message);
	finding->hint = pstrdup("Make that first, in a migration of its own, and check this one again.");
	add_findings(check, list_make1(finding));
	return true;
}

static void
judge_one(Check *check, CheckStatement *stmt)
{
	CheckAttempt attempt = {check, stmt, NULL};
	ErrorData  *error;

	check->judgement = NULL;
	check->made |= statement_kind(stmt->node)->makes == MAKES_UNKNOWN;
	if (!attempt_run(judge_statement, &attempt, ATTEMPT_UNDO, &error))
	{
		if (!assume_worst(check, stmt, error))
			add_caution(check, "statement", psprintf("It could not be judged: %s.", error->message));
		return;
	}
	if (!check->silent)
		hint_call(attempt.judgement->findings, stmt->sql, attempt.judgement, true);
	check->judgement = attempt.judgement;
	add_findings(check, unsafe_first(attempt.judgement->findings));
	check->reliances = list_concat(check->reliances, attempt.judgement->reliances);
}

/* What the followed code would run. */
static void
collect(Node *stmt, const char *sql, void *arg)
{
	Check	   *check = (Check *) arg;
	MemoryContext old = MemoryContextSwitchTo(check->mcxt);
	CheckStatement *inner = palloc0(sizeof(CheckStatement));

	inner->node = copyObject(stmt);
	inner->sql = pstrdup(sql);
	judge_one(check, inner);
	MemoryContextSwitchTo(old);
}

static void
parse_one(void *arg)
{
	CheckStatement *stmt = (CheckStatement *) arg;
	List	   *parsed = raw_parser(stmt->sql, RAW_PARSE_DEFAULT);

	if (list_length(parsed) == 1)
		stmt->node = linitial_node(RawStmt, parsed)->stmt;
}

/*
 * What the followed code was about to run when it missed what earlier DDL of
 * it would have made.
 */
static void
judge_stopping_query(Check *check, ErrorData *error)
{
	CheckStatement *inner = palloc0(sizeof(CheckStatement));
	ErrorData  *parse_error;

	inner->sql = error->internalquery;
	if (inner->sql == NULL)
		return;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
		!(error->sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION && check->facts->enum_labels != NIL))
		return;
	if (attempt_run(parse_one, inner, ATTEMPT_UNDO, &parse_error) && inner->node != NULL)
		judge_one(check, inner);
}

/* Is the error one that the code raised itself? */
static bool
is_raised(const ErrorData *error)
{
	return error->funcname != NULL &&
		(strcmp(error->funcname, "exec_stmt_raise") == 0 ||
		 strcmp(error->funcname, "exec_stmt_assert") == 0);
}

static void
follow(Check *check, CheckStatement *stmt)
{
	ErrorData  *error = NULL;
	bool		done;

	check->followed = true;
	done = follow_code(stmt->sql, collect, check, &error);
	if (!done)
		judge_stopping_query(check, error);
	check->followed = false;
	if (!done)
		add_caution(check, "code", is_raised(error) ?
					psprintf("It could be followed only until it raised an error of its own, %s.",
							 unpack_sql_state(error->sqlerrcode)) :
					psprintf("It could be followed only until this error: %s.", error->message));
}

static bool
moves_sequence(Node *node, bool *found)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncCall) && strcmp(strVal(llast(((FuncCall *) node)->funcname)), "setval") == 0)
		*found = true;
	return raw_expression_tree_walker(node, moves_sequence, found);
}

static void
check_statement(Check *check, CheckStatement *stmt)
{
	bool		(*is_code) (Node *stmt) = statement_kind(stmt->node)->is_code;

	check->statement = stmt->number;
	if (IsA(stmt->node, TransactionStmt))
		check_transaction(check, (TransactionStmt *) stmt->node);
	else if (IsA(stmt->node, VariableSetStmt))
		check_setting(check, (VariableSetStmt *) stmt->node);
	else
	{
		if (IsA(stmt->node, SelectStmt))
			moves_sequence(stmt->node, &check->facts->sequences_set);
		judge_one(check, stmt);
		if (is_code != NULL && is_code(stmt->node))
			follow(check, stmt);
		if (!check->in_block)
			end_transaction(check, stmt->sql);
	}
	check->done = lappend(check->done, stmt);
}

static char *
raw_text(const char *ddl, RawStmt *raw)
{
	const char *start = ddl + raw->stmt_location;
	int			length = raw->stmt_len > 0 ? raw->stmt_len : (int) strlen(start);

	while (length > 0 && isspace((unsigned char) *start))
		start++, length--;
	return pnstrdup(start, length);
}

/* A syntax error is one of the text, not of the query that holds it. */
static void
syntax_error_callback(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

static List *
parse_text(const char *ddl)
{
	ErrorContextCallback callback;
	List	   *statements;

	callback.callback = syntax_error_callback;
	callback.arg = unconstify(char *, ddl);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	statements = raw_parser(ddl, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;
	return statements;
}

List *
check_text(const char *ddl)
{
	Check		check = {.mcxt = CurrentMemoryContext};
	List	   *statements = parse_text(ddl);
	int			number = 0;
	ListCell   *lc;

	check.nest_level = NewGUCNestLevel();
	check.facts = facts_create(true);
	check.facts->of_text = true;
	check.facts->mcxt = check.mcxt;
	foreach(lc, statements)
	{
		RawStmt    *raw = (RawStmt *) lfirst(lc);
		CheckStatement *stmt = palloc(sizeof(CheckStatement));

		CHECK_FOR_INTERRUPTS();
		stmt->number = ++number;
		stmt->node = raw->stmt;
		stmt->sql = raw_text(ddl, raw);
		check_statement(&check, stmt);
	}
	end_transaction(&check, NULL);
	AtEOXact_GUC(false, check.nest_level);
	return check.findings;
}

static Tuplestorestate *
result_store(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	Tuplestorestate *store;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.check() must be called where a set is accepted")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "zdm.check() must return a row type");
	*desc = CreateTupleDescCopy(*desc);
	store = tuplestore_begin_heap(true, false, work_mem);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = store;
	rsinfo->setDesc = *desc;
	MemoryContextSwitchTo(old);
	return store;
}

PG_FUNCTION_INFO_V1(zdm_check);

Datum
zdm_check(PG_FUNCTION_ARGS)
{
	char	   *ddl = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TupleDesc	desc;
	Tuplestorestate *store = result_store(fcinfo, &desc);
	ListCell   *lc;

	foreach(lc, check_text(ddl))
	{
		CheckFinding *found = (CheckFinding *) lfirst(lc);
		Finding    *finding = found->finding;
		Datum		values[7];
		bool		nulls[7] = {0};

		values[0] = Int32GetDatum(found->statement);
		values[1] = CStringGetTextDatum(finding->rule);
		values[2] = CStringGetTextDatum(finding->unsafe ? "unsafe" : "caution");
		values[3] = CStringGetTextDatum(finding->object);
		values[4] = CStringGetTextDatum(rules_lock_name(finding->lock));
		nulls[4] = finding->lock == NoLock;
		values[5] = CStringGetTextDatum(finding->detail);
		if (finding->hint != NULL)
			values[6] = CStringGetTextDatum(finding->hint);
		nulls[6] = finding->hint == NULL;
		tuplestore_putvalues(store, desc, values, nulls);
	}
	return (Datum) 0;
}
