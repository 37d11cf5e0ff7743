/*-------------------------------------------------------------------------
 *
 * resolution.c
 *		What an expression was found to mean, kept beside its text.
 *
 * A text means what is the best match among all functions, operators and casts
 * that are there when it is read: who can create one in a schema that it uses can
 * have it mean another one tomorrow.  So the analysed tree is stored when a
 * change is stated, and that is what is run.  What has to be run as text is compared
 * with what there was (plan/meaning.c).
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
#include "catalog/pg_cast.h"
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

/* The server whose object identifiers they are, and its form of trees. */
char *
resolution_stamp(void)
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

/* The cast that somebody has made from one type to the other, or InvalidOid. */
static Oid
made_cast(Oid source, Oid target)
{
	HeapTuple	tuple = SearchSysCache2(CASTSOURCETARGET, ObjectIdGetDatum(source), ObjectIdGetDatum(target));
	Oid			cast;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	cast = ((Form_pg_cast) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return cast >= FirstNormalObjectId ? cast : InvalidOid;
}

char *
resolution_cast(Oid cast, Oid source, Oid target)
{
	return psprintf("%c %u %s AS %s", CALL_CAST, cast, format_type_be_qualified(source),
					format_type_be_qualified(target));
}

static Oid
call_namespace(char kind, Oid oid)
{
	switch (kind)
	{
		case CALL_FUNCTION:
			return get_func_namespace(oid);
		case CALL_OPERATOR:
			return operator_namespace(oid);
		default:
			return type_namespace(oid);
	}
}

static const char *
object_name(char kind, Oid oid)
{
	switch (kind)
	{
		case CALL_FUNCTION:
			return format_procedure_qualified(oid);
		case CALL_OPERATOR:
			return format_operator_qualified(oid);
		default:
			return format_type_be_qualified(oid);
	}
}

char *
resolution_call(char kind, Oid oid)
{
	Oid			namespace = call_namespace(kind, oid);

	if (!OidIsValid(namespace) || isAnyTempNamespace(namespace))
		return NULL;
	return psprintf("%c %u %s", kind, oid, object_name(kind, oid));
}

static void
add_once(List **calls, char *call)
{
	ListCell   *lc;

	foreach(lc, *calls)
	{
		if (strcmp(lfirst(lc), call) == 0)
			return;
	}
	*calls = lappend(*calls, call);
}

static void
add_call(List **calls, char kind, Oid oid)
{
	if (isAnyTempNamespace(call_namespace(kind, oid)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is temporary", object_name(kind, oid)),
				 errdetail("No other session has it, and the expression is computed by all that write."),
				 errhint("Create it in a schema.")));
	add_once(calls, psprintf("%c %u %s", kind, oid, object_name(kind, oid)));
}

static void
add_cast(List **calls, Node *from, Node *to)
{
	Oid			cast = from != NULL ? made_cast(getBaseType(exprType(from)), getBaseType(exprType(to))) : InvalidOid;

	if (OidIsValid(cast))
		add_once(calls, resolution_cast(cast, getBaseType(exprType(from)), getBaseType(exprType(to))));
}

/* Context of check_functions_in_node(): the list. */
static bool
collect_function(Oid function, void *context)
{
	add_call(context, CALL_FUNCTION, function);
	return false;
}

/* What a node converts, whichever way that is done. */
static Node *
converted(Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			return ((FuncExpr *) node)->funcformat == COERCE_EXPLICIT_CAST ||
				((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST ?
				(Node *) linitial(((FuncExpr *) node)->args) : NULL;
		case T_RelabelType:
			return (Node *) ((RelabelType *) node)->arg;
		case T_CoerceViaIO:
			return (Node *) ((CoerceViaIO *) node)->arg;
		default:
			return NULL;
	}
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
			add_call(context, CALL_OPERATOR, ((OpExpr *) node)->opno);
			break;
		case T_ScalarArrayOpExpr:
			add_call(context, CALL_OPERATOR, ((ScalarArrayOpExpr *) node)->opno);
			break;
		case T_RowCompareExpr:
			foreach(lc, ((RowCompareExpr *) node)->opnos)
				add_call(context, CALL_OPERATOR, lfirst_oid(lc));
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
			add_call(context, CALL_TYPE, exprType(node));
			break;
		default:
			break;
	}
	add_cast(context, converted(node), node);
	/* what reads and writes a type is the type's */
	if (!IsA(node, CoerceViaIO))
		(void) check_functions_in_node(node, collect_function, context);
	return expression_tree_walker(node, collect, context);
}

/*
 * What a tree calls: functions, operators, casts that somebody has made, and the
 * types that it makes values of, each once.
 */
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

static char *
in_words(const char *call)
{
	switch (call[0])
	{
		case CALL_FUNCTION:
			return psprintf("function %s", call_name(call));
		case CALL_OPERATOR:
			return psprintf("operator %s", call_name(call));
		case CALL_CAST:
			return psprintf("the cast of %s", call_name(call));
		default:
			return psprintf("type %s", call_name(call));
	}
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
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", in_words(call));
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
	return nodeToString(list_make3(makeString(resolution_stamp()), calls, makeString(nodeToString(tree))));
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
	int			cache;

	/* of a cast there is its function, or nothing that could be missed */
	if (call[0] == CALL_CAST)
		return;
	cache = call[0] == CALL_FUNCTION ? PROCOID : call[0] == CALL_OPERATOR ? OPEROID : TYPEOID;

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

	if (strcmp(strVal(linitial(parts)), resolution_stamp()) != 0)
		return NULL;
	foreach(lc, stored_calls(parts))
		require_call(lfirst(lc));
	return stringToNode(strVal(lthird(parts)));
}

void
resolution_check(const char *stored, Node *now, const char *what)
{
	List	   *parts = stringToNode(stored);

	compare(stored_calls(parts), find_calls(now), strcmp(strVal(linitial(parts)), resolution_stamp()) != 0, what);
}

List *
resolution_calls(Node *tree)
{
	List	   *calls = NIL;
	ListCell   *lc;

	foreach(lc, find_calls(tree))
	{
		const char *call = lfirst(lc);

		if (call[0] != CALL_TYPE && atooid(call + 2) >= FirstNormalObjectId)
			calls = lappend(calls, lfirst(lc));
	}
	return calls;
}

/* Have both the same name, and differ in what they take at most? */
static bool
are_namesakes(const char *a, const char *b)
{
	const char *end = strrchr(call_name(a), '(');
	size_t		length;

	if (a[0] != b[0] || a[0] == CALL_CAST || end == NULL)
		return false;
	length = end - call_name(a) + 1;
	return strncmp(call_name(a), call_name(b), length) == 0 &&
		strrchr(call_name(b), '(') == call_name(b) + length - 1;
}

/* Is it there still, by the name that it had? */
static bool
still_there(const char *call)
{
	char	   *now = resolution_call(call[0], atooid(call + 2));

	return now != NULL && strcmp(now, call) == 0;
}

/* Those that there were of the name, as words; all, or only those that have gone. */
static char *
describe_namesakes(List *were, const char *call, bool only_gone)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, were)
	{
		if (are_namesakes(lfirst(lc), call) && !(only_gone && still_there(lfirst(lc))))
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", in_words(lfirst(lc)));
	}
	return buf.data;
}

