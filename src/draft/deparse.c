/*-------------------------------------------------------------------------
 *
 * deparse.c
 *		Expressions, checks and indexes as they can be kept, with one column
 *		replaced by another.
 *
 * Replacing a name in SQL text goes wrong sooner or later: it stands in a
 * string, or in a longer name.  So every column reference is turned into a
 * parameter in the tree, which the server's own deparser prints as $n, with
 * numbers that occur nowhere in the text otherwise; those are then exact to
 * replace.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "draft/deparse.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "compat.h"

/* Parameter numbers begin here, or higher if the text has such a one already. */
#define FIRST_PARAMETER 1000000

static Node *
vars_to_parameters(Node *node, void *context)
{
	int			base = *(int *) context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;
		Param	   *param = makeNode(Param);

		param->paramkind = PARAM_EXTERN;
		param->paramid = base + var->varattno;
		param->paramtype = var->vartype;
		param->paramtypmod = var->vartypmod;
		param->paramcollid = var->varcollid;
		param->location = -1;
		return (Node *) param;
	}
	return expression_tree_mutator(node, vars_to_parameters, context);
}

/* The deparser's text, with names qualified as far as they can be. */
static char *
deparse_qualified(Node *expr, Oid relid)
{
	Identity	saved;
	char	   *text;

	/* printing runs functions of the types that are printed */
	identity_enter(identity_of(relid), NIL, &saved);
	text = deparse_expression(expr, deparse_context_for(get_rel_name(relid), relid),
							  false, false);
	identity_leave(&saved);
	return text;
}

/* The text so far becomes a part. */
static List *
flush(List *parts, StringInfo text)
{
	if (text->len > 0)
		parts = list_concat(parts, expression_text(text->data));
	resetStringInfo(text);
	return parts;
}

static List *
parameters_to_columns(const char *text, int base, AttrNumber from, List *to)
{
	StringInfoData buf;
	const char *p = text;
	List	   *parts = NIL;

	initStringInfo(&buf);
	while (*p)
	{
		char	   *end;
		long		number;

		if (*p == '$' && (number = strtol(p + 1, &end, 10)) > base &&
			number <= base + MaxAttrNumber)
		{
			parts = flush(parts, &buf);
			parts = list_concat(parts, number - base == from ? to : expression_column(number - base));
			p = end;
			continue;
		}
		appendStringInfoChar(&buf, *p++);
	}
	return flush(parts, &buf);
}

List *
deparse_kept(Node *expr, Oid relid, AttrNumber from, List *to)
{
	int			base = FIRST_PARAMETER;
	int			other = 2 * FIRST_PARAMETER;

	/*
	 * $1000001 to $1001600 all begin with $100: if the text has that though its
	 * own parameters begin with $200, take those instead, and so on.
	 */
	while (strstr(deparse_qualified(vars_to_parameters(expr, &other), relid),
				  psprintf("$%d", base / 10000)) != NULL)
	{
		base += FIRST_PARAMETER;
		other += FIRST_PARAMETER;
	}
	return parameters_to_columns(deparse_qualified(vars_to_parameters(expr, &base), relid), base, from, to);
}

/* The trees of an index's expressions (a list) and predicate, or NULL. */
static Node *
index_tree(HeapTuple index_tuple, AttrNumber column)
{
	bool		isnull;
	Datum		tree = SysCacheGetAttr(INDEXRELID, index_tuple, column, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(tree));
}

char *
deparse_collation(Oid collation)
{
	HeapTuple	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	Form_pg_collation form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("collation with OID %u does not exist", collation)));
	form = (Form_pg_collation) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->collnamespace),
									  NameStr(form->collname));
	ReleaseSysCache(tuple);
	return name;
}

char *
deparse_opclass(Oid opclass)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Form_pg_opclass form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("operator class with OID %u does not exist", opclass)));
	form = (Form_pg_opclass) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->opcnamespace),
									  NameStr(form->opcname));
	ReleaseSysCache(tuple);
	return name;
}

/* (name = 'value', ...) of a text[] of "name=value", or nothing. */
static void
append_options(StringInfo buf, const char *prefix, Datum options)
{
	Datum	   *elements;
	int			n;

	if (options == (Datum) 0)
		return;
	deconstruct_array(DatumGetArrayTypeP(options), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *option = TextDatumGetCString(elements[i]);
		char	   *equals = strchr(option, '=');

		*equals = '\0';
		appendStringInfo(buf, "%s%s = %s", i == 0 ? prefix : ", ",
						 quote_identifier(option),
						 quote_literal_cstr(equals + 1));
	}
	if (n > 0)
		appendStringInfoChar(buf, ')');
}

/* What the operators and the collation of a key were chosen for. */
typedef struct KeyType
{
	Oid			type;
	Oid			collation;
} KeyType;

