/*-------------------------------------------------------------------------
 *
 * column.c
 *		A column that is to be replaced: refusing what cannot be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "column/column.h"
#include "core/errors.h"
#include "core/names.h"
#include "facts/facts_expr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

void
column_refuse_at_once(const char *object, Oid relid, const char *column, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s depends on column \"%s\" of %s and cannot be carried to another column",
					object, column, names_relation(relid)),
			 errhint("%s", hint)));
}

/*
 * Several things that are in the way are named together, so that nobody takes one
 * down to learn of the next.
 */
void
column_refuse(const char *object, const Column *column, const char *hint)
{
	if (!column->loading)
		column_refuse_at_once(object, column->relid, column->name, hint);
	((Column *) column)->refused = lappend(lappend(column->refused, pstrdup(object)), pstrdup(hint));
}

void
column_raise_refused(Column *column)
{
	StringInfoData objects;
	StringInfoData hints;

	column->loading = false;
	if (column->refused == NIL)
		return;
	if (list_length(column->refused) == 2)
		column_refuse_at_once(linitial(column->refused), column->relid, column->name,
							  lsecond(column->refused));
	initStringInfo(&objects);
	initStringInfo(&hints);
	for (int i = 0; i < list_length(column->refused); i += 2)
	{
		const char *object = list_nth(column->refused, i);
		const char *hint = list_nth(column->refused, i + 1);
		size_t		length = strlen(object);

		/* what is said of it by the way ends in a comma of its own */
		appendStringInfo(&objects, "%s%.*s", objects.len > 0 ? "; " : "",
						 (int) (length - (object[length - 1] == ',')), object);
		if (strstr(hints.data, hint) == NULL)
			appendStringInfo(&hints, "%s%s", hints.len > 0 ? " " : "", hint);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("these depend on column \"%s\" of %s and cannot be carried to another column: %s",
					column->name, names_relation(column->relid), objects.data),
			 errhint("%s", hints.data)));
}

void
column_check_schema(const Column *column)
{
	Oid			schema = get_rel_namespace(column->relid);
	bool		create = column->indexes != NIL;
	const char *privileges = create ? "USAGE, CREATE" : "USAGE";
	char	   *name = pstrdup(quote_identifier(get_namespace_name(schema)));

	if (object_aclcheck(NamespaceRelationId, schema, column->owner, ACL_USAGE) == ACLCHECK_OK &&
		(!create || object_aclcheck(NamespaceRelationId, schema, column->owner, ACL_CREATE) == ACLCHECK_OK))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the owner of %s needs %s on schema %s", names_relation(column->relid),
					privileges, name),
			 errdetail("The work is done with the rights of the table's owner."),
			 errhint("GRANT %s ON SCHEMA %s TO %s.", privileges, name,
					 quote_identifier(GetUserNameFromId(column->owner, false)))));
}

void
column_check_new_type(const Column *column, Oid type)
{
	if (get_typtype(type) == TYPTYPE_DOMAIN && facts_domain_checked(type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of %s cannot be carried to one of the domain %s, which has constraints",
						column->name, names_relation(column->relid), format_type_be_qualified(type)),
				 errdetail("Adding a second column of that type would rewrite the table."),
				 errhint("Use the domain's base type, and CHECK constraints of the table.")));
}

void
column_check_new_name(Oid relid, const char *name)
{
	ListCell   *lc;

	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("a column name cannot be empty")));
	if (get_attnum(relid, name) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column name \"%s\" conflicts with a system column name", name)));
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (get_attnum(lfirst_oid(lc), name) != InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" already exists",
							name, get_rel_name(lfirst_oid(lc)))));
	}
}
