/*-------------------------------------------------------------------------
 *
 * depend.c
 *		What a migration's expressions call cannot be dropped.
 *
 * Expressions are stored as text, in which PostgreSQL sees no dependency: a
 * function that was dropped would be missed by the next writer.  So it is told
 * that the sync trigger depends on what they call.  The trigger, and not the
 * rows that hold the text, because it is PostgreSQL's own object, and lives
 * exactly as long as the expressions are computed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_trigger.h"
#include "catalog/query.h"
#include "commands/trigger.h"
#include "core/trigger_name.h"
#include "sync/depend.h"
#include "sync/expr.h"
#include "utils/rel.h"
#include "compat.h"

/* The expressions of a migration's pairs on relid, as one list per pair: up, down, and in "numbers" what $0 is. */
static List *
load_expressions(Oid relid, int64 migration, List **numbers)
{
	QuerySession session;
	List	   *expressions = NIL;
	uint64		count;

	*numbers = NIL;
	query_begin(&session);
	count = QUERY("SELECT array_remove(ARRAY[up, down], NULL), new_attnum::int4 FROM zdm.pair "
				  "WHERE migration = $1 AND relid = $2", arg_int8(migration), arg_oid(relid));
	for (uint64 row = 0; row < count; row++)
	{
		expressions = lappend(expressions, query_texts(row, 1));
		*numbers = lappend_int(*numbers, query_int4(row, 2));
	}
	query_end(&session);
	return expressions;
}

void
depend_record(Oid relid, int64 migration)
{
	Relation	rel = table_open(relid, NoLock);
	ObjectAddress trigger;
	List	   *numbers;
	List	   *expressions = load_expressions(relid, migration, &numbers);
	ListCell   *lc;
	ListCell   *number;

	ObjectAddressSet(trigger, TriggerRelationId,
					 get_trigger_oid(relid, trigger_name_find(relid), false));
	forboth(lc, expressions, number, numbers)
	{
		ListCell   *text;

		foreach(text, (List *) lfirst(lc))
			expr_depend(lfirst(text), rel, lfirst_int(number), &trigger);
	}
	table_close(rel, NoLock);
}
