/*-------------------------------------------------------------------------
 *
 * index_spec.c
 *		An index as it is stated, and the steps that build it.
 *
 * It is built CONCURRENTLY under a name that only its migration gives, and gets its
 * own when it is valid.  So an invalid index under that name can only be what an
 * earlier try left behind, and no other is ever touched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/index.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "facts/facts_expr.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

void
index_check_name(Oid namespace, const char *name)
{
	if (OidIsValid(get_relname_relid(name, namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", name)));
}

static bool
is_name_taken(List *taken, const char *name)
{
	ListCell   *lc;

	foreach(lc, taken)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

char *
index_choose_name(Oid relid, const char *columns, const char *label, bool constraint, List **taken)
{
	Oid			namespace = get_rel_namespace(relid);

	for (int n = 0;; n++)
	{
		char	   *name = ChooseRelationName(get_rel_name(relid), columns,
											  n == 0 ? label : psprintf("%s%d", label, n), namespace, constraint);
		char	   *qualified = quote_qualified_identifier(get_namespace_name(namespace), name);

		if (is_name_taken(*taken, qualified))
			continue;
		*taken = lappend(*taken, qualified);
		return name;
	}
}

void
index_append_options(StringInfo buf, const char *prefix, List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		appendStringInfo(buf, "%s%s = %s", lc == list_head(options) ? prefix : ", ",
						 quote_identifier(option->defname),
						 quote_literal_cstr(option->arg ? defGetString(option) : "true"));
	}
	if (options != NIL)
		appendStringInfoChar(buf, ')');
}

static void
check_immutable(Oid relid, Node *tree, const char *what)
{
	if (contain_mutable_functions(facts_simplify(identity_of(relid), tree)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("functions in index %s must be marked IMMUTABLE", what)));
}

/* One key: what it is of, collation, operator class, order. */
static IndexKey *
read_key(Oid relid, const IndexElem *elem, const IndexStmt *stmt, const char *source)
{
	IndexKey   *key = palloc0(sizeof(IndexKey));
	Oid			method = get_index_am_oid(stmt->accessMethod, false);
	StringInfoData buf;
	Oid			type;
	Node	   *tree;

	initStringInfo(&buf);
	if (elem->name != NULL)
	{
		type = get_atttype(relid, get_attnum(relid, elem->name));
		key->expression = ddl_column(relid, elem->name);
	}
	else
	{
		key->expression = expression_format("(%e)", ddl_expression(relid, elem->expr, source, EXPR_KIND_INDEX_EXPRESSION,
																   InvalidOid, -1, &tree));
		check_immutable(relid, tree, "expression");
		type = exprType(tree);
	}

	/* is there one at all?  Of a column that an earlier step adds it is not known. */
	if (OidIsValid(type))
		(void) ResolveOpClass(elem->opclass, type, stmt->accessMethod, method);
	if (elem->collation != NIL)
		key->collation = deparse_collation(get_collation_oid(elem->collation, false));
	if (elem->opclass != NIL || elem->opclassopts != NIL)
	{
		appendStringInfo(&buf, " %s", deparse_opclass(ResolveOpClass(elem->opclass, type, stmt->accessMethod, method)));
		index_append_options(&buf, " (", elem->opclassopts);
	}
	if (elem->ordering == SORTBY_ASC || elem->ordering == SORTBY_DESC)
		appendStringInfoString(&buf, elem->ordering == SORTBY_ASC ? " ASC" : " DESC");
	if (elem->nulls_ordering != SORTBY_NULLS_DEFAULT)
		appendStringInfoString(&buf, elem->nulls_ordering == SORTBY_NULLS_FIRST ?
							   " NULLS FIRST" : " NULLS LAST");
	key->properties = buf.data;
	return key;
}

IndexSpec *
index_spec(const IndexStmt *stmt, const char *source, Oid relid)
{
	IndexSpec  *spec = palloc0(sizeof(IndexSpec));
	StringInfoData with;
	Node	   *predicate;
	ListCell   *lc;

	spec->of = relid;
	spec->unique = stmt->unique;
	spec->nulls_not_distinct = zdm_statement_nulls_not_distinct(stmt);
	spec->method = pstrdup(quote_identifier(stmt->accessMethod));
	foreach(lc, stmt->indexParams)
		spec->keys = lappend(spec->keys, read_key(relid, lfirst_node(IndexElem, lc), stmt, source));
	foreach(lc, stmt->indexIncludingParams)
		spec->included = lappend(spec->included, ddl_column(relid, lfirst_node(IndexElem, lc)->name));
	initStringInfo(&with);
	index_append_options(&with, " WITH (", stmt->options);
	spec->options = with.len > 0 ? with.data : NULL;
	if (stmt->tableSpace != NULL)
		spec->tablespace = pstrdup(quote_identifier(stmt->tableSpace));
	if (stmt->whereClause != NULL)
	{
		spec->predicate = ddl_expression(relid, stmt->whereClause, source, EXPR_KIND_INDEX_PREDICATE,
										 InvalidOid, -1, &predicate);
		check_immutable(relid, predicate, "predicate");
	}
	return spec;
}

void
index_build_step(MigrationPlan *plan, IndexSpec *spec, Oid relid, Oid root, const char *name)
{
	plan_step(plan, &verb_build_index, &(BuildIndexArgs) {
		.relation = relid, .root = root, .name = pstrdup(name), .spec = spec,
	}, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make1_oid(relid), .lock = ShareUpdateExclusiveLock, .work = BUILDS_INDEX,
	});
}

/* IF EXISTS: a partition that was detached before its turn has none. */
void
index_rename_step(MigrationPlan *plan, Oid relid, const char *from, const char *to)
{
	plan_step(plan, &verb_rename_index, &(RenameIndexArgs) {
		.relation = relid, .from = pstrdup(from), .to = pstrdup(to),
		.if_exists = get_rel_relispartition(relid),
	}, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make1_oid(relid), .lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
	});
}

IndexStmt *
index_key_statement(const Constraint *con)
{
	IndexStmt  *stmt = makeNode(IndexStmt);
	ListCell   *lc;

	stmt->unique = true;
	stmt->primary = con->contype == CONSTR_PRIMARY;
	stmt->accessMethod = "btree";
	stmt->options = con->options;
	stmt->tableSpace = con->indexspace;
	foreach(lc, con->keys)
	{
		IndexElem  *elem = makeNode(IndexElem);

		elem->name = strVal(lfirst(lc));
		stmt->indexParams = lappend(stmt->indexParams, elem);
	}
	foreach(lc, con->including)
	{
		IndexElem  *elem = makeNode(IndexElem);

		elem->name = strVal(lfirst(lc));
		stmt->indexIncludingParams = lappend(stmt->indexIncludingParams, elem);
	}
	zdm_copy_nulls_not_distinct(stmt, con);
	return stmt;
}

List *
index_columns(const IndexStmt *stmt)
{
	return names_of_elements(list_concat_copy(stmt->indexParams, stmt->indexIncludingParams));
}
