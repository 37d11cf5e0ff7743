/*-------------------------------------------------------------------------
 *
 * index_like.c
 *		The like of an index, on a table that has one column of another type.
 *
 * As ALTER COLUMN TYPE makes it: expressions and the predicate are read anew from
 * their text, so that they call what goes with the new type; where the index has the
 * default operator class, the like has that of the new type; where it has the column's
 * collation, that of the new one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "catalog/folded.h"
#include "catalog/index.h"
#include "catalog/query.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "run/index_like.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The index's statement, analyzed over the other table. */
static IndexStmt *
read_anew(Oid indexid, Relation hidden)
{
	QuerySession session;
	char	   *sql;
	Identity	identity;
	IndexStmt  *stmt;

	query_begin_printing(&session, IndexGetRelation(indexid, false));
	QUERY("SELECT pg_get_indexdef($1)", arg_oid(indexid));
	sql = query_text(0, 1);
	query_end(&session);
	identity_enter(hidden->rd_rel->relowner, NIL, &identity);
	stmt = castNode(IndexStmt, linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT))->stmt);
	stmt->relation = makeRangeVar(get_namespace_name(RelationGetNamespace(hidden)), RelationGetRelationName(hidden), -1);
	stmt = transformIndexStmt(RelationGetRelid(hidden), stmt, sql);
	identity_leave(&identity);
	return stmt;
}

static void
read_expressions(Oid indexid, Relation hidden, IndexInfo *info)
{
	IndexStmt  *stmt = read_anew(indexid, hidden);
	ListCell   *lc;

	info->ii_Expressions = NIL;
	foreach(lc, stmt->indexParams)
	{
		IndexElem  *elem = lfirst_node(IndexElem, lc);

		if (elem->name == NULL)
			info->ii_Expressions = lappend(info->ii_Expressions, elem->expr);
	}
	info->ii_Predicate = make_ands_implicit((Expr *) stmt->whereClause);
}

/* One key: a column, or an expression. */
typedef struct Key
{
	Oid			type;
	Oid			collation;
} Key;

static Key
key_of(Relation rel, AttrNumber attnum, List *expressions, int *expression)
{
	Node	   *tree;

	if (attnum != 0)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);

		return (Key) {att->atttypid, att->attcollation};
	}
	tree = list_nth(expressions, (*expression)++);
	return (Key) {exprType(tree), exprCollation(tree)};
}

static Oid
convert_class(Relation index, Oid class, Oid was, Oid type)
{
	Oid			method = index->rd_rel->relam;
	Oid			found = class;

	if (class == GetDefaultOpClass(was, method))
		found = GetDefaultOpClass(type, method);
	if (!OidIsValid(found) || !IsBinaryCoercible(type, get_opclass_input_type(found)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("index %s does not go with type %s", names_relation(RelationGetRelid(index)), format_type_be(type)),
				 errhint("DROP INDEX %s; and make it again of the new type after the cutover.",
						 names_relation(RelationGetRelid(index)))));
	return found;
}

static Oid
convert_collation(Oid collation, const Key *was, const Key *is)
{
	if (!type_is_collatable(is->type))
		return InvalidOid;
	return OidIsValid(collation) && collation != was->collation ? collation : is->collation;
}

Oid *
index_like_convert(const char *column, Relation index, Relation hidden, IndexInfo *info, Oid *classes)
{
	Relation	source = relation_open(index->rd_index->indrelid, NoLock);
	List	   *were = folded_index_expressions(index);
	Oid		   *collations = palloc0(info->ii_NumIndexAttrs * sizeof(Oid));
	bool		uses = deparse_index_uses(RelationGetRelid(index), get_attnum(RelationGetRelid(source), column));
	int			expression[2] = {0};

	if (uses && (info->ii_Expressions != NIL || info->ii_Predicate != NIL))
		read_expressions(RelationGetRelid(index), hidden, info);
	for (int i = 0; i < info->ii_NumIndexKeyAttrs; i++)
	{
		Key			was = key_of(source, index->rd_index->indkey.values[i], were, &expression[0]);
		Key			is = key_of(hidden, info->ii_IndexAttrNumbers[i], info->ii_Expressions, &expression[1]);

		if (was.type != is.type)
			classes[i] = convert_class(index, classes[i], was.type, is.type);
		collations[i] = convert_collation(index->rd_indcollation[i], &was, &is);
	}
	relation_close(source, NoLock);
	return collations;
}
