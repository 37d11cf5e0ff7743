/*-------------------------------------------------------------------------
 *
 * ddl_text.c
 *		What the plans of DDL statements have in common.
 *
 * A statement that is taken apart is never cut from its text: its parts are
 * analyzed by PostgreSQL, with the caller's names, and written out again with
 * every name qualified.  So no later search_path and no renaming can change
 * what a step means.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "ddl/to_change.h"
#include "draft/by_path.h"
#include "draft/ddl_text.h"
#include "draft/deparse.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "compat.h"

/* The worker runs each step in a transaction of its own. */
static FactRelation *
nothing_held(Facts *facts, LOCKMODE *mode)
{
	return NULL;
}

Judgement *
ddl_judge_alone(Facts *facts, const Change *change)
{
	FactRelation *rel = rules_forbidden(facts, change->stmt);

	if (rel != NULL)
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(rel->kind), rel->name);
	return rules_judge(facts, copyObject(change->stmt), change->statement, nothing_held);
}

Judgement *
ddl_judge(Change *change)
{
	Facts	   *facts;
	Judgement  *judgement = change->judgement;

	/* asked once: when the plan is made, the rules would find its own migration */
	if (judgement != NULL)
		return judgement;
	facts = facts_create(true);
	judgement = ddl_judge_alone(facts, change);
	judgement->findings = list_concat(judgement->findings,
									  rules_breaches(facts, judgement->reliances, judgement->findings));
	change->judgement = judgement;
	return judgement;
}

const Finding *
ddl_objection(const Judgement *judgement)
{
	ListCell   *lc;

	foreach(lc, judgement->findings)
	{
		Finding    *finding = lfirst(lc);

		if (finding->unsafe)
			return finding;
	}
	return NULL;
}

void
ddl_refuse_needed(Change *change)
{
	ListCell   *lc;

	foreach(lc, ddl_judge(change)->findings)
	{
		const Finding *finding = lfirst(lc);

		if (strcmp(finding->rule, RULE_MIGRATION) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("%s is needed by a migration", finding->object),
					 errdetail("%s", finding->detail),
					 errhint("%s", finding->hint)));
	}
}

void
ddl_refuse(const Finding *finding)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() knows no safe way for this statement (%s)", finding->rule),
			 finding->detail ? errdetail("%s", finding->detail) : 0,
			 finding->hint ? errhint("%s", finding->hint) : 0));
}

void
ddl_refuse_breach(Change *change)
{
	ListCell   *lc;

	foreach(lc, ddl_judge(change)->findings)
	{
		const Finding *finding = lfirst(lc);

		if (finding->unsafe && finding->breach != NULL && !finding->mended)
			ddl_refuse(finding);
	}
}

bool
ddl_is_empty(Oid relid)
{
	Facts	   *facts = facts_create(true);

	return facts_tree_blocks(facts, facts_by_oid(facts, relid)) == 0;
}

List *
ddl_search_path(void)
{
	List	   *schemas = NIL;
	ListCell   *lc;

	foreach(lc, fetch_search_path(false))
	{
		char	   *schema = get_namespace_name(lfirst_oid(lc));

		if (schema != NULL && !isAnyTempNamespace(lfirst_oid(lc)))
			schemas = lappend(schemas, schema);
	}
	return schemas;
}

List *
ddl_session_formats(const char *statement)
{
	static const char *const names[] = {"DateStyle", "IntervalStyle", "TimeZone"};
	List	   *formats = NIL;

	if (strchr(statement, '\'') == NULL || strpbrk(statement, "0123456789") == NULL)
		return NIL;
	for (int i = 0; i < lengthof(names); i++)
		formats = lappend(lappend(formats, pstrdup(names[i])), pstrdup(GetConfigOption(names[i], false, false)));
	return formats;
}

char *
ddl_own_name(const MigrationPlan *plan, const char *base)
{
	return sql_own_name(plan->migration, base);
}

List *
ddl_column(Oid relid, const char *name)
{
	AttrNumber	attnum = get_attnum(relid, name);

	return attnum == InvalidAttrNumber ? expression_text(quote_identifier(name)) : expression_column(attnum);
}

char *
ddl_column_list(List *names)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "(", quote_identifier(strVal(lfirst(lc))));
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

List *
ddl_columns(Oid relid, List *names)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, names)
		columns = lappend(columns, ddl_column(relid, strVal(lfirst(lc))));
	return expression_join(columns, ", ");
}

List *
ddl_strings(List *names)
{
	List	   *strings = NIL;
	ListCell   *lc;

	foreach(lc, names)
		strings = lappend(strings, strVal(lfirst(lc)));
	return strings;
}

/* Parse state over one table's columns. */
static ParseState *
parse_state(Relation rel, const char *source)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;

	pstate->p_sourcetext = source;
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	return pstate;
}

