/*-------------------------------------------------------------------------
 *
 * expr.c
 *		Expressions over the columns of a row: up, down, defaults.
 *
 * Resolving (once, when a change is stated, with the user's names and search
 * path) and compiling (in every session that writes, with a pinned path) are
 * kept apart by what is stored between them: a text, deparsed from the parse tree
 * with a parameter in place of each column, and never made by replacing text; and
 * beside it the tree that the text gave then (core/resolution.h), which is what
 * sessions compile.  An overload, operator or cast made later changes nothing.
 *
 * What is cached for the session is the planned tree.  The executor's state is
 * made anew in each transaction that needs it, and given up when an error left
 * it in use: functions keep things of their own in it that do not outlive a
 * transaction or survive an error.  An expression may write to its own table, and
 * so be evaluated inside itself: each evaluation has a state of its own, and its
 * value is copied out before anything else is run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/resolution.h"
#include "draft/by_path.h"
#include "draft/ddl_text.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rewriteHandler.h"
#include "sync/expr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "compat.h"

/* The executor's state for one evaluation at a time. */
typedef struct ExprRun
{
	struct ExprRun *next;		/* idle: of the same expression; running: the one around it */
	MemoryContext context;		/* of all of this */
	int			nestlevel;		/* of the subtransaction that it runs in */
	ExprState  *state;
	ExprContext *econtext;
} ExprRun;

struct SyncExpr
{
	AttrNumber	copied;			/* just this column, or InvalidAttrNumber */
	Expr	   *tree;			/* planned; NULL for a copy */
	ErrorData  *failure;		/* of compiling it; NULL: it could be */
	ExprActor	actor;
	int16		typlen;			/* of its result */
	bool		typbyval;
	bool		can_fail;
	bool		harmless;		/* needs no other role, nor settings */
	Bitmapset  *inputs;

	/* of one transaction */
	uint64		transaction;
	ExprRun    *idle;
};

/* What a stored expression's numbers mean. */
typedef struct NumberScope
{
	Oid			numbered;
	Relation	rel;
	AttrNumber	new_attnum;
} NumberScope;

static uint64 this_transaction = 1;

/* Evaluations under way, the innermost first. */
static ExprRun *running = NULL;

void
expr_end_transaction(void)
{
	this_transaction++;
	running = NULL;
}

void
expr_abort_subtransaction(void)
{
	int			level = GetCurrentTransactionNestLevel();

	while (running && running->nestlevel >= level)
	{
		ExprRun    *broken_off = running;

		running = broken_off->next;
		MemoryContextDelete(broken_off->context);
	}
}

/* The raw tree of an expression; nothing else is let through. */
static Node *
parse_expression(const char *source, const char *role)
{
	SelectStmt *select;
	ResTarget  *target;
	List	   *raw = raw_parser(source, RAW_PARSE_PLPGSQL_EXPR);

	select = castNode(SelectStmt, linitial_node(RawStmt, raw)->stmt);
	if (list_length(select->targetList) == 1 &&
		!select->distinctClause && !select->fromClause && !select->whereClause &&
		!select->groupClause && !select->havingClause && !select->windowClause &&
		!select->sortClause && !select->limitOffset && !select->limitCount &&
		!select->lockingClause)
	{
		target = linitial_node(ResTarget, select->targetList);
		if (target->name == NULL &&
			!(IsA(target->val, ColumnRef) &&
			  IsA(llast(((ColumnRef *) target->val)->fields), A_Star)))
			return target->val;
	}
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("\"%s\" is not an expression", role),
			 errdetail("It reads: %s", source),
			 errhint("Give one SQL expression over the columns of the row, such as lower(name).")));
}

/* The new column's name means $0. */
static Node *
new_column_hook(ParseState *pstate, ColumnRef *cref)
{
	const ExprColumn *column = pstate->p_ref_hook_state;
	Param	   *param;

	if (list_length(cref->fields) != 1 ||
		strcmp(strVal(linitial(cref->fields)), column->name) != 0)
		return NULL;
	param = makeNode(Param);
	param->paramkind = PARAM_EXTERN;
	param->paramid = EXPR_NEW_COLUMN;
	param->paramtype = column->type;
	param->paramtypmod = column->typmod;
	param->paramcollid = column->collation;
	param->location = cref->location;
	return (Node *) param;
}

