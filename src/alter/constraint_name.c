/*-------------------------------------------------------------------------
 *
 * constraint_name.c
 *		Names of constraints that are stated.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/alter.h"
#include "catalog/pg_constraint.h"
#include "utils/lsyscache.h"

char *
constraint_name(Oid relid, const char *given, const char *columns, const char *label)
{
	if (given == NULL)
		return ChooseConstraintName(get_rel_name(relid), columns, label,
									get_rel_namespace(relid), NIL);
	if (ConstraintNameIsUsed(CONSTRAINT_RELATION, relid, given))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("constraint \"%s\" for relation \"%s\" already exists",
						given, get_rel_name(relid))));
	return pstrdup(given);
}