static Node *
analyze(Relation rel, Node *raw, const char *source, ParseExprKind kind, Oid type, int32 typmod)
{
	ParseState *pstate = parse_state(rel, source);
	Node	   *expr = transformExpr(pstate, copyObject(raw), kind);

	if (OidIsValid(type))
	{
		Oid			given = exprType(expr);

		expr = coerce_to_target_type(pstate, expr, given, type, typmod,
									 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
		if (expr == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("the expression is of type %s but must be of type %s",
							format_type_be(given), format_type_be(type)),
					 errhint("You will need to rewrite or cast the expression."),
					 parser_errposition(pstate, exprLocation(raw))));
	}
	if (kind == EXPR_KIND_CHECK_CONSTRAINT)
		expr = coerce_to_boolean(pstate, expr, "CHECK");
	if (kind == EXPR_KIND_INDEX_PREDICATE)
		expr = coerce_to_boolean(pstate, expr, "WHERE");
	assign_expr_collations(pstate, expr);
	return expr;
}

List *
ddl_expression(Oid relid, Node *raw, const char *source, ParseExprKind kind,
			   Oid type, int32 typmod, Node **tree)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Identity	saved;
	Node	   *expr;
	List	   *kept;
	int			nestlevel;

	/* the text is the caller's, names are found by his path, and constants are read */
	identity_enter_to_read(&saved);
	expr = analyze(rel, raw, source, kind, type, typmod);
	identity_leave(&saved);

	/* the lock is kept: the table must not go before the plan is stored */
	table_close(rel, NoLock);
	if (tree != NULL)
		*tree = expr;
	/* a default may be for writers alone, who have a search_path of their own */
	if (kind != EXPR_KIND_COLUMN_DEFAULT)
		by_path_check(expr, identity_of(relid));
	nestlevel = NewGUCNestLevel();
	identity_pin_formats();
	kept = deparse_kept(expr, relid, InvalidAttrNumber, NIL);
	AtEOXact_GUC(false, nestlevel);
	return kept;
}

static void
reading_error_callback(void *arg)
{
	const DdlReading *reading = (const DdlReading *) arg;
	int			position = geterrposition();

	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(reading->text);
	if (reading->argument != NULL)
		errcontext("argument \"%s\"", reading->argument);
}

void
ddl_reading_begin(DdlReading *reading, const char *text, const char *argument)
{
	reading->text = text;
	reading->argument = argument;
	reading->callback.previous = error_context_stack;
	reading->callback.callback = reading_error_callback;
	reading->callback.arg = reading;
	error_context_stack = &reading->callback;
}

void
ddl_reading_end(DdlReading *reading)
{
	error_context_stack = reading->callback.previous;
}

static bool
is_subquery_within(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, SubLink) || raw_expression_tree_walker(node, is_subquery_within, context);
}

void
ddl_refuse_subquery(Node *raw, const char *argument)
{
	if (is_subquery_within(raw, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" must not contain a subquery", argument),
				 errhint("Put the query into a function that is IMMUTABLE or STABLE and has a clause SET search_path, and call that.")));
}

const char *
ddl_fill_argument(const Change *change)
{
	return change->ddl != NULL ? "up" : "fill";
}

Node *
ddl_parse_expression(const char *text, const char *argument)
{
	DdlReading	reading;
	RawStmt    *raw;
	SelectStmt *select;

	ddl_reading_begin(&reading, text, argument);
	raw = linitial_node(RawStmt, raw_parser(text, RAW_PARSE_PLPGSQL_EXPR));
	ddl_reading_end(&reading);
	select = castNode(SelectStmt, raw->stmt);
	if (list_length(select->targetList) != 1 || select->fromClause != NIL ||
		select->whereClause != NULL || select->groupClause != NIL || select->havingClause != NULL ||
		select->sortClause != NIL || select->limitCount != NULL || select->op != SETOP_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("\"%s\" is not an expression", text)));
	return linitial_node(ResTarget, select->targetList)->val;
}

List *
ddl_expression_text(Oid relid, const char *text, const char *argument,
					Oid type, int32 typmod, Node **tree)
{
	Node	   *raw = ddl_parse_expression(text, argument);
	DdlReading	reading;
	List	   *kept;

	ddl_refuse_subquery(raw, argument);
	ddl_reading_begin(&reading, text, argument);
	kept = ddl_expression(relid, raw, text, EXPR_KIND_ALTER_COL_TRANSFORM, type, typmod, tree);
	ddl_reading_end(&reading);
	return kept;
}

AttrNumber
ddl_attribute(Oid relid, const char *name)
{
	AttrNumber	attnum = get_attnum(relid, name);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, get_rel_name(relid))));
	if (attnum < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot alter system column \"%s\"", name)));
	return attnum;
}

char *
ddl_type(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}