/* The attribute that is that number of the relation counted in. */
static Var *
column_of_number(const NumberScope *scope, int number)
{
	AttrNumber	attnum = number;
	Form_pg_attribute att;

	if (number == EXPR_NEW_COLUMN)
		attnum = scope->new_attnum;
	else if (scope->numbered != RelationGetRelid(scope->rel))
	{
		char	   *name = get_attname(scope->numbered, attnum, true);

		attnum = name ? get_attnum(RelationGetRelid(scope->rel), name) : 0;
	}
	if (attnum <= 0 || attnum > RelationGetNumberOfAttributes(scope->rel) ||
		TupleDescAttr(RelationGetDescr(scope->rel), attnum - 1)->attisdropped)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column number %d of table \"%s\" no longer exists",
						number, RelationGetRelationName(scope->rel))));
	att = TupleDescAttr(RelationGetDescr(scope->rel), attnum - 1);
	return makeVar(1, attnum, att->atttypid, att->atttypmod, att->attcollation, 0);
}

static Node *
number_hook(ParseState *pstate, ParamRef *ref)
{
	return (Node *) column_of_number(pstate->p_ref_hook_state, ref->number);
}

/* A parse state in which the columns of rel are known by their bare names. */
static ParseState *
column_scope(Relation rel, const char *source)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;

	pstate->p_sourcetext = source;
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock,
										 NULL, false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	return pstate;
}

static Node *
coerce_to_target(ParseState *pstate, Node *expr, Oid type, int32 typmod,
				 const char *role)
{
	Oid			source_type = exprType(expr);
	Node	   *coerced;

	coerced = coerce_to_target_type(pstate, expr, source_type, type, typmod,
									COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is of type %s but must yield %s", role,
						format_type_be(source_type), format_type_be(type)),
				 errhint("Write an explicit cast in the expression.")));
	assign_expr_collations(pstate, coerced);
	return coerced;
}

/* Refuses columns that a BEFORE trigger cannot read.  Context: the Relation. */
static bool
refuse_columns(Node *node, void *context)
{
	Relation	rel = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		AttrNumber	attnum = ((Var *) node)->varattno;

		if (attnum <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s cannot be used in this expression",
							attnum == 0 ? "the whole row" : "system columns"),
					 errhint("Name the columns that are needed.")));
		if (TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attgenerated)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("generated column \"%s\" cannot be used in this expression",
							NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname)),
					 errdetail("Its value is computed after the row's triggers have fired."),
					 errhint("Use the expression that it is generated from.")));
		return false;
	}
	return expression_tree_walker(node, refuse_columns, context);
}

static Node *
columns_to_numbers(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;
		Param	   *param = makeNode(Param);

		param->paramkind = PARAM_EXTERN;
		param->paramid = var->varattno;
		param->paramtype = var->vartype;
		param->paramtypmod = var->vartypmod;
		param->paramcollid = var->varcollid;
		param->location = -1;
		return (Node *) param;
	}
	return expression_tree_mutator(node, columns_to_numbers, context);
}

/* Deparse so that the pinned search path reads it back the same. */
static char *
deparse_pinned(Node *expr, List *context)
{
	int			nestlevel = NewGUCNestLevel();
	char	   *text;

	identity_pin_reading();
	text = deparse_expression(expr, context, false, false);
	AtEOXact_GUC(false, nestlevel);
	return text;
}

/* Is the text of such a value a matter of DateStyle, IntervalStyle or TimeZone? */
static bool
is_written_by_style(Oid type)
{
	TYPCATEGORY category = TypeCategory(getBaseType(type));

	return category == TYPCATEGORY_DATETIME || category == TYPCATEGORY_TIMESPAN;
}

/* Is the text of such a value the present name of something, which can be renamed? */
static bool
is_written_by_name(Oid type)
{
	switch (getBaseType(type))
	{
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGNAMESPACEOID:
		case REGOPERATOROID:
		case REGOPEROID:
		case REGPROCEDUREOID:
		case REGPROCOID:
		case REGROLEOID:
		case REGTYPEOID:
			return true;
		default:
			return false;
	}
}

/*
 * Dates and times cast to text or from it come out as each writer's session
 * writes them, and names as the catalog has them at the moment: the same row would
 * have two values.
 */
