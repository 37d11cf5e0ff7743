/*-------------------------------------------------------------------------
 *
 * owners.c
 *		Does all of a table belong to the role with whose rights it is changed?
 *
 * A migration is done with the rights of one role, and in what belongs to another
 * those are none: its expressions must not be computed over another's rows, and
 * ALTER TABLE of the whole tree would fail at the member.  So it is asked when a
 * change is stated, when a partition is attached, and before each of the great
 * steps, since partitions are made and given away at any time, and so are the views
 * that an exchange makes anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/owners.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "core/errors.h"
#include "core/names.h"
#include "miscadmin.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

static void
refuse(const char *what, const char *alter, Oid member, Oid relid, Oid owner)
{
	char	   *name = pstrdup(quote_identifier(GetUserNameFromId(owner, false)));

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s %s has another owner than %s", what, names_relation(member), names_relation(relid)),
			 errdetail("The work is done with the rights of %s alone.", GetUserNameFromId(owner, false)),
			 errhint("%s %s OWNER TO %s, or GRANT its owner's role to %s.", alter, names_relation(member), name, name)));
}

void
owners_check_view(Oid view, Oid relid, Oid owner)
{
	if (get_rel_relkind(view) == RELKIND_VIEW && !object_ownercheck(RelationRelationId, view, owner))
		refuse("view", "ALTER VIEW", view, relid, owner);
}

void
owners_check(Oid relid, Oid owner)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Oid			member = lfirst_oid(lc);

		if (member != relid && !object_ownercheck(RelationRelationId, member, owner))
			refuse(get_rel_relispartition(member) ? "partition" : "child table", "ALTER TABLE", member, relid, owner);
	}
}