/* The statement that takes it away again. */
static char *
drop_of(const char *call)
{
	switch (call[0])
	{
		case CALL_FUNCTION:
			return psprintf("DROP FUNCTION %s;", call_name(call));
		case CALL_OPERATOR:
			return psprintf("DROP OPERATOR %s;", call_name(call));
		default:
			return psprintf("DROP CAST (%s);", call_name(call));
	}
}

pg_noreturn static void
refuse_newcomer(const char *call, const char *were, bool again, const char *statement, int64 migration)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 again ? errmsg("%s has been made anew since the migration was stated", in_words(call)) :
			 errmsg("the text of a statement means %s now, and when the migration was stated %s", in_words(call),
					were[0] != '\0' ? were : "nothing of the kind"),
			 errdetail("It reads: %s", statement),
			 again ? errhint("SELECT zdm.revert(" INT64_FORMAT "); and state it anew, if that is what it is to mean.", migration) :
			 errhint("%s then SELECT zdm.resume(" INT64_FORMAT "); or, if that is what it is to mean, SELECT zdm.revert(" INT64_FORMAT "); and state it anew.",
					 drop_of(call), migration, migration)));
}

void
resolution_compare(List *known, List *calls, const char *statement, int64 migration)
{
	bool		by_name = known == NIL || strcmp(linitial(known), resolution_stamp()) != 0;
	List	   *were = list_copy_tail(known, 1);
	ListCell   *lc;

	foreach(lc, calls)
	{
		const char *call = lfirst(lc);
		char	   *gone;

		if (!has_call(were, call, by_name) || !has_call(were, call, true))
			refuse_newcomer(call, describe_namesakes(were, call, false), has_call(were, call, true), statement, migration);
		gone = by_name ? pstrdup("") : describe_namesakes(were, call, true);
		if (gone[0] != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the text of a statement means %s now, and when the migration was stated there was %s, too",
							in_words(call), gone),
					 errdetail("It reads: %s", statement),
					 errhint("SELECT zdm.revert(" INT64_FORMAT "); and state it anew, if that is what it is to mean.", migration)));
	}
}