static void
refuse_styles(Oid source, Oid target)
{
	if (is_written_by_name(source) || is_written_by_name(target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the cast from %s to %s depends on what things are called at the moment",
						format_type_be(source), format_type_be(target)),
				 errhint("Let up and down go by the number, such as c::oid::text and c::oid.")));
	if (is_written_by_style(source) || is_written_by_style(target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the cast from %s to %s depends on the settings of each session that writes",
						format_type_be(source), format_type_be(target)),
				 errhint("Give expressions with a fixed format for up and down, such as to_char(c, 'YYYY-MM-DD') and to_date(c, 'YYYY-MM-DD').")));
}

static bool
refuse_styles_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceViaIO))
		refuse_styles(exprType((Node *) ((CoerceViaIO *) node)->arg),
					  ((CoerceViaIO *) node)->resulttype);
	return expression_tree_walker(node, refuse_styles_walker, context);
}

/*
 * STABLE functions of PostgreSQL's own whose result depends on their arguments and
 * on what identity_settings() holds, and on nothing else.
 */
static const char *const fixed_by_settings[] = {
	"anytextcat", "array_to_json", "array_to_string", "concat", "concat_ws", "date", "date_part", "date_trunc",
	"extract", "format", "json_build_array", "json_build_object", "jsonb_build_array",
	"jsonb_build_object", "make_timestamptz", "phraseto_tsquery", "plainto_tsquery",
	"quote_literal", "quote_nullable", "row_to_json", "textanycat", "time", "timestamp",
	"timestamptz", "timetz", "timezone", "to_char", "to_date", "to_json", "to_jsonb", "to_number",
	"to_timestamp", "to_tsquery", "to_tsvector", "websearch_to_tsquery",
};

static bool
type_is_of_time(Oid type)
{
	TYPCATEGORY category = TypeCategory(type);

	return category == TYPCATEGORY_DATETIME || category == TYPCATEGORY_TIMESPAN;
}

static bool
is_fixed_by_settings(const char *name, Form_pg_proc proc)
{
	for (int i = 0; i < lengthof(fixed_by_settings); i++)
	{
		if (strcmp(name, fixed_by_settings[i]) == 0)
			return true;
	}
	/* the operators and casts of dates and times; age() of one is as of today */
	return proc->pronargs > 1 && type_is_of_time(proc->proargtypes.values[0]);
}

/* Context of check_functions_in_node(): what the error calls the expression. */
static bool
refuse_moment(Oid funcid, void *context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	char	   *name = pstrdup(NameStr(proc->proname));
	bool		refused = funcid < FirstNormalObjectId && proc->provolatile == PROVOLATILE_STABLE &&
		get_func_namespace(funcid) == PG_CATALOG_NAMESPACE && !is_fixed_by_settings(name, proc);

	ReleaseSysCache(tuple);
	if (refused)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" must not use %s()", (const char *) context, name),
				 errdetail("Its result depends on the session or the moment: the trigger, the backfill and the verification would compute different values for one row."),
				 errhint("Compute the value from the columns of the row.")));
	return false;
}

/*
 * One row has one value, whoever computes it and when.  The rule: of PostgreSQL's
 * functions those that are IMMUTABLE or listed above; a user's own STABLE function
 * is taken at its word.
 */
static bool
refuse_moments(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" must not use %s", (const char *) context,
						deparse_expression(node, NIL, false, false)),
				 errdetail("Its result depends on the session or the moment: the trigger, the backfill and the verification would compute different values for one row."),
				 errhint("Compute the value from the columns of the row.")));
	/* input and output functions have refuse_styles() */
	if (!IsA(node, CoerceViaIO))
		(void) check_functions_in_node(node, refuse_moment, context);
	return expression_tree_walker(node, refuse_moments, context);
}

