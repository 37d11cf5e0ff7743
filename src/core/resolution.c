/*-------------------------------------------------------------------------
 *
 * resolution.c
 *		What an expression was found to mean, kept beside its text.
 *
 * A text means what is the best match among all functions, operators and casts
 * that are there when it is read: who can create one in a schema that it uses can
 * have it mean another one tomorrow.  So the analysed tree is stored when a
 * change is stated, and that is what is run.
 *
 * Object identifiers and the form of trees hold within one cluster.  After
 * pg_upgrade the text is read again, and compared by names, which is all that
 * goes along.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/catversion.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "core/resolution.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "compat.h"

/* One call: "<kind> <oid> <name>". */
#define CALL_FUNCTION 'f'
#define CALL_OPERATOR 'o'
#define CALL_TYPE 't'

/* The server whose object identifiers they are, and its form of trees. */
static char *
stamp(void)
{
	return psprintf("%d " UINT64_FORMAT, CATALOG_VERSION_NO, GetSystemIdentifier());
}

static Oid
operator_namespace(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Oid			namespace;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	namespace = ((Form_pg_operator) GETSTRUCT(tuple))->oprnamespace;
	ReleaseSysCache(tuple);
	return namespace;
}

static Oid
type_namespace(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			namespace;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	namespace = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
	ReleaseSysCache(tuple);
	return namespace;
}

static void
add_call(List **calls, char kind, Oid oid, Oid namespace, const char *name)
{
	char	   *call = psprintf("%c %u %s", kind, oid, name);
	ListCell   *lc;

	if (isAnyTempNamespace(namespace))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is temporary", name),
				 errdetail("No other session has it, and the expression is computed by all that write."),
				 errhint("Create it in a schema.")));
	foreach(lc, *calls)
	{
		if (strcmp(lfirst(lc), call) == 0)
			return;
	}
	*calls = lappend(*calls, call);
}

/* Context of check_functions_in_node(): the list. */
static bool
collect_function(Oid function, void *context)
{
	add_call(context, CALL_FUNCTION, function, get_func_namespace(function), format_procedure_qualified(function));
	return false;
}

static void
collect_operator(List **calls, Oid operator)
{
	add_call(calls, CALL_OPERATOR, operator, operator_namespace(operator), format_operator_qualified(operator));
}

static void
collect_type(List **calls, Oid type)
{
	add_call(calls, CALL_TYPE, type, type_namespace(type), format_type_be_qualified(type));
}

/* Context: the list.  Not the types of columns: those are the table's matter. */
static bool
collect(Node *node, void *context)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			return query_tree_walker((Query *) node, collect, context, 0);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			collect_operator(context, ((OpExpr *) node)->opno);
			break;
		case T_ScalarArrayOpExpr:
			collect_operator(context, ((ScalarArrayOpExpr *) node)->opno);
			break;
		case T_RowCompareExpr:
			foreach(lc, ((RowCompareExpr *) node)->opnos)
				collect_operator(context, lfirst_oid(lc));
			break;
		case T_Const:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_CoerceToDomain:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_MinMaxExpr:
			collect_type(context, exprType(node));
			break;
		default:
			break;
	}
	(void) check_functions_in_node(node, collect_function, context);
	return expression_tree_walker(node, collect, context);
}

/* What a tree calls: functions, operators and the types that it makes values of, each once. */
static List *
find_calls(Node *tree)
{
	List	   *calls = NIL;

	(void) collect(tree, &calls);
	return calls;
}

static const char *
call_name(const char *call)
{
	return strchr(call + 2, ' ') + 1;
}

static bool
same_call(const char *a, const char *b, bool by_name)
{
	return a[0] == b[0] &&
		(by_name ? strcmp(call_name(a), call_name(b)) == 0 : atooid(a + 2) == atooid(b + 2));
}

static bool
has_call(List *calls, const char *call, bool by_name)
{
	ListCell   *lc;

	foreach(lc, calls)
	{
		if (same_call(lfirst(lc), call, by_name))
			return true;
	}
	return false;
}

/* The calls of one list that are not in the other, as words. */
static char *
describe_others(List *calls, List *than, bool by_name)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, calls)
	{
		const char *call = lfirst(lc);

		if (has_call(than, call, by_name))
			continue;
		appendStringInfo(&buf, "%s%s %s", buf.len > 0 ? ", " : "",
						 call[0] == CALL_FUNCTION ? "function" : call[0] == CALL_OPERATOR ? "operator" : "type",
						 call_name(call));
	}
	return buf.data;
}

/* Is all of what a text calls now among what it called when it was stated? */
static void
compare(List *stated, List *now, bool by_name, const char *what)
{
	char	   *came = describe_others(now, stated, by_name);
	char	   *was;

	if (came[0] == '\0')
		return;
	was = describe_others(stated, now, by_name);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s means %s now, and when the migration was stated %s", what, came,
					was[0] != '\0' ? was : "nothing of the kind"),
			 errdetail("Something that matches better has been made since."),
			 errhint("Drop or rename what was made, then resume the migration; or revert it, and state it anew if that is what it is to mean.")));
}

/* ({stamp} (calls ...) {tree}), of strings: that much is read by any version. */
char *
resolution_write(Node *tree)
{
	List	   *calls = NIL;
	ListCell   *lc;

	foreach(lc, find_calls(tree))
		calls = lappend(calls, makeString(lfirst(lc)));
	return nodeToString(list_make3(makeString(stamp()), calls, makeString(nodeToString(tree))));
}

static List *
stored_calls(List *stored)
{
	List	   *calls = NIL;
	ListCell   *lc;

	foreach(lc, (List *) lsecond(stored))
		calls = lappend(calls, strVal(lfirst(lc)));
	return calls;
}

static void
require_call(const char *call)
{
	int			cache = call[0] == CALL_FUNCTION ? PROCOID : call[0] == CALL_OPERATOR ? OPEROID : TYPEOID;

	if (!SearchSysCacheExists1(cache, ObjectIdGetDatum(atooid(call + 2))))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s no longer exists", call_name(call)),
				 errdetail("The migration was stated with it."),
				 errhint("Revert the migration, and state it anew.")));
}

Node *
resolution_read(const char *stored)
{
	List	   *parts = stringToNode(stored);
	ListCell   *lc;

	if (strcmp(strVal(linitial(parts)), stamp()) != 0)
		return NULL;
	foreach(lc, stored_calls(parts))
		require_call(lfirst(lc));
	return stringToNode(strVal(lthird(parts)));
}

void
resolution_check(const char *stored, Node *now, const char *what)
{
	List	   *parts = stringToNode(stored);

	compare(stored_calls(parts), find_calls(now), strcmp(strVal(linitial(parts)), stamp()) != 0, what);
}