/* One key or included column, without its ordering. */
static List *
index_column(Oid relid, AttrNumber attnum, ListCell **expression, List *expressions,
			 const IndexLike *options, KeyType *key)
{
	Node	   *expr;
	int32		typmod;

	if (attnum != 0)
	{
		get_atttypetypmodcoll(relid, attnum, &key->type, &typmod, &key->collation);
		return attnum == options->from ? options->to : expression_column(attnum);
	}
	expr = lfirst(*expression);
	*expression = lnext(expressions, *expression);
	key->type = exprType(expr);
	key->collation = exprCollation(expr);
	return expression_format("(%e)", deparse_kept(expr, relid, options->from, options->to));
}

/* With another type, what was the type's own is left to be the new one's. */
static char *
key_collation(Relation index, int key, KeyType type, const IndexLike *options)
{
	Oid			collation = index->rd_indcollation[key];

	return !OidIsValid(collation) || (options->retyped && collation == type.collation) ? NULL :
		deparse_collation(collation);
}

/*
 * With another type, what was the default for the old one is left to be the
 * default for the new one.
 */
static char *
key_properties(Relation index, int key, oidvector *opclasses, KeyType type, const IndexLike *options)
{
	Oid			opclass = opclasses->values[key];
	Datum		opclass_options = get_attoptions(RelationGetRelid(index), key + 1);
	int16		order = index->rd_indoption[key];
	StringInfoData buf;

	initStringInfo(&buf);
	if (!options->retyped || opclass_options != (Datum) 0 ||
		opclass != GetDefaultOpClass(type.type, index->rd_rel->relam))
		appendStringInfo(&buf, " %s", deparse_opclass(opclass));
	append_options(&buf, " (", opclass_options);
	if (index->rd_indam->amcanorder)
	{
		appendStringInfoString(&buf, (order & INDOPTION_DESC) ? " DESC" : " ASC");
		appendStringInfoString(&buf, (order & INDOPTION_NULLS_FIRST) ? " NULLS FIRST" : " NULLS LAST");
	}
	return buf.data;
}

static void
read_columns(IndexSpec *spec, Relation index, HeapTuple tuple, const IndexLike *options)
{
	Form_pg_index form = index->rd_index;
	List	   *expressions = (List *) index_tree(tuple, Anum_pg_index_indexprs);
	ListCell   *expression = list_head(expressions);
	bool		isnull;
	oidvector  *opclasses = (oidvector *)
		DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull));

	for (int i = 0; i < form->indnatts; i++)
	{
		KeyType		type;
		List	   *column = index_column(form->indrelid, form->indkey.values[i], &expression,
										  expressions, options, &type);
		IndexKey   *key;

		if (i >= form->indnkeyatts)
		{
			spec->included = lappend(spec->included, column);
			continue;
		}
		key = palloc(sizeof(IndexKey));
		key->expression = column;
		key->collation = key_collation(index, i, type, options);
		key->properties = key_properties(index, i, opclasses, type, options);
		spec->keys = lappend(spec->keys, key);
	}
}

IndexSpec *
deparse_index(Oid indexid, const IndexLike *options)
{
	Relation	index = relation_open(indexid, AccessShareLock);
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	HeapTuple	class_tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	Node	   *predicate = index_tree(tuple, Anum_pg_index_indpred);
	Oid			tablespace = get_rel_tablespace(indexid);
	IndexSpec  *spec = palloc0(sizeof(IndexSpec));
	StringInfoData with;
	Datum		reloptions;
	bool		isnull;

	spec->of = index->rd_index->indrelid;
	spec->unique = index->rd_index->indisunique && !options->not_unique;
	spec->nulls_not_distinct = zdm_nulls_not_distinct(index->rd_index) && !options->not_unique;
	spec->method = pstrdup(quote_identifier(get_am_name(index->rd_rel->relam)));
	read_columns(spec, index, tuple, options);
	initStringInfo(&with);
	reloptions = SysCacheGetAttr(RELOID, class_tuple, Anum_pg_class_reloptions, &isnull);
	append_options(&with, " WITH (", isnull ? (Datum) 0 : reloptions);
	spec->options = with.len > 0 ? with.data : NULL;
	if (OidIsValid(tablespace))
		spec->tablespace = pstrdup(quote_identifier(get_tablespace_name(tablespace)));
	if (predicate != NULL)
		spec->predicate = deparse_kept(predicate, spec->of, options->from, options->to);
	ReleaseSysCache(class_tuple);
	ReleaseSysCache(tuple);
	relation_close(index, AccessShareLock);
	return spec;
}

char *
deparse_bound(PartitionBoundSpec *spec)
{
	int			nestlevel = NewGUCNestLevel();
	char	   *text;

	identity_pin_formats();
	text = deparse_expression((Node *) spec, NIL, false, false);
	AtEOXact_GUC(false, nestlevel);
	return text;
}

bool
deparse_index_uses(Oid indexid, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);
	Bitmapset  *attnums = NULL;
	bool		uses = false;

	for (int i = 0; i < form->indnatts; i++)
		uses |= form->indkey.values[i] == attnum;
	pull_varattnos(index_tree(tuple, Anum_pg_index_indexprs), 1, &attnums);
	pull_varattnos(index_tree(tuple, Anum_pg_index_indpred), 1, &attnums);
	ReleaseSysCache(tuple);
	return uses || bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, attnums);
}