char *
expr_resolve(Oid relid, const char *source, const char *role,
			 const ExprColumn *new_column, const ExprColumn *target)
{
	Relation	rel = table_open(relid, AccessShareLock);
	ParseState *pstate = column_scope(rel, source);
	DdlReading	reading;
	Identity	saved;
	Node	   *raw;
	Node	   *expr;
	char	   *stored;

	if (new_column)
	{
		pstate->p_pre_columnref_hook = new_column_hook;
		pstate->p_ref_hook_state = unconstify(ExprColumn *, new_column);
	}

	/* the text is the caller's, names are found by his path, and constants are read */
	identity_enter_to_read(&saved);
	ddl_reading_begin(&reading, source, role);
	raw = parse_expression(source, role);
	ddl_refuse_subquery(raw, role);
	expr = transformExpr(pstate, raw, EXPR_KIND_ALTER_COL_TRANSFORM);
	expr = coerce_to_target(pstate, expr, target->type, target->typmod, role);
	ddl_reading_end(&reading);
	identity_leave(&saved);

	(void) refuse_columns(expr, rel);
	if (contain_volatile_functions(expr))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" must not use volatile functions", role),
				 errdetail("It is computed more than once for a row, and must give the same value each time."),
				 errhint("Use functions that are marked IMMUTABLE or STABLE; or add a column, and fill it with zdm.backfill() under a condition that no filled row meets.")));
	(void) refuse_moments(expr, unconstify(char *, role));
	(void) refuse_styles_walker(expr, NULL);
	by_path_check(expr, rel->rd_rel->relowner);

	identity_enter(rel->rd_rel->relowner, NIL, &saved);
	stored = deparse_pinned(columns_to_numbers(expr, NULL), NIL);
	identity_leave(&saved);
	free_parsestate(pstate);
	table_close(rel, NoLock);
	return stored;
}

char *
expr_cast(AttrNumber number, const ExprColumn *from, const ExprColumn *to,
		  bool allow_explicit)
{
	Oid			source = from->type;
	Oid			target = to->type;
	Oid			function;

	if (source == target && (from->typmod == to->typmod || to->typmod < 0))
		return NULL;
	if (find_coercion_pathway(getBaseType(target), getBaseType(source), COERCION_EXPLICIT,
							  &function) == COERCION_PATH_COERCEVIAIO)
		refuse_styles(source, target);
	if (can_coerce_type(1, &source, &target, COERCION_ASSIGNMENT))
		return psprintf("$%d", number);
	if (allow_explicit && can_coerce_type(1, &source, &target, COERCION_EXPLICIT))
		return psprintf("$%d::%s", number, format_type_be_qualified(target));
	if (!allow_explicit)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" cannot be cast automatically to type %s", from->name, format_type_be(target)),
				 errhint("Give the expression that converts it, by USING or as up: %s::%s, perhaps.",
						 quote_identifier(from->name), format_type_be(target))));
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_COERCE),
			 errmsg("column \"%s\" of type %s cannot be cast to type %s",
					from->name, format_type_be(source), format_type_be(target)),
			 errdetail("That is the way back."),
			 errhint("Give the expression that converts it as down.")));
}

/* The analysed tree of a stored expression, whose numbers "number" knows. */
static Node *
read_stored(const char *stored, ParseParamRefHook number, void *scope, ParseState **pstate)
{
	DdlReading	reading;
	Node	   *expr;

	*pstate = make_parsestate(NULL);
	(*pstate)->p_sourcetext = stored;
	(*pstate)->p_paramref_hook = number;
	(*pstate)->p_ref_hook_state = scope;
	ddl_reading_begin(&reading, stored, NULL);
	expr = transformExpr(*pstate, parse_expression(stored, "stored expression"),
						 EXPR_KIND_ALTER_COL_TRANSFORM);
	ddl_reading_end(&reading);
	return expr;
}

/* $n is what it is in the table that the migration is about; $0 has no number yet. */
typedef struct StatedScope
{
	Relation	rel;
	const ExprColumn *new_column;
} StatedScope;

static Node *
stated_number_hook(ParseState *pstate, ParamRef *ref)
{
	StatedScope *scope = pstate->p_ref_hook_state;
	Param	   *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = ref->number;
	param->location = -1;
	if (ref->number == EXPR_NEW_COLUMN)
	{
		param->paramtype = scope->new_column->type;
		param->paramtypmod = scope->new_column->typmod;
		param->paramcollid = scope->new_column->collation;
	}
	else
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(scope->rel), ref->number - 1);

		param->paramtype = att->atttypid;
		param->paramtypmod = att->atttypmod;
		param->paramcollid = att->attcollation;
	}
	return (Node *) param;
}

