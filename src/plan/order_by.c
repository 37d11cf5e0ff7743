/*-------------------------------------------------------------------------
 *
 * order_by.c
 *		What stands after ORDER BY, read and kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "core/errors.h"
#include "core/expression.h"
#include "ddl/to_change.h"
#include "draft/by_path.h"
#include "draft/ddl_text.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "parser/parser.h"
#include "plan/order_by.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "compat.h"

pg_noreturn static void refuse(const char *text, const char *detail);

static void
refuse(const char *text, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("order_by must be what stands after ORDER BY"),
			 errdetail("%s It reads: %s", detail, text),
			 errhint("Give columns or expressions over them, with commas between: 'customer, created_at DESC'.")));
}

/* The SortBy nodes of the text, which is all that there is. */
static List *
parse(const char *sql, const char *text)
{
	List	   *statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	SelectStmt *select;

	if (list_length(statements) != 1 || !IsA(linitial_node(RawStmt, statements)->stmt, SelectStmt))
		refuse(text, "There is more than that.");
	select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
	if (select->sortClause == NIL || select->limitCount != NULL || select->limitOffset != NULL ||
		select->lockingClause != NIL || select->op != SETOP_NONE)
		refuse(text, "There is more than that.");
	return select->sortClause;
}

static void
check_columns(Node *tree, const char *text)
{
	Bitmapset  *columns = NULL;

	pull_varattnos(tree, 1, &columns);
	if (bms_is_empty(columns))
		refuse(text, "One of its expressions is the same for every row.");
	/* the first of them that is a column of its own is behind the system columns and the row */
	if (bms_next_member(columns, -1) <= InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("order_by cannot go by system columns or the whole row"),
				 errdetail("It reads: %s", text)));
	if (contain_volatile_functions(tree))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("order_by cannot go by a volatile function"),
				 errdetail("It gives another value each time. It reads: %s", text)));
	by_path_refuse_session(tree, "order_by");
}

/* The operator of USING, qualified. */
static char *
using_operator(List *name, Oid type)
{
	Oid			operator = compatible_oper_opid(name, type, type, false);
	List	   *names;
	List	   *types;

	if (!OidIsValid(get_equality_op_for_ordering_op(operator, NULL)))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("operator %s is not a valid ordering operator", strVal(llast(name))),
				 errhint("Ordering operators must be \"<\" or \">\" members of btree operator families.")));
	format_operator_parts(operator, &names, &types, false);
	return psprintf("OPERATOR(%s.%s)", quote_identifier(linitial(names)), (char *) lsecond(names));
}

static List *
read_one(Oid relid, const SortBy *by, const char *sql, const char *text)
{
	Node	   *tree;
	List	   *kept = ddl_expression(relid, by->node, sql, EXPR_KIND_ALTER_COL_TRANSFORM, InvalidOid, -1, &tree);
	const char *way = by->sortby_dir == SORTBY_DESC ? " DESC" : "";
	const char *nulls = by->sortby_nulls == SORTBY_NULLS_FIRST ? " NULLS FIRST" :
		by->sortby_nulls == SORTBY_NULLS_LAST ? " NULLS LAST" : "";
	Oid			less;

	check_columns(tree, text);
	if (by->sortby_dir == SORTBY_USING)
		way = psprintf(" USING %s", using_operator(by->useOp, exprType(tree)));
	else
		get_sort_group_operators(exprType(tree), true, false, false, &less, NULL, NULL, NULL);
	return expression_format("(%e)%s%s", kept, way, nulls);
}

List *
order_by_read(Oid relid, const char *text)
{
	char	   *sql = psprintf("SELECT FROM %s ORDER BY %s", quote_identifier(get_rel_name(relid)), text);
	ErrorContextCallback callback = {
		.previous = error_context_stack,
		.callback = change_error_callback,
		.arg = sql,
	};
	List	   *kept = NIL;
	ListCell   *lc;

	error_context_stack = &callback;
	foreach(lc, parse(sql, text))
		kept = lappend(kept, read_one(relid, lfirst_node(SortBy, lc), sql, text));
	error_context_stack = callback.previous;
	return expression_join(kept, ", ");
}
