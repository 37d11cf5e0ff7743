/*-------------------------------------------------------------------------
 *
 * facts_expr.h
 *		Questions about expressions, put to PostgreSQL's parser and planner.
 *
 * Column names are resolved against FactRelations, so that an expression may
 * use a column which an earlier statement of the text would have made.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_EXPR_H
#define ZDM_FACTS_EXPR_H

#include "facts/facts.h"
#include "parser/parse_node.h"

/*
 * Analyze a raw expression over the columns of "rel" (Vars of varno 1; NULL for
 * none).  Raises what PostgreSQL's parse analysis raises.
 */
extern Node *facts_analyze(FactRelation *rel, Node *raw, ParseExprKind kind);

/* The same, coerced to a type as an assignment would; NULL if it cannot be. */
extern Node *facts_analyze_as(FactRelation *rel, Node *raw, ParseExprKind kind,
							  Oid type, int32 typmod);

/*
 * The analyzed expression as the planner simplifies it, as "owner" (of the table
 * that it belongs to) in a restricted operation; as it is, if that role cannot.
 */
extern Node *facts_simplify(Oid owner, Node *expr);

/* Is it volatile once it is simplified? */
extern bool facts_is_volatile(Oid owner, Node *expr);

/* Is it a constant NULL once it is simplified? */
extern bool facts_is_null(Oid owner, Node *expr);

/* Does the domain, or one that it is over, have constraints?  They are not planned to find out. */
extern bool facts_domain_checked(Oid type);

/* Is it plainly the constant false, or null?  Nothing in it is run to find out. */
extern bool facts_is_false(Node *expr);

/* Must every row be rewritten to turn column "attnum" into this expression? */
extern bool facts_needs_rewrite(Oid owner, Node *expr, AttrNumber attnum);

/*
 * Do the valid constraints and NOT NULLs of "rel" prove all of "clauses", a
 * list of implicitly ANDed expressions over varno 1?  Asked as the owner of "rel".
 */
extern bool facts_proves(FactRelation *rel, List *clauses);

/* Do they prove that the column holds no null? */
extern bool facts_proves_not_null(FactRelation *rel, FactColumn *col);

/* Does the expression use the column? */
extern bool facts_uses_column(Node *expr, AttrNumber attnum);

/* The expression with attribute numbers of "from" turned into those of "to" by name; NULL if one is missing. */
extern Node *facts_map(Node *expr, FactRelation *from, FactRelation *to);

/* Is index "other" of "child" what PostgreSQL would attach to "idx" of "parent"? */
extern bool facts_index_matches(FactRelation *parent, FactIndex *idx,
								FactRelation *child, FactIndex *other);

#endif							/* ZDM_FACTS_EXPR_H */