char *
expr_resolution(Oid relid, const char *stored, const ExprColumn *new_column, const ExprColumn *target)
{
	Relation	rel;
	StatedScope scope = {.new_column = new_column};
	ParseState *pstate;
	Identity	saved;
	Node	   *expr;
	char	   *resolution;

	if (stored == NULL)
		return NULL;
	scope.rel = rel = table_open(relid, AccessShareLock);
	identity_enter(rel->rd_rel->relowner, NIL, &saved);
	expr = read_stored(stored, stated_number_hook, &scope, &pstate);
	expr = coerce_to_target(pstate, expr, target->type, target->typmod, "stored expression");
	resolution = resolution_write(expr);
	free_parsestate(pstate);
	identity_leave(&saved);
	table_close(rel, NoLock);
	return resolution;
}

/* One pair's expressions, which are about the numbers of its columns, whichever is called how. */
typedef struct PairAgain
{
	int64		id;
	Oid			relid;
	AttrNumber	old_attnum;
	AttrNumber	new_attnum;
	char	   *up;
	char	   *down;
} PairAgain;

static List *
pairs_of(int64 migration)
{
	QuerySession session;
	List	   *pairs = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT id, relid, old_attnum::int, new_attnum::int, up, down FROM zdm.pair "
			  "WHERE migration = $1 AND new_attnum IS NOT NULL", arg_int8(migration));
	for (uint64 row = 0; row < n; row++)
	{
		PairAgain  *pair = palloc(sizeof(PairAgain));

		pair->id = query_int8(row, 1);
		pair->relid = query_oid(row, 2);
		pair->old_attnum = (AttrNumber) query_int4(row, 3);
		pair->new_attnum = (AttrNumber) query_int4(row, 4);
		pair->up = query_text(row, 5);
		pair->down = query_text(row, 6);
		pairs = lappend(pairs, pair);
	}
	query_end(&session);
	return pairs;
}

/* False if somebody has dropped it. */
static bool
column_of(Oid relid, AttrNumber attnum, ExprColumn *column)
{
	column->name = get_attname(relid, attnum, true);
	if (column->name != NULL)
		get_atttypetypmodcoll(relid, attnum, &column->type, &column->typmod, &column->collation);
	return column->name != NULL;
}

void
expr_resolve_again(int64 migration)
{
	ListCell   *lc;

	foreach(lc, pairs_of(migration))
	{
		const PairAgain *pair = lfirst(lc);
		ExprColumn	old;
		ExprColumn	new;

		if (column_of(pair->relid, pair->old_attnum, &old) && column_of(pair->relid, pair->new_attnum, &new))
			(void) QUERY_ONCE("UPDATE zdm.pair SET up_again = $2, down_again = $3 WHERE id = $1", arg_int8(pair->id),
							  arg_text(expr_resolution(pair->relid, pair->up, NULL, &new)),
							  arg_text(expr_resolution(pair->relid, pair->down, &new, &old)));
	}
}

/* Put rel's columns where the numbers are, if they are of the types that they were. */
static Node *
numbers_to_columns(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN)
	{
		Param	   *param = (Param *) node;
		NumberScope *scope = context;
		Var		   *var = column_of_number(scope, param->paramid);

		if (var->vartype != param->paramtype)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of table \"%s\" is of type %s now, and was of type %s when the migration was stated",
							NameStr(TupleDescAttr(RelationGetDescr(scope->rel), var->varattno - 1)->attname),
							RelationGetRelationName(scope->rel), format_type_be(var->vartype),
							format_type_be(param->paramtype)),
					 errhint("Revert the migration, and state it anew.")));
		var->varcollid = param->paramcollid;
		return (Node *) var;
	}
	return expression_tree_mutator(node, numbers_to_columns, context);
}

/*
 * What was stated, over rel's own columns: an analysed tree, with collations.  From
 * its text, if nothing else is left, which *anew tells.
 */
static Node *
read_stated(const ExprStated *stated, NumberScope *scope, bool *anew)
{
	ParseState *pstate;
	Node	   *tree = stated->resolution ? resolution_read(stated->resolution) : NULL;

	*anew = tree == NULL;
	if (tree != NULL)
		return numbers_to_columns(tree, scope);
	tree = read_stored(stated->text, number_hook, scope, &pstate);
	assign_expr_collations(pstate, tree);
	free_parsestate(pstate);
	return tree;
}

