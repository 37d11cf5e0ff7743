/*-------------------------------------------------------------------------
 *
 * facts_expr.c
 *		Questions about expressions, put to PostgreSQL's parser and planner.
 *
 * What is volatile, what implies what, and which coercion is a mere relabelling
 * is never guessed: the expression is analyzed and simplified by PostgreSQL,
 * and only the result is looked at.  ALTER TABLE's own test for a rewrite is
 * not exported; facts_needs_rewrite() restates its contract.
 *
 * Simplifying runs code: constant calls of immutable functions, the bodies of
 * SQL functions, the CHECKs of domains.  Who looks at a table must not run what
 * its owner wrote, so it is done as the owner.  What fails then stays as it is:
 * less is known of it, and the statement itself will say why.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "core/attempt.h"
#include "core/identity.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "compat.h"

static Node *
resolve_column(ParseState *pstate, ColumnRef *cref)
{
	FactRelation *rel = (FactRelation *) pstate->p_ref_hook_state;
	Node	   *last = (Node *) llast(cref->fields);
	FactColumn *col;

	if (rel == NULL || !IsA(last, String) || list_length(cref->fields) > 3)
		return NULL;
	Assert(rel->detailed);
	col = facts_column(rel, strVal(last));
	if (col == NULL)
		return NULL;
	return (Node *) makeVar(1, col->attnum, col->type, col->typmod, col->collation, 0);
}

static ParseState *
parse_state(FactRelation *rel)
{
	ParseState *pstate = make_parsestate(NULL);

	pstate->p_pre_columnref_hook = resolve_column;
	pstate->p_ref_hook_state = rel;
	return pstate;
}

Node *
facts_analyze(FactRelation *rel, Node *raw, ParseExprKind kind)
{
	ParseState *pstate = parse_state(rel);
	Node	   *expr = transformExpr(pstate, copyObject(raw), kind);

	assign_expr_collations(pstate, expr);
	return expr;
}

Node *
facts_analyze_as(FactRelation *rel, Node *raw, ParseExprKind kind, Oid type, int32 typmod)
{
	ParseState *pstate = parse_state(rel);
	Node	   *expr = transformExpr(pstate, copyObject(raw), kind);

	expr = coerce_to_target_type(pstate, expr, exprType(expr), type, typmod,
								 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (expr != NULL)
		assign_expr_collations(pstate, expr);
	return expr;
}

typedef struct Simplifying
{
	Oid			owner;
	void		(*work) (struct Simplifying *this);
	Node	   *expr;
	AttrNumber	attnum;
	FactRelation *rel;
	List	   *clauses;
	Node	   *result;
	bool		answer;
} Simplifying;

static void
as_owner(void *arg)
{
	Simplifying *this = (Simplifying *) arg;
	Identity	identity;

	identity_enter(this->owner, NIL, &identity);
	this->work(this);
	identity_leave(&identity);
}

/* False if the owner cannot even simplify it. */
static bool
simplify_as_owner(Simplifying *this)
{
	ErrorData  *error;

	return attempt_run(as_owner, this, ATTEMPT_UNDO, &error);
}

static void
simplify(Simplifying *this)
{
	this->result = (Node *) expression_planner((Expr *) copyObject(this->expr));
}

Node *
facts_simplify(Oid owner, Node *expr)
{
	Simplifying this = {.owner = owner, .work = simplify, .expr = expr};

	return simplify_as_owner(&this) ? this.result : expr;
}

bool
facts_is_volatile(Oid owner, Node *expr)
{
	return contain_volatile_functions(facts_simplify(owner, expr));
}

bool
facts_is_null(Oid owner, Node *expr)
{
	Node	   *simple = facts_simplify(owner, expr);

	return IsA(simple, Const) && ((Const *) simple)->constisnull;
}

bool
facts_is_false(Node *expr)
{
	return IsA(expr, Const) && (((Const *) expr)->constisnull ||
								!DatumGetBool(((Const *) expr)->constvalue));
}

bool
facts_domain_checked(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	bool		checked = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	if (form->typtype == TYPTYPE_DOMAIN)
		checked = form->typnotnull || facts_type_has_constraint(type) ||
			facts_domain_checked(form->typbasetype);
	ReleaseSysCache(tuple);
	return checked;
}

/* What a node that keeps the stored value is wrapped around; NULL if it does not keep it. */
static Node *
inside_relabelling(Node *expr)
{
	if (IsA(expr, RelabelType))
		return (Node *) ((RelabelType *) expr)->arg;
	if (IsA(expr, CoerceToDomain))
	{
		CoerceToDomain *domain = (CoerceToDomain *) expr;

		return facts_domain_checked(domain->resulttype) ? NULL : (Node *) domain->arg;
	}
	if (IsA(expr, FuncExpr))
	{
		FuncExpr   *func = (FuncExpr *) expr;

		if ((func->funcid == F_TIMESTAMPTZ_TIMESTAMP || func->funcid == F_TIMESTAMP_TIMESTAMPTZ) &&
			!TimestampTimestampTzRequiresRewrite())
			return (Node *) linitial(func->args);
	}
	return NULL;
}

/* Whether a domain has constraints is not known without planning them, either. */
static void
look_for_rewrite(Simplifying *this)
{
	Node	   *node;

	simplify(this);
	node = this->result;
	while (node != NULL && !(IsA(node, Var) && ((Var *) node)->varattno == this->attnum))
		node = inside_relabelling(node);
	this->answer = node == NULL;
}

