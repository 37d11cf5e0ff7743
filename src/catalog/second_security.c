/*-------------------------------------------------------------------------
 *
 * second_security.c
 *		Row-level security of the table that is kept beside another.
 *
 * Its rows are the table's, and from whom policies keep those, these are kept too: by
 * row-level security without any policy, which lets nobody read but the owner and who
 * bypasses it.  That it is nobody's to read is not enough: pg_read_all_data needs no
 * privilege.  It is not forced on the owner, as whom rows are carried over.
 *
 * No table is locked for it, as GRANT locks none: REINDEX CONCURRENTLY has the hidden
 * one for hours, while whoever enables row-level security has everybody wait.  So
 * pg_class is updated by SQL, which keeps out of the way of what the server updates in
 * place there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/second_security.h"
#include "storage/lockdefs.h"
#include "utils/syscache.h"

static bool
has_row_security(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;
	ReleaseSysCache(tuple);
	return result;
}

static void
set_row_security(List *relations, bool on)
{
	(void) QUERY_ONCE("UPDATE pg_class SET relrowsecurity = $2 WHERE oid = ANY ($1)", arg_oids(relations), arg_bool(on));
	CommandCounterIncrement();
}

/* Those of the tree that have none of their own. */
static bool
secure(Second *second)
{
	List	   *open = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(second->hidden, NoLock, NULL))
	{
		if (!has_row_security(lfirst_oid(lc)))
			open = lappend_oid(open, lfirst_oid(lc));
	}
	if (open == NIL)
		return false;
	set_row_security(open, true);
	second->secured = list_concat_unique_oid(second->secured, open);
	return true;
}

bool
second_expose(Second *second)
{
	if (second->secured == NIL)
		return false;
	set_row_security(second->secured, false);
	second->secured = NIL;
	return true;
}

bool
second_secure(Second *second)
{
	return has_row_security(second->relid) ? secure(second) : second_expose(second);
}

/* Not by second_update(): what is void is to stay so. */
void
second_secure_all(void)
{
	ListCell   *lc;

	foreach(lc, second_all())
	{
		Second	   *second = lfirst(lc);

		if (second_secure(second))
			(void) QUERY_ONCE("UPDATE zdm.second SET secured = $2 WHERE migration = $1", arg_int8(second->migration),
							  arg_oids(second->secured));
	}
}