char *
expr_readable(Oid relid, const char *stored, AttrNumber new_attnum)
{
	Relation	rel = table_open(relid, AccessShareLock);
	NumberScope scope = {.numbered = relid,.rel = rel,.new_attnum = new_attnum};
	Identity	saved;
	ParseState *pstate;
	Node	   *expr;
	char	   *text;

	identity_enter(rel->rd_rel->relowner, NIL, &saved);
	expr = read_stored(stored, number_hook, &scope, &pstate);
	assign_expr_collations(pstate, expr);
	text = deparse_expression(expr,
							  deparse_context_for(RelationGetRelationName(rel), relid),
							  false, false);
	identity_leave(&saved);
	free_parsestate(pstate);
	table_close(rel, NoLock);
	return text;
}

/* Put the default, the context, in the column's place. */
static Node *
column_to_default(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return copyObject((Node *) context);
	return expression_tree_mutator(node, column_to_default, context);
}

/* For its errors. */
static void
evaluate_once(Node *expr)
{
	EState	   *estate = CreateExecutorState();
	ExprState  *state = ExecPrepareExpr((Expr *) copyObject(expr), estate);
	bool		isnull;

	(void) ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), &isnull);
	FreeExecutorState(estate);
}

char *
expr_of_default(Oid relid, Oid numbered, const char *stored, AttrNumber attnum, bool *reads_others)
{
	Relation	rel = table_open(relid, AccessShareLock);
	NumberScope scope = {.numbered = numbered,.rel = rel,.new_attnum = attnum};
	Bitmapset  *inputs = NULL;
	char	   *text = NULL;
	Identity	saved;
	ParseState *pstate;
	Node	   *value;
	Node	   *expr;

	identity_enter(rel->rd_rel->relowner, NIL, &saved);
	value = build_column_default(rel, attnum);
	expr = read_stored(stored, number_hook, &scope, &pstate);
	pull_varattnos(expr, 1, &inputs);
	*reads_others = !bms_is_subset(inputs, bms_make_singleton(attnum - FirstLowInvalidHeapAttributeNumber));
	if (value != NULL && !*reads_others)
	{
		expr = column_to_default(expr, value);
		assign_expr_collations(pstate, expr);
		/* one that it cannot convert is found now, not by who inserts by default */
		if (!contain_volatile_functions(expr))
			evaluate_once(expr);
		if (!contain_mutable_functions(expr))
			expr = eval_const_expressions(NULL, expr);
		text = deparse_expression(expr, NIL, false, false);
	}
	identity_leave(&saved);
	free_parsestate(pstate);
	table_close(rel, NoLock);
	return text;
}

void
expr_depend_on_calls(const ExprStated *stated, const ObjectAddress *depender)
{
	Node	   *tree = stated->resolution != NULL ? resolution_read(stated->resolution) : NULL;

	/* none: a copy, or what another major version has written */
	if (tree != NULL)
		recordDependencyOnExpr(depender, tree, NIL, DEPENDENCY_NORMAL);
}

void
expr_depend(const ExprStated *stated, Relation rel, AttrNumber new_attnum, const ObjectAddress *depender)
{
	NumberScope scope = {.numbered = RelationGetRelid(rel),.rel = rel,.new_attnum = new_attnum};
	Identity	saved;
	Node	   *expr;
	bool		anew;

	identity_enter(rel->rd_rel->relowner, NIL, &saved);
	expr = read_stated(stated, &scope, &anew);
	recordDependencyOnExpr(depender, columns_to_numbers(expr, NULL), NIL, DEPENDENCY_NORMAL);
	identity_leave(&saved);
}

static bool
never_fails(Oid funcid)
{
	return funcid == F_NOW || funcid == F_INT4_INT2 || funcid == F_INT8_INT2 || funcid == F_INT8_INT4;
}

/* Is there a node that could raise an error?  Few are known not to. */
static bool
node_can_fail(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && never_fails(((FuncExpr *) node)->funcid))
		return expression_tree_walker(node, node_can_fail, context);
	if (!IsA(node, Var) && !IsA(node, RelabelType) && !IsA(node, Const) && !IsA(node, SQLValueFunction))
		return true;
	return expression_tree_walker(node, node_can_fail, context);
}

