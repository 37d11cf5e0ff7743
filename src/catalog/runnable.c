/*-------------------------------------------------------------------------
 *
 * runnable.c
 *		Which migrations a worker has to work on, and in which order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/migration.h"
#include "catalog/query.h"

typedef RunnableMigration Row;

static const RowTable runnable =
ROW_TABLE("(SELECT id, owner, state IN ('cutting_over', 'contracting', 'reverting') AS urgent, "
		  "EXISTS (SELECT FROM zdm.step_progress p WHERE p.migration = m.id AND p.waiting_for IS NOT NULL) AS waits, "
		  "row_number() OVER (PARTITION BY owner ORDER BY id) AS turn "
		  "FROM zdm.migration m WHERE NOT paused AND (state IN "
		  "('queued', 'expanding', 'migrating', 'cutting_over', 'contracting', 'reverting') "
		  /* at rest, but a partition has been attached */
		  "OR state IN ('ready', 'switched') AND EXISTS (SELECT FROM zdm.step s "
		  "WHERE s.migration = m.id AND s.phase = 'migrate' AND s.state <> 'done'))) r", RUNNABLE_COLUMNS);

List *
migration_runnable(void)
{
	return ROW_LIST(&runnable, "ORDER BY NOT urgent, waits, turn, id");
}
