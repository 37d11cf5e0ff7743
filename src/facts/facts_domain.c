/*-------------------------------------------------------------------------
 *
 * facts_domain.c
 *		What a domain demands, said of a column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "core/identity.h"
#include "facts/facts_catalog.h"
#include "facts/facts_domain.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "compat.h"

static Node *
value_to_parameter(Node *node, void *number)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CoerceToDomainValue))
	{
		CoerceToDomainValue *value = (CoerceToDomainValue *) node;
		Param	   *param = makeNode(Param);

		param->paramkind = PARAM_EXTERN;
		param->paramid = *(int *) number;
		param->paramtype = value->typeId;
		param->paramtypmod = value->typeMod;
		param->paramcollid = value->collation;
		param->location = -1;
		return (Node *) param;
	}
	return expression_tree_mutator(node, value_to_parameter, number);
}

/* A parameter whose number stands nowhere else is exact to replace, which the word VALUE is not. */
static char *
said_of_column(Node *condition, const char *column)
{
	char	   *text = deparse_expression(condition, NIL, false, false);
	int			number = 1000000;
	StringInfoData buf;
	char	   *parameter;
	char	   *found;

	while (strstr(text, parameter = psprintf("$%d", number)) != NULL)
		number++;
	text = deparse_expression(value_to_parameter(condition, &number), NIL, false, false);
	initStringInfo(&buf);
	for (; (found = strstr(text, parameter)) != NULL; text = found + strlen(parameter))
	{
		appendBinaryStringInfo(&buf, text, found - text);
		appendStringInfoString(&buf, quote_identifier(column));
	}
	appendStringInfoString(&buf, text);
	return buf.data;
}

/* The domain's own. */
static List *
own_conditions(Oid type, const char *column)
{
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	List	   *conditions = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(catalog, ConstraintTypidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		tree = heap_getattr(tuple, Anum_pg_constraint_conbin, RelationGetDescr(catalog), &isnull);

		/* NOT NULL is one as well, from 17 on */
		if (!isnull)
			conditions = lappend(conditions, said_of_column(stringToNode(TextDatumGetCString(tree)), column));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return conditions;
}

static List *
all_conditions(Oid type, const char *column)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			base = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		base = ((Form_pg_type) GETSTRUCT(tuple))->typbasetype;
		ReleaseSysCache(tuple);
	}
	if (!OidIsValid(base))
		return NIL;
	return list_concat(all_conditions(base, column), own_conditions(type, column));
}

List *
facts_domain_conditions(Oid type, const char *column)
{
	Identity	identity;
	List	   *conditions;

	/* printing runs functions of the types that are printed */
	identity_enter(facts_type_owner(type), NIL, &identity);
	conditions = all_conditions(type, column);
	identity_leave(&identity);
	return conditions;
}