/*
 * Types of which no value brings code of a user's into play, and whose text does
 * not depend on any setting.
 */
static bool
type_is_harmless(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case BPCHAROID:
		case BITOID:
		case CHAROID:
		case CIDROID:
		case INETOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case JSONBOID:
		case JSONOID:
		case MACADDROID:
		case NAMEOID:
		case NUMERICOID:
		case OIDOID:
		case TEXTOID:
		case UUIDOID:
		case VARBITOID:
		case VARCHAROID:
			return true;
		default:
			return false;
	}
}

/* Context of check_functions_in_node(): stops at one that is not harmless. */
static bool
function_is_not_harmless(Oid funcid, void *context)
{
	HeapTuple	tuple;
	Form_pg_proc proc;
	bool		harmless;

	if (funcid >= FirstGenbkiObjectId)
		return true;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tuple))
		return true;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	harmless = proc->prolang == INTERNALlanguageId &&
		proc->provolatile == PROVOLATILE_IMMUTABLE && !proc->prosecdef &&
		type_is_harmless(proc->prorettype);
	for (int i = 0; i < proc->pronargs && harmless; i++)
		harmless = type_is_harmless(proc->proargtypes.values[i]);
	ReleaseSysCache(tuple);
	return !harmless;
}

/*
 * Can it be run as anybody, under any settings?  The rule: what is harmless is
 * listed, node by node, function by function (PostgreSQL's own, immutable, over
 * types that are listed too); what a later version brings is not among it.
 */
static bool
node_is_not_harmless(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_List:
		case T_Var:
		case T_Const:
		case T_RelabelType:
		case T_BoolExpr:
		case T_BooleanTest:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
			break;
		case T_NullTest:
			/* of a row, it looks into the columns */
			if (((NullTest *) node)->argisrow)
				return true;
			break;
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (check_functions_in_node(node, function_is_not_harmless, context))
				return true;
			break;
		case T_CoerceViaIO:
			if (!type_is_harmless(((CoerceViaIO *) node)->resulttype) ||
				!type_is_harmless(exprType((Node *) ((CoerceViaIO *) node)->arg)))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, node_is_not_harmless, context);
}

SyncExpr *
expr_compile_copy(AttrNumber attnum, MemoryContext context)
{
	SyncExpr   *expr = MemoryContextAllocZero(context, sizeof(SyncExpr));
	MemoryContext caller = MemoryContextSwitchTo(context);

	expr->copied = attnum;
	expr->harmless = true;
	expr->inputs = bms_make_singleton(attnum - FirstLowInvalidHeapAttributeNumber);
	MemoryContextSwitchTo(caller);
	return expr;
}

SyncExpr *
expr_compile_failure(ErrorData *failure, MemoryContext context)
{
	SyncExpr   *expr = MemoryContextAllocZero(context, sizeof(SyncExpr));

	expr->failure = failure;
	expr->can_fail = true;
	return expr;
}

/* The planned form of a tree: to be called as whom it is planned for. */
static SyncExpr *
compile_tree(Node *tree, const ExprActor *actor, MemoryContext context)
{
	Node	   *planned = (Node *) expression_planner((Expr *) tree);
	Node	   *bare = planned;
	MemoryContext caller;
	SyncExpr   *expr;

	while (IsA(bare, RelabelType))
		bare = (Node *) ((RelabelType *) bare)->arg;
	if (IsA(bare, Var))
		return expr_compile_copy(((Var *) bare)->varattno, context);

	caller = MemoryContextSwitchTo(context);
	expr = palloc0(sizeof(SyncExpr));
	expr->tree = copyObject((Expr *) planned);
	expr->actor = *actor;
	get_typlenbyval(exprType(planned), &expr->typlen, &expr->typbyval);
	expr->can_fail = node_can_fail(planned, NULL);
	expr->harmless = !node_is_not_harmless(planned, NULL);
	pull_varattnos(planned, 1, &expr->inputs);
	MemoryContextSwitchTo(caller);
	return expr;
}

