/*-------------------------------------------------------------------------
 *
 * by_path.c
 *		What an expression has from the session that states it.
 *
 * A name in an expression means what it meant to the caller, whoever computes it.
 * But the functions that it calls look for their own with the search_path of the
 * session that they are called in, which in ours is pinned.  The rule: all that a
 * migration will compute for a row (up, down, fills, assignments, defaults, and what
 * hangs on the table: index expressions, CHECKs) is planned so when the change is
 * stated, and what is not found then is an error with the function and the remedy,
 * before anything is changed.
 *
 * The planner opens a function in SQL only where it can inline it, so the bodies of
 * others are parsed as CREATE FUNCTION would.  Other languages find out when they run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/by_path.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "compat.h"

/* A user's functions that have no search_path of their own. */
typedef struct Pathless
{
	StringInfoData statements;	/* that give them one */
	List	   *in_sql;			/* Oids of those whose text can be parsed */
} Pathless;

static bool
collect(Oid funcid, void *context)
{
	Pathless   *pathless = context;
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	bool		has_settings = !heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	bool		in_sql = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId &&
		heap_attisnull(tuple, Anum_pg_proc_prosqlbody, NULL);

	ReleaseSysCache(tuple);
	if (funcid < FirstNormalObjectId || has_settings)
		return false;
	appendStringInfo(&pathless->statements, "%sALTER FUNCTION %s SET search_path = %s;",
					 pathless->statements.len > 0 ? " " : "", format_procedure_qualified(funcid),
					 namespace_search_path);
	if (in_sql)
		pathless->in_sql = lappend_oid(pathless->in_sql, funcid);
	return false;
}

static bool
collect_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, collect, context);
	return expression_tree_walker(node, collect_walker, context);
}

typedef struct PathAttempt
{
	Node	   *expr;
	List	   *in_sql;
	Oid			owner;
} PathAttempt;

static void
attempt_plan(void *arg)
{
	PathAttempt *attempt = arg;
	ListCell   *lc;
	Identity	saved;

	identity_enter(attempt->owner, NIL, &saved);
	(void) expression_planner(copyObject((Expr *) attempt->expr));
	foreach(lc, attempt->in_sql)
		(void) OidFunctionCall1(F_FMGR_SQL_VALIDATOR, ObjectIdGetDatum(lfirst_oid(lc)));
	identity_leave(&saved);
}

/* Is it about a name that was not found? */
static bool
misses_name(int sqlerrcode)
{
	switch (sqlerrcode)
	{
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_SCHEMA:
		case ERRCODE_AMBIGUOUS_FUNCTION:
			return true;
		default:
			return false;
	}
}

void
by_path_check(Node *expr, Oid owner)
{
	Pathless	pathless = {0};
	PathAttempt attempt = {.expr = expr, .owner = owner};
	ErrorData  *error;

	initStringInfo(&pathless.statements);
	(void) collect_walker(expr, &pathless);
	attempt.in_sql = pathless.in_sql;
	if (attempt_run(attempt_plan, &attempt, ATTEMPT_UNDO, &error))
		return;
	if (misses_name(error->sqlerrcode) && pathless.statements.len > 0)
	{
		error->detail = "It runs with search_path = pg_catalog, pg_temp, whoever writes, and finds nothing by the path of the caller.";
		error->hint = pathless.statements.data;
	}
	else if (pathless.in_sql != NIL && error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return;					/* whoever runs it will be told */
	ReThrowError(error);
}

void
by_path_check_table(Oid relid, AttrNumber attnum)
{
	Oid			owner = identity_of(relid);
	QuerySession session;
	List	   *trees = NIL;
	uint64		n;
	ListCell   *lc;

	query_begin(&session);
	n = QUERY("WITH r AS (SELECT relid FROM pg_partition_tree($1) UNION SELECT $1) "
			  "SELECT t FROM r JOIN pg_index ON indrelid = relid, unnest(ARRAY[indexprs::text, indpred::text]) t WHERE t IS NOT NULL "
			  "UNION SELECT conbin::text FROM pg_constraint WHERE conrelid = $1 AND contype = 'c' AND ($2 = 0 OR $2 = ANY (conkey)) "
			  "UNION SELECT adbin::text FROM pg_attrdef WHERE adrelid = $1 AND adnum = $2",
			  arg_oid(relid), arg_int2(attnum));
	for (uint64 row = 0; row < n; row++)
		trees = lappend(trees, query_text(row, 1));
	query_end(&session);
	foreach(lc, trees)
		by_path_check(stringToNode(lfirst(lc)), owner);
}

/* PostgreSQL's functions that ask who or where the session is. */
static bool
is_of_session(Oid funcid, void *context)
{
	static const char *const names[] = {
		"current_database", "current_query", "current_schema", "current_schemas", "current_setting", "current_user",
		"getpgusername", "inet_client_addr", "inet_client_port", "pg_backend_pid", "session_user",
		"has_any_column_privilege", "has_column_privilege", "has_table_privilege", "row_security_active",
	};
	char	   *name;

	if (funcid >= FirstNormalObjectId || get_func_namespace(funcid) != PG_CATALOG_NAMESPACE)
		return false;
	name = get_func_name(funcid);
	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*(char **) context = psprintf("%s()", name);
			return true;
		}
	}
	return false;
}

static bool
find_of_session(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction) && ((SQLValueFunction *) node)->op >= SVFOP_CURRENT_ROLE)
	{
		*(char **) context = deparse_expression(node, NIL, false, false);
		return true;
	}
	return check_functions_in_node(node, is_of_session, context) ||
		expression_tree_walker(node, find_of_session, context);
}

void
by_path_refuse_session(Node *expr, const char *what)
{
	char	   *function;

	if (!find_of_session(expr, &function))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s must not use %s", what, function),
			 errdetail("It is computed in a background worker, as the owner of the table, and would not have this session's value."),
			 errhint("Write the value itself.")));
}
