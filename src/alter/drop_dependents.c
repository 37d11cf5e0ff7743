/*-------------------------------------------------------------------------
 *
 * drop_dependents.c
 *		What else a drop would take.
 *
 * Contract may come days after the statement.  So what stands in its way is
 * said at once, by name; and CASCADE, which would take what nobody has seen by
 * then, is never run.  The list is that of PostgreSQL: what goes with an object
 * as a part of it (its indexes, its row type, a view's rule) is not told apart
 * from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/drop.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "lib/stringinfo.h"

/*
 * $1, $2, $3: the objects.  "part" is what they are and own; "gone" that, and
 * all that depends on it, however far.
 */
#define DEPENDENTS_SQL \
	"WITH RECURSIVE target AS (SELECT * FROM unnest($1::oid[], $2::oid[], $3::int[]) t (classid, objid, objsubid)), " \
	"part AS (SELECT * FROM target UNION " \
	"  SELECT d.classid, d.objid, d.objsubid FROM part p JOIN pg_depend d ON d.refclassid = p.classid AND d.refobjid = p.objid " \
	"  AND (p.objsubid = 0 OR d.refobjsubid = p.objsubid) WHERE d.deptype IN ('a', 'i', 'P', 'S')), " \
	"gone AS (SELECT * FROM part UNION " \
	"  SELECT x.* FROM gone g, LATERAL (" \
	"    SELECT d.classid, d.objid, d.objsubid FROM pg_depend d WHERE d.refclassid = g.classid AND d.refobjid = g.objid " \
	"    AND (g.objsubid = 0 OR d.refobjsubid = g.objsubid) AND NOT (d.classid = g.classid AND d.objid = g.objid) " \
	"    UNION ALL " \
	"    SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_depend d WHERE d.classid = g.classid AND d.objid = g.objid " \
	"    AND g.objsubid = 0 AND d.deptype = 'i' AND NOT EXISTS (SELECT 1 FROM part p WHERE p.classid = g.classid AND p.objid = g.objid)) x) " \
	"SELECT string_agg(name, ', ' ORDER BY name) FROM (SELECT DISTINCT pg_describe_object(g.classid, g.objid, g.objsubid) AS name FROM gone g " \
	"WHERE NOT EXISTS (SELECT 1 FROM part p WHERE p.classid = g.classid AND p.objid = g.objid AND p.objsubid IN (0, g.objsubid)) " \
	"AND (g.objsubid = 0 OR NOT EXISTS (SELECT 1 FROM gone o WHERE o.classid = g.classid AND o.objid = g.objid AND o.objsubid = 0)) " \
	"AND NOT EXISTS (SELECT 1 FROM pg_depend d JOIN gone o ON o.classid = d.refclassid AND o.objid = d.refobjid AND o.objsubid = 0 " \
	"  WHERE d.classid = g.classid AND d.objid = g.objid AND d.deptype IN ('a', 'i', 'P', 'S'))) x"

static char *
find_dependents(List *addresses)
{
	QuerySession session;
	List	   *classes = NIL;
	List	   *objects = NIL;
	StringInfoData columns;
	char	   *dependents;
	ListCell   *lc;

	initStringInfo(&columns);
	foreach(lc, addresses)
	{
		ObjectAddress *address = lfirst(lc);

		classes = lappend_oid(classes, address->classId);
		objects = lappend_oid(objects, address->objectId);
		appendStringInfo(&columns, "%s%d", columns.len > 0 ? "," : "{", address->objectSubId);
	}
	appendStringInfoChar(&columns, '}');
	query_begin(&session);
	QUERY(DEPENDENTS_SQL, arg_oids(classes), arg_oids(objects), arg_text(columns.data));
	dependents = query_text(0, 1);
	query_end(&session);
	return dependents;
}

void
drop_check_dependents(List *addresses, DropBehavior behavior, const char *what)
{
	char	   *dependents = addresses != NIL ? find_dependents(addresses) : NULL;

	if (behavior == DROP_CASCADE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() does not do CASCADE"),
				 dependents != NULL ?
				 errdetail("Today it would also drop: %s. What it would by the day of contract is not known.", dependents) :
				 errdetail("Nothing depends on %s today; what will by the day of contract is not known.", what),
				 dependents != NULL ?
				 errhint("Drop these first, one by one, each by a migration of its own if applications may use it.") :
				 errhint("Leave CASCADE out.")));
	if (dependents != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop %s because other objects depend on it", what),
				 errdetail("They are: %s.", dependents),
				 errhint("Drop or change them first.")));
}