SyncExpr *
expr_compile_default(Relation rel, AttrNumber attnum, bool *is_volatile, MemoryContext context)
{
	ExprActor	actor = {.owner = rel->rd_rel->relowner};
	Identity	saved;
	Node	   *tree;
	SyncExpr   *expr = NULL;

	*is_volatile = false;
	identity_enter(actor.owner, NIL, &saved);
	tree = build_column_default(rel, attnum);
	if (tree != NULL && contain_volatile_functions(tree))
		*is_volatile = true;
	else if (tree != NULL)
		expr = compile_tree(tree, &actor, context);
	identity_leave(&saved);
	return expr;
}

SyncExpr *
expr_compile_check(Relation rel, const char *tree, MemoryContext context)
{
	ExprActor	actor = {.owner = rel->rd_rel->relowner};
	Identity	saved;
	SyncExpr   *expr;

	identity_enter(actor.owner, NIL, &saved);
	expr = compile_tree(zdm_expand_virtual(stringToNode(tree), rel), &actor, context);
	identity_leave(&saved);
	return expr;
}

SyncExpr *
expr_compile(const ExprStated *stated, Oid numbered, Relation rel, AttrNumber new_attnum,
			 Form_pg_attribute target, const ExprActor *actor, MemoryContext context)
{
	NumberScope scope = {.numbered = numbered,.rel = rel,.new_attnum = new_attnum};
	Identity	saved;
	ParseState *pstate = make_parsestate(NULL);
	bool		anew;
	Node	   *tree;
	SyncExpr   *expr;

	/* it was written to be read with settings of ours, and is to be run with the actor's */
	identity_enter(actor->owner, NIL, &saved);
	tree = read_stated(stated, &scope, &anew);
	/* which leaves alone what is of the type already */
	tree = coerce_to_target(pstate, tree, target->atttypid, target->atttypmod,
							"stored expression");
	if (anew && stated->resolution != NULL)
		resolution_check(stated->resolution, tree, quote_literal_cstr(stated->text));
	free_parsestate(pstate);
	identity_leave(&saved);

	identity_enter(actor->owner, actor->settings, &saved);
	expr = compile_tree(tree, actor, context);
	identity_leave(&saved);
	return expr;
}

/* Make the executor's state, as the owner: that checks EXECUTE privileges. */
static ExprRun *
make_run(SyncExpr *expr)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "pg_zdm expression",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ExprRun    *run = palloc0(sizeof(ExprRun));
	Identity	saved;

	run->context = context;
	identity_enter(expr->actor.owner, expr->actor.settings, &saved);
	run->state = ExecInitExpr(expr->tree, NULL);
	run->econtext = CreateStandaloneExprContext();
	identity_leave(&saved);
	MemoryContextSwitchTo(caller);
	return run;
}

/* Evaluate in a state that nobody else uses meanwhile. */
static Datum
run_expr(SyncExpr *expr, TupleTableSlot *slot, bool *isnull)
{
	ExprRun    *run;
	Datum		value;

	if (expr->transaction != this_transaction)
	{
		expr->transaction = this_transaction;
		expr->idle = NULL;
	}
	run = expr->idle ? expr->idle : make_run(expr);
	expr->idle = run->next;
	run->next = running;
	run->nestlevel = GetCurrentTransactionNestLevel();
	running = run;

	ResetExprContext(run->econtext);
	run->econtext->ecxt_scantuple = slot;
	value = ExecEvalExprSwitchContext(run->state, run->econtext, isnull);
	if (!*isnull && !expr->typbyval)
		value = datumCopy(value, false, expr->typlen);

	running = run->next;
	run->next = expr->idle;
	expr->idle = run;
	return value;
}

Datum
expr_eval(SyncExpr *expr, TupleTableSlot *slot, bool *isnull)
{
	Identity	saved;
	Datum		value;

	if (expr->copied != InvalidAttrNumber)
		return slot_getattr(slot, expr->copied, isnull);
	if (expr->failure)
		ReThrowError(expr->failure);
	if (expr->harmless)
		return run_expr(expr, slot, isnull);

	identity_enter(expr->actor.owner, expr->actor.settings, &saved);
	value = run_expr(expr, slot, isnull);
	identity_leave(&saved);
	return value;
}

bool
expr_can_fail(const SyncExpr *expr)
{
	return expr->can_fail;
}

AttrNumber
expr_copies(const SyncExpr *expr)
{
	return expr->copied;
}

Bitmapset *
expr_inputs(const SyncExpr *expr)
{
	return expr->inputs;
}