bool
facts_needs_rewrite(Oid owner, Node *expr, AttrNumber attnum)
{
	Simplifying this = {.owner = owner, .work = look_for_rewrite, .expr = expr, .attnum = attnum};

	return !simplify_as_owner(&this) || this.answer;
}

static List *
as_clauses(Node *expr)
{
	Node	   *simple = eval_const_expressions(NULL, copyObject(expr));

	return make_ands_implicit(canonicalize_qual((Expr *) simple, true));
}

static Node *
not_null_test(FactColumn *col)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = (Expr *) makeVar(1, col->attnum, col->type, col->typmod, col->collation, 0);
	test->nulltesttype = IS_NOT_NULL;
	test->argisrow = false;
	test->location = -1;
	return (Node *) test;
}

/* All that is known to hold for every row of the table. */
static List *
known_clauses(FactRelation *rel)
{
	List	   *known = NIL;
	ListCell   *lc;

	foreach(lc, rel->columns)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);

		if (col->notnull && !col->dropped)
			known = lappend(known, not_null_test(col));
	}
	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (con->type == 'c' && con->valid && con->enforced && !con->dropped && con->expr != NULL)
			known = list_concat(known, as_clauses(con->expr));
	}
	return known;
}

static void
prove(Simplifying *this)
{
	List	   *known = known_clauses(this->rel);
	ListCell   *lc;

	/* A CHECK passes on null: only what it proves of "not false" counts. */
	this->answer = true;
	foreach(lc, this->clauses)
		this->answer &= predicate_implied_by(as_clauses((Node *) lfirst(lc)), known, true);
}

bool
facts_proves(FactRelation *rel, List *clauses)
{
	Simplifying this = {.owner = rel->author, .work = prove, .rel = rel, .clauses = clauses};

	Assert(rel->detailed);
	return simplify_as_owner(&this) && this.answer;
}

bool
facts_proves_not_null(FactRelation *rel, FactColumn *col)
{
	return col->notnull || facts_proves(rel, list_make1(not_null_test(col)));
}

typedef struct UsesColumn
{
	AttrNumber	attnum;
} UsesColumn;

static bool
uses_column_walker(Node *node, UsesColumn *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		/* A whole-row reference uses every column. */
		return var->varattno == context->attnum || var->varattno == 0;
	}
	return expression_tree_walker(node, uses_column_walker, context);
}

bool
facts_uses_column(Node *expr, AttrNumber attnum)
{
	UsesColumn	context = {attnum};

	return uses_column_walker(expr, &context);
}

typedef struct MapColumns
{
	FactRelation *from;
	FactRelation *to;
	bool		missing;
} MapColumns;

static Node *
map_columns_mutator(Node *node, MapColumns *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varattno > 0)
	{
		Var		   *var = copyObject((Var *) node);
		FactColumn *from = facts_attribute(context->from, var->varattno);
		FactColumn *to = from ? facts_column(context->to, from->name) : NULL;

		if (to == NULL)
			context->missing = true;
		else
			var->varattno = to->attnum;
		return (Node *) var;
	}
	return expression_tree_mutator(node, map_columns_mutator, context);
}

Node *
facts_map(Node *expr, FactRelation *from, FactRelation *to)
{
	MapColumns	context = {from, to, false};
	Node	   *result = map_columns_mutator(expr, &context);

	return context.missing ? NULL : result;
}

static bool
same_expressions(List *exprs, FactRelation *parent, List *others, FactRelation *child)
{
	Node	   *mapped;

	if (exprs == NIL || others == NIL)
		return exprs == NIL && others == NIL;
	mapped = facts_map((Node *) exprs, parent, child);
	return mapped != NULL && equal(mapped, others);
}

static bool
backs_constraint(FactRelation *rel, FactIndex *idx)
{
	ListCell   *lc;

	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (!con->dropped && con->index != NULL && idx->name != NULL && con->type != 'f' &&
			strcmp(con->index, idx->name) == 0)
			return true;
	}
	return false;
}

static bool
same_operators(const FactIndex *idx, const FactIndex *other)
{
	return idx->operators != NULL && other->operators != NULL && idx->nkeys == other->nkeys &&
		memcmp(idx->operators, other->operators, idx->nkeys * sizeof(Oid)) == 0;
}

/* An index that a constraint owns is only matched by one that a constraint owns. */
bool
facts_index_matches(FactRelation *parent, FactIndex *idx, FactRelation *child, FactIndex *other)
{
	if (other->dropped || idx->am != other->am ||
		idx->unique != other->unique || idx->exclusion != other->exclusion ||
		(idx->exclusion && !same_operators(idx, other)) ||
		idx->nkeys != other->nkeys || idx->ncolumns != other->ncolumns ||
		(backs_constraint(parent, idx) && !backs_constraint(child, other)))
		return false;
	for (int i = 0; i < idx->ncolumns; i++)
	{
		FactColumn *a = facts_attribute(parent, idx->columns[i]);
		FactColumn *b = facts_attribute(child, other->columns[i]);

		if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(a->name, b->name) != 0))
			return false;
		if (i < idx->nkeys &&
			(idx->collations[i] != other->collations[i] ||
			 get_opclass_family(idx->opclasses[i]) != get_opclass_family(other->opclasses[i])))
			return false;
	}
	return same_expressions(idx->exprs, parent, other->exprs, child) &&
		same_expressions(idx->predicate, parent, other->predicate, child);
}
