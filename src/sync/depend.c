/*-------------------------------------------------------------------------
 *
 * depend.c
 *		What a migration's expressions call cannot be dropped.
 *
 * Expressions are stored in tables, where PostgreSQL sees no dependency: a
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

/* An expression, and what $0 is in it. */
typedef struct Depending
{
	ExprStated	stated;
	AttrNumber	new_attnum;
} Depending;

static List *
load_expressions(Oid relid, int64 migration)
{
	QuerySession session;
	List	   *expressions = NIL;
	uint64		count;

	query_begin(&session);
	count = QUERY("SELECT e.text, e.resolution, new_attnum::int4 FROM zdm.pair, "
				  "LATERAL (VALUES (up, up_resolution), (down, down_resolution)) e(text, resolution) "
				  "WHERE migration = $1 AND relid = $2 AND e.text IS NOT NULL",
				  arg_int8(migration), arg_oid(relid));
	for (uint64 row = 0; row < count; row++)
	{
		Depending  *expression = palloc(sizeof(Depending));

		expression->stated.text = query_text(row, 1);
		expression->stated.resolution = query_text(row, 2);
		expression->new_attnum = query_int4(row, 3);
		expressions = lappend(expressions, expression);
	}
	query_end(&session);
	return expressions;
}

void
depend_record(Oid relid, int64 migration)
{
	Relation	rel = table_open(relid, NoLock);
	ObjectAddress trigger;
	ListCell   *lc;

	ObjectAddressSet(trigger, TriggerRelationId,
					 get_trigger_oid(relid, trigger_name_find(relid), false));
	foreach(lc, load_expressions(relid, migration))
	{
		Depending  *expression = lfirst(lc);

		expr_depend(&expression->stated, rel, expression->new_attnum, &trigger);
	}
	table_close(rel, NoLock);
}
